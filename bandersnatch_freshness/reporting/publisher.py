"""The publisher: writes what others read of a mirror after each run, the metrics file and the status page."""

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


def publish(tracking: TrackingSettings, storage: Any, directory: str, summarize: Callable[[], Summary]) -> None:
    """Write what the settings ask for, with the state's lock held; what can't be written is logged, and stays.

    `summarize` returns the summary of the mirror in this directory.
    """
    summary = functools.cache(summarize)  # both are of the same
    for option, path, write in (
        ("metrics_file", tracking.metrics_file, _write_metrics),
        ("status_page", tracking.status_page, _write_page),
    ):
        if not path:
            continue
        try:
            write(summary(), path, storage, directory)
        except Exception as error:  # noqa: BLE001 - logged, and failed open: a run is no worse without
            log.error("[freshness] %s = %s can't be written: %s: %s", option, path, type(error).__name__, error)


def _write_metrics(summary: Summary, path: str, storage: Any, directory: str) -> None:
    from . import metrics

    metrics.write(summary, Path(directory) / path)


def _write_page(summary: Summary, path: str, storage: Any, directory: str) -> None:
    from . import status_page

    store = Store(storage, f"{directory}/web", path)
    try:
        # For its users to read. Nobody else writes it: the state's lock is held.
        store.write([status_page.render(summary)], 0o644)
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no directory {store.path.parent}") from None
