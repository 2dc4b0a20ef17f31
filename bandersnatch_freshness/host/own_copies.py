"""The mirror's own copies of projects: the serial of each, from as little of each file as tells it."""

from __future__ import annotations

import importlib.util
import itertools
import os
import re
from collections.abc import Callable, Iterator, Mapping, Sequence
from pathlib import Path
from types import SimpleNamespace
from typing import Any

from msgspec import Struct
from packaging.utils import canonicalize_name

from ..audit.comparison import Copies
from ..core.observations import serial_in_body, serial_in_html
from ..state.store import Store
from .layout import DOCUMENT_BEGIN, HTML_END, HTML_PAGE, HTML_PAGE_V1, JSON_END, JSON_PAGE, simple_directory
from .protocols import HostAdapter

# So many directories are read in the order of their inodes, in which they lie on a disk.
BATCH = 65_536

# Source: bandersnatch/simple.py, whose JSON pages are one line, and have `name` and `versions` alone after `meta`.
_META = b'"meta": {'
_END_OF_PAGE = re.compile(
    rb'"meta": \{"api-version": "[0-9.]+", "_last-serial": "([0-9]{1,18})"\}, '
    rb'"name": "[^"]*", "versions": \[[^\[\]]*\]\}\Z'
)
# Source: bandersnatch/mirror.py: documents are indented by four, and a text in JSON has no line breaks.
_SERIAL = b'\n    "last_serial": '
_IN_DOCUMENT = re.compile(_SERIAL + rb"([0-9]{1,18}),?\n")

_FLAGS = os.O_RDONLY | os.O_NONBLOCK


class Place(Struct, frozen=True):
    """A place that has a copy of each project: the file `name` of its simple pages, or its JSON document ("")."""

    name: str
    read: Callable[[int, int], int]

    def path(self, web: str, directory: str, document: str) -> str:
        """Return where the copy is, of a project with this directory and this name of its document."""
        return f"{directory}/{self.name}" if self.name else f"{web}/json/{document}"

    def __str__(self) -> str:
        """Return its name for people."""
        return self.name or "json"


def _html(handle: int, size: int) -> int:
    return serial_in_html(os.pread(handle, HTML_END, max(0, size - HTML_END))) or 0


def _json_page(handle: int, size: int) -> int:
    # A plain search for bytes first: an expression takes ten times as long to get there.
    end = os.pread(handle, JSON_END, max(0, size - JSON_END))
    found = _END_OF_PAGE.match(end, max(0, end.rfind(_META)))
    return int(found[1]) if found else _whole(handle, size)


def _document(handle: int, size: int) -> int:
    begin = os.pread(handle, DOCUMENT_BEGIN, 0)
    end = begin[-2:] if size <= DOCUMENT_BEGIN else os.pread(handle, 2, size - 2)
    # Else it is cut off, or not Bandersnatch's writing.
    found = _IN_DOCUMENT.match(begin, max(0, begin.find(_SERIAL))) if end == b"\n}" else None
    return int(found[1]) if found else _whole(handle, size)


def _whole(handle: int, size: int) -> int:
    return serial_in_body(os.pread(handle, size, 0)) or 0


HTML = Place(HTML_PAGE, _html)
HTML_V1 = Place(HTML_PAGE_V1, _html)
JSON = Place(JSON_PAGE, _json_page)
DOCUMENT = Place("", _document)


