"""Tables, line by line."""

from __future__ import annotations

import pytest

from bandersnatch_freshness.table import Table


def table(*rows: tuple[str, ...], **more: object) -> Table:
    """Return a table of two columns."""
    made = Table(("name", "what"), **more)  # type: ignore[arg-type]
    for row in rows:
        made.add(*row, style="red")
    return made


def test_columns_are_as_wide_as_what_is_in_them() -> None:
    """Title first, caption last; rows in their styles, and nothing trails."""
    made = table(("a", "1,000"), ("longer", ""), title="Title", caption="and 1 more", right=[1])
    assert list(made.lines(1000)) == [
        ("Title", ""),
        ("name     what", "bold"),
        ("a       1,000", "red"),
        ("longer", "red"),
        ("and 1 more", "dim"),
    ]


def test_without_names_there_is_no_head() -> None:
    """As for what explains itself."""
    made = Table(("", ""))
    made.add("a", "b")
    assert list(made.lines(1000)) == [("a  b", "")]


def test_a_table_without_rows_is_its_head() -> None:
    """Nothing to measure but that."""
    assert list(table().lines(1000)) == [("name  what", "bold")]
    assert list(Table(("", "")).lines(1000)) == []


@pytest.mark.parametrize("width", [80, 40, 20])
def test_what_is_too_wide_is_folded(width: int) -> None:
    """The widest columns first, between words where there are some; all of it is there."""
    name, words = "a-name-without-an-end-" * 3, "some words of a sentence that goes on " * 3
    lines = [line for line, _ in table((name, words)).lines(width)]
    assert all(len(line) <= width for line in lines)
    assert len(lines) > 2
    left = max(len(line.split("  ")[0]) for line in lines[1:])
    assert "".join(line[:left].strip() for line in lines[1:]) == name
    assert " ".join(line[left:].strip() for line in lines[1:]).split() == words.split()


def test_no_column_vanishes() -> None:
    """However narrow the terminal: it folds the rest itself."""
    assert [line for line, _ in table(("0123456789", "0123456789")).lines(1)] == [
        "name      what",
        "01234567  01234567",
        "89        89",
    ]
