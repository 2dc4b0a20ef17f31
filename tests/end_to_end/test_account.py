"""The master's account of itself, where it is wrong; bare Bandersnatch beside the suite."""

from __future__ import annotations

from bandersnatch_freshness.lab.behaviours import Behaviour

from ..conftest import MakeMirror, StartLab
from .cron import HOUR, side_by_side, state
from .observe import SIMPLE, is_fresh, needs_simple
from .test_index_memory import accounts

DEAD_REPLICA = Behaviour("XML-RPC stands still", stuck_account=1)


@needs_simple
def test_an_account_that_stands_still_holds_nothing_for_long(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """The index goes on, three runs see, and XML-RPC says what it said at first; it is asked daily from then on."""
    lab = start_lab(DEAD_REPLICA, projects=3)
    with side_by_side(make_mirror, lab, mirror=SIMPLE) as (bare, mirror, bare_runs, runs):
        for each in (bare_runs, runs):
            each.run(0)
        lab.pass_over(5_000_000)
        lab.forget()
        fresh = []
        for number in range(1, 9):
            lab.release()
            for each in (bare_runs, runs):
                each.run(number * HOUR)
            fresh.append(is_fresh(mirror, lab))
            assert is_fresh(bare, lab)
    assert fresh == [False, False] + [True] * 6
    assert state(mirror)["incidents"] == {}
    assert accounts(lab) == 3
