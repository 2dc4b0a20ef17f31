"""The store: where the state lies, through Bandersnatch's own storage backend."""

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
        """`storage` is Bandersnatch's plugin; a relative `name` lies in `directory`."""
        self._storage = storage
        self._directory = str(directory)
        self.name = name

    @functools.cached_property
    def path(self) -> Any:
        """Where it is, as a path of the storage's own kind."""
        return self._storage.PATH_BACKEND(self._directory) / self.name

    @property
    def _local(self) -> Path | None:
        """The path on disk; an object store has no modes, and no file to rename: a PUT is whole by itself."""
        return self.path if self._is_local else None

    @property
    def _is_local(self) -> bool:
        # An object store's paths are pathlib's too by their class, so it is the backend that tells.
        return self._storage.PATH_BACKEND is Path

    def read(self) -> bytes | None:
        """Return the content, None where there is no such file.

        Raises:
            OSError: where it can't be read.
        """
        with _as_os_error():
            if not self._storage.exists(self.path):
                return None
            content = self._storage.read_file(self.path, text=False)
        return content if isinstance(content, bytes) else str(content).encode()

    def read_end(self, size: int) -> bytes | None:
        """Return the last so many bytes, of an object store all, and None where there is no such file.

        Raises:
            OSError: where it can't be read.
        """
        if not self._is_local:
            return self.read()
        # As raw as it gets, without a path object: a run does this for every package.
        try:
            handle = os.open(os.path.join(self._directory, self.name), os.O_RDONLY)
        except FileNotFoundError:
            return None
        try:
            return os.pread(handle, size, max(0, os.fstat(handle).st_size - size))
        finally:
            os.close(handle)

    def version(self) -> object:
        """Return what differs when the file was replaced; on disk alone, else always the same."""
        if self._local is None:
            return None
        try:
            status = self._local.stat()
        except FileNotFoundError:
            return None
        return status.st_ino, status.st_mtime_ns

    def write(self, text: Iterable[str], mode: int = 0o600) -> None:
        """Replace the content by these pieces, so that a reader sees either the old one or the new.

        On disk, `mode` says who may read it, as far as the process's umask lets them. To be
        called while a lock keeps others from writing the same file.

        Bandersnatch's own `update_safe` copies into place up to 6.8, so that a run which
        is killed leaves half a file; on disk, this is done here.

        Raises:
            OSError: where it can't be written; the old content stays.
        """
        if self._local is None:
            with _as_os_error():
                self._storage.write_file(self.path, "".join(text))
            return
        # One name, so that what a killed run left is found: nobody else writes, as the lock is held.
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

    def _keep_owner(self, handle: int) -> None:
        """Let a file that root writes belong to whom the mirror belongs to."""
        if os.geteuid() == 0 and self._local is not None:
            like = os.stat(self._local if self._local.exists() else self._local.parent)
            os.fchown(handle, like.st_uid, like.st_gid)

    def move_away(self, suffix: str) -> str:
        """Move the file beside itself, and return its new path."""
        moved = f"{self.path}.{suffix}"
        self.path.rename(self._storage.PATH_BACKEND(moved))
        return moved

    def lock(self, timeout: float) -> contextlib.AbstractContextManager[Any]:
        """Return what keeps other processes out.

        On disk alone: a lock in an object store outlives a run that was killed.

        Raises:
            filelock.Timeout: on entering, where another process holds it for so many seconds.
        """
        if self._local is None:
            return contextlib.nullcontext()
        return filelock.FileLock(self._local.with_name(f".{self._local.name}.lock"), timeout=timeout)


@contextlib.contextmanager
def _as_os_error() -> Iterator[None]:
    """Let what a storage backend raises be an OSError; an object store's errors are not."""
    try:
        yield
    except OSError:
        raise
    except Exception as error:
        raise OSError(f"{type(error).__name__}: {error}") from error
