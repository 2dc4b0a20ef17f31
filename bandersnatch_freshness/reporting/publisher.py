"""The publisher: writes the metrics file, the status page and the facts beside it after each run."""

from __future__ import annotations

import errno
import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..settings import TrackingSettings, facts_beside
from ..state.document import State
from ..state.store import Store
from .summary import Summary

if TYPE_CHECKING:
    from .published import OwnSerials

log = logging.getLogger("bandersnatch.freshness")


def publish(
    tracking: TrackingSettings,
    storage: Any,
    directory: str,
    summarize: Callable[[], Summary],
    own_serials: Callable[[State], OwnSerials],
    *,
    level: int = logging.ERROR,
) -> bool:
    """Write the files that are configured, with the state's lock held; return whether all are written.

    What can't be is logged at this `level`, and the old file stays. `summarize` returns the summary of the mirror in
    this directory, and `own_serials` those in some of its own files.
    """

    def write_page(found: Summary, path: str) -> None:
        _write_page(found, own_serials(found.state), path, storage, directory)

    is_written = True
    summary = functools.cache(summarize)  # both files use the same one
    for option, path, write in (
        ("metrics_file", tracking.metrics_file, lambda found, path: _write_metrics(found, Path(directory) / path)),
        ("status_page", tracking.status_page, write_page),
    ):
        if not path:
            continue
        try:
            write(summary(), path)
        except Exception as error:  # noqa: BLE001 - logged, and failed open: the run itself is not affected
            text = "[freshness] %s = %s can't be written: %s: %s"
            log.log(level, text, option, path, type(error).__name__, error)
            is_written = False
    return is_written


def _write_metrics(summary: Summary, path: Path) -> None:
    from . import metrics

    metrics.write(summary, path)


def _write_page(summary: Summary, own: OwnSerials, path: str, storage: Any, directory: str) -> None:
    from . import published, status_page

    page = Store(storage, f"{directory}/web", path)
    facts = Store(storage, f"{directory}/web", facts_beside(path))
    beside = facts.path.name
    try:
        # Readable by the mirror's users. Nobody else writes them while the state's lock is held.
        page.write([status_page.render(summary, beside)], 0o644)
        facts.write([published.publish(summary, own)], 0o644)
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no directory {page.path.parent}") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):  # or the old ones would go on saying that all is well
            page.squeeze(status_page.render(summary, beside, is_brief=True))
            facts.squeeze(published.publish(summary, own, is_brief=True))
        raise
