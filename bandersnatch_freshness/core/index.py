"""The index: what one answer lists, what is remembered of it, and what of a serial can be true. No I/O, no clock."""

from __future__ import annotations

import re
from collections.abc import Callable, Collection, Iterable, Mapping, MutableMapping
from itertools import islice
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..formatting import timestamp
from .ceiling import Ceiling
from .incidents import Sighting
from .index_age import Look, Mark, remember
from .observations import HIGHEST_SERIAL, parse_serial

# More than this in a day, and it is no serial of that master: PyPI counts some 20,000 events a day.
MOST_A_DAY = 100_000
DAY = 24 * 60 * 60

# The serial that any page has.
ANY_SERIAL = 1

# Source: PEP 503, of normalized names. What is none never becomes a path.
NORMALIZED = re.compile(r"[a-z0-9]([a-z0-9-]*[a-z0-9])?", re.ASCII)

# A listing that has less than this share of what was listed before is doubted; or less than this share of the mirror's
# own pages, where nothing is remembered: a mirror keeps pages of projects that are listed no more.
LEAST_SHARE = 0.98
LEAST_OWN_SHARE = 0.5


class Index(Struct, frozen=True):
    """The newest index seen from a master, and when its serial moved, in seconds since 1970.

    `projects` is how many it listed, and `highest` the highest serial of these; 0 if unknown. `marks` are its serials
    of the last hour or so, and `look` is when a newer one was last looked for.
    """

    serial: int
    moved: int
    projects: int = 0
    highest: int = 0
    marks: tuple[Mark, ...] = ()
    look: Look = Look()

    def stands(self) -> str:
        """Return in words for how long it has not moved."""
        return f"it has stood at serial {self.serial} since {timestamp(self.moved)}"


def after_seeing(index: Index | None, seen: Index) -> tuple[Index, bool]:
    """Return what to remember of an index after one was `seen`, without marks, and whether that is news."""
    if index is None or seen.serial > index.serial or index.moved > seen.moved:
        return replace(seen, marks=remember(index.marks if index else (), seen.serial, seen.moved)), True
    highest = seen.highest if seen.serial == index.serial else index.highest  # an older copy tells nothing new
    marks = remember(index.marks, index.serial, seen.moved)
    return Index(index.serial, index.moved, seen.projects, highest, marks, seen.look), False


# Kinds of doubt. Older than the mirror: refused. Fewer projects than before: acted on, and the mirror's serial waits.
# Higher than can be true: counts for nothing. Lower than remembered: acted on.
OLDER, FEWER, HIGHER, LOWER = "older", "fewer", "higher", "lower"


class Doubt(Struct, frozen=True):
    """What runs in a row saw of an index that differs from what is remembered of it; not believed yet.

    `kind` says how it differs, `serial` and `projects` what the last of the runs saw. The first of them began at
    `first` and the last at `last`, in seconds since 1970.
    """

    kind: str
    serial: int
    projects: int
    first: int
    last: int
    runs: int = 1

    @property
    def is_of_nothing(self) -> bool:
        """Whether the index lists no project."""
        return self.kind == FEWER and not self.projects

    def agrees(self, later: Doubt) -> bool:
        """Return whether a later run doubts the same."""
        if self.kind != later.kind or self.first > later.last:
            return False
        if self.kind == FEWER:
            return later.projects >= self.projects * LEAST_SHARE
        return later.serial >= self.serial


class IndexRefusedError(Exception):
    """The index must not be used; the text says why."""


class KnownIndex(Struct, frozen=True):
    """What is remembered of a master's index."""

    seen: Index | None = None
    doubt: Doubt | None = None
    ceiling: Ceiling | None = None
    # When a look at another copy of it last met a time-out, in seconds since 1970.
    stalled_at: int = 0


class IndexAfter(Struct, frozen=True):
    """What to remember of the index after a run, what is wrong with it, and whether it proved to be right."""

    known: KnownIndex
    wrong: Sighting | None
    is_right: bool


