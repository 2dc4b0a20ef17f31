"""Which copies of the index are looked at, and which is taken."""

from __future__ import annotations

from bandersnatch_freshness.core.index_copies import INDEX_COPIES, IndexComparison
from bandersnatch_freshness.core.observations import Observation
from bandersnatch_freshness.core.variants import LADDER, PLAIN, Variant


def compared(first: int | None, *others: int | None) -> tuple[IndexComparison, list[str]]:
    """Return a comparison in which the copies carry these serials, and the methods that it asked by."""
    comparison, methods, waiting = IndexComparison(Observation(PLAIN, 200, first), LADDER), [], list(others)
    while (copy := comparison.next_copy()) is not None:
        method, variant = copy
        methods.append(method)
        comparison.saw(Observation(variant, 200, waiting.pop(0)))
    return comparison, methods


def test_looks_at_each_copy_once_by_its_headers() -> None:
    """That an edge keeps apart, and at what is past it."""
    comparison, methods = compared(42, 42, 42, 42)
    assert methods == ["HEAD"] * 3
    assert tuple(one.variant for one in comparison.observations) == INDEX_COPIES
    assert comparison.newer() == []


def test_the_newest_is_tried_first() -> None:
    """And none that is no newer than what is there."""
    comparison, _ = compared(42, 44, 41, 45)
    assert [one.serial for one in comparison.newer()] == [45, 44]
    assert not comparison.is_newer(Observation(PLAIN, 200, 42))


def test_any_serial_is_newer_than_none() -> None:
    """A copy without a serial in its header is as old as can be."""
    comparison, _ = compared(None, 1, None, None)
    assert [one.serial for one in comparison.newer()] == [1]


def test_a_server_that_does_not_answer_head_rightly_is_asked_by_get() -> None:
    """From the first answer without a serial on."""
    comparison, methods = compared(None, None, None, None)
    assert methods == ["HEAD", "GET", "GET"]
    assert comparison.is_blind


def test_a_broken_connection_ends_it() -> None:
    """Other copies fare no better."""
    comparison = IndexComparison(Observation(PLAIN, 200, 42), LADDER)
    comparison.saw(Observation(INDEX_COPIES[1], problem="ClientOSError"))
    assert comparison.next_copy() is None
    assert not comparison.is_blind


def test_only_variants_that_may_be_used_are_looked_at() -> None:
    """Where the configuration fixes one, there is nothing to compare."""
    assert IndexComparison(Observation(PLAIN, 200, 42), [PLAIN]).next_copy() is None
    bust = Variant(cache_bust=True)
    assert IndexComparison(Observation(bust, 200, 42), [bust]).next_copy() is None
