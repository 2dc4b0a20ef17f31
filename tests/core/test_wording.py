"""How an incident is said."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bandersnatch_freshness.core.incidents import EDGE, Change, Ending, Incident, Level
from bandersnatch_freshness.core.verdicts import Verdict
from bandersnatch_freshness.core.wording import describe, describe_change
from bandersnatch_freshness.formatting import duration

NOON = 1_539_691_200
FOO = Incident(
    "foo",
    since=NOON,
    seen=NOON + 3600,
    runs=13,
    required_serial=42,
    got=41,
    verdict=Verdict.ORIGIN_STALE,
    level=Level.WARNING,
    evidence=(
        {"variant": "plain", "serial": 41, "x_cache": "HIT", "served_by": "cache-ams21"},
        {"variant": "strip", "problem": "status 403"},
        {"variant": "deflate"},
    ),
)


def test_says_all_that_a_person_needs() -> None:
    """What, since when, the serials, the verdict, what was tried, what to do; in one line."""
    assert describe(FOO, NOON + 3600) == (
        "foo has been stale for 1 h, since 2018-10-16T12:00:00Z, in 13 runs: serial 42 wanted, 41 got. "
        "origin-stale: the origin itself is behind. "
        "Tried: plain 41 (HIT cache-ams21), strip status 403, deflate no serial. "
        "To do: report it to whoever runs it (PyPI: pypi/warehouse on GitHub); no way of asking helps"
    )


def test_says_how_many_where_it_is_the_whole_edge() -> None:
    """With examples."""
    edge = replace(FOO, subject=EDGE, count=99, examples=("a", "b"), got=None)
    assert describe(edge, NOON).startswith(
        "most of what was asked for (99 packages, such as a, b) has been stale for 0 s"
    )
    assert "42 wanted, none got" in describe(edge, NOON)


@pytest.mark.parametrize("ending", list(Ending))
def test_says_why_it_is_over(ending: Ending) -> None:
    """And how bad it had been."""
    assert describe_change(Change(FOO, ending), NOON) == (
        f"foo is no longer stale: {ending.value}. It was warning, since 2018-10-16T12:00:00Z"
    )


@pytest.mark.parametrize("verdict", [verdict for verdict in Verdict if verdict is not Verdict.FRESH])
def test_every_verdict_has_its_advice(verdict: Verdict) -> None:
    """Whatever an incident's verdict can be."""
    assert "To do: " in describe(replace(FOO, verdict=verdict), NOON)
    assert not describe(replace(FOO, verdict=verdict), NOON).endswith("To do: ")


@pytest.mark.parametrize(
    ("seconds", "words"),
    [(0, "0 s"), (59, "59 s"), (60, "1 min"), (3661, "1 h 1 min"), (86400, "1 d"), (90061, "1 d 1 h")],
)
def test_time_spans_have_two_units(seconds: int, words: str) -> None:
    """The largest ones."""
    assert duration(seconds) == words
