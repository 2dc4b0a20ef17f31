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
    found = files.look(now)
    state, problem = found.state, found.problem
    configured = host.configured(options.config)
    if not configured.plugins:
        slips = f" ({'; '.join(configured.slips)})" if configured.slips else ""
        problem = f"{options.config} enables no plugin of the suite{slips}"
    elif not found.is_there and files.trace().left() is None:  # else the first run is under way
        problem = f"{files.store(files.tracking.state).path}: no run is remembered yet"
    return files.summary(state, now, problem, files.obstacle(state, now))