class OwnCopies:
    """The own copies of one mirror."""

    def __init__(
        self,
        storage: Any,
        web: str,
        places: Sequence[Place],
        *,
        hashed: bool,
        spelled: Callable[[], Mapping[str, str]] = dict,
    ) -> None:
        """`web` is the mirror's directory of that name; `hashed` is Bandersnatch's `hash-index`. Documents come last.

        `spelled` returns how the documents of projects are named, where that is not by their normalized names.
        """
        self.places = tuple(places)
        self.pages = sum(bool(place.name) for place in places)
        # Whether they lie on disk, and not in an object store.
        self.is_on_disk = storage.PATH_BACKEND is Path
        self._storage = storage
        self._web = web
        self._hashed = hashed
        self._spelled = spelled
        # One for all: where a mirror lacks most, that is most of what an audit keeps.
        self._nowhere: Copies = (None,) * len(self.places)
        self._documents: Mapping[str, str] | None = None

    def read(self, project: str) -> Copies:
        """Return the serials of a project's copies: None where there is none, 0 where it can't be read."""
        found = tuple(map(self._serial, self.places, self.paths(project)))
        return self._nowhere if found == self._nowhere else found

    def paths(self, project: str) -> list[str]:
        """Return where a project's copies are, place by place."""
        if self._documents is None:
            self._documents = self._spelled()
        directory = simple_directory(self._web, project, hashed=self._hashed)
        document = self._documents.get(project, project)
        return [place.path(self._web, directory, document) for place in self.places]

    def newest(self, project: str) -> int:
        """Return the highest serial of a project's copies, 0 if none has one."""
        return max((serial for serial in self.read(project) if serial), default=0)

    def times(self, project: str) -> list[int | None]:
        """Return when a project's copies were written, in seconds since 1970; None where that can't be told."""
        return list(map(self._time, self.paths(project)))

    def _time(self, path: str) -> int | None:
        try:
            return int(self._storage.PATH_BACKEND(path).stat().st_mtime)
        except Exception:  # noqa: BLE001 - an object store's errors are of many types
            return None

    def _serial(self, place: Place, path: str) -> int | None:
        if not self.is_on_disk:
            return self._serial_of_object(place, path)
        # As raw as it gets, without a path object: an audit does this some million times.
        try:
            handle = os.open(path, _FLAGS)
        except (FileNotFoundError, NotADirectoryError):
            return None
        except OSError:
            return 0
        try:
            return place.read(handle, os.lseek(handle, 0, os.SEEK_END))
        except OSError:  # also of what is no file
            return 0
        finally:
            os.close(handle)

    def _serial_of_object(self, place: Place, path: str) -> int | None:
        try:
            content = Store(self._storage, *os.path.split(path)).read()
        except OSError:
            return 0
        if content is None:
            return None
        read = serial_in_html if place.read is _html else serial_in_body
        return read(content) or 0

    def names(self) -> Iterator[str]:
        """Return the normalized names that have a directory among the simple pages, in an order that a disk likes."""
        simple = f"{self._web}/simple"
        if not self.is_on_disk:
            yield from self._object_names(simple)
        elif self._hashed:
            for directory in _directories(simple):
                if len(directory.name) == 1:
                    yield from _names(directory.path)
        else:
            yield from _names(simple)

    def _object_names(self, simple: str) -> Iterator[str]:
        directory = self._storage.PATH_BACKEND(simple)
        directories = [one for one in directory.iterdir() if len(one.name) == 1] if self._hashed else [directory]
        for one in directories:
            yield from (path.name for path in one.iterdir() if _is_normalized(path.name) and path.is_dir())


def configured_copies(storage: Any, directory: str, configuration: Any, adapter: HostAdapter) -> OwnCopies:
    """Return the mirror's own copies, in those places that this configuration has written."""
    section = configuration["mirror"]
    web, places = f"{directory}/web", [HTML]
    if importlib.util.find_spec("bandersnatch.simple"):
        chosen = section.get("simple-format", fallback="ALL").upper()
        places = [HTML, HTML_V1] * (chosen != "JSON") + [JSON] * (chosen != "HTML")
    if section.getboolean("json", fallback=False):
        places.append(DOCUMENT)
    return OwnCopies(
        storage,
        web,
        places,
        hashed=section.getboolean("hash-index", fallback=False),
        spelled=lambda: adapter.spelled(SimpleNamespace(webdir=Path(web))),
    )


def _names(directory: str) -> Iterator[str]:
    found = ((one.inode(), one.name) for one in _directories(directory) if _is_normalized(one.name))
    while batch := sorted(itertools.islice(found, BATCH)):
        yield from (name for _, name in batch)


def _directories(directory: str) -> Iterator[os.DirEntry[str]]:
    try:
        with os.scandir(directory) as entries:
            yield from (entry for entry in entries if entry.is_dir())
    except FileNotFoundError:
        return


def _is_normalized(name: str) -> bool:
    """Return whether a directory is named as is right; mirrors of old have others beside these, for old clients."""
    return canonicalize_name(name) == name
