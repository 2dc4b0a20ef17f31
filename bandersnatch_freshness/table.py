"""Tables of text: columns as wide as what is in them, and folded where the whole would be too wide. No I/O."""

from __future__ import annotations

import textwrap
from collections.abc import Collection, Iterator, Sequence
from itertools import zip_longest

from msgspec import Struct, field

# A line, and its style in words, such as "bold red"; "" for none.
Styled = tuple[str, str]

_GAP = "  "
# No column becomes narrower than that, in characters, for the sake of the whole.
_NARROWEST = 8


class Table(Struct):
    """Rows of cells below the names of the columns, of which none is shown where all are empty.

    `right` are the numbers of the columns that are aligned to the right, from 0 on.
    """

    columns: Sequence[str]
    title: str = ""
    caption: str = ""
    right: Collection[int] = ()
    rows: list[tuple[Sequence[str], str]] = field(default_factory=list)

    def add(self, *cells: str, style: str = "") -> None:
        """Add a row, with a cell for each column."""
        self.rows.append((cells, style))

    def lines(self, width: int) -> Iterator[Styled]:
        """Yield the table, line by line, for a terminal of so many characters."""
        if self.title:
            yield self.title, ""
        rows = [(self.columns, "bold"), *self.rows] if any(self.columns) else self.rows
        widths = _fitting([max(map(len, column)) for column in zip(*(cells for cells, _ in rows), strict=True)], width)
        for cells, style in rows:
            for parts in zip_longest(*map(_folded, cells, widths), fillvalue=""):
                yield _GAP.join(map(self._aligned, range(len(widths)), parts, widths)).rstrip(), style
        if self.caption:
            yield self.caption, "dim"

    def _aligned(self, column: int, text: str, width: int) -> str:
        return text.rjust(width) if column in self.right else text.ljust(width)


def _folded(cell: str, width: int) -> list[str]:
    return textwrap.wrap(cell, width, break_on_hyphens=False) or [""]


def _fitting(widths: Sequence[int], width: int) -> list[int]:
    """Return the widths with the widest columns made narrower until all of them fit."""
    fitting = [max(1, one) for one in widths]
    while sum(fitting) + len(_GAP) * (len(fitting) - 1) > width and max(fitting) > _NARROWEST:
        fitting[fitting.index(max(fitting))] -= 1
    return fitting
