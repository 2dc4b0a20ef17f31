"""What a run says of what it has changed in memory."""

from __future__ import annotations

import logging

import pytest

from bandersnatch_freshness.core.observations import Observation
from bandersnatch_freshness.core.origin import OriginTurns
from bandersnatch_freshness.core.variants import ORIGIN
from bandersnatch_freshness.state import telling


def test_asking_the_origin_is_said_once(caplog: pytest.LogCaptureFixture) -> None:
    """And that it refuses; a run that asked for nothing is silent."""
    caplog.set_level(logging.INFO, "bandersnatch.freshness")
    turns = OriginTurns()
    telling.log_origin(turns)
    assert caplog.messages == []
    turns.saw("p00", Observation(ORIGIN, 200, 42), fresh=True)
    turns.saw("p01", Observation(ORIGIN, 405, problem="status 405"), fresh=False)
    telling.log_origin(turns)
    assert caplog.messages == [
        "Asked the origin itself for 2 pages, of which 1 are fresh",
        "The origin refuses to be asked by OPTIONS: origin got status 405. It is not asked again for a day",
    ]


@pytest.mark.parametrize(("count", "lines"), [(10, 10), (11, 11), (2000, 11)])
def test_many_of_a_kind_are_a_summary(count: int, lines: int, caplog: pytest.LogCaptureFixture) -> None:
    """Its last line says how many more there are."""
    caplog.set_level(logging.INFO, "bandersnatch.freshness")
    telling.log_left(f"p{number:04}" for number in range(count))
    assert len(caplog.messages) == lines
    assert caplog.messages[0] == "p0000 is no longer in quarantine"
    if count > 10:
        assert caplog.messages[-1] == f"and {count - 10} more: see `bandersnatch-freshness status`"
