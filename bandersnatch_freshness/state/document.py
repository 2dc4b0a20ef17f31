"""The state: what the suite remembers from run to run, as one JSON document.

No I/O: text in, state out, and back. The format is described in docs/schemas/state.json.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, field
from typing import Any, NamedTuple

from .. import __version__
from ..core.guard import Index
from ..core.history import Batch, Hour, PastRun
from ..core.incidents import Incident, Level
from ..core.quarantine import QuarantineEntry
from ..core.verdicts import Verdict
from ..formatting import seconds, timestamp

FORMAT = 1
RUNS_KEPT = 100

# The possible outcomes of a run.
OUTCOMES = ("fresh", "errors", "failed", "interrupted", "overlapping")

# Evidence is for people to read, so it is kept only for as many incidents as anyone would read.
EVIDENCE_KEPT = 1000


# What reading a foreign document may raise; int() of an infinity overflows.
_ERRORS = (ValueError, TypeError, LookupError, AttributeError, OverflowError)

_LEVELS = {str(level): level for level in Level}
_LEVEL_NAMES = {level: name for name, level in _LEVELS.items()}
_VERDICTS = {verdict.value: verdict for verdict in Verdict}


class StateError(ValueError):
    """The document is not one of our state files; the text says what is wrong."""


class NewerStateError(StateError):
    """The document was written by a newer release."""


class NotificationRecord(NamedTuple):
    """What one channel was last told about one incident, at `at` seconds since 1970.

    `delivered` is false until this message is known to have arrived; `ever` is whether any
    message about this incident has.
    """

    level: Level
    verdict: Verdict
    since: int
    at: int
    delivered: bool = False
    ever: bool = False


@dataclass
class Totals:
    """Totals since the state began: runs by outcome, metadata requests by variant, notifications."""

    runs: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    notifications_sent: int = 0
    notifications_failed: int = 0


@dataclass
class State:
    """Everything remembered. `master` is the URL of the upstream that the serials come from, without a password."""

    master: str
    incidents: dict[str, Incident] = field(default_factory=dict)
    runs: list[PastRun] = field(default_factory=list)
    # What each channel was told, by channel id and subject.
    notified: dict[str, dict[str, NotificationRecord]] = field(default_factory=dict)
    quarantine: dict[str, QuarantineEntry] = field(default_factory=dict)
    batch: Batch | None = None
    index: Index | None = None
    # Whether the mirror may still hold serials of another master.
    another_master: bool = False
    # The last days, hour by hour, and when the mirror last had all that was announced.
    history: list[Hour] = field(default_factory=list)
    fresh_at: int = 0
    totals: Totals = field(default_factory=Totals)

    def announced(self) -> int | None:
        """Return the highest serial that the index last announced, None if that is unknown."""
        target = next((run.target for run in reversed(self.runs) if run.target), None)
        if self.index is None:
            return target
        # Of projects: what was announced last may be a removal, which no mirror ever reaches.
        return max(self.index.highest or self.index.serial, target or 0)

    def add_untold(self, started: int, outcome: str) -> bool:
        """Add a run of which only its beginning is known, in seconds since 1970; return False if it is there."""
        if any(run.started == started for run in self.runs):
            return False
        self.runs.append(PastRun(started, started, outcome, self.runs[-1].serial if self.runs else 0))
        self.totals.runs[outcome] += 1
        return True

    def last_run(self) -> int:
        """Return when the last completed run ended, in seconds since 1970; 0 if there was none."""
        return next((run.finished for run in reversed(self.runs) if run.is_whole), 0)


def dump(state: State, now: int) -> Iterator[str]:
    """Yield the document's text, with one incident, run or note on each line.

    It comes in pieces because the whole text would be the largest thing in memory.
    """
    yield f'{{\n"format": {FORMAT},\n"written": "{timestamp(now)}",\n"by": "bandersnatch-freshness {__version__}",\n'
    yield f'"master": {json.dumps(state.master)},\n"incidents": '
    yield from _object(
        (subject, _incident_out(state.incidents[subject], with_evidence=number < EVIDENCE_KEPT))
        for number, subject in enumerate(sorted(state.incidents))
    )
    yield ',\n"quarantine": '
    yield from _object(
        (name, json.dumps(_quarantined_out(state.quarantine[name]))) for name in sorted(state.quarantine)
    )
    if state.batch:
        yield f',\n"batch": {json.dumps(state.batch._asdict())}'
    if state.index:
        yield f',\n"index": {json.dumps({**state.index._asdict(), "moved": timestamp(state.index.moved)})}'
    if state.another_master:
        yield ',\n"another_master": true'
    if state.fresh_at:
        yield f',\n"fresh": "{timestamp(state.fresh_at)}"'
    yield f',\n"totals": {json.dumps(vars(state.totals))},\n"history": ['
    yield ",".join(f"\n{json.dumps({**hour._asdict(), 'at': timestamp(hour.at)})}" for hour in state.history)
    yield '\n],\n"runs": ['
    yield ",".join(f"\n{json.dumps(_run_out(run))}" for run in _kept(state.runs))
    yield '\n],\n"told": '
    yield from _object((channel, _notified_out(notified)) for channel, notified in state.notified.items())
    yield "\n}\n"


def _kept(runs: list[PastRun]) -> list[PastRun]:
    """Return the last runs, always including the last completed one."""
    kept = runs[-RUNS_KEPT:]
    if not any(run.is_whole for run in kept):
        kept[:1] = [run for run in runs if run.is_whole][-1:] or kept[:1]
    return kept


def _object(members: Iterable[tuple[str, str]]) -> Iterator[str]:
    separator = "{\n"
    for name, value in members:
        yield f"{separator}{json.dumps(name)}: {value}"
        separator = ",\n"
    yield "{}" if separator == "{\n" else "\n}"


def load(text: str | bytes) -> State:
    """Return the state that a document holds.

    Raises:
        NewerStateError: if only a newer release knows the format.
        StateError: if it is not a state for any other reason.
    """
    try:
        # Incidents are converted during parsing: as dicts, all of them together would take a lot of memory.
        document = json.loads(text, object_hook=_nameless_or_dict)
        found = document["format"]
    except (ValueError, TypeError, LookupError, RecursionError) as error:
        raise StateError(f"not a state file: {type(error).__name__}: {error}") from error
    if not isinstance(found, int) or found < 1:
        raise StateError(f"not a state file: format {found!r}")
    if found > FORMAT:
        raise NewerStateError(
            f"written by a newer release, {document.get('by')!r} (format {found}, known here: {FORMAT})"
        )
    try:
        quarantine = {name: _quarantined_in(entry) for name, entry in document.get("quarantine", {}).items()}
        return State(
            master=str(document["master"]),
            incidents={
                name: _named(name, nameless, in_quarantine=name in quarantine)
                for name, nameless in document["incidents"].items()
            },
            runs=[_run_in(run) for run in document["runs"]],
            notified={channel: _notified_in(groups) for channel, groups in document.get("told", {}).items()},
            quarantine=quarantine,
            index=_index_in(document["index"]) if "index" in document else None,
            another_master=document.get("another_master") is True,
            history=[_hour_in(hour) for hour in document.get("history", ())],
            fresh_at=seconds(document["fresh"]) if "fresh" in document else 0,
            totals=_totals_in(document.get("totals", {})),
            batch=Batch(**{name: int(value) for name, value in document["batch"].items()})
            if "batch" in document
            else None,
        )
    except _ERRORS as error:
        raise StateError(f"not a state file: {type(error).__name__}: {error}") from error


def _incident_out(incident: Incident, *, with_evidence: bool) -> str:
    # By hand: an encoder takes five times as long, more for all incidents than reading them takes.
    out = (
        f'{{"level": "{_LEVEL_NAMES[incident.level]}", "verdict": "{incident.verdict.value}", '
        f'"since": "{timestamp(incident.since)}", "seen": "{timestamp(incident.seen)}", "runs": {incident.runs}, '
        f'"required": {incident.required_serial}, "got": {_or_null(incident.got)}, '
        f'"newest": {_or_null(incident.newest)}'
    )
    if incident.count != 1 or incident.examples:
        out += f', "count": {incident.count}, "examples": {json.dumps(incident.examples)}'
    if incident.released:
        out += f', "released": "{timestamp(incident.released)}"'
    if incident.evidence and with_evidence:
        out += f', "evidence": {json.dumps(incident.evidence)}'
    return f"{out}}}"


def _or_null(serial: int | None) -> int | str:
    return "null" if serial is None else serial


def _nameless_or_dict(members: dict[str, Any]) -> tuple[Any, ...] | dict[str, Any]:
    if not members.keys() >= {"required", "verdict"}:
        return members
    try:
        return _nameless(members)
    except _ERRORS:
        return members  # a newer format, which the caller detects


def _nameless(document: Mapping[str, Any]) -> tuple[Any, ...]:
    """Return an incident's fields in order, without its name, which is the key outside this part of the document."""
    return (
        seconds(document["since"]),
        seconds(document["seen"]),
        int(document["runs"]),
        int(document["required"]),
        _serial(document["got"]),
        _VERDICTS[document["verdict"]],
        _LEVELS[document["level"]],
        _serial(document["newest"]),
        int(document.get("count", 1)),
        tuple(map(str, document.get("examples", ()))),
        tuple(map(dict, document.get("evidence", ()))),
        False,
        seconds(document["released"]) if "released" in document else 0,
    )


