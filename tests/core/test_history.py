"""What is remembered of the last days, hour by hour."""

from __future__ import annotations

from msgspec.structs import replace

from bandersnatch_freshness.core.history import HOUR, Hour, after_run
from bandersnatch_freshness.core.incidents import Incident, Level
from bandersnatch_freshness.core.verdicts import Verdict

NOON = 1_539_691_200


def incident(name: str, level: Level) -> Incident:
    """Return an incident of this level."""
    return Incident(name, NOON, NOON, 3, 42, 41, Verdict.UNKNOWN, level)


def test_an_hour_is_as_bad_as_its_worst_run() -> None:
    """In how far it is behind; and in incidents, of which those are counted that were open at once, when most were."""
    bad = {"a": incident("a", Level.STALE), "b": incident("b", Level.CRITICAL), "c": incident("c", Level.STALE)}
    history = after_run([], NOON + 10, 0, bad)
    history = after_run(history, NOON + 310, 7, {"b": incident("b", Level.WARNING)})
    explained = replace(incident("d", Level.CRITICAL), is_explained=True)
    history = after_run(history, NOON + 610, 3, {"d": explained})
    assert history == [Hour(NOON, lag=7, stale=2, warning=0, critical=1)]
    assert after_run(history, NOON + HOUR, 0, {}) == [*history, Hour(NOON + HOUR)]


def test_is_bounded() -> None:
    """However often the mirror runs, and for however long; where it did not run, there is nothing."""
    history: list[Hour] = []
    for run in range(5 * 7 * 24):
        history = after_run(history, NOON + run * HOUR // 2, run, {})
    assert len(history) == 7 * 24
    assert after_run(history, NOON + 99 * 7 * 24 * HOUR, 0, {}) == [Hour(NOON + 99 * 7 * 24 * HOUR)]


def test_what_a_clock_that_was_ahead_has_left_goes() -> None:
    """So that the history is in order."""
    assert after_run([Hour(NOON, 1), Hour(NOON + 99 * HOUR, 2)], NOON, 0, {}) == [Hour(NOON, 1)]
