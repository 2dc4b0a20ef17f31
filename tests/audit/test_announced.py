"""What an index announces."""

from __future__ import annotations

import json
from typing import Any

import pytest

from bandersnatch_freshness.audit.announced import Announced, NoIndexError, read


def index(*projects: tuple[str, Any], own: Any = 50) -> bytes:
    """Return a simple index in JSON."""
    entries = [{"name": name, **({} if serial is None else {"_last-serial": serial})} for name, serial in projects]
    return json.dumps({"meta": {"_last-serial": own, "api-version": "1.1"}, "projects": entries}).encode()


def test_names_are_normalized() -> None:
    """Of several that come to the same, the highest serial counts; what could lead elsewhere is no name."""
    found = read(index(("Foo.Bar", 10), ("foo-bar", 12), ("zope", "7"), ("../../etc", 5), ("a/b", 5), ("", 5)))
    assert found == Announced(50, 6, {"foo-bar": 12, "zope": 7})


def test_a_serial_that_can_not_be_true_counts_for_nothing() -> None:
    """Unless most are above the index's own: then that is the one."""
    assert read(index(("a", 10), ("b", 11), ("c", 10**15))).projects == {"a": 10, "b": 11, "c": 0}
    assert read(index(("a", 60), ("b", 61), ("c", 62))).serial == 62
    assert read(index(("a", 10), own=0)).serial == 10


@pytest.mark.parametrize("meta", [None, [], "x", {"_last-serial": None}])
def test_what_is_beside_the_list_may_be_anything(meta: Any) -> None:
    """A project's serial as well, if it is a whole number."""
    body = json.dumps({"meta": meta, "projects": [{"name": "a", "_last-serial": 10.0}]}).encode()
    assert read(body) == Announced(10, 1, {"a": 10})


def test_what_has_no_serial_is_never_synced() -> None:
    """Bandersnatch skips it, so it is not missing here."""
    found = read(index(("a", 10), ("B", None), ("c", -1)))
    assert (found.projects, found.dropped) == ({"a": 10}, frozenset({"b", "c"}))


def test_the_mirrors_filters_get_names_as_they_are_listed() -> None:
    """What they drop is known by its normalized name."""
    seen: list[str] = []

    def drop(projects: dict[str, int]) -> None:
        seen.extend(projects)
        del projects["Foo.Bar"]

    found = read(index(("Foo.Bar", 10), ("zope", 7)), drop)
    assert seen == ["Foo.Bar", "zope"]
    assert (found.listed, found.projects, found.dropped) == (2, {"zope": 7}, frozenset({"foo-bar"}))


@pytest.mark.parametrize(
    ("body", "reason"),
    [
        (b"<!DOCTYPE html>", "not a simple index in JSON"),
        (b'{"projects": 1}', "not a simple index in JSON"),
        (index(("a", 10))[:-5], "not a simple index in JSON"),
        (index(), "lists no project"),
        (index(("a", None), ("b", None)), "carries no serials"),
    ],
)
def test_what_is_no_index_is_said(body: bytes, reason: str) -> None:
    """As of a fallback, or of a master without serials."""
    with pytest.raises(NoIndexError, match=reason):
        read(body)
