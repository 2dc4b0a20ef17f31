"""How many runs it takes to outrank what is remembered."""

from __future__ import annotations

import pytest

from bandersnatch_freshness.core.agreement import HOUR, are_three_runs


@pytest.mark.parametrize(
    ("runs", "apart", "agree"),
    [
        (1, 10 * HOUR, False),
        (2, 6 * HOUR, False),
        (2, 6 * HOUR + 1, True),
        (3, HOUR - 1, False),
        (3, HOUR, True),
        (99, HOUR - 1, False),
    ],
)
def test_three_runs_over_an_hour(runs: int, apart: int, *, agree: bool) -> None:
    """Or two that are far apart; a cron job every minute doesn't make an hour pass."""
    assert are_three_runs(runs, 1000, 1000 + apart) is agree


def test_a_shorter_warn_after_shortens_the_hour() -> None:
    """Whoever wants to be warned sooner wants to be right sooner."""
    assert are_three_runs(3, 0, 60, warn_after=60)
    assert not are_three_runs(3, 0, HOUR - 1, warn_after=2 * HOUR)
