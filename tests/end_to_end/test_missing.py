"""Announced packages whose page is a 404, bare Bandersnatch beside the suite."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from bandersnatch_freshness.lab.behaviours import COPIES, Behaviour
from bandersnatch_freshness.lab.mirrors import Mirror
from bandersnatch_freshness.lab.origin import Answer
from bandersnatch_freshness.lab.server import Lab

from ..conftest import MakeMirror, StartLab
from .cron import DAY, HOUR, MINUTE, Cron, cron, side_by_side, state
from .observe import BANDERSNATCH, is_fresh, lines, pages
from .quarantining import ASIDE, ONE, SEEN, freeze, in_quarantine, others, second_copy
from .test_memory import fill, small_disk

NOT_FOUND = Answer(404)
needs_deletion = pytest.mark.skipif(Version("8.2") > BANDERSNATCH, reason="delete_missing_packages is new in 8.2")

GONE = Behaviour("the first project is taken down", gone=True, every=1000)
THIRD = Behaviour("every third project is gone, though announced", gone=True, every=3)


def missing(mirror: Mirror) -> dict[str, Any]:
    """Return the missing packages as the state has them."""
    found: dict[str, Any] = state(mirror).get("missing", {})
    return found


def files(mirror: Mirror) -> list[str]:
    """Return the mirror's release files of the first project."""
    return sorted(path.name for path in (mirror.directory / "web" / "packages").rglob("lab_00*.whl"))


def hide(lab: Lab, name: str) -> None:
    """Put a 404 in the place of every copy of a project's page, past which no request comes."""
    lab.plant(name, NOT_FOUND, COPIES)


def hide_a_release(lab: Lab, *mirrors: Cron) -> None:
    """Run mirrors, release the first project's second version behind a 404 in every copy, and run them again."""
    for one in mirrors:
        one.run(0)
    lab.release(["lab-00"])
    hide(lab, "lab-00")
    for one in mirrors:
        one.run(MINUTE)


