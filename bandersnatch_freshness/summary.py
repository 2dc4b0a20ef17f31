"""The summary: what `status` and `check` report, from the state and the mirror's own files."""

from __future__ import annotations

import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from . import state as states
from .incidents import Incident, Level, Thresholds
from .state import PastRun, State
from .words import duration

OK, WARNING, CRITICAL, UNKNOWN = range(4)
_NAMES = ("OK", "WARNING", "CRITICAL", "UNKNOWN")


@dataclass(frozen=True)
class Summary:
    """How fresh a mirror is. `problem` says why the state says nothing, if it does not."""

    directory: str
    master: str
    serial: int | None
    waiting: int
    now: int
    thresholds: Thresholds
    state: State = field(default_factory=lambda: State(""))
    problem: str = ""

    @property
    def incidents(self) -> list[Incident]:
        """The open incidents, the worst and oldest first."""
        return sorted(self.state.incidents.values(), key=lambda one: (-one.level, one.since, one.subject))

    @property
    def last_run(self) -> PastRun | None:
        """The last run that got through to its end, None where none is remembered."""
        return next((run for run in reversed(self.state.runs) if run.outcome in ("fresh", "errors")), None)

    @property
    def serial_lag(self) -> int:
        """How many serials the mirror is behind what the index announced last."""
        announced = max((run.target for run in self.state.runs[-1:]), default=0)
        return max(0, announced - (self.serial or 0))

    def counts(self) -> Counter[Level]:
        """Return how many incidents are at each level."""
        return Counter(incident.level for incident in self.state.incidents.values())

    def oldest(self) -> int:
        """Return for how many seconds the oldest incident has been open; 0 where none is."""
        return max((incident.age(self.now) for incident in self.state.incidents.values()), default=0)

    def as_json(self) -> dict[str, Any]:
        """Return all of it as plain data, as docs/state.md describes it."""
        document = json.loads("".join(states.dump(self.state, self.now)))
        return {
            "directory": self.directory,
            "master": self.master,
            "serial": self.serial,
            "serial_lag": self.serial_lag,
            "waiting": self.waiting,
            "problem": self.problem,
            "incidents": document["incidents"],
            "quarantine": document["quarantine"],
            "runs": document["runs"],
        }


def check(summary: Summary) -> tuple[int, str]:
    """Return the exit code and the one line of a monitoring plugin.

    Source: the Monitoring Plugins Development Guidelines.
    """
    counts, last = summary.counts(), summary.last_run
    silent = summary.now - last.finished if last else None
    if summary.problem:
        code, text = UNKNOWN, summary.problem
    elif silent is None:
        code, text = UNKNOWN, "no run is remembered"
    elif silent > summary.thresholds.critical_after:
        code, text = UNKNOWN, f"no run has finished for {duration(silent)}"
    else:
        code = CRITICAL if counts[Level.CRITICAL] else WARNING if counts[Level.WARNING] else OK
        worst = ", ".join(f"{one.subject} ({one.level})" for one in summary.incidents[:3])
        open_ = f"{len(summary.incidents)} stale: {worst}" if worst else "nothing is stale"
        text = f"{open_}; last run {duration(max(0, silent))} ago"
    limits = summary.thresholds
    figures = {
        "stale": f"{counts[Level.STALE]};;;0",
        "warning": f"{counts[Level.WARNING]};;;0",
        "critical": f"{counts[Level.CRITICAL]};;;0",
        "quarantined": f"{len(summary.state.quarantine)};;;0",
        "oldest": f"{summary.oldest()}s;{limits.warn_after};{limits.critical_after};0",
        "serial_lag": f"{summary.serial_lag};;;0",
    }
    # A bar separates text and figures, wherever it comes from.
    text = text.replace("|", "/")
    return code, f"FRESHNESS {_NAMES[code]} - {text} | " + " ".join(
        f"{name}={value}" for name, value in figures.items()
    )
