"""What the master says of itself, and when that counts for nothing."""

from __future__ import annotations

import pytest

from bandersnatch_freshness.core.ceiling import Ceiling

HOUR, DAY = 3600, 86400
NOON = 1_539_691_200


def after(*told: tuple[int, int, int]) -> Ceiling:
    """Return it after runs: each at an hour, with an account and the serial of the index that it saw."""
    ceiling = Ceiling(0, NOON)
    for hour, account, index in told:
        ceiling = ceiling.told(account, NOON + hour * HOUR).against(index, HOUR)
    return ceiling


@pytest.mark.parametrize(
    ("told", "counts_to"),
    [
        pytest.param([(0, 60, 60)], 60, id="an-index-that-is-there"),
        pytest.param([(0, 60, 70), (1, 60, 70), (2, 60, 70), (9, 60, 70)], 60, id="an-index-that-stands-too"),
        pytest.param([(0, 60, 70), (1, 60, 71)], 60, id="two-runs"),
        pytest.param([(0, 60, 70), (1, 60, 71), (2, 60, 72)], 0, id="three-runs-in-which-the-index-went-on"),
        pytest.param([(0, 60, 70), (24, 60, 71)], 0, id="two-daily-runs"),
        pytest.param([(0, 60, 70), (1, 60, 60), (2, 60, 72)], 60, id="not-seen-in-between"),
        pytest.param([(0, 60, 70), (1, 61, 71), (2, 62, 72), (3, 63, 73)], 63, id="an-account-that-moves"),
        pytest.param([(0, 60, 70), (1, 59, 71), (2, 58, 72)], 0, id="a-falling-account"),
        pytest.param([(0, 60, 70), (1, 60, 71), (2, 60, 72), (3, 60, 50)], 0, id="stays-refuted"),
        pytest.param([(0, 60, 70), (1, 60, 71), (2, 60, 72), (3, 61, 73)], 61, id="counts-again-when-it-moves"),
        pytest.param([(0, 60, 70), (1, 60, 71), (2, 60, 72), (3, 0, 73)], 0, id="no-account"),
        pytest.param([(0, 60, 70), (-1, 60, 71), (-2, 60, 72)], 60, id="the-clock-was-ahead"),
    ],
)
def test_an_account_that_stands_while_the_index_goes_on_counts_for_nothing(
    told: list[tuple[int, int, int]], counts_to: int
) -> None:
    """As that of a dead replica, over three runs."""
    assert after(*told).counts_to == counts_to


def test_it_is_asked_for_once_an_hour_and_daily_where_it_is_worth_nothing() -> None:
    """No account, and a refuted one."""
    refuted = after((0, 60, 70), (1, 60, 71), (2, 60, 72))
    for ceiling, pause in ((Ceiling(60, NOON), HOUR), (Ceiling(0, NOON), DAY), (refuted, DAY)):
        at = ceiling.at
        asked = [ceiling.is_recent(now, HOUR) for now in (at - 1, at, at + pause - 1, at + pause)]
        assert asked == [False, True, True, False]
