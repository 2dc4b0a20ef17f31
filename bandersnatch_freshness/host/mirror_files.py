"""The files of a mirror that the suite reads and writes: its own, and Bandersnatch's."""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, NamedTuple

from ..core.serials import parse_serial, serial_in_body, serial_in_html
from ..settings import TrackingSettings
from ..state.document import State
from ..state.records import QUARANTINE_FILE, Records
from ..state.store import Store

if TYPE_CHECKING:
    from ..reporting.summary import Summary

# What a project's directory under `simple` may have of it.
SIMPLE_PAGES = ("index.html", "index.v1_json")

# In HTML the serial is what the page ends with.
_END = 64


def simple_directory(web: Any, project: str, *, hashed: bool) -> str:
    """Return where a project's own pages lie, below the mirror's `web`; `hashed` is Bandersnatch's `hash-index`.

    As text: a path object for each page would take longer to make than the page to read.
    """
    return f"{web}/simple/{project[0]}/{project}" if hashed else f"{web}/simple/{project}"


def own_serial(storage: Any, directory: Any, names: Iterable[str]) -> int:
    """Return the serial of the first of a project's own pages that has one, 0 where none has.

    A page that can't be read has none: it can be replaced.
    """
    for name in names:
        page, is_html = Store(storage, directory, name), name.endswith(".html")
        try:
            content = page.read_end(_END) if is_html else page.read()
        except OSError:
            continue
        serial = (serial_in_html if is_html else serial_in_body)(content or b"")
        if serial is not None:
            return serial
    return 0


class MirrorFiles(NamedTuple):
    """A mirror as a command finds it, from its configuration; it may be at work meanwhile."""

    directory: str
    master: str
    tracking: TrackingSettings
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

    def summary(self, state: State, now: int, problem: str = "") -> Summary:
        """Return how fresh the mirror is, by what is remembered of it and by Bandersnatch's own files.

        `problem` is why the state says nothing, if it does not.

        Raises:
            OSError: where a file can't be read.
        """
        from ..reporting.summary import Summary  # which few runs need

        status, todo = (self.store(name).read() for name in ("status", "todo"))
        return Summary(
            directory=self.directory,
            master=self.master,
            serial=parse_serial(status.decode("ascii", "replace")) if status else None,
            waiting=len(todo.splitlines()) - 1 if todo else 0,
            now=now,
            thresholds=self.tracking.thresholds,
            state=state,
            problem=problem,
        )

    def records(self, clock: Callable[[], int]) -> Records:
        """Return what is remembered of the mirror; `clock` returns seconds since 1970."""
        return Records(self.store(self.tracking.state), self.store(QUARANTINE_FILE), self.master, clock)
