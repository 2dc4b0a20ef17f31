"""What `check` prints of a mirror."""

from __future__ import annotations

from typing import Any

import pytest
from msgspec.structs import replace

from bandersnatch_freshness.core.audit_round import AuditRound
from bandersnatch_freshness.core.history import Batch
from bandersnatch_freshness.core.incidents import EDGE, INDEX, Level
from bandersnatch_freshness.core.verdicts import Verdict
from bandersnatch_freshness.reporting.check import AgeLimits, check
from bandersnatch_freshness.reporting.summary import Summary

from .examples import (
    ACCEPTED,
    ASIDE,
    CRITICAL,
    DAY,
    HOUR,
    MINUTE,
    NOW,
    STALE,
    WARNING,
    incident,
    of_mirror,
    run,
    runs,
    summary,
)

FIRST: dict[str, Any] = {"serial": None, "complete_at": 0}
FAILING: dict[str, Any] = {"verdict": Verdict.FAILING, "cause": "no answer in time"}
COMPLETE = "complete as of 3 min ago"
LAST = "last run 5 min ago: fresh |"


@pytest.mark.parametrize(
    ("reported", "code", "text"),
    [
        pytest.param(summary(), 0, f"OK - {COMPLETE}; {LAST}", id="complete"),
        pytest.param(
            summary(quarantine={"foo": ASIDE, "bar": ACCEPTED}),
            0,
            f"OK - {COMPLETE}, but for 1 package in quarantine; {LAST}",
            id="quarantine",
        ),
        pytest.param(
            summary(STALE),
            0,
            "OK - foo has been stale for 1 min: no answer proves who holds the old page; "
            f"complete as of 3 min ago; {LAST}",
            id="stale-is-ok",
        ),
        pytest.param(
            summary(STALE, WARNING, replace(CRITICAL, verdict=Verdict.EDGE_STALE)),
            2,
            "CRITICAL - baz has been stale for 2 d: a cache on the way holds an old copy; also bar (warning), "
            f"foo (stale); {COMPLETE}; {LAST}",
            id="the-worst-first",
        ),
        pytest.param(summary(STALE, WARNING), 1, "WARNING - bar has been stale for 2 h: ", id="warning"),
        pytest.param(
            summary(WARNING, *(incident(f"x{number}") for number in range(6))),
            1,
            "WARNING - bar has been stale for 2 h: no answer proves who holds the old page; also x0 (stale), x1 "
            f"(stale) and 4 more; {COMPLETE}",
            id="many",
        ),
        pytest.param(
            summary(
                CRITICAL,
                of_mirror(Level.CRITICAL, DAY + 2 * HOUR),
                runs=(run(outcome="errors"),),
                complete_at=NOW - DAY - 2 * HOUR,
            ),
            2,
            "CRITICAL - the mirror has been incomplete for 1 d 2 h: lab-03 (its page: status 503); also baz "
            "(critical); complete as of 1 d 2 h ago; last run 5 min ago: errors |",
            id="the-mirror-itself-first",
        ),
        pytest.param(
            summary(WARNING, of_mirror(Level.WARNING, 2 * HOUR, is_explained=True)),
            1,
            f"WARNING - bar has been stale for 2 h: no answer proves who holds the old page; {COMPLETE}",
            id="what-is-explained-is-not-named",
        ),
        pytest.param(
            summary(incident(EDGE, Level.WARNING, HOUR, count=40, examples=("a", "b"), **FAILING)),
            1,
            "WARNING - most of what was asked for (40 packages, such as a, b) has been failing for 1 h: no answer in",
            id="edge-in-words",
        ),
        pytest.param(summary(incident(INDEX)), 0, "OK - the index has been stale for 1 min: ", id="index-in-words"),
        pytest.param(
            summary(complete_at=0), 0, f"OK - not known to be complete yet; {LAST}", id="not-complete-since-then"
        ),
        pytest.param(
            summary(batch=Batch(42, 900, NOW, 850), waiting=812, runs=(run(outcome="interrupted"),), **FIRST),
            0,
            "OK - first sync, 88 of 900; last run 5 min ago: interrupted |",
            id="first-sync",
        ),
        pytest.param(
            summary(waiting=812, runs=(), begun=NOW - HOUR, **FIRST),
            0,
            "OK - first sync, 812 packages left |",
            id="first-run",
        ),
        pytest.param(
            summary(of_mirror(Level.WARNING, 2 * HOUR), batch=Batch(42, 900, NOW, 850), **FIRST),
            1,
            "WARNING - the mirror has been incomplete for 2 h: lab-03 (its page: status 503); first sync, 50 of 900; ",
            id="first-sync-that-fails",
        ),
        pytest.param(summary(runs=()), 3, "UNKNOWN - no run is remembered |", id="no-run"),
        pytest.param(
            summary(runs=(run(-2 * HOUR),)),
            3,
            "UNKNOWN - the last run ended 2 h in the future: the clock was",
            id="future",
        ),
        pytest.param(summary(runs=(run(-30),)), 0, f"OK - {COMPLETE}; last run 0 s ago", id="another-clock"),
        pytest.param(summary(problem="x | y\nz"), 3, "UNKNOWN - x / y z | stale=U", id="problem"),
        pytest.param(summary(obstacle="full"), 2, "CRITICAL - full | stale=0", id="obstacle"),
        pytest.param(summary(problem="x", obstacle="full"), 2, "CRITICAL - full | stale=U", id="both"),
    ],
)
def test_check_is_a_monitoring_plugin(reported: Summary, code: int, text: str) -> None:
    """One line, and the exit code of its first word."""
    found, line = check(reported)
    assert line.startswith(f"FRESHNESS {text}")
    assert found == code
    assert line.count("|") == 1
    assert "\n" not in line


