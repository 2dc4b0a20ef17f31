"""Failing open: whatever goes wrong inside the suite is said once, and stops nothing."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

log = logging.getLogger("bandersnatch.freshness")

_T = TypeVar("_T")
_D = TypeVar("_D")

_said = False


def begin() -> None:
    """Begin a run: what goes wrong in it is said anew."""
    global _said
    _said = False


def say() -> None:
    """Log the error that is being handled: the first of a run aloud, others for those who look for them."""
    global _said
    level = logging.DEBUG if _said else logging.ERROR
    _said = True
    log.log(level, "An error inside bandersnatch-freshness: going on as without it", exc_info=True)


def fail_open(default: _D, step: Callable[..., _T], *args: object) -> _T | _D:
    """Do a step of the suite's own; where it fails, say so and return the default."""
    try:
        return step(*args)
    except Exception:  # noqa: BLE001 - said, and failed open
        say()
        return default
