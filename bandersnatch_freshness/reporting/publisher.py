"""The publisher: writes the metrics file, the status page and the facts beside it after each run."""

from __future__ import annotations

import contextlib
import errno
import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import TYPE_CHECKING, Any

from ..formatting import reason
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
    level: Callable[[str], int] = lambda _: logging.ERROR,
) -> set[str]:
    """Write the files that are configured, with the state's lock held; return the options of those that can't be.

    That is logged at the `level` of that option, and the old file stays. `summarize` returns the summary of the mirror
    in this directory, and `own_serials` those in some of its own files.
    """

    def write_page(found: Summary, path: str) -> None:
        _write_page(found, own_serials(found.state), path, storage, directory)

    failed = set()
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
            log.log(level(option), text, option, path, type(error).__name__, reason(error))
            failed.add(option)
    return failed


def _write_metrics(summary: Summary, path: Path) -> None:
    from . import metrics

    metrics.write(summary, path)


def _write_page(summary: Summary, own: OwnSerials, path: str, storage: Any, directory: str) -> None:
    from . import published, status_page

    page, facts = (Store(storage, f"{directory}/web", one) for one in (path, facts_beside(path)))
    render = functools.partial(status_page.render, summary, facts.path.name)
    try:
        _write(page, render)
    finally:
        _write(facts, functools.partial(published.publish, summary, own))


def _write(store: Store, text: Callable[..., str]) -> None:
    """Write a file that the mirror's users may read. Nobody else writes it while the state's lock is held.

    On a full disk its brief form is written over the old file, which would go on saying that all is well.

    Raises:
        OSError: if the file can't be written as a whole.
    """
    try:
        store.write([text()], 0o644)
    except FileNotFoundError:
        raise FileNotFoundError(f"there is no directory {store.path.parent}") from None
    except OSError as error:
        if error.errno in (errno.ENOSPC, errno.EDQUOT):
            with contextlib.suppress(OSError):  # there may be no old one
                store.squeeze(text(is_brief=True))
        raise