OVERLAPPED = (*runs(2 * DAY), run(outcome="overlapping"))


@pytest.mark.parametrize(
    ("reported", "code", "text"),
    [
        pytest.param(summary(runs=runs(DAY)), 0, "OK - ", id="just-not"),
        pytest.param(
            summary(runs=runs(3 * DAY)), 2, "CRITICAL - no run for 3 d; usually every 5 min; last run 3 d", id="stopped"
        ),
        pytest.param(
            summary(runs=(run(DAY + 1),)), 2, "CRITICAL - no run for 1 d 1 s; last run", id="unknown-interval"
        ),
        pytest.param(summary(runs=runs(2 * DAY, DAY)), 0, "OK - ", id="a-nightly-run-may-miss-a-night"),
        pytest.param(
            summary(runs=runs(3 * DAY + 1, DAY)), 2, "CRITICAL - no run for 3 d 1 s; usually every 1 d", id="nightly"
        ),
        pytest.param(summary(CRITICAL, runs=runs(3 * DAY)), 2, "CRITICAL - no run for 3 d; ", id="before-incidents"),
        pytest.param(summary(runs=runs(300, outcome="failed")), 0, "OK - ", id="a-run-that-fails-is-one"),
        pytest.param(summary(runs=runs(3 * DAY), begun=NOW - HOUR), 0, "OK - ", id="one-is-under-way"),
        pytest.param(
            summary(runs=runs(4 * DAY), begun=NOW - 3 * DAY, touched=NOW - HOUR), 0, "OK - ", id="one-that-takes-days"
        ),
        pytest.param(
            summary(runs=(), begun=NOW - 3 * DAY, touched=NOW - HOUR, **FIRST), 0, "OK - first sync", id="the-first-one"
        ),
        pytest.param(
            summary(runs=(), begun=NOW - 3 * DAY, touched=NOW - 2 * DAY, **FIRST),
            2,
            "CRITICAL - no run for 2 d |",
            id="the-first-one-hangs",
        ),
        pytest.param(
            summary(runs=OVERLAPPED, begun=NOW - DAY - HOUR, touched=NOW - 10),
            2,
            "CRITICAL - the run that began 1 d 1 h ago has not ended, and others overlap it; ",
            id="one-hangs-and-others-overlap-it",
        ),
        pytest.param(summary(runs=OVERLAPPED, begun=NOW - HOUR), 0, "OK - ", id="others-overlap-a-long-one"),
        pytest.param(summary(runs=OVERLAPPED), 2, "CRITICAL - no run for 2 d; ", id="overlapping-ones-are-no-sign"),
    ],
)
def test_runs_that_have_stopped_are_critical(reported: Summary, code: int, text: str) -> None:
    """Once there was none for a day, and for three times the usual interval; one that is at work is a sign of life."""
    found, line = check(reported)
    assert line.startswith(f"FRESHNESS {text}")
    assert found == code


