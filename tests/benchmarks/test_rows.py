"""Which figures meet their goal, and which are a regression that even rough measuring shows."""

from __future__ import annotations

import json

import pytest

from benchmarks.measuring import Comparison, Cost
from benchmarks.rows import GROSS, Released, Row, added, alone, compared, counted, table

MIB = 2**20


def comparison(*suite: float, requests: int = 1000) -> Comparison:
    """Return pairs of a second each, bare, and of these with the suite; and what they asked for."""
    return Comparison(
        tuple(Cost(1, 1, 100 * MIB, 1000, MIB) for _ in suite),
        tuple(Cost(one, one, 100 * one * MIB, requests, MIB) for one in suite),
    )


@pytest.mark.parametrize(
    ("suite", "is_met", "is_gross"),
    [
        pytest.param((0.9, 1.0, 1.9), True, False, id="one-odd-pair-is-no-miss"),
        pytest.param((1.0, 1.03, 1.04), False, False, id="missed"),
        pytest.param((1.0, 1.03 + GROSS, 1.5), False, True, id="gross"),
    ],
)
def test_the_median_of_the_pairs_tells(suite: tuple[float, ...], is_met: bool, is_gross: bool) -> None:
    """Against the goal; and what is missed is marked in the table."""
    row = compared("a run", "wall", comparison(*suite), 1.02)
    assert (row.is_met, row.is_gross) == (is_met, is_gross)
    assert ("**missed**" in table([row])) is not is_met


@pytest.mark.parametrize(("requests", "is_gross"), [(1004, False), (1011, True)])
def test_what_is_counted_is_exact(requests: int, is_gross: bool) -> None:
    """To the hundredth, as the goal is."""
    row = compared("a run", "requests", comparison(1.0, 1.0, requests=requests), 1.0)
    assert (row.is_met, row.is_gross) == (not is_gross, is_gross)


@pytest.mark.parametrize(
    ("suite", "is_met", "is_gross"), [(1.02e9, True, False), (1.03e9, False, False), (1.041e9, False, True)]
)
def test_instructions_tell_finely(suite: float, is_met: bool, is_gross: bool) -> None:
    """What is far above the goal there would be the noise of a clock."""
    row = counted("a page", 1e9, suite, 1.02)
    assert (row.is_met, row.is_gross) == (is_met, is_gross)
    assert "**missed**" not in table([counted("a start", 1e9, suite)])


def test_seconds_are_no_regression_by_themselves() -> None:
    """Only a ratio is, on whatever machine."""
    found = comparison(1.3, 1.3)
    row = added("a start", "wall", found, 0.1, "≤ 100 ms", gross=1.5)
    assert (row.is_met, row.is_gross, row.shown) == (False, False, "+300.0 ms (+300.0 to +300.0)")
    assert added("a start", "wall", found, 0.1, "≤ 100 ms", gross=1.2).is_gross


def test_a_figure_without_a_goal_is_met() -> None:
    """It is there to be read."""
    row = Row("the lab", "is busy", "", "9%", "")
    assert (row.is_met, row.is_gross) == (True, False)


def test_the_last_release_has_a_column() -> None:
    """Of the rows that it had."""
    one, other = alone("a", 0.2, 1, 5), alone("b", 0.3, 1, 5)
    released = Released.of("1.0.0", [one])
    assert Released(*json.loads(json.dumps(released))) == released
    head, _, first, second = table([alone("a", 0.1, 1, 5), other], released).splitlines()
    assert head.endswith("| goal | in 1.0.0 |")
    assert first.endswith("| ≤ 1 s | 0.20 s |")
    assert second.endswith("| ≤ 1 s |  |")
    assert "in 1.0.0" not in table([one])
