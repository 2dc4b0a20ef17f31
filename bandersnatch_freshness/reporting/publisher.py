"""Publish: what others read of a mirror after each run: the metrics file and the status page."""

from __future__ import annotations

import functools
import logging
from pathlib import Path

from ..host.mirror_files import MirrorFiles
from ..state.document import State
from ..state.store import Store
from .summary import Summary

log = logging.getLogger("bandersnatch.freshness")


class Publisher:
    """What is to be written of one mirror."""

    def __init__(self, files: MirrorFiles) -> None:
        """Write what the mirror's configuration asks for."""
        self._files = files

    def publish(self, state: State, now: int) -> None:
        """Write it all, with the state's lock held. What can't be written is said, and stays as it was."""
        wanted = self._files.tracking
        summarize = functools.cache(lambda: self._files.summary(state, now))  # both are of the same
        for option, write in (("metrics_file", self._write_metrics), ("status_page", self._write_page)):
            path = getattr(wanted, option)
            if not path:
                continue
            try:
                write(path, summarize())
            except Exception as error:  # noqa: BLE001 - said, and failed open: a run is no worse without
                log.error("[freshness] %s = %s can't be written: %s: %s", option, path, type(error).__name__, error)

    def _write_metrics(self, path: str, summary: Summary) -> None:
        from . import metrics

        metrics.write(summary, Path(self._files.directory) / path)

    def _write_page(self, path: str, summary: Summary) -> None:
        from . import status_page

        store = Store(self._files.storage, f"{self._files.directory}/web", path)
        try:
            # For its users to read. Nobody else writes it: the state's lock is held.
            store.write([status_page.render(summary)], 0o644)
        except FileNotFoundError:
            raise FileNotFoundError(f"there is no directory {store.path.parent}") from None
