"""A mirror whose master is spelled otherwise, or changes: nothing in quarantine is lost, and nothing is quieter.

Bare Bandersnatch runs beside the suite, on the same lab.
"""

from __future__ import annotations

from urllib.parse import urlsplit

import pytest

from bandersnatch_freshness.lab.mirrors import Mirror
from bandersnatch_freshness.lab.server import Lab

from ..conftest import MakeMirror, StartLab
from .cron import HOUR, MINUTE, cron, side_by_side, state
from .observe import SIMPLE, WAYS, is_fresh, needs_simple
from .quarantining import ASIDE, ONE, SEEN, STUCK, in_quarantine


def other_name(lab: Lab) -> str:
    """Return the lab's URL with another name of its host: for the suite, another master."""
    return f"https://localhost:{urlsplit(lab.https_url).port}"


def frozen(mirror: Mirror, lab: Lab) -> None:
    """Run until the mirror goes on without its first project, whose page is stuck."""
    with cron(mirror) as runs:
        runs.run(0)
        lab.behave(STUCK)
        lab.release()
        runs.run(*SEEN[1:], 3 * HOUR, ASIDE + HOUR, ASIDE + HOUR + MINUTE)
    assert in_quarantine(mirror)


@pytest.mark.parametrize("spelling", ["{url}/", "{url}//", "HTTPS://{host}"])
def test_another_spelling_is_no_other_master(spelling: str, start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Everything is remembered, and nothing is said."""
    lab = start_lab("healthy", "pypi", projects=2)
    mirror = make_mirror(lab, "freshness")
    frozen(mirror, lab)
    before = state(mirror)
    mirror.configure(master=spelling.format(url=lab.https_url, host=lab.https_url.removeprefix("https://")))
    with cron(mirror) as runs:
        said = runs.run(ASIDE + 2 * HOUR)
    assert not [line for line in said if "master" in line]
    after = state(mirror)
    assert after["quarantine"]["lab-00"]["required"] == before["quarantine"]["lab-00"]["required"]
    assert after["incidents"].keys() == before["incidents"].keys()
    assert "others" not in after


@pytest.mark.parametrize(
    "master",
    ["https://me:hush@[::1/x", "https://me:hush@host:port/", "ftp://me:hush@host", "me:hush@host", "https://me:hush@/"],
)
def test_a_master_that_is_no_url_ends_the_run_as_without_the_suite(
    master: str, start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """Bandersnatch prints it, password and all; no line of the suite does, nor calls it a fault of its own."""
    lab = start_lab(projects=1)
    bare, mirror = (make_mirror(lab, *plugins, mirror={"master": master}) for plugins in ((), ("freshness",)))
    run, bare_run = mirror.run(), bare.run()
    assert run.returncode == bare_run.returncode
    assert run.output.count("hush") <= bare_run.output.count("hush")
    assert "An error inside" not in run.output


@pytest.mark.parametrize("way", WAYS)
def test_what_is_in_quarantine_needs_what_the_new_master_lists(
    way: dict[str, str], start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """Never just any page: the new one is stale too, for a while."""
    lab = start_lab("healthy", "pypi", projects=3)
    mirror = make_mirror(lab, "freshness", mirror=way)
    frozen(mirror, lab)
    wanted = in_quarantine(mirror)["lab-00"]["required"]
    mirror.configure(master=other_name(lab))
    with cron(mirror) as runs:
        (line,) = [line for line in runs.run(8 * HOUR) if "The master was" in line]
        assert line.startswith("WARNING")
        entry = in_quarantine(mirror)["lab-00"]
        assert (entry["required"], "waiting" in entry) == (wanted, False)
        assert not is_fresh(mirror, lab)
        lab.heal()
        runs.run(9 * HOUR)
    assert in_quarantine(mirror) == {}
    assert mirror.versions("lab-00") == lab.versions("lab-00")
    assert is_fresh(mirror, lab)


def test_what_the_new_master_does_not_list_stays_in_quarantine(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """It may list it again; and what it lists is asked for ever more rarely where a run sees only changes."""
    lab = start_lab("healthy", "pypi", projects=3)
    mirror = make_mirror(lab, "freshness")
    frozen(mirror, lab)
    mirror.configure(master=other_name(lab))
    lab.remove("lab-00")
    with cron(mirror) as runs:
        runs.run(8 * HOUR, 9 * HOUR)
        assert in_quarantine(mirror)["lab-00"]["waiting"] is True
        lab.heal()
        lab.release(["lab-00"])
        runs.run(40 * HOUR)
    assert in_quarantine(mirror) == {}
    assert mirror.versions("lab-00") == lab.versions("lab-00")


@needs_simple
def test_no_list_at_the_new_master_holds_nothing_up(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Bare Bandersnatch has the package on its todo list, for which it needs no index: the suite asks for it too."""
    lab = start_lab("healthy", "pypi", projects=3)
    with side_by_side(make_mirror, lab, mirror=SIMPLE) as (bare, mirror, bare_runs, runs):
        bare_runs.run(0)
        frozen(mirror, lab)
        bare_runs.run(ASIDE + HOUR)
        assert not {"2.0"} & {*bare.versions("lab-00"), *mirror.versions("lab-00")}
    lab.heal()
    lab.behave("index-empty")
    for one in (bare, mirror):
        one.configure(master=other_name(lab))
    with cron(bare) as bare_runs, cron(mirror) as runs:
        bare_runs.run(ASIDE + 8 * HOUR)
        runs.run(ASIDE + 8 * HOUR)
        assert bare.versions("lab-00") == mirror.versions("lab-00") == lab.versions("lab-00")
        assert in_quarantine(mirror)["lab-00"]["waiting"]  # until a list tells
        lab.heal()
        runs.run(ASIDE + 10 * HOUR)
    assert in_quarantine(mirror) == {}
    assert is_fresh(mirror, lab)


@pytest.mark.parametrize("way", WAYS[:1])
def test_two_masters_in_turn(way: dict[str, str], start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """What is known of each comes back; a page stale at both is said in every run, until it is in quarantine."""
    lab = start_lab(projects=3)
    with side_by_side(make_mirror, lab, mirror=way) as (bare, mirror, bare_runs, runs):
        bare_runs.run(0)
        runs.run(0)
    lab.behave(ONE)
    lab.release()
    for number in range(12):
        master = (other_name(lab), lab.https_url)[number % 2]
        mirror.configure(master=master)
        with cron(mirror) as runs:
            runs.run((number + 1) * 2 * HOUR)
            has_asked = "lab-00" not in in_quarantine(mirror)
            assert not has_asked or [line for line in runs.lines if line.startswith("ERROR bandersnatch.")]
        lab.release(["lab-01"])
    with cron(mirror) as runs:
        runs.run(26 * HOUR)
    assert len(state(mirror)["others"]) == 1
    assert "lab-00" in in_quarantine(mirror)
    assert mirror.serial == lab.serial
    with cron(bare) as bare_runs:
        bare_runs.run(26 * HOUR)
    assert bare.serial < lab.serial
    lab.heal()
    with cron(mirror) as runs:
        runs.run(52 * HOUR)
    assert is_fresh(mirror, lab)
    assert in_quarantine(mirror) == {}
