"""Waiting for what another process does, of which no event tells this one."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import TypeVar

PAUSE = 0.02

_T = TypeVar("_T")


def eventually(look: Callable[[], _T], holds: Callable[[_T], bool] = bool, seconds: float = 60) -> _T:
    """Look again and again until what is seen holds, and return it.

    Raises:
        AssertionError: if it does not within so many seconds; with what was seen last.
    """
    until = time.monotonic() + seconds
    while not holds(found := look()):
        assert time.monotonic() < until, found
        time.sleep(PAUSE)
    return found