@pytest.mark.smoke
def test_a_404_that_every_cache_has_loses_nothing(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """The mirror goes on without it, and has it once there is a page; bare Bandersnatch has lost it."""
    lab = start_lab("healthy", "pypi", projects=3)
    with side_by_side(make_mirror, lab) as (bare, mirror, bare_runs, runs):
        hide_a_release(lab, bare_runs, runs)
        assert mirror.serial == bare.serial == lab.serial
        assert missing(mirror).keys() == {"lab-00"}
        assert state(mirror)["incidents"] == {}
        assert second_copy(mirror) == f"lab-00 {lab.serial} missing\n"
        lab.forget()
        runs.run(*range(5 * MINUTE, HOUR, 5 * MINUTE))
        assert pages(lab) == {}
        runs.run(HOUR + MINUTE)
        assert pages(lab) == {"lab-00": 1}
        lab.heal()
        for one in (bare_runs, runs):
            one.run(2 * HOUR + MINUTE)
    assert is_fresh(mirror, lab)
    assert not is_fresh(bare, lab)
    assert missing(mirror) == {}
    assert second_copy(mirror) == ""


def test_what_is_not_proven_is_asked_for_for_a_week_and_then_believed(
    start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """A dozen requests in all, in other variants by turns; none of them holds up anything."""
    lab = start_lab("healthy", "pypi", projects=3)
    with side_by_side(make_mirror, lab) as (bare, mirror, bare_runs, runs):
        hide_a_release(lab, bare_runs, runs)
        lab.forget()
        runs.run(*(MINUTE + number * HOUR for number in range(1, 8 * 24)))
        assert 10 <= pages(lab)["lab-00"] <= 14
        assert len({asked.header("Accept-Encoding") for asked in lab.requests if "lab-00" in asked.path}) == 3
        lab.forget()
        runs.run(*(8 * DAY + number * HOUR for number in range(3)))
        bare_runs.run(8 * DAY + MINUTE)
        assert pages(lab) == {}
        assert mirror.serial == bare.serial == lab.serial
        assert second_copy(mirror) == ""
        lab.release(["lab-00"])
        lab.heal()
        runs.run(9 * DAY)
    assert is_fresh(mirror, lab)


def test_what_two_lists_do_not_have_is_gone(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Where runs see the whole list; else it is asked for as long as any."""
    if Version("8") > BANDERSNATCH:
        pytest.skip("sees only changes")
    lab = start_lab("healthy", "pypi", projects=30)
    with side_by_side(make_mirror, lab) as (bare, mirror, bare_runs, runs):
        hide_a_release(lab, bare_runs, runs)
        lab.remove("lab-00")
        hide(lab, "lab-00")
        runs.run(HOUR + MINUTE)
        assert not missing(mirror)["lab-00"].get("proven")
        lab.forget()
        runs.run(3 * HOUR)
        bare_runs.run(3 * HOUR)
        assert pages(lab) == {}
        assert missing(mirror)["lab-00"]["proven"]
        assert mirror.serial == bare.serial


@pytest.mark.parametrize("kind", ["cdn", "proxy"])
def test_thousands_that_are_gone_for_good_cost_a_first_sync_next_to_nothing(
    kind: str, start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """One request each where the origin's own 404 shows, one more where it doesn't; and none again."""
    lab = start_lab(THIRD, kind, projects=30)
    bare, mirror = make_mirror(lab), make_mirror(lab, "freshness")
    asked = []
    for one in (mirror, bare):
        lab.forget()
        with cron(one) as runs:
            runs.run(0)
        asked.append(sum(pages(lab).values()))
    assert asked == [30 if kind == "cdn" else 40, 30]
    assert mirror.serial == bare.serial == lab.serial
    assert len(missing(mirror)) == 10
    # A todo list keeps them all as long as one package fails: bare Bandersnatch asks for them in every run.
    lab.plant("lab-01", Answer(500), COPIES)
    for one in (mirror, bare):
        (one.directory / "status").write_text("0")
        lab.forget()
        with cron(one) as runs:
            runs.run(DAY)
            assert {name: pages(lab)[name] for name in lab.names[::3]} == dict.fromkeys(lab.names[::3], 1)
            lab.forget()
            runs.run(DAY + 5 * MINUTE)
        asked.append(sum(pages(lab).values()))
    assert asked[2:] == [1, 11]


def test_in_quarantine_a_404_is_no_end(start_stale: Callable[..., Lab], make_mirror: MakeMirror) -> None:
    """Unless it is proven, or lasts for a week. Bare Bandersnatch, which stood still by then, goes on without it."""
    lab = start_stale(kind="pypi")
    with side_by_side(make_mirror, lab) as (bare, mirror, bare_runs, runs):
        for one in (bare_runs, runs):
            one.run(*SEEN, ASIDE)
        hide(lab, "lab-00")
        bare_runs.run(ASIDE + HOUR)
        said = runs.run(*(ASIDE + number * HOUR for number in range(1, 6)))
        assert in_quarantine(mirror).keys() == state(mirror)["incidents"].keys() == {"lab-00"}
        assert missing(mirror).keys() == {"lab-00"}
        lab.heal()
        said = runs.run(ASIDE + 8 * HOUR)
        bare_runs.run(ASIDE + 8 * HOUR)
    assert not is_fresh(bare, lab)
    assert [line for line in said if "lab-00 is no longer stale: it is fresh again" in line]
    assert is_fresh(mirror, lab)
    assert in_quarantine(mirror) == missing(mirror) == {}


def test_in_quarantine_a_404_of_a_week_is_the_end(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """It is told as one."""
    lab = start_lab("healthy", "pypi", projects=3)
    lab.behave(ONE)
    lab.release()
    mirror = make_mirror(lab, "freshness")
    with cron(mirror) as runs:
        freeze(runs)
        runs.run(ASIDE)
        hide(lab, "lab-00")
        said = runs.run(*(DAY + number * 6 * HOUR for number in range(40)))
    assert len([line for line in said if "lab-00 is no longer stale: it is gone from PyPI" in line]) == 1
    assert in_quarantine(mirror) == state(mirror)["incidents"] == {}


@pytest.mark.parametrize("after", ["stale", "error"])
def test_what_comes_back_otherwise_holds_up_nothing(after: str, start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """A stale page goes into quarantine at once; after an error it is asked for again."""
    lab = start_lab("healthy", "pypi", projects=3)
    with side_by_side(make_mirror, lab) as (bare, mirror, bare_runs, runs):
        old = lab.page("lab-00")
        hide_a_release(lab, bare_runs, runs)
        lab.plant("lab-00", old if after == "stale" else Answer(500), COPIES)
        lab.release(others(lab))
        for one in (bare_runs, runs):
            one.run(2 * HOUR)
        assert mirror.serial == bare.serial == lab.serial
        assert (in_quarantine(mirror) or missing(mirror)).keys() == {"lab-00"}
        lab.heal()
        for one in (bare_runs, runs):
            one.run(4 * HOUR, 8 * HOUR)
    assert not is_fresh(bare, lab)
    assert is_fresh(mirror, lab)
    assert in_quarantine(mirror) == missing(mirror) == {}


def test_the_serial_waits_where_it_can_not_be_saved(
    start_lab: StartLab, make_mirror: MakeMirror, tmp_path: Path
) -> None:
    """The disk is full: as without the suite nothing may pass what is only remembered."""
    lab = start_lab("healthy", "pypi", projects=3)
    with small_disk(tmp_path / "disk") as disk:
        mirror = make_mirror(lab, "freshness", options={"state": str(disk / "state.json")})
        with cron(mirror) as runs:
            runs.run(0)
            before = mirror.serial
            lab.release(["lab-00"])
            hide(lab, "lab-00")
            fill(disk)
            runs.run(MINUTE)
            assert mirror.serial == before
            (disk / "filler").unlink()
            lab.heal()
            runs.run(2 * MINUTE)
    assert is_fresh(mirror, lab)


def test_a_lost_state_loses_nothing_that_is_missing(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """The second copy has it."""
    lab = start_lab("healthy", "pypi", projects=3)
    mirror = make_mirror(lab, "freshness")
    with cron(mirror) as runs:
        hide_a_release(lab, runs)
        (mirror.directory / "freshness.json").unlink()
        lab.heal()
        runs.run(HOUR, 3 * HOUR)
    assert is_fresh(mirror, lab)


def test_without_the_plugin_it_is_bandersnatchs_again(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """By hand, and where no plugin is left that remembers; one that does goes on by itself."""
    lab = start_lab("healthy", "pypi", projects=3)
    mirror = make_mirror(lab, "freshness")
    with cron(mirror) as runs:
        hide_a_release(lab, runs)
    mirror.configure("plugins", enabled="freshness_escalation")
    with cron(mirror) as runs:
        runs.run(2 * MINUTE)
        assert not (mirror.directory / "todo").exists()
        assert missing(mirror).keys() == {"lab-00"}
    mirror.configure("plugins", enabled="freshness_encoding")
    lab.heal()
    with cron(mirror) as runs:
        said = runs.run(3 * MINUTE)
    assert [line for line in said if "handed 1 package back" in line]
    assert is_fresh(mirror, lab)


def test_another_master_is_asked_for_what_is_missing(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Once its list has told with which serial."""
    lab = start_lab("healthy", "pypi", projects=3)
    mirror = make_mirror(lab, "freshness")
    with cron(mirror) as runs:
        hide_a_release(lab, runs)
    assert missing(mirror).keys() == {"lab-00"}
    lab.heal()
    mirror.configure(master=lab.https_url.replace("127.0.0.1", "localhost"))
    with cron(mirror) as runs:
        runs.run(2 * MINUTE)
    assert is_fresh(mirror, lab)
    assert missing(mirror) == in_quarantine(mirror) == {}


@needs_deletion
def test_files_are_deleted_after_a_second_proof_only(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """An hour after the first; bare Bandersnatch deletes at once."""
    lab = start_lab(projects=3)
    given = {"delete_missing_packages": "true", "json": "true"}
    with side_by_side(make_mirror, lab, mirror=given) as (bare, mirror, bare_runs, runs):
        for one in (bare_runs, runs):
            one.run(0)
        lab.release()
        lab.behave(GONE)
        for one in (runs, bare_runs):
            one.run(MINUTE)
        assert (files(bare), files(mirror)) == ([], ["lab_00-1.0-py3-none-any.whl"])
        lab.forget()
        runs.run(*range(5 * MINUTE, HOUR, 5 * MINUTE))
        assert files(mirror)
        assert pages(lab) == {}
        lab.heal()  # which purges what is cached
        lab.behave(GONE)
        runs.run(HOUR + MINUTE)
        assert files(mirror) == []
        lab.forget()
        runs.run(3 * HOUR, 2 * DAY)
        assert pages(lab) == {}


@needs_deletion
@pytest.mark.parametrize("option", ["delete_missing_packages", "cleanup_todo"])
def test_a_cached_404_deletes_nothing(option: str, start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Bare Bandersnatch deletes files of a project that is alive."""
    lab = start_lab("healthy", "pypi", projects=3)
    with side_by_side(make_mirror, lab, mirror={option: "true", "json": "true"}) as (bare, mirror, bare_runs, runs):
        for one in (bare_runs, runs):
            one.run(0)
        lab.release()
        hide(lab, "lab-00")
        for one in (bare_runs, runs):
            one.run(MINUTE, HOUR, 3 * HOUR)
        assert files(mirror) == ["lab_00-1.0-py3-none-any.whl"]
        assert bool(files(bare)) is (option == "cleanup_todo")
        lab.heal()
        for one in (bare_runs, runs):
            one.run(12 * HOUR)
    assert is_fresh(mirror, lab)
    assert not is_fresh(bare, lab)


def test_what_the_mirrors_filters_drop_is_not_asked_for(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """And no longer on record."""
    lab = start_lab("healthy", "pypi", projects=3)
    mirror = make_mirror(lab, "freshness")
    with cron(mirror) as runs:
        hide_a_release(lab, runs)
    blocklist = "blocklist" if BANDERSNATCH.major > 3 else "blacklist"
    mirror.configure("plugins", enabled=f"\nfreshness\n{blocklist}_project")
    mirror.configure(blocklist, packages="lab-00")
    lab.forget()
    with cron(mirror) as runs:
        runs.run(2 * HOUR)
    assert pages(lab) == {}
    assert missing(mirror) == {}


def test_what_is_said_of_those_that_are_missing_is_short(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """A line for each of the first ones, and one for all others."""
    lab = start_lab("healthy", "pypi", projects=30)
    mirror = make_mirror(lab, "freshness")
    for name in lab.names[:15]:
        hide(lab, name)
    run = mirror.run()
    assert len(lines(run, "is not found, which is not proven")) == 10
    assert len(lines(run, "More pages are not to be had")) == 1
