"""Whether the parameter and no-cache make a difference."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bandersnatch_freshness.core.observations import Observation
from bandersnatch_freshness.core.usefulness import CACHE_BUST, NO_CACHE, PAGES, TRIED_AFTER, Idle, Usefulness, useful
from bandersnatch_freshness.core.variants import LADDER, PLAIN, AcceptEncoding, Variant, rungs

HOUR, WEEK = 3600, 7 * 24 * 3600

STRIP, STRIP_BUST, DEFLATE, BUST, FRESHEN, ALL = LADDER[1:]


def climb(*serials: int | None, cache: str = "HIT, HIT") -> list[Observation]:
    """Return what the rungs of the ladder got, one after the other."""
    return [Observation(way, 200, serial, x_cache=cache) for way, serial in zip(LADDER, serials, strict=False)]


def after(
    *climbs: list[Observation], trait: str = CACHE_BUST, idle: Idle | None = None, now: int = HOUR
) -> Idle | None:
    """Return what is remembered after a run of climbs for one page each."""
    seen = Usefulness()
    for number, one in enumerate(climbs):
        seen.saw(f"p{number}", one)
    return seen.after_run(trait, idle, now)


def test_what_gets_the_same_page_makes_no_difference() -> None:
    """With the parameter as without it, and with no-cache."""
    for trait in (CACHE_BUST, NO_CACHE):
        assert after(climb(*[41] * 7), climb(*[41] * 7), trait=trait) == Idle(("p0", "p1"), 1, HOUR, HOUR)
    # What was not asked for in both ways tells nothing.
    assert after(climb(41, 41)) is None
    assert after(climb(41, 41, 41, 41), trait=NO_CACHE) is None


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(Observation(STRIP_BUST, 200, 42, x_cache="MISS, MISS"), id="past-all-caches"),
        pytest.param(Observation(STRIP_BUST, 200, 42, x_cache="HIT, MISS"), id="past-the-nearest"),
        pytest.param(Observation(STRIP_BUST, 200, 42), id="no-cache-says-anything"),
    ],
)
def test_what_gets_a_newer_page_is_of_use(seen: Observation) -> None:
    """Whatever it did for other pages, and in earlier runs."""
    idle = Idle(tuple("abc"), 5, 0, 0)
    assert after(climb(*[41] * 7), [*climb(41, 41), seen], idle=idle) is None


def test_what_is_asked_for_again_may_be_newer_by_that() -> None:
    """Within stale-while-revalidate, where a cache gives both: it proves nothing, and takes one page back."""
    again = climb(41, 41, 42)
    assert after(again) is None
    assert after(again, idle=Idle(tuple("abc"), 5, 0, 9)) == Idle(tuple("bc"), 5, 0, 9)
    assert after(again, climb(*[41] * 7), idle=Idle(tuple("abc"), 5, 0, 9)) == Idle(("b", "c", "p1"), 6, 0, HOUR)


@pytest.mark.parametrize(
    "seen",
    [
        pytest.param(Observation(STRIP_BUST, 200, 41, x_cache="MISS, MISS"), id="the-origin-is-behind"),
        pytest.param(Observation(STRIP_BUST, 200, 41, age="0"), id="straight-from-it-by-its-age"),
        pytest.param(Observation(STRIP_BUST, 200, 40, x_cache="HIT"), id="older"),
        pytest.param(Observation(STRIP_BUST, 200), id="no-serial"),
        pytest.param(Observation(STRIP_BUST, 503), id="an-error"),
        pytest.param(Observation(STRIP_BUST), id="no-answer"),
    ],
)
def test_what_proves_nothing_is_not_counted(seen: Observation) -> None:
    """An edge that heeds the parameter gets the origin's page, which may be as old."""
    base = Observation(PLAIN, 200, 41, x_cache="HIT", age="7" if seen.age else "")
    assert after([base, replace(base, variant=STRIP), seen]) is None


def test_both_at_once_tell_of_each() -> None:
    """Where neither is there by itself."""
    assert after([Observation(STRIP, 200, 41), Observation(ALL, 200, 41)], trait=NO_CACHE) is not None
    assert after([Observation(STRIP, 200, 41), Observation(ALL, 200, 42)], idle=Idle(("a",), 1, 0, 0)) is None


def test_it_takes_20_pages_in_three_runs() -> None:
    """An hour apart, of a run that had the mirror to itself, and no page counts twice."""
    idle, same = None, [climb(*[41] * 7)] * (PAGES - 1)
    for now in (0, HOUR, 2 * HOUR):
        idle = after(*same, idle=idle, now=now)
        assert idle
        assert not idle.is_no_use
    full = after(*same, climb(*[41] * 7), idle=idle, now=3 * HOUR)
    assert full
    assert full.is_no_use
    assert not replace(full, last=HOUR - 1).is_no_use
    seen = Usefulness()
    seen.saw("another", climb(*[41] * 7))
    assert seen.after_run(CACHE_BUST, full, 9 * HOUR, counts=False) == full
    grown = after(*[climb(*[41] * 7)] * 3 * PAGES, idle=full)
    assert grown
    assert len(grown.pages) == PAGES


def test_it_is_tried_again_weekly() -> None:
    """Each time in as many runs as it takes to see a stale page; it stays out if that makes no difference."""
    pages = tuple(f"q{number}" for number in range(PAGES))
    idle = Idle(pages, 3, 0, 2 * HOUR)
    assert idle.is_left_out(2 * HOUR)
    assert idle.is_left_out(2 * HOUR + WEEK - 1)
    assert not idle.is_left_out(2 * HOUR + WEEK)
    assert not idle.is_left_out(HOUR), "the clock has jumped back"
    again = after(climb(*[41] * 7), idle=idle, now=2 * HOUR + TRIED_AFTER)
    assert again
    assert again.is_left_out(3 * HOUR + WEEK)


def test_what_is_left_out_goes_from_the_ladder() -> None:
    """Never a copy by Accept-Encoding, and never what each request carries."""
    assert useful(LADDER, {CACHE_BUST, NO_CACHE}) == (PLAIN, STRIP, DEFLATE)
    assert useful(LADDER, {NO_CACHE}) == (PLAIN, STRIP, STRIP_BUST, DEFLATE, BUST)
    assert useful(LADDER, {CACHE_BUST}) == (PLAIN, STRIP, DEFLATE, FRESHEN)
    assert useful(LADDER, ()) == LADDER
    always = rungs(cache_bust=True)
    assert useful(always, {CACHE_BUST}) == always
    assert useful((Variant(AcceptEncoding.ABSENT, no_cache=True),), {CACHE_BUST, NO_CACHE})
