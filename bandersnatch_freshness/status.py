"""The commands `bandersnatch-freshness status` and `check`."""

from __future__ import annotations

import argparse
import json
import time

from rich.console import Console
from rich.markup import escape
from rich.table import Table
from rich.text import Text

from . import summary as summaries
from .incidents import Level
from .summary import Summary
from .words import duration, title

RUNS_SHOWN = 5
INCIDENTS_SHOWN = 50

_STYLES = {Level.STALE: "", Level.WARNING: "yellow", Level.CRITICAL: "bold red"}
_OUTCOMES = {"fresh": "green", "errors": "yellow", "failed": "red", "interrupted": "yellow"}


def status(options: argparse.Namespace) -> int:
    """Show how fresh the mirror is; return 0."""
    summary = _summary(options)
    console = Console(highlight=False)
    if options.json:
        console.print(json.dumps(summary.as_json(), indent=2), soft_wrap=True, markup=False)
        return 0
    console.print(f"[bold]{escape(summary.directory)}[/], a mirror of {escape(summary.master)}", soft_wrap=True)
    serial = "not synced yet" if summary.serial is None else f"serial {summary.serial}"
    behind = f", {summary.serial_lag} behind" if summary.serial_lag else ""
    waiting = f", {summary.waiting} packages to sync" if summary.waiting else ""
    console.print(f"{serial}{behind}{waiting}\n")
    if summary.problem:
        console.print(f"[yellow]{escape(summary.problem)}[/]", soft_wrap=True)
        return 0
    console.print(_incidents(summary))
    if summary.state.runs:
        console.print(_runs(summary))
    return 0


def check(options: argparse.Namespace) -> int:
    """Print one line with figures for a monitoring system; return its exit code."""
    try:
        code, line = summaries.check(_summary(options))
    except (OSError, ValueError) as error:
        code, line = summaries.UNKNOWN, f"FRESHNESS UNKNOWN - {error}".replace("|", "/")
    if options.json:
        line = json.dumps({"exit_code": code, "line": line})
    Console(highlight=False).print(line, soft_wrap=True, markup=False)
    return code


def _summary(options: argparse.Namespace) -> Summary:
    # All of Bandersnatch is imported for this, which the other commands do without.
    from . import host

    return host.summarize(options.config, int(time.time()))


def _incidents(summary: Summary) -> Table | Text:
    if not summary.incidents:
        return Text("Nothing is stale.\n", style="green")
    table = Table(title="Stale", title_justify="left", box=None, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("package", "level", "for", "runs", "wanted", "got", "verdict"):
        table.add_column(column, overflow="fold")
    for incident in summary.incidents[:INCIDENTS_SHOWN]:
        table.add_row(
            escape(title(incident.subject) + (f" ({incident.count})" if incident.examples else "")),
            str(incident.level),
            duration(incident.age(summary.now)),
            str(incident.runs),
            str(incident.required),
            "none" if incident.got is None else str(incident.got),
            incident.verdict.value,
            style=_STYLES[incident.level],
        )
    more = len(summary.incidents) - INCIDENTS_SHOWN
    if more > 0:
        table.caption = f"and {more} more; all of them with --json"
    return table


def _runs(summary: Summary) -> Table:
    table = Table(title="\nLast runs", title_justify="left", box=None, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("ended", "outcome", "serial", "fresh", "stale", "gone", "extra requests"):
        table.add_column(column)
    for run in reversed(summary.state.runs[-RUNS_SHOWN:]):
        table.add_row(
            f"{duration(max(0, summary.now - run.finished))} ago",
            Text(run.outcome, style=_OUTCOMES.get(run.outcome, "")),
            *map(str, (run.serial, run.fresh, run.stale, run.gone, run.extra_requests)),
        )
    return table
