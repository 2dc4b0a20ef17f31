"""The document: the state as JSON, there and back.

No I/O: text in, state out, and back. The format is described in docs/schemas/state.json, which is made of its parts.
"""

from __future__ import annotations

import functools
import itertools
import operator
from collections import Counter
from collections.abc import Callable, Collection, Iterable, Iterator, Mapping
from typing import Any, TypeVar, get_args, get_type_hints

import msgspec
from msgspec import UNSET, UnsetType

from .. import __version__
from ..core.audit_round import AuditRound, PastRound
from ..core.ceiling import Ceiling
from ..core.history import Batch, Hour, PastRun
from ..core.incidents import Incident
from ..core.index import Doubt, Index
from ..core.index_age import Look, Mark
from ..core.missing import Missing
from ..core.origin import Allowance, Turn
from ..core.quarantine import QuarantineEntry
from ..core.refusals import Refusal
from ..core.usefulness import Idle
from ..formatting import printable, seconds, timestamp
from . import audit_parts, parts
from .many import EVIDENCE_KEPT, read_incident, read_quarantined, write_incident, write_quarantined
from .part import Part, Seconds
from .parts import FORMAT
from .remembered import ChannelRecord, NotificationRecord, OtherMaster, State, Totals
from .values import LATEST, LEVEL_NAME, LEVELS, as_json, batched, bounded, in_lines, time_text

__all__ = [
    "EVIDENCE_KEPT",
    "FORMAT",
    "OUTCOMES",
    "RUNS_KEPT",
    "ChannelRecord",
    "NewerStateError",
    "NotificationRecord",
    "State",
    "StateError",
    "Totals",
    "dump",
    "load",
]

RUNS_KEPT = 100

# The possible outcomes of a run.
OUTCOMES: tuple[str, ...] = get_args(parts.Outcome)

# What is remembered once of a master, by name, with its types in the core and in the document.
_SINGLE: Mapping[str, tuple[Callable[..., Any], type[Part]]] = {
    "batch": (Batch, parts.Batch),
    "index": (Index, parts.Index),
    "doubt": (Doubt, parts.Doubt),
    "ceiling": (Ceiling, parts.Ceiling),
    "refusal": (Refusal, parts.Refusal),
    "idle_cache_bust": (Idle, parts.Idle),
    "idle_no_cache": (Idle, parts.Idle),
    "upstream": (Mark, parts.Mark),
    "origin": (Allowance, parts.Origin),
    "audit": (AuditRound, audit_parts.Audit),
}

# What reading a foreign document may raise; msgspec's own is no ValueError before 0.19.
_ERRORS = (msgspec.MsgspecError, ValueError, RecursionError)


_T = TypeVar("_T")


class StateError(ValueError):
    """The document is not one of our state files; the text says what is wrong."""


class NewerStateError(StateError):
    """The document was written by a newer release."""


def dump(state: State, now: int) -> Iterator[str]:
    """Yield the document's text, with one incident, run or note on each line.

    It comes in pieces because the whole text would be the largest thing in memory.
    """
    yield "{\n"
    for name, value in (
        ("format", FORMAT),
        ("written", timestamp(now)),
        ("by", f"bandersnatch-freshness {__version__}"),
        ("another_master", state.another_master or None),
        ("complete", timestamp(state.complete_at) if state.complete_at else None),
        ("drains", state.drains or None),
        ("stalled", timestamp(state.stalled_at) if state.stalled_at else None),
        ("channels", {channel: _channel(one) for channel, one in state.channels.items()} or None),
        ("unwritten", {option: timestamp(at) for option, at in state.unwritten.items()} or None),
        ("totals", _part(parts.Totals, state.totals)),
    ):
        if value is not None:
            yield f"{as_json(name)}: {as_json(value)},\n"
    yield '"quarantine": '
    yield from _object(state.quarantine, write_quarantined)
    if state.missing:
        yield ',\n"missing": '
        yield from _object(state.missing, lambda one: _part(parts.Missing, one))
    yield ',\n"history": '
    yield from _array(_part(parts.Hour, hour) for hour in state.history)
    yield ',\n"runs": '
    yield from _array(_part(parts.Run, run) for run in _kept(state.runs))
    yield ",\n"
    yield from _remembered(state)
    opening = ',\n"others": [\n'
    for other in state.others:
        yield f'{opening}{{"left": "{timestamp(other.left)}",\n'
        yield from _remembered(other)
        yield "}"
        opening = ",\n"
    yield "\n]\n}\n" if state.others else "\n}\n"


