"""What the index announces: a simple index in JSON, as a serial for each project. No I/O."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import msgspec
from msgspec import Struct
from packaging.utils import canonicalize_name

from ..core.index import NORMALIZED, serial_of

# What the mirror's own filters do: they take those projects out that they drop, by their names as they are listed.
Filter = Callable[[dict[str, int]], None]


class NoIndexError(ValueError):
    """What was answered is no index that a mirror can be compared with; the text says why."""


class Announced(Struct, frozen=True):
    """What an index announces.

    `serial` is its own, or else the highest in it; it lists so many projects: `listed`. `projects` has the serials of
    those that the mirror's filters let through, by normalized names; 0 for one whose serial can't be true. `dropped`
    are the names of the rest: dropped by filters, or for want of a serial by Bandersnatch itself.
    """

    serial: int
    listed: int
    projects: dict[str, int]
    dropped: frozenset[str] = frozenset()


class _Project(msgspec.Struct, gc=False):
    name: str
    serial: int | float | str | None = msgspec.field(default=None, name="_last-serial")


class _Index(msgspec.Struct, gc=False):
    projects: list[_Project]
    meta: object = None


# 700,000 projects take a third of the memory that they take as plain objects.
_DECODER = msgspec.json.Decoder(_Index)


def read(body: bytes, drop: Filter | None = None) -> Announced:
    """Return what an index announces; `drop` are the mirror's own filters, None where it has none.

    Source: PEP 691; `_last-serial` is PyPI's own, of the whole and of each project.

    Raises:
        NoIndexError: if it is none, or carries no serials.
    """
    try:
        index = _DECODER.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):  # msgspec's own is no ValueError before 0.19
        raise NoIndexError("it is not a simple index in JSON") from None
    listed = len(index.projects)
    if not listed:
        raise NoIndexError("it lists no project")
    found = {one.name: serial_of(one.serial) for one in index.projects}
    index.projects.clear()
    dropped = {name for name, serial in found.items() if not serial}
    for name in dropped:
        del found[name]
    if not found:
        raise NoIndexError("it carries no serials")
    meta = index.meta if isinstance(index.meta, dict) else {}
    highest = _highest(serial_of(meta.get("_last-serial")), found)
    if drop is not None:
        names = set(found)
        drop(found)
        dropped |= names - found.keys()
    return Announced(highest, listed, _normalized(found, highest), frozenset(map(canonicalize_name, dropped)))


def _highest(own: int, found: Mapping[str, int]) -> int:
    """Return the highest serial that can be true: the index's own, unless most projects are above that."""
    above = sum(serial > own for serial in found.values())
    return max(found.values()) if above * 2 > len(found) else own


def _normalized(found: dict[str, int], highest: int) -> dict[str, int]:
    """Return serials by normalized names; of several that come to the same, the highest. Empties `found`."""
    projects: dict[str, int] = {}
    while found:
        name, serial = found.popitem()
        if not NORMALIZED.fullmatch(name):
            name = canonicalize_name(name)
            if not NORMALIZED.fullmatch(name):
                continue
        projects[name] = max(serial if serial <= highest else 0, projects.get(name, 0))
    return projects
