"""How the tests of memory begin a run, and what they look at."""

from __future__ import annotations

from pathlib import Path

from bandersnatch_freshness.core.incidents import Incident
from bandersnatch_freshness.core.observations import Observation
from bandersnatch_freshness.core.run import Run
from bandersnatch_freshness.core.variants import LADDER
from bandersnatch_freshness.settings import read_tracking
from bandersnatch_freshness.state.document import State
from bandersnatch_freshness.state.memory import Memory
from bandersnatch_freshness.state.store import Store
from bandersnatch_freshness.state.trace import Trace

from .test_records import NOON, records

HOUR, DAY = 3600, 86400


class Clock:
    """A clock that stands still."""

    now = NOON

    def __call__(self) -> int:
        """Return what it is set to."""
        return self.now


def trace(directory: Path) -> Trace:
    """Return the trace in a directory."""
    return Trace(Store(records(directory).store._storage, directory, "trace"))


def memory(directory: Path, clock: Clock) -> Memory:
    """Return the memory of a mirror, as one process has it."""
    return Memory(records(directory), read_tracking(["freshness"], {}), clock, trace=trace(directory))


def begun(memory: Memory) -> Run:
    """Begin a run."""
    run = memory.begin()
    assert run
    return run


def saw(run: Run, *, fresh: bool = False) -> Run:
    """Record that a run asked for foo."""
    run.saw("foo", 42, [Observation(LADDER[0], 200, 42 if fresh else 41)], fresh=fresh)
    return run


def state(directory: Path) -> State:
    """Return what is remembered."""
    read = records(directory)
    with read.lock():
        return read.state


def foo(directory: Path) -> Incident:
    """Return the incident of foo."""
    return state(directory).incidents["foo"]
