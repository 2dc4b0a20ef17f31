"""What is told of release files."""

from __future__ import annotations

from collections import Counter
from typing import Any

import pytest

from bandersnatch_freshness.audit.file_findings import FileFinding, FileKind, FileTally
from bandersnatch_freshness.table import Table

BEGUN = 1_760_616_000
RIGHT = Counter({FileKind.RIGHT: 1200})


def last_line(table: Table | None) -> str:
    """Return the last line of a table, in a terminal of 200 characters."""
    assert table
    return [line for line, _ in table.lines(200)][-1]


@pytest.mark.parametrize(
    ("given", "sentences"),
    [
        ({}, []),
        ({"counts": RIGHT}, ["The 1,200 files that its pages list are here, and right by size."]),
        (
            {"counts": RIGHT, "is_by_hash": True},
            ["The 1,200 files that its pages list are here, and right by size and checksum."],
        ),
        (
            {"counts": RIGHT + Counter({FileKind.QUARANTINED: 1, FileKind.ELSEWHERE: 2})},
            [
                "The 1,201 files that its pages list are here, and right by size, but for those of packages in "
                "quarantine.",
                "2 files lie elsewhere by the pages' links, and were not looked for.",
            ],
        ),
        ({"counts": RIGHT + Counter({FileKind.MISSING: 1})}, []),
        (
            {"counts": RIGHT + Counter({FileKind.UNREADABLE: 1})},
            ["1 file could not be read: nothing is repaired of that."],
        ),
        ({"unsized": 3}, ["Of 3 files no page tells the size: whether they are right, `--hash` tells."]),
        ({"requests": 1234}, ["The object store was asked 1,234 times for pages and files."]),
        (
            {"is_resumed": True},
            [
                "It was interrupted since it began at 2025-10-16T12:00:00Z; what was right before was not looked at "
                "again."
            ],
        ),
    ],
)
def test_what_it_means(given: dict[str, Any], sentences: list[str]) -> None:
    """No more is said than is known."""
    assert list(FileTally(BEGUN, **{"is_by_hash": False, **given}).conclusion()) == sentences


def test_what_a_page_lists_is_safe_to_print() -> None:
    """Whatever it is; what is too much for a table is counted."""
    tally = FileTally(BEGUN, is_by_hash=False)
    tally.add(FileFinding("foo", FileKind.REFUSED, "../../[red]\x1b[2J\ta"))
    tally.add(FileFinding("bar", FileKind.SIZE, "packages/b", 3, 4))
    tally.add(FileFinding("baz", FileKind.RIGHT, "packages/c", 3, 3))
    assert list(tally.lines()) == [
        "bar\twrong size\t3\t4\tpackages/b",
        "foo\tpath refused\t\t\t../../[red]\\x1b[2J\\ta",
    ]
    assert last_line(tally.findings(50)).endswith("  ../../[red]\\x1b[2J\\ta")
    assert last_line(tally.findings(1)) == "and 1 more; all of them with --list or --json"
