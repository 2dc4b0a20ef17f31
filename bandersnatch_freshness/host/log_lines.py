"""Bandersnatch's own log lines about what fails: at INFO in the first run that meets it, at DEBUG in those after.

The suite tells what persists. The level of a line changes; no line is lost. The first of three attempts is at DEBUG: a
page that is old once, as within stale-while-revalidate, is fresh in the next.
"""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Callable
from typing import Any, Protocol

from packaging.utils import canonicalize_name

from ..core.incidents import MIRROR
from ..fail_open import log_error
from .run_context import RunContext

# bandersnatch/package.py and mirror.py, the same from 3.6 to 8.2 where they are there
_ATTEMPT = re.compile(
    r"(?:Stale serial|Timeout error) for (?:package )?(?P<project>\S+) "
    r"(?:- Attempt (?P<attempt>\d+)|\(\d+\) not updating\.)"
)
_PACKAGE = re.compile(r"Error syncing package: (?P<project>\S+)@\d+")
# Of each package, whether it fails or not.
_PROGRESS = re.compile(r"(?:Fetching metadata for package|Storing index page\(s\)): (?P<project>\S+) ")
_OTHERS = re.compile(
    r"Continuing to next file after error downloading: |Exiting early after error\.|Unable to write json"
)


class QuietFailures(logging.Filter):
    """Lowers the level of lines about failures that the suite tells of, once they persist."""

    def __init__(self, level: Callable[..., int], knows: Callable[[], bool]) -> None:
        """`level` returns the level for a line about a subject, by its normalized name.

        `knows` returns whether anything is known that has failed; else there is nothing to lower of each package.
        """
        super().__init__()
        self._level = level
        self._knows = knows

    def filter(self, record: logging.LogRecord) -> bool:
        """Lower the level where it applies; false where the new one is not to be shown."""
        if record.levelno < logging.INFO:
            return True
        try:
            if record.levelno == logging.INFO and not self._knows():
                return True
            level = self._of(record)
        except Exception:  # noqa: BLE001 - fail open; it is logged
            log_error()
            return True
        if level >= record.levelno:
            return True
        record.levelno, record.levelname = level, logging.getLevelName(level)
        return logging.getLogger(record.name).isEnabledFor(level)

    def _of(self, record: logging.LogRecord) -> int:
        """Return the level that a line is to have."""
        message = record.getMessage()
        if record.levelno == logging.INFO:
            found = _PROGRESS.match(message)
            return self._level(canonicalize_name(found["project"])) if found else record.levelno
        if found := _ATTEMPT.match(message):
            level = self._level(canonicalize_name(found["project"]))
            return min(level, logging.DEBUG) if found["attempt"] == "1" and level <= logging.INFO else level
        if found := _PACKAGE.match(message):
            return self._level(canonicalize_name(found["project"]))
        return self._level(MIRROR) if _OTHERS.match(message) else record.levelno


class _HasContext(Protocol):
    context: RunContext | None


def level_in(suite: _HasContext) -> Callable[..., int]:
    """Return a function that returns the level for a line about subjects that fail in the suite's present run."""

    def level(*subjects: str) -> int:
        run = suite.context.run if suite.context else None
        if run is None or not run.is_quiet:
            return logging.ERROR
        return logging.DEBUG if run.is_known(*subjects) else logging.INFO

    return level


def knows_in(suite: _HasContext) -> Callable[[], bool]:
    """Return a function that returns whether the suite's present run knows of anything that has failed before it."""

    def knows() -> bool:
        run = suite.context.run if suite.context else None
        return run is not None and run.has_known

    return knows


def at_warning(setup_logging: Callable[[Any], logging.Handler]) -> Callable[[Any], logging.Handler]:
    """Return a `setup_logging` whose handler, the console's, shows nothing below WARNING."""

    @functools.wraps(setup_logging)
    def quietened(args: Any) -> logging.Handler:
        handler = setup_logging(args)
        handler.setLevel(logging.WARNING)
        return handler

    return quietened
