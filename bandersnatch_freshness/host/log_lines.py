"""Bandersnatch's own log lines: those about a stale serial are at INFO while nobody must act.

The level of a line changes; no line is lost that INFO would have shown. The first of three attempts is at DEBUG: a page
that is old once, as within stale-while-revalidate, is fresh in the next.
"""

from __future__ import annotations

import functools
import logging
import re
from collections.abc import Callable
from typing import Any, Protocol

from packaging.utils import canonicalize_name

from ..fail_open import log_error
from .run_context import RunContext

# bandersnatch/package.py, the same from 3.6 to 8.2
_STALE_LINE = re.compile(
    r"Stale serial for (?:package )?(?P<project>\S+) (?:- Attempt (?P<attempt>\d+)|\(\d+\) not updating\.)"
)


class QuietStaleSerials(logging.Filter):
    """Lowers the level of lines about packages whose staleness is no news yet."""

    def __init__(self, is_quiet: Callable[[str], bool], stale_error: type[BaseException]) -> None:
        """`is_quiet` judges a project by its normalized name; `stale_error` is what Bandersnatch raises for one."""
        super().__init__()
        self._is_quiet = is_quiet
        self._stale_error = stale_error

    def filter(self, record: logging.LogRecord) -> bool:
        """Lower the level where it applies; false where the new one is not to be shown."""
        if record.levelno <= logging.INFO:
            return True
        try:
            project, level = self._project(record)
            if project is None or not self._is_quiet(canonicalize_name(project)):
                return True
        except Exception:  # noqa: BLE001 - fail open; it is logged
            log_error()
            return True
        record.levelno, record.levelname = level, logging.getLevelName(level)
        return logging.getLogger(record.name).isEnabledFor(level)

    def _project(self, record: logging.LogRecord) -> tuple[str | None, int]:
        """Return the project that a line calls stale, None for any other line, and the level to lower it to."""
        error = record.exc_info[1] if record.exc_info else None
        if isinstance(error, self._stale_error):
            return str(getattr(error, "package_name", "")) or None, logging.INFO
        found = _STALE_LINE.match(record.getMessage()) if error is None else None
        if found is None:
            return None, logging.INFO
        return found["project"], logging.DEBUG if found["attempt"] == "1" else logging.INFO


class _HasContext(Protocol):
    context: RunContext | None


def is_quiet_in(suite: _HasContext) -> Callable[[str], bool]:
    """Return a function that says whether a subject's staleness is not yet worth reporting."""

    def is_quiet(subject: str) -> bool:
        context = suite.context
        return context is not None and context.run is not None and context.run.is_quiet(subject)

    return is_quiet


def at_warning(setup_logging: Callable[[Any], logging.Handler]) -> Callable[[Any], logging.Handler]:
    """Return a `setup_logging` whose handler, the console's, shows nothing below WARNING."""

    @functools.wraps(setup_logging)
    def quietened(args: Any) -> logging.Handler:
        handler = setup_logging(args)
        handler.setLevel(logging.WARNING)
        return handler

    return quietened
