"""The store: the files that hold the state, accessed through Bandersnatch's own storage backend."""

from __future__ import annotations

import contextlib
import functools
import os
from collections.abc import Iterable, Iterator
from pathlib import Path
from typing import Any

import filelock


class Store:
    """One file of the mirror's storage."""

    def __init__(self, storage: Any, directory: Any, name: str) -> None:
        """`storage` is Bandersnatch's storage plugin; a relative `name` is relative to `directory`."""
        self._storage = storage
        self._directory = str(directory)
        self.name = name

    @functools.cached_property
    def path(self) -> Any:
        """The file's path, of the storage's own path type."""
        return self._storage.PATH_BACKEND(self._directory) / self.name

    @property
    def _local(self) -> Path | None:
        """The path on disk, None in an object store, which has no modes and needs no renaming: a PUT is atomic."""
        return self.path if self.is_on_disk else None

    @property
    def is_on_disk(self) -> bool:
        """Whether it lies on disk, where there are locks, and not in an object store."""
        # An object store's paths are subclasses of pathlib's too, so only the backend's type tells them apart.
        return self._storage.PATH_BACKEND is Path

    def read(self) -> bytes | None:
        """Return the content, None if there is no such file.

        Raises:
            OSError: if it can't be read.
        """
        with _as_os_error():
            if not self._storage.exists(self.path):
                return None
            content = self._storage.read_file(self.path, text=False)
        return content if isinstance(content, bytes) else str(content).encode()

    def version(self) -> object:
        """Return a value that changes when the file is replaced; in an object store it is always None."""
        if self._local is None:
            return None
        try:
            status = self._local.stat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns

    def write(self, text: Iterable[str], mode: int = 0o600) -> None:
        """Replace the content with these pieces, so that a reader sees either the old content or the new.

        On disk, `mode` sets the permissions, limited by the process's umask. Call this while a
        lock keeps others from writing the same file.

        On disk, Bandersnatch's own `update_safe` is not used: up to 6.8 it copies into place, so
        a run that is killed leaves half a file.

        Raises:
            OSError: if it can't be written; the old content stays.
        """
        if self._local is None:
            with _as_os_error():
                self._storage.write_file(self.path, "".join(text))
            return
        # A fixed name, so that what a killed run left is found. Nobody else writes while the lock is held.
        temporary = self._local.with_name(f".{self._local.name}.new")
        temporary.unlink(missing_ok=True)
        handle = os.open(temporary, os.O_WRONLY | os.O_CREAT | os.O_EXCL, mode)
        try:
            with os.fdopen(handle, "w", encoding="utf-8") as file:
                self._keep_owner(handle)
                file.writelines(text)
                file.flush()
                os.fsync(file.fileno())
            temporary.replace(self._local)
        except BaseException:
            with contextlib.suppress(OSError):
                temporary.unlink()
            raise

    def overwrite(self, text: str) -> None:
        """Write over the content where it lies, which takes no room on a full disk if the text is not longer.

        A reader may see half of it; in an object store nothing is written.

        Raises:
            OSError: if it can't be written.
        """
        if self._local is None:
            return
        is_new = not self._local.exists()
        handle = os.open(self._local, os.O_WRONLY | os.O_CREAT | os.O_NOFOLLOW, 0o600)
        with os.fdopen(handle, "w", encoding="utf-8") as file:
            if is_new:
                self._give_to_owner(handle, self._local.parent)
            file.write(text)

    def obstacle(self) -> str:
        """Return why the content can't be replaced now, as far as the file system tells; empty if nothing is known.

        In an object store nothing is. A directory that may not be written in is not noticed.
        """
        if self._local is None:
            return ""
        try:
            directory = self._local.parent.resolve()
            status = (self._local if self._local.exists() else directory).stat()
            disk = os.statvfs(directory)
            mount = next(one for one in (directory, *directory.parents) if one.is_mount())
        except (OSError, StopIteration):
            return ""
        # What a file system keeps for root is of use to root's mirror only.
        is_roots = status.st_uid == 0
        free = disk.f_frsize * (disk.f_bfree if is_roots else disk.f_bavail)
        if disk.f_flag & os.ST_RDONLY:
            return f"{mount} is read-only"
        if free < max(disk.f_frsize, status.st_size):  # the new content is written beside the old one
            return f"no room is left on {mount}, {free >> 20} MiB are free"
        if disk.f_files and not (disk.f_ffree if is_roots else disk.f_favail):
            return f"no inode is left on {mount}"
        return ""

    def _keep_owner(self, handle: int) -> None:
        if self._local is not None:
            self._give_to_owner(handle, self._local if self._local.exists() else self._local.parent)

    @staticmethod
    def _give_to_owner(handle: int, like: Path) -> None:
        """Give a file that root writes to the mirror's owner."""
        if os.geteuid() == 0:
            status = like.stat()
            os.fchown(handle, status.st_uid, status.st_gid)

    def move_away(self, suffix: str) -> str:
        """Rename the file by appending this suffix, and return its new path."""
        moved = f"{self.path}.{suffix}"
        self.path.rename(self._storage.PATH_BACKEND(moved))
        return moved

    def lock(self, timeout: float) -> contextlib.AbstractContextManager[Any]:
        """Return a lock that keeps other processes out, waiting up to `timeout` seconds.

        Only on disk: a lock in an object store would outlive a run that was killed.

        Raises:
            filelock.Timeout: on entering, if another process holds it for that long.
        """
        if self._local is None:
            return contextlib.nullcontext()
        return filelock.FileLock(self._local.with_name(f".{self._local.name}.lock"), timeout=timeout)


@contextlib.contextmanager
def _as_os_error() -> Iterator[None]:
    """Raise a storage backend's errors as OSError, as an object store's errors are of other types."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {error}") from error