def _named(name: str, nameless: tuple[Any, ...], *, in_quarantine: bool) -> Incident:
    if not isinstance(nameless, tuple):
        raise TypeError(f"no incident: {name}")
    incident = Incident(name, *nameless)
    return incident._replace(in_quarantine=True) if in_quarantine else incident


def _serial(value: Any) -> int | None:
    return None if value is None else int(value)


def _index_in(document: Mapping[str, Any]) -> Index:
    highest = int(document.get("highest", 0))
    return Index(int(document["serial"]), seconds(document["moved"]), int(document["projects"]), highest)


def _hour_in(document: Mapping[str, Any]) -> Hour:
    return Hour(**{name: seconds(value) if name == "at" else int(value) for name, value in document.items()})


def _totals_in(document: Mapping[str, Any]) -> Totals:
    runs, requests = (_counter_in(document.get(name, {})) for name in ("runs", "requests"))
    sent, failed = (int(document.get(f"notifications_{name}", 0)) for name in ("sent", "failed"))
    return Totals(runs, requests, sent, failed)


def _counter_in(document: Mapping[str, Any]) -> Counter[str]:
    return Counter({name: int(count) for name, count in document.items()})


def _quarantined_out(entry: QuarantineEntry) -> dict[str, Any]:
    times = {"since": timestamp(entry.since), "asked": timestamp(entry.last_asked)}
    return {"required": entry.required_serial, "synced": entry.synced, **times, "asks": entry.asks}


