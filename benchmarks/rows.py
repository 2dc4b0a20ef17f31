"""Rows: what was measured, against which goal; and the table that they make."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from types import MappingProxyType
from typing import NamedTuple, Self

from .measuring import Comparison, Ratio

# How far above its goal a ratio may be before a short form, whose ratios are rough, calls that a regression.
GROSS = 0.25
# The same of what is counted by the instruction, and scatters by half a hundredth among few packages.
FINE = 0.02


@dataclass(frozen=True)
class Row:
    """One figure: `value` is what the goal is about, and is not to be above `at_most`.

    `shown` is how it reads. A `ratio` above `gross` is a regression, however short the measuring was.
    """

    what: str
    quantity: str
    bare: str
    suite: str
    shown: str
    value: float = 0
    at_most: float | None = None
    goal: str = ""
    ratio: float = 0
    gross: float | None = None

    @property
    def is_met(self) -> bool:
        """Whether the goal is met; without one, it is."""
        return self.at_most is None or self.value <= self.at_most

    @property
    def is_gross(self) -> bool:
        """Whether even a short form shows that something is wrong."""
        return self.gross is not None and self.ratio > self.gross

    def cells(self) -> tuple[str, ...]:
        """Return its part of the table."""
        goal = f"{self.goal}{'' if self.is_met else ' **missed**'}"
        return self.what, self.quantity, self.bare, self.suite, self.shown, goal


def counted(what: str, bare: float, suite: float, at_most: float | None = None) -> Row:
    """Return the row for numbers of instructions, which differ by some thousandths from run to run."""
    ratio = suite / bare
    goal, gross = ("", None) if at_most is None else (f"≤ {at_most:.2f}", at_most + FINE)
    shown = (f"{bare / 1e6:.2f} million", f"{suite / 1e6:.2f} million")
    return Row(what, "instructions", *shown, f"{ratio:.4f}", ratio, at_most, goal, ratio, gross)


_UNITS = {
    "wall": lambda value: f"{value:.2f} s",
    "cpu": lambda value: f"{value:.2f} s",
    "memory": lambda value: f"{value / 2**20:.1f} MiB",
    "bytes": lambda value: f"{value / 2**20:.2f} MiB",
    "requests": lambda value: f"{value:.0f}",
    "switches": lambda value: f"{value:,.0f}",
}


def compared(what: str, quantity: str, found: Comparison, at_most: float | None = None) -> Row:
    """Return the row for one quantity of a comparison; the goal is about the median of the ratios."""
    bare, suite = (_UNITS[quantity](value) for value in found.median(quantity))
    ratio = found.ratio(quantity)
    goal = "" if at_most is None else f"≤ {at_most:.2f}"
    if quantity in ("bytes", "requests"):  # exact; and a few requests for the index are none beside those for pages
        value, rough = round(ratio.median, 2), 0.0
    else:
        value, rough = ratio.median, GROSS
    gross = None if at_most is None else at_most + rough
    return Row(what, quantity, bare, suite, str(ratio), value, at_most, goal, value, gross)


def exactly(what: str, quantity: str, bare: int, suite: int, at_most: float = 1.0) -> Row:
    """Return the row for a number that is the same in every run: any that misses its goal is a regression."""
    ratio = suite / bare
    return Row(
        what, quantity, str(bare), str(suite), f"{ratio:.3f}", ratio, at_most, f"≤ {at_most:.2f}", ratio, at_most
    )


def alone(what: str, found: float, at_most: float, gross: float) -> Row:
    """Return the row for seconds of what only the suite has."""
    shown = f"{found:.2f} s"
    return Row(what, "wall", "", shown, shown, found, at_most, f"≤ {at_most:g} s", found, gross)


def added(
    what: str,
    quantity: str,
    found: Comparison,
    at_most: float | None = None,
    goal: str = "",
    *,
    gross: float | None = None,
) -> Row:
    """Return the row for what is added to a quantity; the goal is about the median of the differences.

    Seconds are this machine's; whether that is a regression is told by the ratio, which `gross` is a limit of.
    """
    pairs = zip(found.of(found.bare, quantity), found.of(found.suite, quantity), strict=True)
    more = Ratio.of([suite - bare for bare, suite in pairs])
    scale, unit = (2**-20, "MiB") if quantity == "memory" else (1000, "ms")
    shown = f"{more.median * scale:+.1f} {unit} ({more.low * scale:+.1f} to {more.high * scale:+.1f})"
    bare, suite = (_UNITS[quantity](value) for value in found.median(quantity))
    return Row(what, quantity, bare, suite, shown, more.median, at_most, goal, found.ratio(quantity).median, gross)


class Released(NamedTuple):
    """What the last release's table had: how each row read, by what it is of and its quantity."""

    version: str = ""
    shown: Mapping[str, str] = MappingProxyType({})

    @classmethod
    def of(cls, version: str, rows: Iterable[Row]) -> Self:
        """Return what to keep of a release's rows."""
        return cls(version, {f"{row.what}, {row.quantity}": row.shown or row.suite for row in rows})


_NOT_RELEASED = Released()


def table(rows: Iterable[Row], released: Released = _NOT_RELEASED) -> str:
    """Return a table in Markdown, with a column of what was `released`, where that is anything."""
    heads = ["what", "", "bare", "with the suite", "ratio or difference: median (middle half)", "goal"]
    lines = [[*row.cells()] for row in rows]
    if released.version:
        heads.append(f"in {released.version}")
        lines = [[*line, released.shown.get(f"{line[0]}, {line[1]}", "")] for line in lines]
    lines = [heads, ["---"] * len(heads), *lines]
    return "".join(f"| {' | '.join(line)} |\n" for line in lines)
