"""The check: a line for a monitoring system, with an exit code and figures.

Source: the Monitoring Plugins Development Guidelines.
"""

from __future__ import annotations

from msgspec import Struct

from ..core.completeness import longest_silence
from ..core.incidents import Level
from ..exit_codes import CheckExit
from ..formatting import duration, printable
from .standing import completeness, standing
from .summary import Summary


class AgeLimits(Struct, frozen=True):
    """How old what a mirror has may be before that is a warning, or critical, in seconds; None: no matter how old."""

    warning: int | None = None
    critical: int | None = None

    def __str__(self) -> str:
        """Return both, as performance data has them."""
        return ";".join("" if limit is None else str(limit) for limit in (self.warning, self.critical))

    def judge(self, code: CheckExit, age: int | None) -> tuple[CheckExit, str]:
        """Return an exit code, which is worse where the age is above a limit, and what to say of that."""
        for worse, limit in ((CheckExit.CRITICAL, self.critical), (CheckExit.WARNING, self.warning)):
            if limit is not None and age is not None and age >= limit and code < worse:
                return worse, f"what it has is {duration(age)} old, and may be {duration(limit)}"
        return code, ""


NO_LIMITS = AgeLimits()


def check(summary: Summary, limits: AgeLimits = NO_LIMITS) -> tuple[CheckExit, str]:
    """Return the exit code and the output line of a monitoring plugin."""
    found, runs = standing(summary), summary.state.runs
    code, too_old = limits.judge(found.severity, _complete_age(summary))
    said = [too_old, found.reason] if too_old else [found.reason]
    if found.incident:
        said.append(completeness(summary))
    if runs and not (summary.problem or summary.obstacle):
        ago = duration(max(0, summary.now - runs[-1].finished))
        said.append(f"last run {ago} ago: {printable(runs[-1].outcome)}")
    return code, f"{line(code, '; '.join(said))} | {_figures(summary, limits)}"


def line(code: CheckExit, text: str) -> str:
    """Return the output line for a text, without bars, as a bar would start the performance data."""
    return f"FRESHNESS {code.name} - {' '.join(text.split())}".replace("|", "/")


def _complete_age(summary: Summary) -> int | None:
    at = None if summary.problem else summary.complete_at
    return None if at is None else max(0, summary.now - at)


def _figures(summary: Summary, limits: AgeLimits) -> str:
    """Return the performance data: label=value[unit];warn;crit;min. U is a value that could not be determined."""
    counts, now, runs, thresholds = summary.counts(), summary.now, summary.state.runs, summary.thresholds
    ages = f"{thresholds.warn_after};{thresholds.critical_after}"
    silence = f";{longest_silence(runs, thresholds.critical_after)}"
    complete = _complete_age(summary)
    figures: list[tuple[str, str | None, str]] = [
        *((str(level), None if summary.problem else str(counts[level]), ";") for level in Level),
        ("quarantined", str(len(summary.quarantine)), ";"),
        ("oldest", None if summary.problem else f"{summary.oldest()}s", ages),
        ("serial_lag", None if summary.serial_lag is None else str(summary.serial_lag), ";"),
        ("complete_age", None if complete is None else f"{complete}s", ages if limits == NO_LIMITS else str(limits)),
        ("last_run", f"{max(0, now - runs[-1].finished)}s" if runs else None, silence),
    ]
    return " ".join(f"{name}={'U' if value is None else value};{bounds};0" for name, value, bounds in figures)