def _remembered(one: State | OtherMaster) -> Iterator[str]:
    """Yield what is remembered of a master, as members of an object."""
    yield f'"master": {as_json(one.master)},\n'
    for name, (_, kind) in _SINGLE.items():
        if getattr(one, name) is not None:
            yield f'"{name}": {as_json(_part(kind, getattr(one, name)))},\n'
    if one.newest:
        yield f'"newest": {as_json({name: bounded(serial) for name, serial in one.newest.items()})},\n'
    yield '"incidents": '
    numbers = itertools.count()
    yield from _object(one.incidents, lambda incident: write_incident(incident, next(numbers)))
    opening = ',\n"told": {\n'
    for channel, told in one.notified.items():
        yield f"{opening}{as_json(channel)}: "
        yield from _array(_told(told))
        opening = ",\n"
    yield "\n}" if one.notified else ',\n"told": {}'


def _channel(one: ChannelRecord) -> parts.Channel:
    failing, said = (time_text(at) if at else UNSET for at in (one.failing, one.said))
    return parts.Channel(one.is_understood, failing, said)


def _told(told: Mapping[str, NotificationRecord]) -> Iterator[Part]:
    """Yield what a channel was told; subjects with the same record share a group."""
    groups: dict[NotificationRecord, list[str]] = {}
    for subject in sorted(told):
        groups.setdefault(told[subject], []).append(subject)
    return (_part(parts.Told, record, tuple(subjects)) for record, subjects in groups.items())


def _kept(runs: list[PastRun]) -> list[PastRun]:
    """Return the last runs, always including the last completed one."""
    kept = runs[-RUNS_KEPT:]
    if not any(run.is_whole for run in kept):
        kept[:1] = [run for run in runs if run.is_whole][-1:] or kept[:1]
    return kept


def _object(found: Mapping[str, _T], write: Callable[[_T], Part]) -> Iterator[str]:
    """Yield a JSON object of what was found, by its names, each member on a line of its own."""
    alone = (in_lines([{name: write(found[name])} for name in names]) for names in batched(sorted(found)))
    # A line of text has no end of a line in it, so that is between two members.
    return _block("{}", (lines[1:-2].replace("}\n{", ",\n") for lines in alone))


def _array(items: Iterable[Part]) -> Iterator[str]:
    """Yield a JSON array, each item on a line of its own."""
    return _block("[]", (in_lines(some)[:-1].replace("\n", ",\n") for some in batched(items)))


def _block(brackets: str, blocks: Iterable[str]) -> Iterator[str]:
    separator = brackets[0] + "\n"
    for block in blocks:
        yield separator + block
        separator = ",\n"
    yield brackets if separator[0] == brackets[0] else "\n" + brackets[1]


def _part(kind: type[Part], values: Any, *more: object) -> Part:
    """Return a part made of the attributes that its fields are named after; `more` is for the last fields."""
    read, writers = _columns(kind, len(more))
    found = list(read(values))
    for number, write in writers:
        found[number] = write(found[number])
    return kind(*found, *more)


@functools.cache
def _columns(kind: type[Part], but: int) -> tuple[Callable[[Any], Any], list[tuple[int, Callable[[Any], Any]]]]:
    """Return what reads a part's fields but the last ones, and what writes those that aren't written as they are."""
    hints = get_type_hints(kind)
    names = kind.__struct_fields__[: -but or None]
    writers = ((number, _WRITERS.get(hints[name])) for number, name in enumerate(names))
    return operator.attrgetter(*names), [(number, write) for number, write in writers if write]


def _time_if_any(value: int) -> Any:
    return time_text(value) if value else UNSET


# How values are written, by the types of the fields; others are written as they are.
_WRITERS: Mapping[Any, Callable[[Any], object]] = {
    int: bounded,
    int | None: bounded,
    Seconds: time_text,
    Seconds | UnsetType: _time_if_any,
    parts.LevelName: LEVEL_NAME,
    tuple[parts.Mark, ...]: lambda marks: tuple(_part(parts.Mark, mark) for mark in marks),
    dict[str, parts.Turn]: lambda turns: {name: _part(parts.Turn, turn) for name, turn in turns.items()},
    parts.Look | None: lambda look: _part(parts.Look, look) if look.at else None,
    audit_parts.PastRound | None: lambda last: _part(audit_parts.PastRound, last) if last else None,
}


