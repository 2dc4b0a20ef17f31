"""What one answer lists, and what of a serial can be true."""

from __future__ import annotations

from typing import Any

import pytest

from bandersnatch_freshness.core.index import DAY, plausible, read_changes, read_index


@pytest.mark.parametrize(
    ("index", "measured"),
    [
        pytest.param({"meta": {"_last-serial": 42}, "projects": [{"_last-serial": 40}, {}]}, (42, 2, 40), id="pypi"),
        pytest.param({"meta": {"_last-serial": 42}, "projects": [{}, {}]}, (None, 2, 0), id="of-a-static-mirror"),
        pytest.param(
            {"meta": {"_last-serial": 42}, "projects": [{"_last-serial": 43}]}, (43, 1, 43), id="projects-newer"
        ),
        pytest.param({"meta": {"_last-serial": "42"}, "projects": []}, (42, 0, 0), id="text"),
        pytest.param(
            {"meta": {}, "projects": [{"_last-serial": 41}, {"_last-serial": 42}, {}]}, (42, 3, 42), id="of-projects"
        ),
        pytest.param({"projects": [{"name": "foo"}]}, (None, 1, 0), id="none"),
        pytest.param({"projects": [{"_last-serial": 42.0}, {"_last-serial": 4.2}]}, (42, 2, 42), id="floats"),
        pytest.param({"meta": None, "projects": [{"_last-serial": 42}]}, (42, 1, 42), id="meta-is-null"),
        pytest.param({"meta": [], "projects": [{"_last-serial": 42}]}, (42, 1, 42), id="meta-is-a-list"),
    ],
)
def test_measures_an_index(index: Any, measured: tuple[int | None, int, int]) -> None:
    """Its own serial, else that of its newest project, and that."""
    listing = read_index(index)
    serial, highest = listing.measure()
    assert (serial, listing.projects, highest) == measured


def test_serials_that_are_too_high_are_left_out() -> None:
    """Of the whole, and of projects."""
    listing = read_index({"meta": {"_last-serial": 99}, "projects": [{"_last-serial": 40}, {"_last-serial": 98}]})
    assert listing.measure(50) == (40, 40)
    assert listing.measure(98) == (98, 98)
    assert listing.measure(39) == (None, 0)


def test_changes_are_a_list_too() -> None:
    """By project; where there is none, only the last serial is known."""
    assert read_changes({"foo": 41, "bar": 42}).measure() == (42, 42)
    assert read_changes({}, 43).measure() == (43, 0)
    assert read_changes({}).measure() == (None, 0)


@pytest.mark.parametrize(("later", "most"), [(-5, 100_007), (0, 100_007), (DAY, 200_007), (30 * DAY, 3_100_007)])
def test_what_can_be_true_grows_by_the_day(later: int, most: int) -> None:
    """So that a mirror that was off for a month believes what it then sees."""
    assert plausible(7, 1000, 1000 + later) == most


def test_finds_some_projects() -> None:
    """By normalized names; what is not listed is not found."""
    listing = read_index({"meta": {}, "projects": [{"name": "Foo", "_last-serial": 60}, {"name": "p"}]})
    assert listing.find(["foo", "bar"], str.lower) == {"foo": 60}
