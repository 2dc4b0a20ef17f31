"""The published facts: what a mirror says of itself to programs, in the file beside its status page. No I/O, no clock.

From these types come the file, the check of one that is read, and docs/schemas/published.json. A release may add
fields; those that are here keep their names and meanings.

Annotations are evaluated here: see state/parts.py.
"""

import importlib.metadata
from collections.abc import Callable, Iterable, Mapping, Sequence
from types import MappingProxyType
from typing import Annotated, Any, Literal

import msgspec
from msgspec import Meta, Struct

from .. import __version__
from ..core import wording
from ..core.audit_round import AuditRound
from ..core.completeness import LEAST_RUNS, usual_interval
from ..core.history import PastRun
from ..core.incidents import Incident
from ..formatting import printable, seconds, timestamp, without_paths
from ..state.part import Number, Seconds
from ..state.parts import LevelName, Outcome
from .standing import left, quiet_until, standing
from .summary import Summary

# Names are for people, who read no more of them.
NAMED = 20

Severity = Literal["ok", "warning", "critical", "unknown"]
Names = Annotated[tuple[str, ...], Meta(description="their names, the worst first; at most 20")]
Count = Annotated[Number, Meta(description="how many there are")]


class Named(Struct):
    """How many there are, and their names."""

    count: Count
    names: Names


class ByLevel(Struct):
    """The open incidents, by how bad they are."""

    stale: Annotated[Named, Meta(description="those that may pass by themselves")]
    warning: Annotated[Named, Meta(description="those that have persisted")]
    critical: Annotated[Named, Meta(description="those that somebody must see to")]


class Apart(ByLevel):
    """What is in quarantine, by the level of its incident."""

    none: Annotated[Named, Meta(description="those without an open incident")]


class LastRun(Struct):
    """The last run of `bandersnatch mirror`."""

    started: Annotated[Seconds, Meta(description="when it began")]
    finished: Annotated[Seconds, Meta(description="when it ended")]
    outcome: Annotated[Outcome, Meta(description="what it came to")]
    serial: Annotated[Number, Meta(description="the mirror's serial after it")]
    fresh: Annotated[Number, Meta(description="how many pages were fresh")]
    stale: Annotated[Number, Meta(description="how many pages were stale")]
    failing: Annotated[Number, Meta(description="how many packages failed otherwise")]
    gone: Annotated[Number, Meta(description="how many pages were a 404")]


class Advance(Struct):
    """A run by which the mirror's serial got higher."""

    at: Annotated[Seconds, Meta(description="when it ended")]
    serial: Annotated[Number, Meta(description="the mirror's serial after it")]


class Audited(Struct):
    """How far the audit in every run is: its round under way, and what the last one found."""

    compared: Annotated[Number, Meta(description="how many projects have been compared with the index")]
    listed: Annotated[Number, Meta(description="how many projects the index lists")]
    ended: Annotated[Seconds | None, Meta(description="when the last round ended; null before the first")]
    lost: Annotated[Number, Meta(description="how many packages it found missing, older or broken")]
    missing: Annotated[Number, Meta(description="how many of these were missing")]


class Versions(Struct):
    """What wrote the file."""

    bandersnatch_freshness: Annotated[str, Meta(description="the release of the suite")]
    bandersnatch: Annotated[str, Meta(description="the release of Bandersnatch")]


class Published(Struct):
    """How fresh the mirror is, as its last run knew."""

    format: Annotated[Literal[1], Meta(description="another number would be another document")]
    written: Annotated[Seconds, Meta(description="when it was written")]
    quiet_until: Annotated[
        Seconds, Meta(description="if this has passed and the file is the same, runs have stopped, or this is a copy")
    ]
    usual_interval: Annotated[
        Number | None, Meta(description="how often a run begins, in seconds; null where that is not known")
    ]
    master: Annotated[str, Meta(description="the mirror's upstream, without user, password and query")]
    verdict: Annotated[
        Literal["fresh", "behind", "stale", "stopped", "first-sync", "unknown"],
        Meta(description="how fresh it is, in a word, as in `status --json`"),
    ]
    severity: Annotated[Severity, Meta(description="what `check` on the mirror's own host says")]
    reason: Annotated[str, Meta(description="why, in words; durations are as of `written`")]
    since: Annotated[
        Seconds | None, Meta(description="since when that is so; null where it is no incident that is to blame")
    ]
    complete_at: Annotated[
        Seconds | None,
        Meta(
            description="when the index was asked for of which the mirror has all, but for what is in quarantine; null "
            "before the first complete run"
        ),
    ]
    serial: Annotated[Number | None, Meta(description="the mirror's serial; null before its first sync")]
    announced: Annotated[
        Number | None, Meta(description="the highest serial that upstream has announced; null where it is not known")
    ]
    serial_lag: Annotated[
        Number | None, Meta(description="how many serials it is behind that; null where it is not known")
    ]
    index_serial: Annotated[
        Number | None,
        Meta(
            description="the serial in the mirror's own simple index in JSON, which Bandersnatch writes before its own "
            "serial moves; null where there is none, or the mirror is in an object store"
        ),
    ]
    waiting: Annotated[Number, Meta(description="how many packages are left to sync")]
    warn_after: Annotated[Number, Meta(description="the option of that name, in seconds")]
    critical_after: Annotated[Number, Meta(description="the option of that name, in seconds")]
    last_run: Annotated[LastRun | None, Meta(description="the last run; null where none is remembered")]
    incidents: Annotated[ByLevel, Meta(description="what is not as it should be")]
    quarantine: Annotated[Apart, Meta(description="what is in quarantine, but for what was accepted by hand")]
    advances: Annotated[
        tuple[Advance, ...], Meta(description="the runs by which the serial got higher, of the last 100, oldest first")
    ]
    newest: Annotated[
        dict[str, Number],
        Meta(
            description="the packages that changed last, with the serials of the mirror's own pages; empty where it is "
            "in an object store"
        ),
    ]
    audit: Annotated[Audited | None, Meta(description="whether the mirror has lost anything; null where none looks")]
    versions: Annotated[Versions, Meta(description="what wrote it")]


