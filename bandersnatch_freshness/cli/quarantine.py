"""The command `bandersnatch-freshness quarantine`: list what is in quarantine, release or accept packages by hand."""

from __future__ import annotations

import argparse
import json
import logging
from typing import TYPE_CHECKING

from packaging.utils import canonicalize_name

from ..exit_codes import UsageError
from ..formatting import timestamp
from ..reporting import facts
from ..state.records import QUARANTINE_FILE
from . import status, terminal
from .summaries import summarize

if TYPE_CHECKING:
    from ..host.mirror_files import MirrorFiles


def main(options: argparse.Namespace) -> int:
    """Run an action and return its exit code."""
    return {"list": _list, "release": _release, "accept": _accept}[options.action](options)


def _list(options: argparse.Namespace) -> int:
    summary = summarize(options)
    if summary.problem and not summary.state.quarantine:  # the second copy may still have it
        raise ValueError(summary.problem)
    if options.json:
        document = facts.as_json(summary)["quarantine"]
        for name, entry in summary.state.quarantine.items():
            incident = summary.state.incidents.get(name)
            document[name] |= {
                "next": timestamp(entry.next_ask()),
                "got": incident.got if incident else None,
                "verdict": incident.verdict if incident else None,
            }
        terminal.show(json.dumps(document, indent=2))
    elif summary.state.quarantine:
        terminal.show(status.quarantined(summary))
    else:
        terminal.show("Nothing is in quarantine.")
    return 0


def _release(options: argparse.Namespace) -> int:
    """Hand packages back to Bandersnatch."""
    from .. import host

    if bool(options.packages) is options.all:
        raise UsageError("either name the packages to release, or give --all, which is all of them")
    files = _remembered(options)
    try:
        names = host.hand_back(files, host.clock, [canonicalize_name(name) for name in options.packages])
    except host.UnderWayError as error:
        raise ValueError(f"{error}; try again after it") from error
    handed_back = f"Handed back to Bandersnatch, for its next run: {', '.join(names)}"
    terminal.show(handed_back if names else "Nothing is in quarantine.")
    return 0


def _accept(options: argparse.Namespace) -> int:
    """Take packages off what is told, until their serials change."""
    from .. import host

    files = _remembered(options)
    try:
        names = host.accept(files, host.clock, [canonicalize_name(name) for name in options.packages])
    except host.UnderWayError as error:
        raise ValueError(f"{error}; try again after it") from error
    terminal.show(f"Accepted as they are, until their serials change: {', '.join(names)}")
    return 0


def _remembered(options: argparse.Namespace) -> MirrorFiles:
    """Return the files of a mirror of which something is remembered.

    Raises:
        ValueError: if nothing is.
    """
    from .. import host

    files = host.files(options.config)
    logging.getLogger("bandersnatch.freshness").addHandler(logging.StreamHandler())
    state = files.store(files.tracking.state)
    if state.read() is None and files.store(QUARANTINE_FILE).read() is None:
        raise ValueError(f"{state.path}: no run is remembered yet")
    return files
