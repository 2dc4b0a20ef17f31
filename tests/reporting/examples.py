"""Summaries to report on: a mirror at serial 42, as of `NOW`."""

from __future__ import annotations

from msgspec.structs import replace

from bandersnatch_freshness.core.history import PastRun
from bandersnatch_freshness.core.incidents import MIRROR, Incident, Level, Thresholds
from bandersnatch_freshness.core.quarantine import QuarantineEntry
from bandersnatch_freshness.core.verdicts import Verdict
from bandersnatch_freshness.reporting.summary import Summary
from bandersnatch_freshness.state.document import State

MINUTE, HOUR, DAY = 60, 3600, 86400
NOW = 1_539_691_200


ASIDE = QuarantineEntry(42, NOW, NOW)
ACCEPTED = replace(ASIDE, is_accepted=True)


def incident(subject: str, level: Level = Level.STALE, age: int = MINUTE, **more: object) -> Incident:
    """Return an incident that was seen just now."""
    one = Incident(subject, NOW - age, NOW, 3, 42, 41, Verdict.UNKNOWN, level=level)
    return replace(one, **more)


def of_mirror(level: Level = Level.STALE, age: int = MINUTE, **more: object) -> Incident:
    """Return an incident of the mirror itself, because a page fails."""
    cause = "lab-03 (its page: status 503)"
    return incident(MIRROR, level, age, **{"verdict": Verdict.FAILING, "cause": cause, **more})


STALE, WARNING, CRITICAL = (
    incident("foo"),
    incident("bar", Level.WARNING, 2 * HOUR),
    incident("baz", Level.CRITICAL, 2 * DAY),
)


def run(ago: int = 5 * MINUTE, outcome: str = "fresh", target: int = 42) -> PastRun:
    """Return a run that ended so many seconds ago."""
    return PastRun(NOW - ago - 10, NOW - ago, outcome, 42, target)


def runs(ago: int, every: int = 5 * MINUTE, outcome: str = "fresh") -> tuple[PastRun, ...]:
    """Return runs at this interval, the last of which ended so many seconds ago."""
    return tuple(run(ago + number * every, outcome) for number in reversed(range(5)))


def summary(*incidents: Incident, runs: tuple[PastRun, ...] = (run(),), **more: object) -> Summary:
    """Return a summary; `more` are fields of it or of its state."""
    fields = {name: more.pop(name) for name in list(more) if name in Summary.__struct_fields__}
    known = {"complete_at": NOW - 3 * MINUTE, **more}
    state = State("https://master.example", {one.subject: one for one in incidents}, list(runs), **known)  # type: ignore[arg-type]
    whole = {"serial": 42, "waiting": 0, "now": NOW, "thresholds": Thresholds(HOUR, DAY), **fields}
    return Summary("/srv/pypi", state.master, state=state, **whole)  # type: ignore[arg-type]
