"""The status page: what a mirror's users and operator read in a browser. No I/O except for its own template.

Everything from outside is made printable here and escaped by the template.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Iterable
from dataclasses import dataclass
from functools import cache
from importlib import resources

import jinja2
from markupsafe import Markup

from .. import __version__
from ..core import wording as words
from ..core.incidents import EDGE, INDEX, Incident, Level
from ..core.observations import Evidence
from ..core.quarantine import QuarantineEntry
from ..formatting import duration, printable, timestamp
from . import chart
from .summary import Summary

ROWS_SHOWN = 100
NODES_SHOWN = 3

_OUTCOMES = {
    "fresh": "got everything it asked for",
    "errors": "completed, but could not get everything",
    "failed": "ended early with an error",
    "interrupted": "was interrupted",
    "overlapping": "completed while another one was under way",
}
_STOPPED = "No run has completed for a long time: this page is out of date."


@dataclass(frozen=True)
class Headline:
    """What the reader sees first. `tone` is one of fresh, behind, stale, unknown."""

    tone: str
    word: str
    sentence: str
    detail: str = ""


@dataclass(frozen=True)
class Row:
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


def render(summary: Summary) -> str:
    """Return the page as HTML."""
    counts = summary.counts()
    only_quarantined = summary.state.quarantine.keys() - summary.state.incidents.keys()
    rows = _rows(summary, only_quarantined)
    shown = headline(summary, counts[Level.WARNING] + counts[Level.CRITICAL], len(only_quarantined))
    last = summary.state.runs[-1] if summary.state.runs else None
    style, script = _part("css"), _part("js")
    return _template().render(
        headline=shown,
        stopped=_STOPPED,
        until=_silent_since(summary) + summary.thresholds.critical_after,
        summary=summary,
        master=printable(summary.master),
        lag=summary.serial_lag,
        announced=summary.state.announced(),
        last=last,
        outcome=_OUTCOMES.get(last.outcome, printable(last.outcome)) if last else "",
        counts=[(str(level), counts[level]) for level in sorted(Level, reverse=True) if counts[level]],
        rows=rows,
        more=len(summary.state.incidents) + len(only_quarantined) - len(rows),
        charts=(
            chart.lag_chart(summary.state.history, summary.now),
            chart.incident_chart(summary.state.history, summary.now),
        ),
        height=chart.HEIGHT,
        spans=chart.spans(summary.state.history, summary.now),
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


def headline(summary: Summary, persistent: int, only_quarantined: int) -> Headline:
    """Return how fresh the mirror is; `persistent` is the number of incidents worse than stale."""
    state, last, lag = summary.state, summary.last_run, summary.serial_lag
    if summary.problem:
        return Headline("unknown", "Unknown", "The freshness of this mirror is unknown.", printable(summary.problem))
    if not summary.serial:
        return Headline("unknown", "Not filled", "This mirror has not been filled yet.")
    if last is None:
        return Headline("unknown", "Unknown", "The freshness of this mirror is unknown.", "No run has completed yet.")
    if summary.now - last.finished > summary.thresholds.critical_after:
        return Headline("unknown", "Unknown", _STOPPED)
    if INDEX in state.incidents:
        why = "The index, which lists what there is to sync, is broken or old."
        return Headline("stale", "Stale", "This mirror cannot see new releases.", why)
    detail = "" if state.runs[-1].is_whole else "The last run ended early; this is as of the one before."
    waiting = len(state.incidents) + only_quarantined
    if EDGE in state.incidents:
        what = "most of what it asks for is old"
    elif waiting:
        what = (
            "1 package waits for its newest page"
            if waiting == 1
            else f"{waiting:,} packages wait for their newest page"
        )
    elif lag:
        what = f"by {_many(lag, 'change')}"
    else:
        return Headline("fresh", "Fresh", "This mirror has everything that was announced.", detail)
    if persistent:
        return Headline("stale", "Stale", f"This mirror is behind and not catching up: {what}.", detail)
    return Headline("behind", "Behind", f"This mirror is behind: {what}.", detail)


def _silent_since(summary: Summary) -> int:
    """Return the time of the latest information on this page, in seconds since 1970."""
    return summary.last_run.finished if summary.last_run else summary.now


def _rows(summary: Summary, only_quarantined: Iterable[str]) -> list[Row]:
    """Return what waits: the worst first, and what is in quarantine without an incident last."""
    rows = [_incident_row(one, summary.now) for one in summary.worst(ROWS_SHOWN)]
    entries = sorted((summary.state.quarantine[name].since, name) for name in only_quarantined)
    for _, name in entries[: ROWS_SHOWN - len(rows)]:
        rows.append(_quarantined_row(name, summary.state.quarantine[name], summary.now))
    return rows


def _incident_row(incident: Incident, now: int) -> Row:
    return Row(
        name=printable(words.title(incident.subject)),
        note=printable(words.extent(incident)),
        level=str(incident.level),
        since=incident.since,
        age=duration(incident.age(now)),
        wanted=incident.required_serial,
        got=incident.got,
        why=words.meaning(incident.verdict),
        verdict=incident.verdict.value,
        in_quarantine=incident.in_quarantine,
        nodes=_nodes(incident.evidence),
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


def _nodes(evidence: Iterable[Evidence]) -> tuple[str, ...]:
    """Return the nodes that answered, each from the first header that names one."""
    names = (next((one[key] for key in ("served_by", "via", "cache_status") if one.get(key)), "") for one in evidence)
    return tuple(printable(str(name)) for name in list(dict.fromkeys(filter(None, names)))[:NODES_SHOWN])


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
