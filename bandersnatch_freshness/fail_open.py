"""Failing open: an error inside the suite is logged once a run, and leaves Bandersnatch as without it."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

log = logging.getLogger("bandersnatch.freshness")

_T = TypeVar("_T")
_D = TypeVar("_D")


class _FirstOfARun:
    """Whether the error that is being handled is the first of the run."""

    def __init__(self) -> None:
        self.is_next = True

    def take(self) -> bool:
        """Return it; from then on it is false."""
        was_next, self.is_next = self.is_next, False
        return was_next


_first = _FirstOfARun()


def begin_run() -> None:
    """Begin a run: the first error in it is logged aloud again."""
    _first.is_next = True


def log_error() -> None:
    """Log the error that is being handled: the first of a run at ERROR, later ones at DEBUG."""
    level = logging.ERROR if _first.take() else logging.DEBUG
    log.log(level, "An error inside bandersnatch-freshness: going on as without it", exc_info=True)


def fail_open(default: _D, step: Callable[..., _T], *args: object) -> _T | _D:
    """Return what a step of the suite's own returns; if it fails, log that and return the default."""
    try:
        return step(*args)
    except Exception:  # noqa: BLE001 - logged, and failed open
        log_error()
        return default
