"""The summary of the mirror that a command's options name."""

from __future__ import annotations

import argparse

from ..reporting.summary import Summary


def summarize(options: argparse.Namespace) -> Summary:
    """Return a summary of the mirror that the options name.

    Raises:
        OSError, ValueError: if its configuration can't be read or used.
    """
    # Imported here because it imports all of Bandersnatch, which the other commands don't need.
    from .. import host

    files, now = host.files(options.config), host.clock()
    state, problem, is_there = files.look(now)
    if not is_there and files.trace().left() is None:  # else the first run is under way
        is_enabled = bool(host.configured(options.config).plugins)
        lacking = "no run is remembered yet" if is_enabled else f"{options.config} enables no plugin of the suite"
        problem = f"{files.store(files.tracking.state).path}: {lacking}"
    return files.summary(state, now, problem, files.obstacle(state, now))