@pytest.mark.parametrize(
    ("limits", "code", "text"),
    [
        pytest.param(AgeLimits(), 0, "complete as of 2 h ago", id="none"),
        pytest.param(AgeLimits(3 * HOUR, DAY), 0, "complete as of 2 h ago", id="younger"),
        pytest.param(AgeLimits(2 * HOUR), 1, "what it has is 2 h old, and may be 2 h; complete", id="a-warning"),
        pytest.param(AgeLimits(HOUR, 2 * HOUR), 2, "what it has is 2 h old, and may be 2 h; complete", id="critical"),
        pytest.param(
            AgeLimits(critical=HOUR), 2, "what it has is 2 h old, and may be 1 h; complete", id="critical-only"
        ),
    ],
)
def test_how_old_what_it_has_may_be_can_be_given(limits: AgeLimits, code: int, text: str) -> None:
    """For whoever wants it to be stricter than incidents are."""
    found, line = check(summary(complete_at=NOW - 2 * HOUR), limits)
    assert found == code
    assert line.startswith(f"FRESHNESS {found.name} - {text}")
    bounds = str(limits) if limits != AgeLimits() else f"{HOUR};{DAY}"
    assert f" complete_age={2 * HOUR}s;{bounds};0 " in line


def test_what_the_mirror_has_lost_is_a_warning() -> None:
    """Though all that is announced has its serial."""
    robbed = AuditRound(NOW - HOUR, 100, 1000, missing=11, is_whole=True)
    found, line = check(summary(audit=robbed))
    assert found == 1
    assert line.startswith("FRESHNESS WARNING - 11 packages are missing that were here, as the audit")


def test_what_is_worse_already_stays_so() -> None:
    """An age makes nothing better."""
    reported = summary(incident("foo", Level.CRITICAL, DAY), complete_at=NOW - DAY)
    found, line = check(reported, AgeLimits(HOUR))
    assert found == 2
    assert "may be" not in line


def test_figures_follow_the_guidelines() -> None:
    """label=value[unit];warn;crit;min, for each level, the oldest, and what has an age."""
    lagging = (*runs(10 * MINUTE, DAY), replace(run(), target=50))
    _, line = check(summary(STALE, WARNING, CRITICAL, runs=lagging, quarantine={"bar": ASIDE}))
    assert line.partition(" | ")[2].split() == [
        "stale=1;;;0",
        "warning=1;;;0",
        "critical=1;;;0",
        "quarantined=1;;;0",
        "oldest=172800s;3600;86400;0",
        "serial_lag=8;;;0",
        "complete_age=180s;3600;86400;0",
        "last_run=300s;;259200;0",
    ]


def test_figures_that_are_not_known_are_no_zeros() -> None:
    """U, as the guidelines have it; the quarantine has a second copy."""
    _, line = check(summary(runs=(), problem="unreadable", quarantine={"bar": ASIDE}))
    assert line.partition(" | ")[2].split() == [
        "stale=U;;;0",
        "warning=U;;;0",
        "critical=U;;;0",
        "quarantined=1;;;0",
        "oldest=U;3600;86400;0",
        "serial_lag=U;;;0",
        "complete_age=U;3600;86400;0",
        "last_run=U;;86400;0",
    ]