def _quarantined_in(document: Mapping[str, Any]) -> QuarantineEntry:
    return QuarantineEntry(
        required_serial=int(document["required"]),
        since=seconds(document["since"]),
        last_asked=seconds(document["asked"]),
        asks=int(document["asks"]),
        synced=_serial(document["synced"]),
    )


def _notified_out(notified: Mapping[str, NotificationRecord]) -> str:
    """Return what a channel was told, as JSON; subjects with the same record share a group."""
    groups: dict[NotificationRecord, list[str]] = {}
    for subject in sorted(notified):
        groups.setdefault(notified[subject], []).append(subject)
    lines = (
        json.dumps(
            {
                "level": str(last.level),
                "verdict": last.verdict.value,
                "since": timestamp(last.since),
                "at": timestamp(last.at),
                "delivered": last.delivered,
                "ever": last.ever,
                "subjects": subjects,
            }
        )
        for last, subjects in groups.items()
    )
    return "[\n" + ",\n".join(lines) + "\n]"


def _notified_in(groups: Iterable[Mapping[str, Any]]) -> dict[str, NotificationRecord]:
    notified = {}
    for group in groups:
        last = NotificationRecord(
            level=_LEVELS[group["level"]],
            verdict=_VERDICTS[group["verdict"]],
            since=seconds(group["since"]),
            at=seconds(group["at"]),
            delivered=group["delivered"] is True,
            ever=group["ever"] is True,
        )
        notified.update(dict.fromkeys(map(str, group["subjects"]), last))
    return notified


def _run_out(run: PastRun) -> dict[str, Any]:
    return {
        **run._asdict(),
        "started": timestamp(run.started),
        "finished": timestamp(run.finished),
        "cured": dict(run.cured),
    }


def _run_in(document: Mapping[str, Any]) -> PastRun:
    known = {name: document[name] for name in PastRun._fields}
    return PastRun(**{**known, "started": seconds(known["started"]), "finished": seconds(known["finished"])})
