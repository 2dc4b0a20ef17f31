"""The pages: what the mirror has of a project, and what is required of a page that is asked for."""

from __future__ import annotations

import logging
import os
from pathlib import Path
from typing import Any

from ..core.causes import cause_of, is_of_answer
from ..core.climb import PageResult
from ..core.decision import PageRequirement
from ..core.log_fields import log_fields
from ..core.observations import serial_in_body, serial_in_html
from ..core.run import Run
from ..formatting import printable
from ..state.store import Store
from .layout import HTML_END, HTML_PAGE, JSON_PAGE, simple_directory
from .protocols import HostMirror
from .run_context import RunContext

log = logging.getLogger("bandersnatch.freshness")

# Nearly all pages are shorter, in bytes.
_AT_ONCE = 16 * 1024


def require(context: RunContext | None, project: str, requested_serial: int) -> PageRequirement:
    """Return what is required of a page that Bandersnatch asks for with a serial."""
    floor = announced = 0
    if context is None:
        return PageRequirement(project, requested_serial, 0, 0, requested_serial, None)
    if context.pages is not None:
        floor = context.pages.floor(project, own_serial(context.storage, context.mirror, project))
        announced = context.pages.announced(project) if requested_serial == 0 else 0
    required_serial = max(requested_serial, floor, announced)
    budget = context.run.budget(project, requested_serial) if context.run else None
    return PageRequirement(project, requested_serial, floor, announced, required_serial, budget)


def own_serial(storage: Any, mirror: HostMirror, project: str) -> int:
    """Return the serial of the mirror's own copy of a project, by its normalized name; 0 if it has none."""
    web = f"{mirror.homedir}/web"  # `webdir` is made anew each time, which takes as long as to read a page
    simple = simple_directory(web, project, hashed=mirror.hash_index)
    return serial_of_simple(storage, simple) or serial_of_document(storage, f"{web}/json/{project}")


def serial_of_simple(storage: Any, directory: Any) -> int:
    """Return the serial of a project's own simple pages, 0 if they have none."""
    serial = serial_in_html(_read(storage, f"{directory}/{HTML_PAGE}", HTML_END))
    return serial or serial_of_document(storage, f"{directory}/{JSON_PAGE}")


def serial_of_document(storage: Any, path: str) -> int:
    """Return the serial of a JSON page or document, 0 if it has none."""
    return serial_in_body(_read(storage, path)) or 0


def _read(storage: Any, path: str, end: int = 0) -> bytes:
    """Return a file's content; b"" if it can't be read, as such a page may be replaced.

    With `end`, only the last `end` bytes; an object store returns all.
    """
    try:
        if storage.PATH_BACKEND is not Path:
            return Store(storage, *os.path.split(path)).read() or b""
        # As raw as it gets, without a path object: a run does this for every package. And in few calls of the system,
        # as in each of them another thread of Bandersnatch may take its turn. Nearly every package has a page in HTML;
        # of the others most are not there, and an exception takes longer than to look.
        if not (end or os.access(path, os.F_OK)):
            return b""
        # Whatever lies there, a pipe too, it does not wait for anybody.
        handle = os.open(path, os.O_RDONLY | os.O_NONBLOCK)
        try:
            begin = os.pread(handle, _AT_ONCE, 0)
            if len(begin) < _AT_ONCE:
                return begin[-end:]
            size = os.fstat(handle).st_size
            return os.pread(handle, end or size, size - end if end else 0)
        finally:
            os.close(handle)
    except OSError:
        return b""


def stale_message(url: str, requirement: PageRequirement, result: PageResult[Any]) -> str:
    """Return what Bandersnatch says of a stale page, for those who search their logs for it; `url` is plain."""
    first = result.observations[0]
    return (
        f"Expected PyPI serial {requirement.required_serial} for request {url} but got {first.serial}. "
        f"Ways tried: {len(result.observations)}"
    )


def log_kept(project: str, floor: int) -> None:
    """Log that the mirror's own page stays."""
    log.error(
        "%s: no way gets a page as new as the mirror's own, of serial %d: that stays",
        *(project, floor),
        extra=log_fields(project=project, required_serial=floor),
    )


def note_failure(run: Run, project: str, serial: int, error: BaseException) -> None:
    """Note why a project can't be synced that is asked for at this serial, unless that is known of its page."""
    report = run.report
    if project not in report.stale and project not in report.failing:
        cause = cause_of(error)
        run.fails(project, serial, f"a release file: {cause}" if is_of_answer(cause) else cause)


def log_waits(run: Run, project: str, reason: object) -> None:
    """Log that a package in quarantine, or one that is missing, is still not to be had."""
    where = "stays in quarantine" if project in run.rechecks else "is still missing"
    log.debug("%s %s: %s", project, where, printable(str(reason)), extra=log_fields(project=project))


def count_own_projects(storage: Any, web: Path, hash_index: bool) -> int:
    """Return how many projects the mirror has; on disk alone, 0 where that takes a request for each thousand."""
    if storage.PATH_BACKEND is not Path:
        return 0
    simple = Path(web) / "simple"
    directories = [one for one in simple.iterdir() if one.is_dir()] if hash_index else [simple]
    return sum(entry.is_dir() for directory in directories for entry in os.scandir(directory))
