"""Bandersnatch's todo list: the serial it leads to, then a package and its serial a line. No I/O."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from msgspec import Struct
from packaging.utils import canonicalize_name

from ..core.completeness import Todo
from ..core.observations import parse_serial


class TodoError(ValueError):
    """The text is no todo list."""


class Listed(Struct, frozen=True):
    """What a todo list has: the serial that it leads to, None where there is no list, and some of its packages."""

    target: int | None = None
    listed: frozenset[str] = frozenset()


def measure(content: bytes | None) -> Todo | None:
    """Return where a todo list leads to, and how many packages are on it; None where there is none."""
    if content is None:
        return None
    first, _, rest = content.partition(b"\n")
    # a list may have 700,000 lines: they are counted, not split
    left = rest.count(b"\n") + (rest[-1:] not in (b"", b"\n"))
    return Todo(parse_serial(first.decode("ascii", "replace")) or 0, left)


def find(text: str, packages: Collection[str]) -> Listed:
    """Return where a todo list leads to, and which of these packages are on it, by their normalized names.

    One that can't be understood is none: Bandersnatch deletes it.
    """
    first, *lines = text.splitlines() or [""]
    target = parse_serial(first)
    if target is None:
        return Listed()
    names = (canonicalize_name(line.partition(" ")[0]) for line in lines)
    return Listed(target, frozenset(name for name in names if name in packages))


def add(text: str | None, packages: Mapping[str, int], reached: int) -> str:
    """Return a todo list with these packages on it too, each with its highest serial.

    Where there is none yet (None), the new one leads to where the mirror is: `reached`.

    Raises:
        TodoError: where it can't be understood. Bandersnatch deletes such a one.
    """
    target, listed = (reached, {}) if text is None else _parse(text)
    names = {canonicalize_name(name): name for name in listed}
    for package, serial in packages.items():
        name = names.get(canonicalize_name(package), package)
        listed[name] = max(serial, listed.get(name, 0))
    return f"{target}\n" + "\n".join(f"{name} {serial}" for name, serial in listed.items())


def _parse(text: str) -> tuple[int, dict[str, int]]:
    first, *lines = text.splitlines() or [""]
    fields = [line.split() for line in lines]
    target = parse_serial(first)
    serials = [parse_serial(pair[1]) if len(pair) == 2 else None for pair in fields]
    if target is None or None in serials:
        raise TodoError("not a todo list of Bandersnatch")
    return target, {pair[0]: int(pair[1]) for pair in fields}
