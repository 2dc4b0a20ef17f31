"""XML-RPC has Warehouse's limits."""

from __future__ import annotations

import xmlrpc.client
from typing import Any

import pytest

from bandersnatch_freshness.lab.behaviours import BEHAVIOURS
from bandersnatch_freshness.lab.calls import Calls, Limits
from bandersnatch_freshness.lab.origin import FIRST_SERIAL, Origin

from .clock import HOUR, Clock


class Called:
    """Calls to an origin of three projects, of which four an hour are allowed, and two events at once."""

    def __init__(self) -> None:
        """None was made yet."""
        self.clock = Clock()
        self.origin = Origin()
        self._calls = Calls(self.origin, self.clock, Limits(calls_an_hour=4, events=2))
        for name in ("lab-00", "lab-01", "lab-02"):
            self.origin.publish(name)

    def __call__(self, method: str, *parameters: Any) -> Any:
        """Return what a call gives, or raise its fault."""
        answer = self._calls.answer(xmlrpc.client.dumps(parameters, method).encode(), BEHAVIOURS["healthy"])
        assert answer.status == 200
        return xmlrpc.client.loads(answer.body)[0][0]


@pytest.fixture
def call() -> Called:
    """Return them."""
    return Called()


def test_a_changelog_is_cut_at_its_end(call: Called) -> None:
    """The oldest events come first; whoever goes on from the last gets the rest."""
    first = call("changelog_since_serial", FIRST_SERIAL)
    assert [event[4] for event in first] == [FIRST_SERIAL + 1, FIRST_SERIAL + 2]
    assert [event[4] for event in call("changelog_since_serial", first[-1][4])] == [FIRST_SERIAL + 3]


def test_too_many_calls_in_an_hour_are_a_fault(call: Called) -> None:
    """With the status 200; the oldest call is forgotten after an hour."""
    for _ in range(4):
        call("changelog_last_serial")
        call.clock.move(60)
    with pytest.raises(xmlrpc.client.Fault, match=r"HTTPTooManyRequests: .*again in 3360 seconds") as refused:
        call("changelog_last_serial")
    assert refused.value.faultCode == -32500
    call.clock.move(HOUR - 4 * 60)
    assert call("changelog_last_serial") == call.origin.serial
    with pytest.raises(xmlrpc.client.Fault):
        call("changelog_last_serial")


def test_what_is_in_quarantine_is_still_listed(call: Called) -> None:
    """Other than in the index."""
    call.origin.projects["lab-01"].quarantined = True
    assert "lab-01" in call("list_packages_with_serial")
