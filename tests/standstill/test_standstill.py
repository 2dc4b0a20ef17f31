"""Every way in which a mirror can stand still is told in time, once a level, and the docs say how."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from ..end_to_end.observe import BANDERSNATCH
from . import page
from .days import CAUSES, count
from .page import days
from .play import MENDED, Played, Said, play
from .ways import DAY, HOUR, MINUTE, WAYS, Way

pytestmark = [pytest.mark.slow, pytest.mark.mirror]

# Whose texts the docs have.
_OF_DOCS = 8

_LEVELS = {"OK": 0, "WARNING": 1, "CRITICAL": 2, "UNKNOWN": 2}


def here(names: Iterator[str] | tuple[str, ...]) -> list[object]:
    """Return the ways as parameters, those marked that can't happen on this Bandersnatch."""
    skips = {name: pytest.mark.skipif(bool(WAYS[name].not_here), reason=WAYS[name].not_here or "-") for name in names}
    return [pytest.param(name, marks=mark, id=name) for name, mark in skips.items()]


@pytest.mark.parametrize("name", here(tuple(WAYS)))
def test_way(name: str, tmp_path: Path) -> None:
    """It is a warning and critical in time, for whoever looks or is told; nothing is said between; it ends."""
    played = play(WAYS[name], tmp_path)
    way, said = played.way, played.said
    levels = [(one.at, _LEVELS[one.check.split(" ")[1]]) for one in said]
    broken = [(at, level) for at, level in levels if at not in MENDED]
    if way.warned_by is not None:
        assert all(level >= 1 for at, level in broken if at >= way.warned_by), said
    if way.critical_by is not None:
        assert all(level >= 2 for at, level in broken if at >= way.critical_by), said
    assert levels[-1][1] == 0, said[-1]
    assert len([one for one in said if one.mail]) <= 4, [one.mail for one in said]
    assert all(len(one.mail) <= 21 for one in said)
    if way.has_runs:
        assert _is_told(way, said), said
        assert played.bare or way.tells_bare_nothing
    if BANDERSNATCH.major == _OF_DOCS:
        rows, sections = page.written()
        assert rows[way.title] == page.line(page.row(played))
        assert sections[way.title] == page.section(played)


def _is_told(way: Way, said: list[Said]) -> bool:
    """Return whether a channel and cron's mail said each level in time."""
    loud = [(one.at, line) for one in said for line in (*one.mail, *one.notified)]
    ending = MENDED[0]
    return all(
        any(at <= (by or 0) and word in line for at, line in loud if at < ending)
        for word, by in (("WARNING", way.warned_by), ("CRITICAL", way.critical_by))
        if by is not None
    )


@pytest.mark.parametrize("name", here(CAUSES))
def test_two_days_of_half_hourly_runs(name: str, tmp_path: Path) -> None:
    """At most a block for each level, whatever the cause; bare Bandersnatch's lines come with each run."""
    counted = count(name, tmp_path, range(0, 2 * DAY, 30 * MINUTE))
    assert counted.loud_runs <= 2
    assert sum(counted.a_day) <= 4
    assert counted.bare >= 1


def test_the_docs_have_all_and_nothing_else() -> None:
    """A row and a section for each way."""
    rows, sections = page.written()
    titles = [way.title for way in WAYS.values()]
    assert list(sections) == titles
    assert [title for title in rows if title in sections] == titles
    assert len(titles) >= 12
    assert len(set(titles)) == len(titles)


def test_what_is_said_again_is_no_news() -> None:
    """Ages and counts of runs change in every run; a row is for what does not."""
    first = Said(0, "FRESHNESS OK - nothing is stale; last run 1 min ago", "Fresh: all", (), (), ())
    again = first._replace(at=5 * MINUTE, check=first.check.replace("1 min", "6 min 40 s"))
    worse = again._replace(at=HOUR, check="FRESHNESS WARNING - foo", mail=("x", "y"))
    way = Way("a way")
    table = page.section(Played(way, [first, again, worse]))
    assert [line.split(" | ")[0] for line in table.splitlines()[4:]] == ["| 0 s", "| 1 h"]
    assert "x (and 1 more lines)" in table
    assert days([], {}).startswith("| cause |")
