"""The command `bandersnatch-freshness status`."""

from __future__ import annotations

import argparse
import json
import shlex
from collections.abc import Iterator

from ..core import wording
from ..core.incidents import EDGE, Level
from ..core.origin import Allowance
from ..documentation import RUNBOOK, where
from ..exit_codes import CheckExit
from ..formatting import duration, printable, timestamp
from ..reporting import audit_progress, facts
from ..reporting.standing import Freshness, Standing, completeness, nodes, standing
from ..reporting.summary import Summary
from ..table import Table
from . import terminal
from .epilogs import PROGRAM
from .parser import CONFIG
from .summaries import summarize

RUNS_SHOWN = 5
INCIDENTS_SHOWN = 50

_STYLES = {Level.STALE: "", Level.WARNING: "yellow", Level.CRITICAL: "bold red"}
_STYLE_OF = {
    CheckExit.OK: "yellow",
    CheckExit.WARNING: "bold yellow",
    CheckExit.CRITICAL: "bold red",
    CheckExit.UNKNOWN: "yellow",
}
_OUTCOMES = {"errors": "yellow", "failed": "red", "interrupted": "yellow", "overlapping": "yellow"}


def main(options: argparse.Namespace) -> int:
    """Show how fresh the mirror is; return 0."""
    summary = summarize(options)
    if options.json:
        terminal.show(json.dumps(facts.as_json(summary), indent=2))
        return 0
    found = standing(summary)
    terminal.show(*_verdict(found, options.config))
    terminal.show(f"\n{terminal.styled(summary.directory, 'bold')}, a mirror of {summary.master}")
    serial = "not synced yet" if summary.serial is None else f"serial {summary.serial}"
    behind = f", {summary.serial_lag} behind" if summary.serial and summary.serial_lag else ""
    waiting = f", {summary.waiting} packages to sync" if summary.waiting else ""
    since = f", {completeness(summary)}" if found.incident else ""  # else the verdict says so
    terminal.show(f"{serial}{behind}{waiting}{since}\n")
    if summary.state.incidents:
        terminal.show(_incidents(summary))
    if summary.state.quarantine:
        terminal.show("", quarantined(summary))
    if summary.state.origin:
        terminal.show("", _origin(summary.state.origin, summary.now))
    if audit := summary.state.audit:
        every, now = summary.audit_every, summary.now
        said = " ".join((*audit_progress.progress(audit, every, now), *audit_progress.advice(audit, every, now)))
        terminal.show("", f"Audit: {_as_typed(said, options.config)}")
    if summary.state.runs:
        terminal.show("", _runs(summary))
    return 0


def _verdict(found: Standing, config: str) -> Iterator[str]:
    """Yield the lines that say how fresh the mirror is, why, who holds the old page, and what to do."""
    style = "bold green" if found.freshness in (Freshness.FRESH, Freshness.FIRST_SYNC) else _STYLE_OF[found.severity]
    seen_at = nodes(found.incident.evidence) if found.incident else ()
    word = found.freshness.value.replace("-", " ").upper()
    reason = found.reason.removeprefix(f"{word.lower()}, ")  # the first sync's
    because = f": {reason}" if reason != word.lower() else ""
    yield terminal.styled(word, style) + because + (f"; seen at {', '.join(seen_at)}" if seen_at else "")
    if found.to_do:
        yield f"To do: {_as_typed(found.to_do, config)}"
        yield f"What each cause means, step by step: {where(RUNBOOK)}"


def _as_typed(advice: str, config: str) -> str:
    """Return an advice with its commands as they are to be typed for this configuration."""
    return advice if config == CONFIG else advice.replace(f"`{PROGRAM}", f"`{PROGRAM} -c {shlex.quote(config)}")


def _incidents(summary: Summary) -> Table:
    table = Table(("what", "level", "for", "runs", "wanted", "got", "why"), "Not as it should be")
    shown = summary.worst(INCIDENTS_SHOWN)
    for incident in shown:
        table.add(
            printable(wording.title(incident.subject)) + (f" ({incident.count})" if incident.subject == EDGE else ""),
            str(incident.level),
            duration(incident.age(summary.now)),
            str(incident.runs),
            str(incident.required_serial),
            "none" if incident.got is None else str(incident.got),
            printable(incident.cause or incident.verdict),
            style=_STYLES[incident.level],
        )
    more = len(summary.speaking) - len(shown)
    if more > 0:
        table.caption = f"and {more} more; all of them with --json"
    return table


def quarantined(summary: Summary) -> Table:
    """Return a table of the packages in quarantine."""
    table = Table(("package", "for", "wanted", "synced at", "asked", "next"), "In quarantine")
    entries = sorted(summary.state.quarantine.items(), key=lambda item: (item[1].since, item[0]))
    for name, entry in entries[:INCIDENTS_SHOWN]:
        wait = entry.next_ask() - summary.now
        table.add(
            printable(name),
            duration(max(0, summary.now - entry.since)),
            "not told yet" if entry.waiting else str(entry.required_serial),
            "" if entry.synced is None else str(entry.synced),
            f"{duration(max(0, summary.now - entry.last_asked))} ago" if entry.asks else "not yet",
            (f"in {duration(wait)}" if wait > 0 else "in the next run") + (", accepted" if entry.is_accepted else ""),
        )
    if len(entries) > INCIDENTS_SHOWN:
        table.caption = f"and {len(entries) - INCIDENTS_SHOWN} more; all of them with --json"
    return table


def _origin(allowance: Allowance, now: int) -> str:
    """Return what came of asking the origin itself in the last 24 hours in which it was asked."""
    said = (
        f"The origin itself was asked for {allowance.asked} pages in 24 hours from {timestamp(allowance.since)} on: "
        f"{allowance.cured} fresh"
    )
    waiting = sorted((turn.next(), name) for name, turn in allowance.pages.items() if not turn.is_due(now))
    if waiting:
        when, name = waiting[0]
        said += f"; {len(waiting)} wait for their next turn, {printable(name)} in {duration(when - now)}"
    if allowance.is_refused(now):
        said += f"; it refused {duration(now - allowance.refused)} ago, and is not asked for a day"
    return said


def _runs(summary: Summary) -> Table:
    columns = ("ended", "outcome", "serial", "fresh", "stale", "failing", "gone", "extra requests")
    table = Table(columns, "Last runs")
    for run in reversed(summary.state.runs[-RUNS_SHOWN:]):
        table.add(
            f"{duration(max(0, summary.now - run.finished))} ago",
            printable(run.outcome),
            *map(str, (run.serial, run.fresh, run.stale, run.failing, run.gone, run.extra_requests)),
            style=_OUTCOMES.get(run.outcome, ""),
        )
    return table
