"""Failing open: an error inside the suite is logged once per run, and Bandersnatch continues without the suite."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

log = logging.getLogger("bandersnatch.freshness")

_T = TypeVar("_T")
_D = TypeVar("_D")


class _FirstOfARun:
    """Whether the error being handled is the first one in the run."""

    def __init__(self) -> None:
        self.is_next = True

    def take(self) -> bool:
        """Return true for the first call in a run, false from then on."""
        was_next, self.is_next = self.is_next, False
        return was_next


_first = _FirstOfARun()


def begin_run() -> None:
    """Start a run, whose first error is again logged at ERROR."""
    _first.is_next = True


def log_error() -> None:
    """Log the error being handled: the first one in a run at ERROR, later ones at DEBUG."""
    level = logging.ERROR if _first.take() else logging.DEBUG
    log.log(level, "An error inside bandersnatch-freshness: continuing without it", exc_info=True)


def fail_open(default: _D, step: Callable[..., _T], *args: object) -> _T | _D:
    """Return the result of one of the suite's own steps; if the step fails, log the error and return the default."""
    try:
        return step(*args)
    except Exception:  # noqa: BLE001 - logged, and failed open
        log_error()
        return default
