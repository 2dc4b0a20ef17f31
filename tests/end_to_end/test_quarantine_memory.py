"""`freshness_quarantine` where its state can't be written, is lost, or is another master's."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest

from bandersnatch_freshness.lab.origin import Answer
from bandersnatch_freshness.lab.server import Lab

from ..conftest import MakeMirror, StartLab
from .cron import DAY, HOUR, MINUTE, cron, side_by_side
from .observe import is_fresh, pages
from .quarantining import ASIDE, ONE, SEEN, STUCK, freeze, in_quarantine, synced
from .test_memory import fill, make_read_only, small_disk
from .test_origin import FOR_LONG, PURGE_BROKEN


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        pytest.param(
            fill, "can't be written, no more packages go into quarantine: [Errno 28] No space left", id="full"
        ),
        pytest.param(make_read_only, "this run is not remembered: [Errno 30] Read-only file system", id="read-only"),
    ],
)
def test_nothing_is_in_quarantine_that_can_not_be_remembered(
    spoil: Callable[[Path], None],
    reason: str,
    start_stale: Callable[..., Lab],
    make_mirror: MakeMirror,
    tmp_path: Path,
) -> None:
    """The serial waits, as without the suite; once there is room, it goes on."""
    lab = start_stale()
    with small_disk(tmp_path / "disk") as disk:
        mirror = make_mirror(lab, "freshness", options={"state": str(disk / "state.json")})
        with cron(mirror) as runs:
            freeze(runs)
            spoil(disk)
            found = runs.run(ASIDE)
            assert sum(reason in line for line in found) == 1
            assert mirror.serial == 0
            if spoil is fill:
                (disk / "filler").unlink()
                runs.run(ASIDE + MINUTE)
                assert mirror.serial == lab.serial


@pytest.mark.parametrize("loss", ["deleted", "corrupt", "old"])
def test_a_lost_state_loses_nothing(loss: str, start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """What was in quarantine comes back from the second copy, and nothing else is asked for."""
    lab = start_lab(projects=8)
    mirror = make_mirror(lab, "freshness")
    path = mirror.directory / "freshness.json"
    with cron(mirror) as runs:
        runs.run(0)
        backup = path.read_bytes()
        lab.behave(ONE)
        lab.release()
        runs.run(*(HOUR + time for time in SEEN), HOUR + ASIDE, HOUR + ASIDE + MINUTE)
        assert in_quarantine(mirror).keys() == {"lab-00"}
        if loss == "deleted":
            path.unlink()
        else:
            path.write_bytes(backup if loss == "old" else b"{")
        lab.forget()
        found = runs.run(DAY)
        assert in_quarantine(mirror).keys() == {"lab-00"}
        assert pages(lab).keys() == {"lab-00"}
        assert any("lacks packages in quarantine: 1 restored from" in line for line in found)
        lab.heal()
        lab.forget()
        runs.run(DAY + HOUR)
    assert pages(lab) == {"lab-00": 1}
    assert is_fresh(mirror, lab)


@pytest.mark.parametrize("name", ["freshness.json", "freshness.quarantine"])
def test_a_file_that_can_not_be_read_holds_nothing(name: str, start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Here a link that leads to itself: what is in quarantine comes home, as bare Bandersnatch gets it."""
    lab = start_lab(kind="pypi", projects=8, lifetimes=FOR_LONG)
    with side_by_side(make_mirror, lab) as (bare, mirror, bare_runs, runs):
        for one in (bare_runs, runs):
            one.run(0)
        lab.behave(replace(PURGE_BROKEN, every=8))
        lab.release()
        for one in (bare_runs, runs):
            one.run(*(HOUR + time for time in SEEN), HOUR + ASIDE)
        assert in_quarantine(mirror).keys() == {"lab-00"}
        path = mirror.directory / name
        path.unlink()
        path.symlink_to(name)
        lab.heal()
        for one in (bare_runs, runs):
            one.run(DAY, DAY + HOUR)
    assert is_fresh(bare, lab)
    assert is_fresh(mirror, lab)


@pytest.mark.parametrize("how", ["old-backup", "suite-removed-for-a-while"])
def test_a_state_that_lags_the_mirror_downgrades_nothing(
    how: str, start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """It wants a serial that the mirror is past; an edge's old page between the two is not taken for fresh."""
    lab = start_lab(projects=3)
    mirror = make_mirror(lab, "freshness_quarantine")
    path = mirror.directory / "freshness.json"
    with cron(mirror) as runs:
        runs.run(0)
        lab.behave(ONE)
        lab.release(["lab-00"])
        runs.run(*(HOUR + time for time in SEEN), HOUR + ASIDE, HOUR + ASIDE + MINUTE)
    backup = path.read_bytes()
    assert in_quarantine(mirror)
    lab.heal()
    if how == "suite-removed-for-a-while":
        mirror.configure("plugins", enabled="")
    with cron(mirror) as runs:
        lab.release(["lab-00"])
        runs.run(DAY)
        old = lab.page("lab-00")
        lab.release(["lab-00"])
        runs.run(DAY + HOUR)
        assert is_fresh(mirror, lab)
    path.write_bytes(backup)
    lab.plant("lab-00", old)
    mirror.configure("plugins", enabled="\nfreshness_quarantine")
    with cron(mirror) as runs:
        runs.run(2 * DAY)
        assert is_fresh(mirror, lab)
        lab.heal()
        runs.run(3 * DAY)
    assert in_quarantine(mirror) == {}
    assert is_fresh(mirror, lab)


def test_a_new_master_with_a_cached_404_loses_nothing(start_stale: Callable[..., Lab], make_mirror: MakeMirror) -> None:
    """What is owed is asked for in other ways there too."""
    lab = start_stale()
    mirror = make_mirror(lab, "freshness")
    with cron(mirror) as runs:
        freeze(runs)
        runs.run(ASIDE)
    lab.heal()
    lab.plant("lab-00", Answer(404), ["gzip"])
    mirror.configure(master=lab.https_url.replace("127.0.0.1", "localhost"))
    with cron(mirror) as runs:
        runs.run(ASIDE + HOUR)
    assert synced(mirror, lab, "lab-00")
    assert in_quarantine(mirror) == {}


def test_another_master_is_asked_for_what_the_old_one_owed(
    start_stale: Callable[..., Lab], make_mirror: MakeMirror
) -> None:
    """By the serial that it lists itself: none of the old one's means anything there."""
    lab = start_stale(STUCK)
    mirror = make_mirror(lab, "freshness_quarantine")
    with cron(mirror) as runs:
        freeze(runs)
        runs.run(ASIDE)
        assert not synced(mirror, lab, "lab-00")
    mirror.configure(master=lab.https_url.replace("127.0.0.1", "localhost"))
    with cron(mirror) as runs:
        runs.run(ASIDE + HOUR)
        assert not synced(mirror, lab, "lab-00")  # it is behind as well
        lab.heal()
        runs.run(ASIDE + 2 * HOUR)
    assert synced(mirror, lab, "lab-00")
    assert in_quarantine(mirror) == {}
