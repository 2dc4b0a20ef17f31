"""The truth: what the origin has, and had at every moment. No I/O, no clock and no chance of its own."""

from __future__ import annotations

import bisect
import functools
import hashlib
import operator
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import NamedTuple

from packaging.utils import canonicalize_name

MINUTE, HOUR, DAY = 60, 3600, 86400

# As Warehouse lets its edge keep the index: for 30 minutes a tier, and there are two.
INDEX_LAG = HOUR

# Where the model begins, in seconds since 1970; and the first serial, close to those of pypa/bandersnatch#56.
BEGINNING = 1_800_000_000
FIRST_SERIAL = 4_869_648


class Page(NamedTuple):
    """A project's page from the second `at` on; its `generation` counts from 1. It is a 404 without `versions`."""

    serial: int
    at: int
    versions: tuple[str, ...]
    generation: int
    is_listed: bool = True


class File(NamedTuple):
    """A release file: its path on the server, and its content."""

    path: str
    content: bytes


class Event(NamedTuple):
    """A line of the changelog."""

    serial: int
    at: int
    name: str
    version: str


NO_PAGE = Page(0, 0, (), 0, is_listed=False)

_at = operator.attrgetter("at")


@dataclass
class World:
    """The origin. `now` is the true time, in seconds since 1970, and only ever grows."""

    now: int = BEGINNING
    serial: int = FIRST_SERIAL
    pages: dict[str, list[Page]] = field(default_factory=dict)
    events: list[Event] = field(default_factory=list)
    # Serials that the suite's mirror was told of by an index that it acted on, by project.
    told: dict[str, int] = field(default_factory=dict)
    # Serials that no such index has told of, though one that was newer should have: nobody can know.
    concealed: dict[str, int] = field(default_factory=dict)

    @property
    def names(self) -> list[str]:
        """All projects that there ever were, as they are listed."""
        return list(self.pages)

    def page(self, name: str, at: int | None = None) -> Page:
        """Return a project's page, as of now or of an earlier second."""
        history = self.pages.get(name, [])
        if at is None or at >= self.now:
            return history[-1] if history else NO_PAGE
        found = bisect.bisect_right(history, at, key=_at)
        return history[found - 1] if found else NO_PAGE

    def last_serial(self, at: int | None = None) -> int:
        """Return the origin's serial, as of now or of an earlier second."""
        found = len(self.events) if at is None else bisect.bisect_right(self.events, at, key=_at)
        return self.events[found - 1].serial if found else FIRST_SERIAL

    def listing(self, at: int | None = None) -> dict[str, int]:
        """Return the serials that the index lists, as of now or of an earlier second."""
        pages = ((name, self.page(name, at)) for name in self.pages)
        return {name: page.serial for name, page in pages if page.is_listed}

    def changelog(self, since: int, at: int | None = None) -> list[Event]:
        """Return the events after a serial, as of now or of an earlier second."""
        return [event for event in self.events if event.serial > since and (at is None or event.at <= at)]

    def release(self, name: str) -> None:
        """Publish the next version of a project, the first one of a new project."""
        history = self.pages.setdefault(name, [])
        number = 1 + max((int(version) for page in history for version in page.versions), default=0)
        self._change(name, (*self.page(name).versions, str(number)), str(number))

    def withdraw(self, name: str) -> None:
        """Delete a project's oldest release, if it has another one."""
        versions = self.page(name).versions
        if len(versions) > 1:
            self._change(name, versions[1:], versions[0])

    def delete(self, name: str, *, stays_listed: bool = False) -> None:
        """Delete a project; those that had their releases deleted one by one stay listed."""
        self._change(name, (), "", is_listed=stays_listed)

    def _change(self, name: str, versions: tuple[str, ...], version: str, *, is_listed: bool = True) -> None:
        self.serial += 1
        history = self.pages[name]
        history.append(Page(self.serial, self.now, versions, len(history) + 1, is_listed))
        self.events.append(Event(self.serial, self.now, name, version))

    def tell(self, projects: Mapping[str, int | None], serial: int | None) -> None:
        """Note what an index tells of, and what it conceals: it is newer, and lists a project lower or not at all."""
        true = self.last_serial()
        top = max((one for one in (*projects.values(), serial) if one and one <= true), default=0)
        for name in self.pages:
            page, told = self.page(name), projects.get(name) or 0
            if told <= page.serial:
                self.told[name] = max(self.told.get(name, 0), told)
            if self.told.get(name, 0) < page.serial <= top:
                self.concealed[name] = page.serial

    def tell_of(self, serials: Mapping[str, int]) -> None:
        """Note the serials of projects that a changelog tells of."""
        for name, serial in serials.items():
            self.told[name] = max(self.told.get(name, 0), serial)

    def is_told(self, name: str, version: str) -> bool:
        """Tell whether an index or a changelog has told of a release."""
        first = next(page.serial for page in self.pages[name] if version in page.versions)
        return self.told.get(name, 0) >= first

    def is_concealed(self, name: str) -> bool:
        """Tell whether an index said that there is nothing new of a project, though there was."""
        return self.page(name).serial == self.concealed.get(name)


@functools.lru_cache(maxsize=4096)
def release_file(name: str, version: str) -> File:
    """Return the one file of a release."""
    content = f"{name} {version}\n".encode() * 20
    digest = hashlib.blake2b(content, digest_size=32).hexdigest()
    base = canonicalize_name(name).replace("-", "_")
    path = f"/packages/{digest[:2]}/{digest[2:4]}/{digest[4:]}/{base}-{version}-py3-none-any.whl"
    return File(path, content)
