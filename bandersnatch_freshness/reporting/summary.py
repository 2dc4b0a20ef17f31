"""The summary: what `status` and `check` report, from the state and the mirror's own files."""

from __future__ import annotations

import heapq
import json
from collections import Counter
from dataclasses import dataclass, field
from typing import Any

from ..core.history import PastRun
from ..core.incidents import MIRROR, Incident, Level, Thresholds
from ..exit_codes import CheckExit
from ..formatting import duration, printable
from ..state import document as states
from ..state.document import State

# How far the clocks of different hosts may be apart.
CLOCK_SECONDS = 60


@dataclass(frozen=True)
class Summary:
    """How fresh a mirror is. `problem` says why the state can't be used, empty if it can.

    The quarantine is known even then, from its second copy. `obstacle` says why the state can't be
    written, so that what runs see is not remembered, empty if it can.
    """

    directory: str
    master: str
    serial: int | None
    waiting: int
    now: int
    thresholds: Thresholds
    state: State = field(default_factory=lambda: State(""))
    problem: str = ""
    obstacle: str = ""

    @property
    def incidents(self) -> list[Incident]:
        """The open incidents, the worst and oldest first."""
        return sorted(self.state.incidents.values(), key=_badness)

    def worst(self, count: int) -> list[Incident]:
        """Return at most `count` of the open incidents, the worst and oldest first, without sorting them all."""
        return heapq.nsmallest(count, self.state.incidents.values(), key=_badness)

    @property
    def last_run(self) -> PastRun | None:
        """The last completed run, None if none is remembered."""
        return next((run for run in reversed(self.state.runs) if run.is_whole), None)

    @property
    def is_first_sync(self) -> bool:
        """Whether the mirror has never been complete."""
        return not self.state.complete_at and not self.serial

    @property
    def complete_at(self) -> int | None:
        """When the index was asked for of which the mirror has all, in seconds since 1970; None before the first run.

        A first sync that gets on counts as complete now. Where no complete run is remembered, it is the first run.
        """
        if self.state.complete_at:
            return self.state.complete_at
        mirror = self.state.incidents.get(MIRROR)
        if self.is_first_sync and mirror is None:
            return self.now
        first = self.state.runs[0].started if self.state.runs else None
        return mirror.since if mirror else first

    @property
    def serial_lag(self) -> int | None:
        """How many serials the mirror is behind what the index announced last, None if that is unknown."""
        announced = self.state.announced()
        return None if announced is None else max(0, announced - (self.serial or 0))

    def counts(self) -> Counter[Level]:
        """Return how many incidents are at each level."""
        return Counter(incident.level for incident in self.state.incidents.values())

    def oldest(self) -> int:
        """Return how long the oldest incident has been open, in seconds; 0 if there is none."""
        return max((incident.age(self.now) for incident in self.state.incidents.values()), default=0)

    def as_json(self) -> dict[str, Any]:
        """Return the summary as plain data, in the form that docs/schemas/status.json describes."""
        document = json.loads("".join(states.dump(self.state, self.now)))
        return {
            "directory": self.directory,
            "master": self.master,
            "serial": self.serial,
            "serial_lag": self.serial_lag,
            "waiting": self.waiting,
            "problem": self.problem,
            "obstacle": self.obstacle,
            "incidents": document["incidents"],
            "quarantine": document["quarantine"],
            "runs": document["runs"],
        }


def _badness(incident: Incident) -> tuple[int, int, str]:
    return -incident.level, incident.since, incident.subject


def check(summary: Summary) -> tuple[CheckExit, str]:
    """Return the exit code and the output line of a monitoring plugin.

    Source: the Monitoring Plugins Development Guidelines.
    """
    counts, last = summary.counts(), summary.last_run
    silent = summary.now - last.finished if last else None
    if summary.obstacle:
        code, text = CheckExit.CRITICAL, summary.obstacle
    elif summary.problem:
        code, text = CheckExit.UNKNOWN, summary.problem
    elif silent is None:
        code, text = CheckExit.UNKNOWN, "no run is remembered"
    elif silent < -CLOCK_SECONDS:
        code, text = (
            CheckExit.UNKNOWN,
            f"the last run ended {duration(-silent)} in the future: the clock was ahead then, or is behind now",
        )
    elif silent > summary.thresholds.critical_after:
        code, text = CheckExit.UNKNOWN, f"no run has finished for {duration(silent)}"
    else:
        code = CheckExit.OK
        if counts[Level.WARNING] or counts[Level.CRITICAL]:
            code = CheckExit.CRITICAL if counts[Level.CRITICAL] else CheckExit.WARNING
        worst = ", ".join(f"{printable(one.subject)} ({one.level})" for one in summary.incidents[:3])
        open_ = f"{len(summary.incidents)} stale: {worst}" if worst else "nothing is stale"
        text = f"{open_}; last run {duration(max(0, silent))} ago"
    figures: dict[str, object] = {
        "stale": counts[Level.STALE],
        "warning": counts[Level.WARNING],
        "critical": counts[Level.CRITICAL],
        "quarantined": len(summary.state.quarantine),
        "oldest": f"{summary.oldest()}s",
        "serial_lag": "U" if summary.serial_lag is None else summary.serial_lag,
    }
    if summary.problem:  # U means that the value could not be determined
        figures |= dict.fromkeys(("stale", "warning", "critical", "oldest"), "U")
    limits = {"oldest": f"{summary.thresholds.warn_after};{summary.thresholds.critical_after}"}
    listed = " ".join(f"{name}={value};{limits.get(name, ';')};0" for name, value in figures.items())
    return code, f"{line(code, text)} | {listed}"


def line(code: CheckExit, text: str) -> str:
    """Return the output line for a text, without bars, as a bar would start the performance data."""
    return f"FRESHNESS {code.name} - {' '.join(text.split())}".replace("|", "/")
