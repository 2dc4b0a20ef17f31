"""The publisher: writes the metrics file and the status page after each run."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from ..settings import TrackingSettings
from ..state.store import Store
from .summary import Summary

log = logging.getLogger("bandersnatch.freshness")


def publish(
    tracking: TrackingSettings,
    storage: Any,
    directory: str,
    summarize: Callable[[], Summary],
    *,
    level: int = logging.ERROR,
) -> bool:
    """Write the files that are configured, with the state's lock held; return whether all are written.

    What can't be is logged at this `level`, and the old file stays. `summarize` returns the summary of the mirror in
    this directory.
    """
    is_written = True
    summary = functools.cache(summarize)  # both files use the same one
    for option, path, write in (
        ("metrics_file", tracking.metrics_file, _write_metrics),
        ("status_page", tracking.status_page, _write_page),
    ):
        if not path:
            continue
        try:
            write(summary(), path, storage, directory)
        except Exception as error:  # noqa: BLE001 - logged, and failed open: the run itself is not affected
            text = "[freshness] %s = %s can't be written: %s: %s"
            log.log(level, text, option, path, type(error).__name__, error)
            is_written = False
    return is_written


def _write_metrics(summary: Summary, path: str, storage: Any, directory: str) -> None:
    from . import metrics

    metrics.write(summary, Path(directory) / path)


def _write_page(summary: Summary, path: str, storage: Any, directory: str) -> None:
    from . import status_page

    store = Store(storage, f"{directory}/web", path)
    try:
        # Readable by the mirror's users. Nobody else writes it while the state's lock is held.
        store.write([status_page.render(summary)], 0o644)
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no directory {store.path.parent}") from None
