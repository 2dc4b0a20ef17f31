"""What `status` and `check` make of a state."""

from __future__ import annotations

import pytest

from bandersnatch_freshness.core.history import PastRun
from bandersnatch_freshness.core.incidents import Incident, Level, Thresholds
from bandersnatch_freshness.core.quarantine import QuarantineEntry
from bandersnatch_freshness.core.verdicts import Verdict
from bandersnatch_freshness.reporting.summary import Summary, check
from bandersnatch_freshness.state.document import State

HOUR, DAY = 3600, 86400
NOW = 1_539_691_200


def incident(subject: str, level: Level, age: int) -> Incident:
    """Return an incident that was seen just now."""
    return Incident(subject, NOW - age, NOW, 3, 42, 41, Verdict.UNKNOWN, level=level)


def run(ago: int = 300, outcome: str = "fresh", target: int = 42) -> PastRun:
    """Return a run that ended so many seconds ago."""
    return PastRun(NOW - ago - 10, NOW - ago, outcome, 42, target)


def summary(
    *incidents: Incident, runs: tuple[PastRun, ...] = (run(),), problem: str = "", obstacle: str = ""
) -> Summary:
    """Return a summary of a mirror at serial 42."""
    state = State("https://master.example", {one.subject: one for one in incidents}, list(runs))
    return Summary("/srv/pypi", state.master, 42, 0, NOW, Thresholds(HOUR, DAY), state, problem, obstacle)


STALE, WARNING, CRITICAL = (
    incident("foo", Level.STALE, 60),
    incident("bar", Level.WARNING, 2 * HOUR),
    incident("baz", Level.CRITICAL, 2 * DAY),
)


@pytest.mark.parametrize(
    ("reported", "code", "text"),
    [
        pytest.param(summary(), 0, "OK - nothing is stale; last run 5 min ago |", id="ok"),
        pytest.param(summary(STALE), 0, "OK - 1 stale: foo (stale); last run 5 min ago |", id="stale-is-ok"),
        pytest.param(summary(STALE, WARNING), 1, "WARNING - 2 stale: bar (warning), foo (stale); ", id="warning"),
        pytest.param(summary(STALE, WARNING, CRITICAL), 2, "CRITICAL - 3 stale: baz (critical), bar", id="critical"),
        pytest.param(summary(runs=()), 3, "UNKNOWN - no run is remembered |", id="no-run"),
        pytest.param(summary(runs=(run(DAY),)), 0, "OK - nothing is stale; last run 1 d ago", id="a-day-ago"),
        pytest.param(summary(runs=(run(DAY + 1),)), 3, "UNKNOWN - no run has finished for 1 d 1 s |", id="silent"),
        pytest.param(summary(runs=(run(2 * DAY), run(5, "failed"))), 3, "UNKNOWN - no run has finished", id="failing"),
        pytest.param(summary(runs=(run(300), run(5, "interrupted"))), 0, "OK - ", id="under-way"),
        pytest.param(
            summary(runs=(run(-2 * HOUR),)),
            3,
            "UNKNOWN - the last run ended 2 h in the future: the clock was",
            id="future",
        ),
        pytest.param(summary(runs=(run(-30),)), 0, "OK - nothing is stale; last run 0 s ago", id="another-clock"),
        pytest.param(summary(problem="x | y\nz"), 3, "UNKNOWN - x / y z | stale=U", id="problem"),
        pytest.param(summary(obstacle="full"), 2, "CRITICAL - full | stale=0", id="obstacle"),
        pytest.param(summary(problem="x", obstacle="full"), 2, "CRITICAL - full | stale=U", id="both"),
    ],
)
def test_check_is_a_monitoring_plugin(reported: Summary, code: int, text: str) -> None:
    """One line, and the exit code of its first word."""
    found, line = check(reported)
    assert found == code
    assert line.startswith(f"FRESHNESS {text}")
    assert line.count("|") == 1
    assert "\n" not in line


def test_figures_follow_the_guidelines() -> None:
    """label=value[unit];warn;crit;min, for each level and the oldest."""
    lagging = run()._replace(target=50)
    reported = summary(STALE, WARNING, CRITICAL, runs=(lagging,))
    reported.state.quarantine["bar"] = QuarantineEntry(42, NOW, NOW)
    _, line = check(reported)
    assert line.partition(" | ")[2].split() == [
        "stale=1;;;0",
        "warning=1;;;0",
        "critical=1;;;0",
        "quarantined=1;;;0",
        "oldest=172800s;3600;86400;0",
        "serial_lag=8;;;0",
    ]


def test_figures_that_are_not_known_are_no_zeros() -> None:
    """U, as the guidelines have it; the quarantine has a second copy."""
    reported = summary(runs=(), problem="unreadable")
    reported.state.quarantine["bar"] = QuarantineEntry(42, NOW, NOW)
    _, line = check(reported)
    assert line.partition(" | ")[2].split() == [
        "stale=U;;;0",
        "warning=U;;;0",
        "critical=U;;;0",
        "quarantined=1;;;0",
        "oldest=U;3600;86400;0",
        "serial_lag=U;;;0",
    ]


def test_a_run_that_failed_does_not_make_the_mirror_current() -> None:
    """It didn't get to know what was announced; the one before it did."""
    assert summary(runs=(run(300, target=50), run(5, "failed", target=0))).serial_lag == 8
