"""What is remembered of missing packages never holds one that is there again; bare Bandersnatch beside the suite."""

from __future__ import annotations

import json

import pytest

from bandersnatch_freshness.formatting import timestamp

from ..conftest import MakeMirror, StartLab
from .cron import DAY, MINUTE, NOON, side_by_side, state
from .observe import is_fresh
from .test_missing import hide, hide_a_release, missing


@pytest.mark.parametrize("days", [7, 30])
def test_a_week_in_which_nobody_asked_proves_nothing(days: int, start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Runs that are a week apart, or a month, ask each time until it is there."""
    lab = start_lab("healthy", "pypi", projects=3)
    with side_by_side(make_mirror, lab) as (bare, mirror, bare_runs, runs):
        hide_a_release(lab, bare_runs, runs)
        runs.run(days * DAY + MINUTE)
        assert missing(mirror).keys() == {"lab-00"}
        lab.heal()
        for one in (bare_runs, runs):
            one.run(2 * days * DAY + MINUTE)
    assert is_fresh(mirror, lab)
    assert not is_fresh(bare, lab)


def test_many_that_are_back_are_home_in_two_runs(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Of 30 that one run misses, a daily job asks for ten; as these are there, for all the next day."""
    lab = start_lab("healthy", "pypi", projects=30)
    with side_by_side(make_mirror, lab) as (bare, mirror, bare_runs, runs):
        owed = []
        for day in range(4):
            for one in (bare_runs, runs):
                one.run(day * DAY)
            owed.append(len(missing(mirror)))
            if day == 0:
                lab.release()
                for name in lab.names:
                    hide(lab, name)
            elif day == 1:
                lab.heal()
    assert owed == [0, 30, 20, 0]
    assert is_fresh(mirror, lab)
    assert not is_fresh(bare, lab)


def test_nonsense_that_is_remembered_does_not_hold_a_release(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """What is listed now counts, though it is lower."""
    lab = start_lab("healthy", "pypi", projects=3)
    with side_by_side(make_mirror, lab) as (bare, mirror, bare_runs, runs):
        for one in (bare_runs, runs):
            one.run(0)
        at = {"since": timestamp(NOON), "asked": timestamp(NOON)}
        remembered = {"serial": 10**9, **at, "asks": 1, "proven": True}
        path = mirror.directory / "freshness.json"
        path.write_text(json.dumps({**state(mirror), "missing": {"lab-00": remembered}}))
        lab.release()
        for one in (bare_runs, runs):
            one.run(MINUTE)
    assert is_fresh(mirror, lab)
    assert is_fresh(bare, lab)
    assert missing(mirror) == {}
