"""The files of a mirror that the suite reads and writes: its own, and Bandersnatch's."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from .options import Remembering
from .records import QUARANTINE_FILE, Records
from .store import Store


@dataclass(frozen=True)
class Files:
    """A mirror as a command finds it, from its configuration; it may be at work meanwhile."""

    directory: str
    master: str
    remembering: Remembering
    storage: Any

    def store(self, name: str) -> Store:
        """Return a file of the mirror's storage; a relative name lies in its directory."""
        return Store(self.storage, self.directory, name)

    def lock(self) -> contextlib.AbstractContextManager[Any]:
        """Return Bandersnatch's own lock; a run holds it while it starts.

        Raises:
            filelock.Timeout: on entering, where it stays held for a second.
        """
        lock = self.storage.get_lock(str(self.store(".lock").path))
        return lock.acquire(timeout=1)  # type: ignore[no-any-return]

    def records(self, clock: Callable[[], int]) -> Records:
        """Return what is remembered of the mirror; `clock` returns seconds since 1970."""
        return Records(self.store(self.remembering.state), self.store(QUARANTINE_FILE), self.master, clock)
