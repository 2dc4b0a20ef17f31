"""Which packages changed last."""

from __future__ import annotations

from bandersnatch_freshness.core.newest import KEPT, Newest


def seen(**serials: int) -> Newest:
    """Return what a run saw."""
    newest = Newest()
    for name, serial in serials.items():
        newest.saw(name, serial)
    return newest


def test_the_highest_serials_are_kept() -> None:
    """However many pages there are, in whatever order; the newest first."""
    serials = {f"p{number:04}": 1 + number * 7919 % 10_007 for number in range(10_000)}
    kept = seen(**serials).after({}, None)
    assert list(kept) == sorted(serials, key=serials.__getitem__, reverse=True)[:KEPT]
    assert all(kept[name] == serials[name] for name in kept)


def test_earlier_runs_count_too() -> None:
    """Until others are newer; what this run saw of a package takes the place of what is remembered."""
    assert seen(a=5).after({"b": 6, "a": 9}, None) == {"b": 6, "a": 5}
    before = {f"p{number}": 100 + number for number in range(KEPT)}
    assert list(seen(a=999).after(before, None)) == ["a", *sorted(before, key=before.__getitem__, reverse=True)[:-1]]


def test_what_upstream_has_taken_back_is_forgotten() -> None:
    """A serial above all that is announced by now."""
    assert seen().after({"a": 41, "b": 50}, 42) == {"a": 41}
