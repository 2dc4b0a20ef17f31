"""`freshness_escalation`, through the real `bandersnatch` over many runs."""

from __future__ import annotations

import pytest

from bandersnatch_freshness.core.incidents import EDGE, MIRROR
from bandersnatch_freshness.lab.behaviours import Behaviour

from ..conftest import MakeMirror, StartLab
from .cron import DAY, HOUR, MINUTE, ONE_STALE, cron, levels, state
from .observe import BANDERSNATCH, lines, pages

STUCK = frozenset({"gzip", "identity", "deflate", "br"})
ONE_STUCK = Behaviour("all copies of one project stuck", stuck=STUCK, every=3)


@pytest.mark.smoke
def test_the_first_failures_are_quiet(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Bandersnatch's own lines go down to INFO, tracebacks included; of the first attempt to DEBUG. None is lost."""
    lab = start_lab(ONE_STALE, projects=3)
    lab.release(["lab-00"])
    bare = make_mirror(lab).run()
    suite = make_mirror(lab, "freshness_escalation").run()
    said = ["Stale serial for package lab-00 - Attempt 2", "lab-00 ("]
    if BANDERSNATCH.major > 3:
        said.append("Error syncing package: lab-00@")
        assert "StaleMetadata" in suite.output
    for words in said:
        assert len(lines(bare, words)) == len(lines(suite, words)) >= 1
        assert all(" ERROR: " in line for line in lines(bare, words) if "(serial " not in line)
        assert all(" INFO: " in line for line in lines(suite, words))
    assert not [line for line in lines(suite, "ERROR") if "lab-00" in line]
    assert (len(lines(bare, "lab-00 - Attempt 1")), len(lines(suite, "lab-00 - Attempt 1"))) == (1, 0)


@pytest.mark.smoke
def test_what_persists_is_said_once_for_each_level(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """A warning, then critical, then the end; what Bandersnatch says of it is at INFO, then at DEBUG."""
    lab = start_lab(ONE_STALE, projects=3)
    mirror = make_mirror(lab, "freshness", options={"quarantine_after": "never"})
    lab.release(["lab-00"])
    with cron(mirror) as runs:
        assert levels(runs.run(0, 5 * MINUTE)) == ["INFO"]  # by the second run, it is known
        assert not [line for line in runs.lines if line.startswith("ERROR") and "lab-00" in line]
        (warning,) = [line for line in runs.run(HOUR) if not line.startswith("INFO")]
        assert warning.startswith(
            "WARNING bandersnatch.freshness lab-00 has been stale for 1 h, since 2025-10-16T12:00:00Z, in 3 runs: "
            "serial 4869652 wanted, 4869651 got. origin-stale: the origin itself is behind. "
            "Tried: plain 4869651 ("
        )
        assert "strip+cache-bust 4869651 (MISS cache-lab-1)" in warning
        assert "To do: report it to whoever runs it" in warning
        assert runs.run(2 * HOUR) == []
        assert not [line for line in runs.lines if "lab-00@" in line or "Stale serial" in line]
        assert levels(runs.run(DAY)) == ["CRITICAL"]
        assert runs.run(DAY + HOUR) == []
        assert state(mirror)["incidents"]["lab-00"]["level"] == "critical"
        lab.heal()
        (ended,) = runs.run(DAY + 2 * HOUR)
    assert ended == (
        "WARNING bandersnatch.freshness lab-00 is no longer stale: it is fresh again. "
        "It was critical, since 2025-10-16T12:00:00Z"
    )
    assert state(mirror)["incidents"] == {}
    assert mirror.serial == lab.serial


@pytest.mark.parametrize(
    ("behaviour", "expected"),
    [
        pytest.param(ONE_STALE, [9, 7, 7, 7, 7], id="proven"),
        pytest.param(ONE_STUCK, [9, 9, 9, 7, 7], id="unproven"),
    ],
)
def test_a_known_incident_costs_one_climb_and_no_pause(
    behaviour: Behaviour, expected: list[int], start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """Bandersnatch's three attempts are one after a run that proved the origin to be behind, else after three runs."""
    lab = start_lab(behaviour, "pypi", projects=3)
    mirror = make_mirror(lab, "freshness")
    lab.release(["lab-00"])
    with cron(mirror) as runs:
        requests = []
        for number in range(5):
            lab.forget()
            runs.run(number * 30 * MINUTE)
            requests.append(pages(lab)["lab-00"])
    assert requests == expected


@pytest.mark.parametrize(
    ("behaviour", "verdict"),
    [
        pytest.param(
            Behaviour("all copies stuck", stuck=STUCK),
            "unknown",
            id="cached",
        ),
        pytest.param(Behaviour("no serial", serial_header="none", unlabelled=True), "fresh", id="body-counts"),
    ],
)
def test_verdicts_of_an_edge_that_nothing_gets_past(
    behaviour: Behaviour, verdict: str, start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """Copies that agree but come from a cache don't prove that the origin is stale."""
    lab = start_lab(behaviour, "pypi", projects=2)
    mirror = make_mirror(lab, "freshness")
    lab.release()
    mirror.run()
    found = {one["verdict"] for name, one in state(mirror)["incidents"].items() if name != MIRROR}
    assert found == ({verdict} - {"fresh"})


def test_a_package_that_is_gone_ends_its_incident(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Said as such."""
    lab = start_lab(ONE_STALE, projects=3)
    mirror = make_mirror(lab, "freshness")
    lab.release(["lab-00"])
    with cron(mirror) as runs:
        runs.run(0, MINUTE, HOUR)
        lab.remove("lab-00")
        found = runs.run(HOUR + MINUTE)
    assert "lab-00 is no longer stale: it is gone from PyPI" in found[-1]
    assert state(mirror)["incidents"] == {}


def test_most_packages_stale_is_said_once(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """One incident of the edge, with a count and examples."""
    lab = start_lab("purge-broken", "pypi", projects=12)
    mirror = make_mirror(lab, "freshness")
    lab.release()
    with cron(mirror) as runs:
        runs.run(0, MINUTE)
        found = [line for line in runs.run(HOUR) if not line.startswith("INFO")]
    assert len(found) == 1
    assert (
        "most of what was asked for (12 packages, such as lab-00, lab-01, lab-02, lab-03, lab-04) "
        "has been stale for 1 h" in found[0]
    )
    assert state(mirror)["incidents"].keys() == {EDGE, MIRROR}
