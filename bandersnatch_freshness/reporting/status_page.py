"""The status page: what a mirror's users and operator read in a browser. No I/O except for its own template.

Everything from outside is made printable here and escaped by the template.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from functools import cache
from importlib import resources
from typing import Any

import jinja2
from markupsafe import Markup
from msgspec import Struct

from .. import __version__
from ..core import wording as words
from ..core.history import PastRun
from ..core.incidents import EDGE, INDEX, OF_ALL, Incident, Level
from ..core.quarantine import QuarantineEntry
from ..documentation import RUNBOOK
from ..formatting import duration, printable, timestamp, without_paths
from . import chart
from .audit_progress import progress, share
from .standing import LONGEST_CAUSE, NAMED, Freshness, left, nodes, quiet_until, standing, why
from .summary import Summary

ROWS_SHOWN = 50
CAUSES_SHOWN = 10

_OUTCOMES = {
    "fresh": "got everything it asked for",
    "errors": "completed, but could not get everything",
    "failed": "ended early with an error",
    "interrupted": "was interrupted",
    "overlapping": "completed while another one was under way",
}
_STOPPED = "No run has ended for a long time: this page is out of date."

_TONES = {
    Freshness.FRESH: "fresh",
    Freshness.STALE: "stale",
    Freshness.STOPPED: "unknown",
    Freshness.UNKNOWN: "unknown",
}


class Headline(Struct, frozen=True):
    """What the reader sees first. `tone` is one of fresh, behind, stale, unknown.

    `since` is when it began, in seconds since 1970, None if that is not to be told; `to_do` is empty where nothing is.
    """

    tone: str
    word: str
    sentence: str
    detail: str = ""
    since: int | None = None
    to_do: str = ""


class Row(Struct, frozen=True):
    """One line of the table: a package that waits, the index, or the whole edge."""

    name: str
    note: str
    level: str
    since: int
    age: str
    wanted: int
    got: int | None
    why: str
    verdict: str
    in_quarantine: bool
    nodes: tuple[str, ...]


class CauseRow(Struct, frozen=True):
    """What subjects have in common: why, who some are, the worst level, since when, and what to do about it."""

    why: str
    names: str
    verdict: str
    count: int
    level: str
    since: int
    age: str
    to_do: str


def render(summary: Summary, facts: str = "", *, is_brief: bool = False) -> str:
    """Return the page as HTML; a brief one has no charts. `facts` is the name of the file beside it for programs."""
    counts = summary.counts()
    only_quarantined = summary.quarantine.keys() - summary.state.incidents.keys()
    rows = _rows(summary, only_quarantined)
    last = summary.state.runs[-1] if summary.state.runs else None
    style, script = _part("css"), _part("js")
    return _template().render(
        headline=headline(summary, len(only_quarantined)),
        stopped=_STOPPED,
        until=quiet_until(summary),
        summary=summary,
        master=printable(summary.master),
        lag=None if summary.obstacle or summary.problem or summary.is_first_sync else summary.serial_lag,
        announced=summary.state.announced(),
        last=last,
        outcome=_outcome(last) if last else "",
        counts=[(str(level), counts[level]) for level in sorted(Level, reverse=True) if counts[level]],
        rows=rows,
        causes=_causes(summary),
        facts=facts,
        audit=_audit(summary),
        more=len(summary.speaking) + len(only_quarantined) - len(rows),
        charts=()
        if is_brief
        else (
            chart.lag_chart(summary.state.history, summary.now),
            chart.incident_chart(summary.state.history, summary.now),
        ),
        height=chart.HEIGHT,
        spans=chart.spans(summary.state.history, summary.now),
        runbook=RUNBOOK,
        version=__version__,
        style=Markup(style),  # noqa: S704 - our own file, whose hash is allowed
        script=Markup(script),  # noqa: S704 - our own file, whose hash is allowed
        policy="; ".join(
            (
                "default-src 'none'",
                f"style-src {_source(style)}",
                f"script-src {_source(script)}",
                "img-src data:",
                "base-uri 'none'",
                "form-action 'none'",
            )
        ),
    )


def _outcome(run: PastRun) -> str:
    if run.outcome == "fresh" and (run.stale or run.failing):
        return "got everything it asked for, but for what is in quarantine"
    return _OUTCOMES.get(run.outcome, printable(run.outcome))


def _audit(summary: Summary) -> dict[str, Any] | None:
    audit = summary.state.audit
    if audit is None:
        return None
    return {"share": share(audit), "sentences": list(progress(audit, summary.audit_every, summary.now))}


def headline(summary: Summary, only_quarantined: int) -> Headline:
    """Return how fresh the mirror is; `only_quarantined` is how many packages without an incident are in quarantine."""
    found = standing(summary)
    tone = _TONES.get(found.freshness, "behind")
    word = found.freshness.value.replace("-", " ").capitalize()
    detail, to_do = without_paths(printable(found.reason, LONGEST_CAUSE)), found.to_do
    if found.freshness is Freshness.STOPPED:
        return Headline(tone, "Unknown", _STOPPED, detail, to_do=to_do)
    if found.freshness is Freshness.UNKNOWN:
        return Headline(tone, word, "The freshness of this mirror is unknown.", detail, to_do=to_do)
    if found.freshness is Freshness.FIRST_SYNC:
        return Headline(tone, word, "This mirror is being filled for the first time.", detail)
    if found.freshness is Freshness.FRESH:
        return Headline(tone, word, "This mirror has everything that was announced.")
    if found.incident:
        sentence = _trouble(summary, only_quarantined, is_persistent=found.freshness is Freshness.STALE)
        return Headline(tone, word, sentence, why(found.incident), found.incident.since, to_do)
    if found.freshness is Freshness.STALE:
        return Headline(tone, word, "This mirror has lost pages that it had.", detail, to_do=to_do)
    return Headline(tone, word, _lack(summary, only_quarantined, is_persistent=False))


def _trouble(summary: Summary, only_quarantined: int, *, is_persistent: bool) -> str:
    """Return the sentence on a mirror with incidents."""
    if summary.is_first_sync:
        return "This mirror has not been filled yet."
    if INDEX in summary.state.incidents:
        return "This mirror cannot see new releases."
    return _lack(summary, only_quarantined, is_persistent=is_persistent)


def _lack(summary: Summary, only_quarantined: int, *, is_persistent: bool) -> str:
    """Return the sentence on what the mirror lacks."""
    incidents = summary.state.incidents
    waiting = sum(subject not in OF_ALL for subject in incidents) + only_quarantined
    if waiting and not left(summary) and all(one.in_quarantine for one in incidents.values()):
        return f"This mirror has everything that was announced, but for {_many(waiting, 'package')}."
    catches_up = " and not catching up" if is_persistent else ""
    return f"This mirror is behind{catches_up}: {_what_waits(summary, waiting)}."


def _what_waits(summary: Summary, waiting: int) -> str:
    """Return what is missing; so many packages are `waiting` for their pages."""
    edge = summary.state.incidents.get(EDGE)
    if edge:
        return "most of what it asks for " + ("fails" if edge.cause else "is old")
    if waiting:
        verb = "waits for its" if waiting == 1 else "wait for their"
        return f"{_many(waiting, 'package')} {verb} newest page"
    if left(summary):
        return f"{_many(left(summary), 'package')} {'is' if left(summary) == 1 else 'are'} left to sync"
    return f"by {_many(summary.serial_lag, 'change')}" if summary.serial_lag else "what is new is not known"


def _rows(summary: Summary, only_quarantined: Iterable[str]) -> list[Row]:
    """Return what waits: the worst first, and what is in quarantine without an incident last."""
    rows = [_incident_row(one, summary.now) for one in summary.worst(ROWS_SHOWN)]
    entries = sorted((summary.state.quarantine[name].since, name) for name in only_quarantined)
    for _, name in entries[: ROWS_SHOWN - len(rows)]:
        rows.append(_quarantined_row(name, summary.state.quarantine[name], summary.now))
    return rows


def _causes(summary: Summary) -> list[CauseRow]:
    """Return why things are not as they should be, with what to do: the worst first, then what concerns the most."""
    found: dict[tuple[str, str], list[Incident]] = {}
    for one in summary.speaking:
        found.setdefault((why(one), one.verdict), []).append(one)
    ranked = sorted(found.items(), key=lambda item: (-max(one.level for one in item[1]), -len(item[1]), item[0]))
    return [
        CauseRow(
            why=reason,
            names=", ".join(printable(words.title(one.subject)) for one in ones[:NAMED])
            + (" …" if len(ones) > NAMED else ""),
            verdict=verdict,
            count=len(ones),
            level=str(max(one.level for one in ones)),
            since=(since := min(one.since for one in ones)),
            age=duration(max(0, summary.now - since)),
            to_do=words.to_do(ones[0], for_all=len(ones) > 1).replace("`", ""),
        )
        for (reason, verdict), ones in ranked[:CAUSES_SHOWN]
    ]


def _incident_row(incident: Incident, now: int) -> Row:
    return Row(
        name=printable(words.title(incident.subject)),
        note=printable(words.extent(incident)),
        level=str(incident.level),
        since=incident.since,
        age=duration(incident.age(now)),
        wanted=incident.required_serial,
        got=incident.got,
        why=why(incident),
        verdict=incident.verdict,
        in_quarantine=incident.in_quarantine,
        nodes=nodes(incident.evidence),
    )


def _quarantined_row(name: str, entry: QuarantineEntry, now: int) -> Row:
    return Row(
        name=printable(name),
        note="",
        level="",
        since=entry.since,
        age=duration(max(0, now - entry.since)),
        wanted=entry.required_serial,
        got=entry.synced,
        why="the mirror goes on without it, and asks for it again",
        verdict="",
        in_quarantine=True,
        nodes=(),
    )


def _many(count: int, noun: str) -> str:
    return f"{count:,} {noun}" + ("" if count == 1 else "s")


def _long_before(seconds: int) -> str:
    """Return how long before the page was written something happened."""
    return f"{duration(seconds)} before this was written" if seconds > 0 else "when this was written"


def _source(text: str) -> str:
    """Return the Content-Security-Policy source that allows only this inline text."""
    return f"'sha256-{base64.b64encode(hashlib.sha256(text.encode()).digest()).decode()}'"


def _part(suffix: str) -> str:
    return resources.files(__package__).joinpath("templates", f"status_page.{suffix}").read_text("utf-8")


@cache
def _template() -> jinja2.Template:
    environment = jinja2.Environment(
        autoescape=True, undefined=jinja2.StrictUndefined, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters.update(iso=timestamp, duration=duration, many=_many, long_before=_long_before)
    return environment.from_string(_part("html"))
