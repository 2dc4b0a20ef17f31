"""The commands `bandersnatch-freshness status` and `check`."""

from __future__ import annotations

import argparse
import json

from rich.markup import escape
from rich.table import Table
from rich.text import Text

from ..core.incidents import Level
from ..core.origin import Allowance
from ..core.wording import title
from ..exit_codes import CheckExit
from ..formatting import duration, printable, timestamp
from ..reporting import summary as summaries
from ..reporting.summary import Summary
from ..state import second_copy
from ..state.document import State, StateError, load
from ..state.records import QUARANTINE_FILE
from . import terminal

RUNS_SHOWN = 5
INCIDENTS_SHOWN = 50

_STYLES = {Level.STALE: "", Level.WARNING: "yellow", Level.CRITICAL: "bold red"}
_OUTCOMES = {"fresh": "green", "errors": "yellow", "failed": "red", "interrupted": "yellow", "overlapping": "yellow"}


def status(options: argparse.Namespace) -> int:
    """Show how fresh the mirror is; return 0."""
    summary = summarize(options)
    if options.json:
        print(json.dumps(summary.as_json(), indent=2))  # noqa: T201
        return 0
    console = terminal.console()
    console.print(f"[bold]{escape(summary.directory)}[/], a mirror of {escape(summary.master)}", soft_wrap=True)
    serial = "not synced yet" if summary.serial is None else f"serial {summary.serial}"
    behind = f", {summary.serial_lag} behind" if summary.serial_lag else ""
    waiting = f", {summary.waiting} packages to sync" if summary.waiting else ""
    fresh = summary.state.fresh_at
    since = f", had everything {duration(max(0, summary.now - fresh))} ago" if fresh else ""
    console.print(f"{serial}{behind}{waiting}{since}\n")
    if summary.obstacle:
        console.print(f"[bold red]{escape(summary.obstacle)}[/]\n", soft_wrap=True)
    if summary.problem:
        console.print(f"[yellow]{escape(summary.problem)}[/]", soft_wrap=True)
    else:
        console.print(_incidents(summary))
    if summary.state.quarantine:
        console.print(quarantined(summary))
    if summary.state.origin:
        console.print(f"\n{escape(_origin(summary.state.origin, summary.now))}", soft_wrap=True)
    if summary.state.runs:
        console.print(_runs(summary))
    return 0


def check(options: argparse.Namespace) -> int:
    """Print one line with figures for a monitoring system; return its exit code."""
    try:
        code, line = summaries.check(summarize(options))
    except (OSError, ValueError) as error:
        code, line = CheckExit.UNKNOWN, summaries.line(CheckExit.UNKNOWN, str(error))
    except Exception as error:  # noqa: BLE001 - a traceback would exit with 1, which means WARNING
        text = f"an error inside bandersnatch-freshness: {type(error).__name__}"
        code, line = CheckExit.UNKNOWN, summaries.line(CheckExit.UNKNOWN, text)
    print(json.dumps({"exit_code": code, "line": line}) if options.json else line)  # noqa: T201
    return code


def summarize(options: argparse.Namespace) -> Summary:
    """Return a summary of the mirror that the options name.

    Raises:
        OSError, ValueError: if its configuration can't be read or used.
    """
    # Imported here because it imports all of Bandersnatch, which the other commands don't need.
    from .. import host

    files = host.files(options.config)
    state, problem, now = State(files.master), "", host.clock()
    store = files.store(files.tracking.state)
    try:
        content = store.read()
        if content is None:
            problem = f"{store.path}: no run is remembered yet; is freshness_escalation or freshness enabled?"
        else:
            state = load(content)
    except (OSError, StateError) as error:
        problem = f"{store.path}: {error}"
    copied = files.store(QUARANTINE_FILE)
    try:
        copy = copied.read() or b""
        second_copy.recover(state, copy.decode("utf-8", "replace"), now)
    except OSError as error:
        problem = problem or f"{copied.path}: {error}"
    return files.summary(state, now, problem, files.obstacle(state, now))


def _incidents(summary: Summary) -> Table | Text:
    if not summary.incidents:
        return Text("Nothing is stale.\n", style="green")
    table = Table(title="Stale", title_justify="left", box=None, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("package", "level", "for", "runs", "wanted", "got", "verdict"):
        table.add_column(column, overflow="fold")
    for incident in summary.incidents[:INCIDENTS_SHOWN]:
        table.add_row(
            escape(printable(title(incident.subject)) + (f" ({incident.count})" if incident.examples else "")),
            str(incident.level),
            duration(incident.age(summary.now)),
            str(incident.runs),
            str(incident.required_serial),
            "none" if incident.got is None else str(incident.got),
            incident.verdict.value,
            style=_STYLES[incident.level],
        )
    more = len(summary.incidents) - INCIDENTS_SHOWN
    if more > 0:
        table.caption = f"and {more} more; all of them with --json"
    return table


def quarantined(summary: Summary) -> Table:
    """Return a table of the packages in quarantine."""
    table = Table(title="\nIn quarantine", title_justify="left", box=None, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("package", "for", "wanted", "synced at", "asked", "next"):
        table.add_column(column, overflow="fold")
    entries = sorted(summary.state.quarantine.items(), key=lambda item: (item[1].since, item[0]))
    for name, entry in entries[:INCIDENTS_SHOWN]:
        wait = entry.next_ask() - summary.now
        table.add_row(
            escape(printable(name)),
            duration(max(0, summary.now - entry.since)),
            str(entry.required_serial),
            "" if entry.synced is None else str(entry.synced),
            f"{duration(max(0, summary.now - entry.last_asked))} ago" if entry.asks else "not yet",
            f"in {duration(wait)}" if wait > 0 else "in the next run",
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
    table = Table(title="\nLast runs", title_justify="left", box=None, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("ended", "outcome", "serial", "fresh", "stale", "gone", "extra requests"):
        table.add_column(column)
    for run in reversed(summary.state.runs[-RUNS_SHOWN:]):
        table.add_row(
            f"{duration(max(0, summary.now - run.finished))} ago",
            Text(printable(run.outcome), style=_OUTCOMES.get(run.outcome, "")),
            *map(str, (run.serial, run.fresh, run.stale, run.gone, run.extra_requests)),
        )
    return table
