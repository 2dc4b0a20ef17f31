"""The release files of a mirror: what its own pages list of a project, and whether a file is so. Reads only."""

from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import stat
import subprocess
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from ..audit.file_findings import FileKind
from ..audit.files import Digest, Page, PageError, ReleaseFile, of_html_page, of_json_page, with_document
from ..state.store import Store
from .layout import PACKAGES
from .own_copies import DOCUMENT, JSON, OwnCopies, Place

# So much is read at once, and then leaves the page cache again.
CHUNK = 4 * 2**20

NICENESS = 10

_FLAGS = os.O_RDONLY | os.O_NONBLOCK | os.O_CLOEXEC


class NoFilesError(ValueError):
    """No release file at all is where the mirror has them; the text says what that may be."""


class Seen(Struct, frozen=True):
    """What a file is found to be, its size in bytes (None: there is none), and how many bytes of it were read."""

    kind: FileKind
    size: int | None = None
    read: int = 0


class ReleaseFiles:
    """The release files of one mirror, as its own pages have them."""

    def __init__(self, storage: Any, directory: str, copies: OwnCopies, root_uri: str, *, hashes: bool) -> None:
        """`root_uri` is Bandersnatch's option; with `hashes`, checksums are looked at too."""
        self._storage = storage
        self._web = f"{directory}/web"
        self._copies = copies
        self._root_uri = root_uri
        self._hashes = hashes
        # How often an object store was asked; a page of it is looked for first, and then read.
        self.requests = 0

    def page(self, project: str) -> tuple[Page, Mapping[str, FileKind]]:
        """Return what a project's own page lists, and what is wrong with pages that can't be read, by their paths.

        Filters let through what the page lists, and nothing else. A page in JSON has sizes, so that comes first.
        """
        page, wrong = Page(), {}
        where = dict(zip(self._copies.places, self._copies.paths(project), strict=True))
        for place in sorted(self._copies.places[: self._copies.pages], key=lambda place: place is not JSON):
            try:
                content = self._read(where[place])
                if content is not None:
                    page = self._parsed(place, content)
                    break
            except (OSError, PageError) as error:
                kind = FileKind.PAGE if isinstance(error, PageError) else FileKind.UNREADABLE
                wrong[os.path.relpath(where[place], self._web)] = kind
        if not page.has_sizes and DOCUMENT in where:
            with contextlib.suppress(OSError):  # the comparison of pages tells of it
                page = with_document(page, self._read(where[DOCUMENT]) or b"")
        return page, wrong

    def _parsed(self, place: Place, content: bytes) -> Page:
        return (of_json_page if place is JSON else of_html_page)(content, self._root_uri)

    def _read(self, path: str) -> bytes | None:
        if not self._copies.is_on_disk:
            self.requests += 2
        return Store(self._storage, *os.path.split(path)).read()

    def look(self, file: ReleaseFile) -> Seen:
        """Return what a file is found to be.

        Raises:
            NoFilesError: if it is missing, and there is no other release file either.
        """
        path = f"{self._web}/{file.path}"
        seen = self._on_disk(path, file) if self._copies.is_on_disk else self._object(path, file)
        if seen.kind is FileKind.MISSING:
            self._check_that_some_are_there()
        return seen

    def _on_disk(self, path: str, file: ReleaseFile) -> Seen:
        try:
            status = os.stat(path)
        except (FileNotFoundError, NotADirectoryError):
            return Seen(FileKind.MISSING)
        except OSError:
            return Seen(FileKind.UNREADABLE)
        if not stat.S_ISREG(status.st_mode):
            return Seen(FileKind.UNREADABLE)
        return self._compared(path, file, status.st_size)

    def _object(self, path: str, file: ReleaseFile) -> Seen:
        found = self._storage.PATH_BACKEND(path)
        self.requests += 1
        try:
            size = int(found.stat().st_size)
        except Exception:  # noqa: BLE001 - an object store's errors are of many types
            self.requests += 1
            try:
                is_there = found.exists()
            except Exception:  # noqa: BLE001
                is_there = True
            return Seen(FileKind.UNREADABLE if is_there else FileKind.MISSING)
        return self._compared(path, file, size)

    def _compared(self, path: str, file: ReleaseFile, size: int) -> Seen:
        if file.size is not None and file.size != size:
            return Seen(FileKind.SIZE, size)
        if not self._hashes or file.digest is None:
            return Seen(FileKind.RIGHT, size)
        try:
            found, read = self._digest(path, file.digest)
        except Exception:  # noqa: BLE001 - a failing disk, an object store, or no such algorithm
            return Seen(FileKind.UNREADABLE, size)
        return Seen(FileKind.RIGHT if found == file.digest.value else FileKind.CHECKSUM, size, read)

    def _digest(self, path: str, digest: Digest) -> tuple[str, int]:
        checksum, read = hashlib.new(digest.name, usedforsecurity=False), 0
        for chunk in self._chunks(path):
            checksum.update(chunk)
            read += len(chunk)
        return checksum.hexdigest(), read

    def _chunks(self, path: str) -> Iterator[bytes]:
        """Yield a file's content; what was read of it leaves the page cache, which is for what the mirror serves."""
        if not self._copies.is_on_disk:
            self.requests += 1
            with self._storage.open_file(self._storage.PATH_BACKEND(path), text=False) as file:
                while chunk := file.read(CHUNK):
                    yield chunk
            return
        handle, at = os.open(path, _FLAGS), 0
        try:
            while chunk := os.pread(handle, CHUNK, at):
                if hasattr(os, "posix_fadvise"):
                    os.posix_fadvise(handle, at, len(chunk), os.POSIX_FADV_DONTNEED)
                at += len(chunk)
                yield chunk
        finally:
            os.close(handle)

    def _check_that_some_are_there(self) -> None:
        """Check that the directory of the release files has any: all of them missing is a disk that is not there."""
        packages = f"{self._web}/{PACKAGES}"
        if not self._copies.is_on_disk:
            return
        try:
            with os.scandir(packages) as entries:
                if any(True for _ in entries):
                    return
        except FileNotFoundError:
            pass
        raise NoFilesError(
            f"{packages} is empty: is its disk mounted? If all is lost indeed, `bandersnatch mirror --force-check` "
            "brings it back"
        )


def mark_altered(directory: str, path: str) -> None:
    """Make Bandersnatch check a file's checksum the next time it syncs the file's project.

    With `compare-method = stat` it takes a file of the right size and time for right, whatever is in it: so it gets
    the time of now. Source: bandersnatch/storage.py, `release_file_is_current`, and mirror.py before 8.0.

    Raises:
        OSError: if that can't be.
    """
    os.utime(f"{directory}/web/{path}")


def be_gentle() -> None:
    """Lower this process's priority: for the CPU, and for the disk where `ionice` is available."""
    os.nice(NICENESS)
    ionice = shutil.which("ionice")
    if ionice:
        subprocess.run([ionice, "-c", "3", "-p", str(os.getpid())], check=False, capture_output=True)
