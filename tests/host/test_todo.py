"""Bandersnatch's todo list, with more on it."""

from __future__ import annotations

import pytest

from bandersnatch_freshness.host.todo import Listed, TodoError, add, find


@pytest.mark.parametrize(
    ("before", "packages", "after"),
    [
        pytest.param(None, {"foo": 42}, "50\nfoo 42", id="none-yet"),
        pytest.param("60\nbar 55\nbaz 56", {"foo": 42}, "60\nbar 55\nbaz 56\nfoo 42", id="added"),
        pytest.param("60\nFoo_Bar 55", {"foo-bar": 42}, "60\nFoo_Bar 55", id="is-on-it"),
        pytest.param("60\nFoo_Bar 41", {"foo-bar": 42}, "60\nFoo_Bar 42", id="is-on-it-with-less"),
        pytest.param("60\n", {"foo": 42}, "60\nfoo 42", id="empty"),
        pytest.param("60\nbar 55", {}, "60\nbar 55", id="nothing-to-add"),
    ],
)
def test_adds_packages(before: str | None, packages: dict[str, int], after: str) -> None:
    """In the form that Bandersnatch reads, under the names that are on it; a new list leads to where the mirror is."""
    assert add(before, packages, 50) == after


@pytest.mark.parametrize("text", ["", "x\nfoo 1", "60\nfoo", "60\nfoo x", "60\nfoo 1 2"])
def test_refuses_what_is_none(text: str) -> None:
    """Bandersnatch would delete it, and what we add with it."""
    with pytest.raises(TodoError):
        add(text, {"foo": 42}, 50)


def test_finds_packages() -> None:
    """By their normalized names, with where the list leads to."""
    assert find("60\nFoo_Bar 55\nbaz 56\n", {"foo-bar", "other"}) == Listed(60, frozenset({"foo-bar"}))
    assert find("60", {"foo"}) == Listed(60)


@pytest.mark.parametrize("text", ["", "x\nfoo 1"])
def test_finds_nothing_in_what_is_none(text: str) -> None:
    """Bandersnatch deletes it."""
    assert find(text, {"foo"}) == Listed()
