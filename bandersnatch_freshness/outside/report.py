"""The report: one line on a fleet of mirrors for a monitoring system, the worst of them first. No I/O and no clock.

Source: the Monitoring Plugins Development Guidelines.
"""

from __future__ import annotations

from collections.abc import Sequence

from msgspec.structs import replace

from ..core.incidents import Thresholds
from ..exit_codes import CheckExit
from ..reporting import check
from .judgement import Judged, badness

NAMED = 3


def report(
    judged: Sequence[Judged], thresholds: Thresholds, limits: check.AgeLimits = check.NO_LIMITS
) -> tuple[CheckExit, str]:
    """Return the exit code and the output line of a monitoring plugin.

    `thresholds` are those of old copies, `limits` of what a mirror has.
    """
    fleet = [_aged(one, limits) for one in judged]
    first, *others = sorted(fleet, key=lambda one: -badness(one.severity))
    said = [f"{first.url}: {first.text}"]
    troubled = [one for one in others if one.severity is not CheckExit.OK]
    if troubled:
        more = f" and {len(troubled) - NAMED} more" if len(troubled) > NAMED else ""
        said.append(f"also {', '.join(f'{one.url} ({one.severity.name})' for one in troubled[:NAMED])}{more}")
    if others:
        well = sum(one.severity is CheckExit.OK for one in fleet)
        said.append(f"{well} of {len(fleet)} mirrors are OK")
    return first.severity, f"{check.line(first.severity, '; '.join(said))} | {_figures(fleet, thresholds, limits)}"


def _aged(one: Judged, limits: check.AgeLimits) -> Judged:
    """Return what is judged of a mirror, which is worse where what it has is older than it may be."""
    severity, too_old = limits.judge(one.severity, one.complete_age)
    return replace(one, severity=severity, text=f"{too_old}; {one.text}") if too_old else one


def _figures(fleet: Sequence[Judged], thresholds: Thresholds, limits: check.AgeLimits) -> str:
    """Return the performance data: of the whole fleet, the worst of each, U where it is not known."""
    older = [found for one in fleet for found in one.older]
    ages = f"{thresholds.warn_after};{thresholds.critical_after}"
    known_ages = [one.complete_age for one in fleet if one.complete_age is not None]
    lags = [one.serial_lag for one in fleet if one.serial_lag is not None]
    figures: list[tuple[str, str | None, str]] = [
        ("mirrors", str(len(fleet)), ";"),
        ("not_ok", str(sum(one.severity is not CheckExit.OK for one in fleet)), ";"),
        ("complete_age", f"{max(known_ages)}s" if known_ages else None, str(limits)),
        ("serial_lag", str(max(lags)) if lags else None, ";"),
        ("older_copies", str(len(older)), ";"),
        ("older_age", f"{max((found.age or 0 for found in older), default=0)}s", ages),
        ("requests", str(sum(one.requests for one in fleet)), ";"),
    ]
    return " ".join(f"{name}={'U' if value is None else value};{bounds};0" for name, value, bounds in figures)