def load(text: str | bytes) -> State:
    """Return the state that a document holds.

    Raises:
        NewerStateError: if only a newer release knows the format.
        StateError: if it is not a state for any other reason.
    """
    try:
        document = msgspec.json.decode(text, type=parts.Document, dec_hook=_read_time)
    except _ERRORS as error:
        head = _head(text)
        if head and head.format > FORMAT:
            raise NewerStateError(
                f"written by a newer release, {printable(str(head.by))!r} (format {head.format}, known here: {FORMAT})"
            ) from error
        raise StateError(f"not a state file: {printable(str(error))}") from error
    taken, totals = _taken(document, document.quarantine), document.totals
    quarantine = dict(_quarantined(document.quarantine, taken["incidents"]))
    return State(
        **taken,
        runs=[_core(PastRun, run) for run in document.runs],
        quarantine=quarantine,
        missing={name: _core(Missing, one) for name, one in document.missing.items()},
        another_master=document.another_master,
        history=[_core(Hour, hour) for hour in document.history],
        complete_at=0 if document.complete is UNSET else document.complete,
        drains=document.drains,
        channels={channel: _core(ChannelRecord, one) for channel, one in document.channels.items()},
        stalled_at=0 if document.stalled is UNSET else document.stalled,
        unwritten={**document.unwritten},
        totals=_core(Totals, totals, runs=Counter(totals.runs), requests=Counter(totals.requests)),
        others=[OtherMaster(left=one.left, **_taken(one, ())) for one in document.others],
    )


def _quarantined(
    found: Mapping[str, parts.Quarantined], incidents: Mapping[str, Incident]
) -> Iterator[tuple[str, QuarantineEntry]]:
    """Yield the packages in quarantine; what an incident of theirs has too, is in memory once."""
    for name, part in found.items():
        incident = incidents.get(name)
        if incident and incident.required_serial == part.required_serial:
            part.required_serial = incident.required_serial
        yield incident.subject if incident else name, read_quarantined(part)


def _head(text: str | bytes) -> parts.Head | None:
    """Return what tells a newer release's document, None if even that is not there."""
    try:
        return msgspec.json.decode(text, type=parts.Head)
    except _ERRORS:
        return None


def _taken(found: parts.Remembered, quarantine: Collection[str]) -> dict[str, Any]:
    """Return what is remembered of a master, by the names that it has in the state, and take the incidents away.

    Those of packages in quarantine know that.
    """
    return {
        "master": found.master,
        "newest": found.newest,
        # One by one: both forms of all of them would be the largest thing in memory.
        "incidents": {
            name: read_incident(name, found.incidents.pop(name), is_apart=name in quarantine)
            for name in list(found.incidents)
        },
        "notified": {
            channel: {
                subject: record
                for told in groups
                for record in [_core(NotificationRecord, told)]
                for subject in told.subjects
            }
            for channel, groups in found.told.items()
        },
        **{
            name: _core(kind, part)
            for name, (kind, _) in _SINGLE.items()
            if (part := getattr(found, name)) is not UNSET
        },
    }


def _core(kind: Callable[..., _T], part: Part, **more: object) -> _T:
    """Return what the core makes of a part of the document."""
    values = {name: value for name, value in msgspec.structs.asdict(part).items() if value is not UNSET} | more
    values.pop("subjects", None)  # of what was told, the key
    if isinstance(part, parts.Index):
        values["marks"] = tuple(_core(Mark, mark) for mark in part.marks)
        values["look"] = _core(Look, part.look) if part.look else Look()
    if isinstance(part, parts.Origin):
        values["pages"] = {name: _core(Turn, turn) for name, turn in part.pages.items()}
    if isinstance(part, audit_parts.Audit):
        values["last"] = _core(PastRound, part.last) if part.last else None
    if "level" in values:
        values["level"] = LEVELS[values["level"]]
    return kind(**values)


def _read_time(_: type, text: object) -> Seconds:
    if not isinstance(text, str):
        raise TypeError("Expected a time as text")
    return _seconds(text)


@functools.lru_cache(4096)  # many times in a state are the same
def _seconds(text: str) -> Seconds:
    try:
        found = seconds(text)
    except ValueError:
        found = -1
    if not 0 <= found <= LATEST:
        raise ValueError("Expected an ISO 8601 time with a zone, from 1970 on")
    return Seconds(found)
