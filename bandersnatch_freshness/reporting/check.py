"""The check: a line for a monitoring system, with an exit code and figures.

Source: the Monitoring Plugins Development Guidelines.
"""

from __future__ import annotations

from ..core.completeness import longest_silence
from ..core.incidents import Level
from ..exit_codes import CheckExit
from ..formatting import duration, printable
from .standing import completeness, standing
from .summary import Summary


def check(summary: Summary) -> tuple[CheckExit, str]:
    """Return the exit code and the output line of a monitoring plugin."""
    found, runs = standing(summary), summary.state.runs
    said = [found.reason]
    if found.incident:
        said.append(completeness(summary))
    if runs and not (summary.problem or summary.obstacle):
        ago = duration(max(0, summary.now - runs[-1].finished))
        said.append(f"last run {ago} ago: {printable(runs[-1].outcome)}")
    return found.severity, f"{line(found.severity, '; '.join(said))} | {_figures(summary)}"


def line(code: CheckExit, text: str) -> str:
    """Return the output line for a text, without bars, as a bar would start the performance data."""
    return f"FRESHNESS {code.name} - {' '.join(text.split())}".replace("|", "/")


def _figures(summary: Summary) -> str:
    """Return the performance data: label=value[unit];warn;crit;min. U is a value that could not be determined."""
    counts, now, runs, thresholds = summary.counts(), summary.now, summary.state.runs, summary.thresholds
    ages = f"{thresholds.warn_after};{thresholds.critical_after}"
    silence = f";{longest_silence(runs, thresholds.critical_after)}"
    complete_at = None if summary.problem else summary.complete_at
    figures: list[tuple[str, str | None, str]] = [
        *((str(level), None if summary.problem else str(counts[level]), ";") for level in Level),
        ("quarantined", str(len(summary.quarantine)), ";"),
        ("oldest", None if summary.problem else f"{summary.oldest()}s", ages),
        ("serial_lag", None if summary.serial_lag is None else str(summary.serial_lag), ";"),
        ("complete_age", None if complete_at is None else f"{max(0, now - complete_at)}s", ages),
        ("last_run", f"{max(0, now - runs[-1].finished)}s" if runs else None, silence),
    ]
    return " ".join(f"{name}={'U' if value is None else value};{limits};0" for name, value, limits in figures)
