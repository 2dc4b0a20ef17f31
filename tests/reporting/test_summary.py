"""What is known of a mirror."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bandersnatch_freshness.core.incidents import Level
from bandersnatch_freshness.reporting.summary import Summary

from .examples import DAY, HOUR, NOW, incident, of_mirror, run, summary


def test_a_run_that_failed_does_not_make_the_mirror_current() -> None:
    """It didn't get to know what was announced; the one before it did."""
    assert summary(runs=(run(300, target=50), run(5, "failed", target=0))).serial_lag == 8


@pytest.mark.parametrize(
    ("shown", "at"),
    [
        pytest.param(summary(), NOW - 180, id="complete"),
        pytest.param(summary(complete_at=0, serial=None), NOW, id="a-first-sync-that-gets-on"),
        pytest.param(summary(of_mirror(age=DAY), complete_at=0, serial=None), NOW - DAY, id="one-that-does-not"),
        pytest.param(summary(complete_at=0, runs=(run(HOUR), run())), NOW - HOUR - 10, id="not-complete-since-then"),
        pytest.param(summary(complete_at=0, runs=()), None, id="no-run"),
    ],
)
def test_how_old_it_is_has_a_value_that_raises_no_false_alarm(shown: Summary, at: int | None) -> None:
    """In seconds since 1970."""
    assert shown.complete_at == at


def test_the_worst_come_first() -> None:
    """Of the same level the mirror itself, then the oldest; what another one explains is left out."""
    found = (
        incident("young", Level.WARNING, HOUR),
        incident("old", Level.WARNING, DAY),
        incident("stale", age=DAY),
        of_mirror(Level.WARNING, HOUR),
    )
    assert [one.subject for one in summary(*found).worst(3)] == ["/", "old", "young"]
    explained = replace(found[3], is_explained=True)
    assert [one.subject for one in summary(*found[:3], explained).worst(9)] == ["old", "young", "stale"]
