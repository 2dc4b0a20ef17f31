"""Sizes: the long form, for the table in the docs, and the short one, that shows a gross regression."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True)
class Size:
    """How much is measured, and how often."""

    packages: int
    # how many packages the runs have whose instructions are counted: few, and more; and how often
    counted: tuple[int, int]
    counts: int
    # of runs on a healthy edge, where it is about hundredths, and elsewhere
    healthy: int
    pairs: int
    bare_stale: int
    verified: int
    indexes: tuple[int, ...]
    incidents: tuple[int, ...]
    starts: int
    # of mirrors that are audited, and of one whose every page is asked for
    audited: tuple[int, ...]
    checked: int
    # of pages that stay stale: over a day of runs, so many seconds apart; and in one run
    stale: int
    stale_every: int
    many_stale: int


LONG = Size(
    1000,
    (150, 600),
    1,
    8,
    4,
    50,
    2_000,
    (1_000, 10_000, 100_000, 700_000),
    (0, 1_000, 100_000),
    20,
    (7_000, 70_000, 700_000),
    7_000,
    2_000,
    30 * 60,
    100_000,
)
SHORT = Size(
    200, (40, 400), 1, 5, 3, 5, 200, (1_000, 100_000), (0, 100_000), 7, (700, 7_000), 200, 200, 2 * 60 * 60, 2_000
)