class Listing(Struct, frozen=True):
    """What an index lists.

    `own` is the serial that it has as a whole, 0 if it has none; `names` and `serials` return those of its projects,
    `projects` of them, and `part` both of those from one place to another. They are read when they are needed: there
    may be 700,000.
    """

    own: int
    projects: int
    names: Callable[[], Iterable[str]]
    serials: Callable[[], Iterable[int]]
    part: Callable[[int, int], Iterable[tuple[str, int]]]

    def measure(self, most: int | None = None) -> tuple[int | None, int]:
        """Return the serial of the index, None if it has none, and the highest of its projects' serials.

        Serials above `most` count for nothing. The last event may be a removal: then the index's own serial is
        above every project's. Bandersnatch uses only the projects' serials, so an index whose projects have none
        has no serial.

        Raises:
            ValueError: if an entry of it is none.
        """
        own, serials = self.own, self.serials()
        if most is not None:
            own, serials = (own if own <= most else 0), (serial for serial in serials if serial <= most)
        try:
            highest = max(serials, default=0)
        except (TypeError, AttributeError) as error:
            raise ValueError("it is not a simple index in JSON") from error
        has = highest or (own and not self.projects)
        return (max(own, highest) if has else None), highest

    def newest(self) -> str:
        """Return the name of the project with the highest serial; there must be one."""
        return max(zip(self.serials(), self.names(), strict=True))[1]

    def find(self, names: Collection[str], normalize: Callable[[str], str]) -> dict[str, int]:
        """Return the serials of those projects that are listed, by their normalized `names`."""
        if not names:
            return {}
        pairs = zip(map(normalize, self.names()), self.serials(), strict=True)
        return {name: serial for name, serial in pairs if name in names}


def read_index(index: Any) -> Listing:
    """Return what a simple index in JSON lists.

    Source: PEP 691, PEP 700; `_last-serial` is PyPI's own, of the whole and of each project.

    Raises:
        ValueError: if it is not such an index.
    """
    try:
        projects, meta = index["projects"], index.get("meta")
        return Listing(
            _serial(meta) if isinstance(meta, dict) else 0,
            len(projects),
            lambda: (str(project.get("name")) for project in projects),
            lambda: map(_serial, projects),
            lambda start, stop: ((str(project.get("name")), _serial(project)) for project in projects[start:stop]),
        )
    except (TypeError, AttributeError, LookupError) as error:
        raise ValueError("it is not a simple index in JSON") from error


def read_changes(changes: Mapping[str, int], last: Any = None) -> Listing:
    """Return what XML-RPC listed: serials by project; `last` is the last serial that it reported, if it did."""
    return Listing(
        parse_serial(str(last)) or 0,
        len(changes),
        lambda: changes,
        lambda: map(int, changes.values()),
        lambda start, stop: ((name, int(serial)) for name, serial in islice(changes.items(), start, stop)),
    )


def _serial(entry: Any) -> int:
    found = entry.get("_last-serial")
    return found if type(found) is int and 0 <= found <= HIGHEST_SERIAL else serial_of(found)


def serial_of(value: object) -> int:
    """Return the serial that an index has as a number or as text, 0 if it is none; 42.0 is one, as to JSON it is 42."""
    if isinstance(value, float) and value.is_integer():
        value = int(value)
    return parse_serial(str(value)) or 0


def plausible(serial: int, at: int, now: int) -> int:
    """Return the highest serial that can be true `now` where the master was at `serial` `at` seconds since 1970."""
    return serial + MOST_A_DAY * (1 + max(0, now - at) // DAY)


def how_fewer(count: int, before: int, count_own: Callable[[], int]) -> str:
    """Return how a listing of so many projects falls short of what it was, "" if it does not.

    It listed so many `before`, 0 if that is not known: then `count_own` returns how many the mirror has.
    """
    had, share = (before, LEAST_SHARE) if before else (count_own(), LEAST_OWN_SHARE)
    if not count:
        return "it lists no project"
    if count >= min(had * share, had - 1):  # one may always leave, of the fewest
        return ""
    return f"it lists {count} projects, " + (f"and listed {had} before" if before else f"the mirror has {had}")


def bound(packages: MutableMapping[str, int], target: int, most: int, least: int, known: Callable[[str], int]) -> int:
    """Replace serials above `most` in a package list, and return the serial that it may lead to, at least `least`.

    A package with such a serial is requested at the one that is `known` of it from before, or 0: then at any serial.
    """
    for name in [name for name, serial in packages.items() if int(serial) > most]:
        packages[name] = known(name) or ANY_SERIAL
    return target if target <= most else max((least, *map(int, packages.values())))
