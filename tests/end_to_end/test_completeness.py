"""A mirror that stands still, whatever the cause: what the suite makes of it, and bare Bandersnatch beside it."""

from __future__ import annotations

import pytest

from bandersnatch_freshness.core.incidents import EDGE, MIRROR
from bandersnatch_freshness.formatting import seconds
from bandersnatch_freshness.lab.behaviours import Behaviour

from ..cli.test_status import command
from ..conftest import MakeMirror, StartLab
from .cron import DAY, HOUR, MINUTE, NOON, cron, levels, side_by_side, state
from .observe import BANDERSNATCH, SIMPLE, is_fresh, needs_simple
from .quarantining import in_quarantine

# Of nine projects that are released, one.
BROKEN = {
    "status 503": "error",
    "no answer in time": "silent",
    "the connection breaks off": "truncated",
    "a body that is no JSON": "garbled",
}


@pytest.mark.parametrize(
    "cause", [pytest.param(cause, marks=[pytest.mark.slow] * (fault == "silent")) for cause, fault in BROKEN.items()]
)
def test_one_broken_page_freezes_nothing(cause: str, start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """It is an incident with its cause, said once a level, and goes into quarantine; bare stands still for ever."""
    lab = start_lab(projects=9)
    broken = Behaviour("the page of one project is broken", every=9, fault=BROKEN[cause])
    with side_by_side(make_mirror, lab, mirror={"timeout": "2"}) as (bare, mirror, bare_runs, runs):
        for one in (bare_runs, runs):
            one.run(0)
        before = lab.serial
        lab.behave(broken)
        lab.release()
        said = runs.run(*range(HOUR, 9 * HOUR, HOUR))
        bare_runs.run(HOUR, 2 * HOUR)
        assert levels([line for line in said if not line.startswith("INFO")]) == ["WARNING"]
        found = state(mirror)["incidents"]
        assert found.keys() == {"lab-00"}
        assert (found["lab-00"]["verdict"], found["lab-00"]["cause"]) == ("failing", f"its page: {cause}")
        assert in_quarantine(mirror).keys() == {"lab-00"}
        assert (mirror.serial, bare.serial) == (lab.serial, before)
        assert seconds(state(mirror)["complete"]) >= NOON + 7 * HOUR
        lab.heal()
        runs.run(DAY)
        bare_runs.run(DAY)
    assert is_fresh(mirror, lab)
    assert is_fresh(bare, lab)
    assert state(mirror)["incidents"] == in_quarantine(mirror) == {}


def test_a_first_sync_that_bare_began_is_counted_in_packages(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Not in serials: by its todo list there is no telling how many it had before."""
    lab = start_lab(Behaviour("the page of one project is broken", every=9, fault="error"), projects=9)
    mirror = make_mirror(lab, "freshness")
    mirror.directory.mkdir(exist_ok=True)
    todo = [str(lab.serial), *(f"{name} {lab.announced(name)}" for name in lab.names[:4])]
    (mirror.directory / "todo").write_text("\n".join(todo))
    (mirror.directory / "generation").write_text("5")
    with cron(mirror) as runs:
        runs.run(0)
    assert "first sync, 3 of 4" in command("status", mirror).stdout


def test_an_outage_does_not_hide_in_a_quarantine(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """It is one incident of the whole edge, which explains that of the mirror; bare comes to the same."""
    lab = start_lab(projects=12)
    with side_by_side(make_mirror, lab) as (bare, mirror, bare_runs, runs):
        for one in (bare_runs, runs):
            one.run(0)
        lab.behave(Behaviour("every page is a 503", fault="error"))
        lab.release()
        said = runs.run(*range(HOUR, 12 * HOUR, HOUR))
        bare_runs.run(HOUR)
        assert levels([line for line in said if not line.startswith("INFO")]) == ["WARNING"]
        found = state(mirror)["incidents"]
        assert found.keys() == {EDGE, MIRROR}
        assert found[EDGE]["cause"] == "its page: status 503"
        assert found[MIRROR]["is_explained"]
        assert in_quarantine(mirror) == {}
        assert mirror.serial == bare.serial
        lab.heal()
        for one in (bare_runs, runs):
            one.run(DAY)
    assert is_fresh(mirror, lab)
    assert state(mirror)["incidents"] == {}


@needs_simple
def test_without_an_index_the_mirror_itself_is_the_incident(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Warning and critical in time, of the mirror alone; bare Bandersnatch ends each run with an error."""
    lab = start_lab(projects=3)
    with side_by_side(make_mirror, lab, mirror=SIMPLE) as (bare, mirror, bare_runs, runs):
        for one in (bare_runs, runs):
            one.run(0)
        before = lab.serial
        lab.behave("index-html")
        lab.release()
        bare_runs.run(HOUR, 2 * HOUR, ended="by an error")
        times = [hour * HOUR for hour in range(1, 30)]
        said = [line for line in runs.run(*times, ended="by an error") if not line.startswith("INFO")]
        assert levels(said) == ["WARNING", "CRITICAL"]
        assert all("the mirror has been incomplete for " in line for line in said)
        assert all("there is no index: it is no JSON" in line for line in said)
        assert state(mirror)["complete"] == "2025-10-16T12:00:00Z"
        assert (mirror.serial, bare.serial) == (before, before)
        lab.heal()
        (ended,) = runs.run(31 * HOUR)
        assert "the mirror is no longer incomplete" in ended
        bare_runs.run(31 * HOUR)
    assert is_fresh(mirror, lab)
    assert is_fresh(bare, lab)


@pytest.mark.skipif(BANDERSNATCH.major < 4, reason="Bandersnatch 3.6 makes no request for that")
@pytest.mark.parametrize("is_refused", [False, True], ids=["answered", "refused"])
def test_a_mirror_that_works_off_its_todo_list_knows_how_far_upstream_has_moved(
    is_refused: bool, start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """By one HEAD of the index an hour, also where that is refused."""
    lab = start_lab(projects=3)
    mirror = make_mirror(lab, "freshness", options={"quarantine_after": "never"})
    with cron(mirror) as runs:
        runs.run(0)
        lab.behave(Behaviour("one page is a 503", every=3, fault="error", refuses_head=is_refused))
        lab.release()
        runs.run(HOUR)
        lab.release()
        lab.forget()
        for number in range(12):
            runs.run(2 * HOUR + number * 5 * MINUTE)
        heads = [asked for asked in lab.requests if asked.method == "HEAD"]
        assert [asked.path for asked in heads] == ["/simple/"]
        assert state(mirror)["upstream"]["serial"] == (0 if is_refused else lab.serial)
        lab.heal()
        runs.run(4 * HOUR, 5 * HOUR)
    assert "upstream" not in state(mirror)
    assert is_fresh(mirror, lab)


def test_what_is_accepted_is_told_no_more(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Until its serials change; a package that is as new as it is to be had is a warning at most."""
    lab = start_lab(projects=3)
    mirror = make_mirror(lab, "freshness")
    with cron(mirror) as runs:
        runs.run(0)
        lab.behave(Behaviour("the origin is one behind", origin_behind=1, every=3))
        lab.release()
        said = runs.run(*range(HOUR, 3 * DAY, HOUR))
        assert levels([line for line in said if not line.startswith("INFO")]) == ["WARNING"]
        assert in_quarantine(mirror)["lab-00"]["synced"] == lab.announced("lab-00") - 1
        done = command("quarantine", mirror, "accept", "lab-00")
        assert (done.returncode, done.stdout) == (0, "Accepted as they are, until their serials change: lab-00\n")
        assert state(mirror)["incidents"] == {}
        assert "accepted" in command("quarantine", mirror, "list").stdout
        assert all(line.startswith("INFO") for line in runs.run(4 * DAY, 5 * DAY))
        assert state(mirror)["incidents"] == {}
        lab.release(["lab-00"])
        runs.run(6 * DAY)
        assert state(mirror)["incidents"].keys() == {"lab-00"}
        assert "accepted" not in in_quarantine(mirror)["lab-00"]


def test_only_what_is_in_quarantine_is_accepted(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """One line says what isn't."""
    mirror = make_mirror(start_lab(projects=1), "freshness")
    mirror.run()
    done = command("quarantine", mirror, "accept", "foo")
    assert (done.returncode, done.stdout) == (1, "")
    assert "not in quarantine: foo" in done.stderr
