"""The line on a fleet."""

from __future__ import annotations

import pytest

from bandersnatch_freshness.core.incidents import Thresholds
from bandersnatch_freshness.exit_codes import CheckExit
from bandersnatch_freshness.outside.judgement import Finding, Judged
from bandersnatch_freshness.outside.report import report
from bandersnatch_freshness.reporting.check import AgeLimits

OK, WARNING, CRITICAL, UNKNOWN = CheckExit.OK, CheckExit.WARNING, CheckExit.CRITICAL, CheckExit.UNKNOWN
USUAL = Thresholds(3600, 86400)


def mirror(name: str, severity: CheckExit = OK, age: int | None = 60) -> Judged:
    """Return what users of a mirror get."""
    older = [Finding(severity, "old", 7200)] if severity is WARNING else []
    return Judged(f"https://{name}", severity, f"{name} says", age, 3, older, 30)


@pytest.mark.parametrize(
    ("fleet", "code", "text"),
    [
        pytest.param([mirror("a")], OK, "OK - https://a: a says |", id="one"),
        pytest.param(
            [mirror("a"), mirror("b", UNKNOWN), mirror("c", CRITICAL), mirror("d", WARNING)],
            CRITICAL,
            "CRITICAL - https://c: c says; also https://d (WARNING), https://b (UNKNOWN); 1 of 4 mirrors are OK |",
            id="the-worst-decides",
        ),
        pytest.param([mirror("a", UNKNOWN), mirror("b", WARNING)], WARNING, "WARNING - https://b", id="known-is-worse"),
        pytest.param(
            [mirror("a"), mirror("b")], OK, "OK - https://a: a says; 2 of 2 mirrors are OK |", id="all-are-well"
        ),
        pytest.param(
            [mirror("a", CRITICAL), *(mirror(name, WARNING) for name in "bcdef")],
            CRITICAL,
            "CRITICAL - https://a: a says; also https://b (WARNING), https://c (WARNING), https://d (WARNING) "
            "and 2 more; 0 of 6 mirrors are OK",
            id="many",
        ),
    ],
)
def test_one_line_on_all(fleet: list[Judged], code: CheckExit, text: str) -> None:
    """With the worst first, and its exit code."""
    found, line = report(fleet, USUAL)
    assert found == code
    assert line.startswith(f"FRESHNESS {text}")
    assert line.count("|") == 1


def test_figures_are_the_worst_of_all() -> None:
    """As the guidelines have it; U where none is known."""
    _, line = report([mirror("a"), mirror("b", WARNING, 120)], USUAL)
    assert line.partition(" | ")[2].split() == [
        "mirrors=2;;;0",
        "not_ok=1;;;0",
        "complete_age=120s;;;0",
        "serial_lag=3;;;0",
        "older_copies=1;;;0",
        "older_age=7200s;3600;86400;0",
        "requests=60;;;0",
    ]
    assert " complete_age=U;;;0 " in report([mirror("a", age=None)], USUAL)[1]


def test_how_old_what_mirrors_have_may_be_can_be_given() -> None:
    """Of each of a fleet."""
    found, line = report([mirror("a", age=60), mirror("b", age=7200)], USUAL, AgeLimits(3600, 86400))
    assert found is WARNING
    assert "b: what it has is 2 h old, and may be 1 h; " in line
    assert " complete_age=7200s;3600;86400;0 " in line