class OwnSerials(Struct, frozen=True):
    """The serials in the mirror's own files: that of its index in JSON, and those of some pages."""

    of_index: int | None = None
    of_pages: Mapping[str, int] = MappingProxyType({})


class NotPublishedError(ValueError):
    """A text is no such document; the error says what is wrong with it."""


# Times are text in the document.
_time: Callable[[int], Any] = timestamp


def publish(summary: Summary, own: OwnSerials = OwnSerials(), *, is_brief: bool = False) -> str:  # noqa: B008 - a constant
    """Return the document; a brief one is on one line."""
    state, found = summary.state, standing(summary)
    last = state.runs[-1] if state.runs else None
    document = Published(
        format=1,
        written=_time(summary.now),
        quiet_until=_time(quiet_until(summary)),
        usual_interval=usual_interval(state.runs) if len(state.runs) >= LEAST_RUNS else None,
        master=printable(summary.master),
        verdict=found.freshness.value,
        severity=found.severity.name.lower(),  # type: ignore[arg-type]
        reason=without_paths(found.reason),
        since=_time(found.incident.since) if found.incident else None,
        complete_at=_time(state.complete_at) if state.complete_at else None,
        serial=summary.serial,
        announced=state.announced(),
        serial_lag=summary.serial_lag,
        index_serial=own.of_index,
        waiting=left(summary),
        warn_after=summary.thresholds.warn_after,
        critical_after=summary.thresholds.critical_after,
        last_run=_last_run(last) if last else None,
        incidents=ByLevel(**_by_level(summary.worst(len(summary.speaking)))),
        quarantine=_apart(summary),
        advances=tuple(_advances(state.runs)),
        newest={printable(name): serial for name, serial in own.of_pages.items()},
        audit=_audited(state.audit) if state.audit else None,
        versions=Versions(__version__, importlib.metadata.version("bandersnatch")),
    )
    return msgspec.json.format(msgspec.json.encode(document), indent=-1 if is_brief else 2).decode() + "\n"


def read(text: bytes) -> Published:
    """Return what a document says; fields that a later release has added are left out.

    Raises:
        NotPublishedError: if it is no such document.
    """
    try:
        return msgspec.json.decode(text, type=Published, dec_hook=lambda _, found: Seconds(seconds(found)))
    except (msgspec.MsgspecError, ValueError, RecursionError) as error:
        raise NotPublishedError(printable(str(error))) from error


def _last_run(run: PastRun) -> LastRun:
    outcome: Any = run.outcome
    counts = (run.serial, run.fresh, run.stale, run.failing, run.gone)
    return LastRun(_time(run.started), _time(run.finished), outcome, *counts)


def _audited(audit: AuditRound) -> Audited:
    last = audit.last
    ended, lost, missing = (_time(last.ended), last.found, last.missing) if last else (None, 0, 0)
    return Audited(audit.seen, audit.listed, ended, lost, missing)


def _by_level(incidents: Iterable[Incident]) -> dict[str, Named]:
    """Return incidents by level, the worst first."""
    names: dict[LevelName, list[str]] = {"stale": [], "warning": [], "critical": []}
    for one in incidents:
        names[str(one.level)].append(wording.title(one.subject))  # type: ignore[index]
    return {level: _named(found) for level, found in names.items()}


def _apart(summary: Summary) -> Apart:
    incidents = summary.state.incidents
    entries = sorted(summary.quarantine.items(), key=lambda item: (item[1].since, item[0]))
    known = (incidents[name] for name, _ in entries if name in incidents)
    return Apart(**_by_level(known), none=_named([name for name, _ in entries if name not in incidents]))


def _named(names: Sequence[str]) -> Named:
    return Named(len(names), tuple(map(printable, names[:NAMED])))


def _advances(runs: Iterable[PastRun]) -> list[Advance]:
    """Return the runs by which the serial got higher; what was before it got lower counts no more."""
    found: list[Advance] = []
    for run in runs:
        if found and run.is_whole and run.serial < found[-1].serial:
            found = []
        if run.serial > (found[-1].serial if found else 0):
            found.append(Advance(_time(run.finished), run.serial))
    return found
