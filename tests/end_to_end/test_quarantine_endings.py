"""What `freshness_quarantine` makes of pages that are gone, or that fail otherwise."""

from __future__ import annotations

import shutil
from collections.abc import Callable

import pytest
from packaging.version import Version

from bandersnatch_freshness.lab.behaviours import Behaviour
from bandersnatch_freshness.lab.origin import Answer
from bandersnatch_freshness.lab.server import Lab

from ..conftest import MakeMirror, StartLab
from .cron import HOUR, MINUTE, cron, state
from .observe import BANDERSNATCH, is_fresh
from .quarantining import ASIDE, ONE, SEEN, STUCK, freeze, in_quarantine, others


def test_what_is_gone_leaves(start_stale: Callable[..., Lab], make_mirror: MakeMirror) -> None:
    """A 404, however it is asked for, is the end of it."""
    lab = start_stale()
    mirror = make_mirror(lab, "freshness")
    with cron(mirror) as runs:
        freeze(runs)
        runs.run(ASIDE)
        lab.remove("lab-00")
        found = runs.run(ASIDE + HOUR)
    assert any("lab-00 is no longer stale: it is gone from PyPI" in line for line in found)
    assert in_quarantine(mirror) == state(mirror)["incidents"] == {}
    assert mirror.serial == lab.serial


def test_a_404_from_a_cache_is_no_end(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """A package with a cached 404 in one copy, when it is in quarantine, is cured by another one."""
    lab = start_lab("cached-404", "pypi", projects=3)
    mirror = make_mirror(lab, "freshness")
    with cron(mirror) as runs:
        runs.run(0)
        (name,) = lab.release(["lab-00"])
        lost = f"{name} {lab.serial}\n"
        (mirror.directory / "freshness.quarantine").write_text(lost)
        (mirror.directory / "status").write_text(str(lab.serial))
        runs.run(HOUR)
    assert mirror.versions(name) == lab.versions(name)
    assert in_quarantine(mirror) == {}


@pytest.mark.parametrize("cleans_up", [False, True])
def test_a_404_beside_old_pages_is_no_end(
    cleans_up: bool, start_stale: Callable[..., Lab], make_mirror: MakeMirror
) -> None:
    """Some copies are a 404, another one is the stale page as ever: nothing is gone, and nothing deleted."""
    if cleans_up and Version("8.2") > BANDERSNATCH:
        pytest.skip("delete_missing_packages is new in 8.2")
    lab = start_stale()
    mirror = make_mirror(lab, "freshness", mirror={"delete_missing_packages": "true"} if cleans_up else {})
    with cron(mirror) as runs:
        freeze(runs)
        runs.run(ASIDE)
        had = mirror.versions("lab-00")
        lab.plant("lab-00", Answer(404), ("gzip", "identity", "br"))
        for number in range(1, 8):
            runs.run(ASIDE + number * HOUR)
    assert in_quarantine(mirror).keys() == state(mirror)["incidents"].keys() == {"lab-00"}
    assert mirror.versions("lab-00") == had
    assert (mirror.directory / "web" / "simple" / "lab-00").exists()


def test_a_new_package_that_some_copies_know_nothing_of_is_not_lost(
    start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """A 404 in one copy, and a serial one too low in the others."""
    lab = start_lab(
        Behaviour("both", stuck=frozenset({"gzip"}), new_projects=True, origin_behind=1), "pypi", projects=3
    )
    mirror = make_mirror(lab, "freshness")
    with cron(mirror) as runs:
        runs.run(0)
        (name,) = lab.release(["lab-00"])
        runs.run(*(time + HOUR for time in SEEN))
        assert mirror.serial < lab.serial
        runs.run(HOUR + ASIDE)
    assert mirror.serial == lab.serial
    assert mirror.versions(name) == lab.versions(name)
    assert in_quarantine(mirror).keys() == {name}


@pytest.mark.parametrize("fault", ["error", "reset"])
def test_other_failures_go_into_quarantine_too(fault: str, start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """They stop the serial no longer than a stale page does, in a first sync too."""
    lab = start_lab(Behaviour("one fails otherwise", fault=fault, every=1000), projects=3)
    mirror = make_mirror(lab, "freshness")
    with cron(mirror) as runs:
        runs.run(*SEEN)
        assert (mirror.serial, in_quarantine(mirror)) == (0, {})
        runs.run(ASIDE)
        assert mirror.serial == lab.serial
        assert in_quarantine(mirror).keys() == state(mirror)["incidents"].keys() == {"lab-00"}


def test_what_fails_otherwise_by_now_is_the_same_incident(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """It was stale for ten minutes, and answers 503 ever since: its age goes on."""
    lab = start_lab(projects=3)
    lab.behave(ONE)
    lab.release()
    mirror = make_mirror(lab, "freshness")
    with cron(mirror) as runs:
        runs.run(0, 5 * MINUTE, 10 * MINUTE)
        lab.behave(Behaviour("it fails", fault="error", every=1000))
        runs.run(*(number * HOUR for number in range(1, 6)))
        assert in_quarantine(mirror) == {}
        runs.run(6 * HOUR)
        assert in_quarantine(mirror).keys() == {"lab-00"}
        assert state(mirror)["incidents"]["lab-00"]["verdict"] == "failing"


def test_what_is_in_quarantine_stops_nothing_by_failing_otherwise(
    start_stale: Callable[..., Lab], make_mirror: MakeMirror
) -> None:
    """A 503 when it is asked for again leaves it where it is, and the serial advances."""
    lab = start_stale()
    mirror = make_mirror(lab, "freshness", mirror={"stop-on-error": "true"})
    with cron(mirror) as runs:
        # stop-on-error ends a run by sys.exit
        for time in SEEN:
            runs.run(time, ended="1")
        runs.run(ASIDE)
        lab.behave(Behaviour("it fails", fault="error", every=1000))
        for number in range(1, 4):
            lab.release(others(lab))
            runs.run(ASIDE + number * MINUTE)
            assert mirror.serial == lab.serial
        assert in_quarantine(mirror).keys() == {"lab-00"}


def test_a_fresh_page_that_can_not_be_stored_stays_on_record(
    start_stale: Callable[..., Lab], make_mirror: MakeMirror
) -> None:
    """The mirror goes on without it as before; it is asked for again, and not lost."""
    lab = start_stale(STUCK)
    mirror = make_mirror(lab, "freshness_quarantine")
    with cron(mirror) as runs:
        freeze(runs)
        runs.run(ASIDE)
        lab.heal()
        page = mirror.directory / "web" / "simple" / "lab-00"
        shutil.rmtree(page)
        page.write_text("in the way")
        lab.release(others(lab))
        runs.run(ASIDE + MINUTE)
        assert mirror.serial == lab.serial
        assert in_quarantine(mirror).keys() == {"lab-00"}
        page.unlink()
        runs.run(ASIDE + 2 * MINUTE, ASIDE + 3 * MINUTE)
    assert is_fresh(mirror, lab)
    assert in_quarantine(mirror) == {}
