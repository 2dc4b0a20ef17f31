"""The trace: one line that a run leaves when it begins, so that the next one learns of a run that never told its end.

It lies in a file of its own, of a fixed size that is written over where it lies: that takes no time to speak of, and no
room on a full disk. On disk only: in an object store nobody could tell whether the run is still under way.
"""

from __future__ import annotations

import contextlib

from msgspec import Struct

from ..formatting import seconds, timestamp
from .store import Store

TRACE_FILE = "freshness.run"

_BEGUN, _LOST, _TOLD, _ENDED = "begun", "lost", "told", "ended"
_SIZE = 64


class Left(Struct, frozen=True):
    """What a run left that began at `begun`, in seconds since 1970.

    `is_lost` is whether it came to its end, but could not write the state; `is_told`, whether that was notified.
    """

    begun: int
    is_lost: bool = False
    is_told: bool = False


class Trace:
    """The trace of the last run that had the mirror to itself."""

    def __init__(self, store: Store | None = None) -> None:
        """Without a store, no trace is kept."""
        self._store = store if store and store.is_on_disk else None

    def left(self) -> Left | None:
        """Return what a run left; None if it told its end, or there is no trace that can be read."""
        try:
            content = (self._store.read() if self._store else None) or b""
            word, time = content[:_SIZE].decode("ascii", "replace").split()
            if word not in (_BEGUN, _LOST, _TOLD):
                return None
            return Left(seconds(time), is_lost=word != _BEGUN, is_told=word == _TOLD)
        except (OSError, ValueError):
            return None

    def begin(self, now: int) -> None:
        """Record that a run begins, at `now`, in seconds since 1970."""
        self._write(f"{_BEGUN} {timestamp(now)}")

    def end(self) -> None:
        """Record that the run has told its end."""
        self._write(_ENDED)

    def lose(self, begun: int) -> None:
        """Record that the run that began at `begun` can't be remembered, unless an earlier one has recorded it."""
        left = self.left()
        if left is None or not left.is_lost:
            self._write(f"{_LOST} {timestamp(begun)}")

    def tell(self) -> None:
        """Record that it was notified that a run can't be remembered."""
        left = self.left()
        if left and left.is_lost:
            self._write(f"{_TOLD} {timestamp(left.begun)}")

    def _write(self, line: str) -> None:
        if self._store:
            with contextlib.suppress(OSError):  # `check` looks at the disk itself
                self._store.overwrite(f"{line:<{_SIZE - 1}}\n")
