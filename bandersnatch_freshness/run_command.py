"""The command `bandersnatch-freshness run`: Bandersnatch's own, with an exit code that tells."""

from __future__ import annotations

import argparse

from . import status
from .incidents import Level

FRESH, FAILED, CRITICAL = range(3)


def main(options: argparse.Namespace) -> int:
    """Run Bandersnatch with the arguments given, and return 0, 1 or 2."""
    # All of Bandersnatch is imported for this, which the other commands do without.
    from . import host

    debug = ["--debug"] if options.debug else []
    if not host.run(["--config", options.config, *debug, *options.arguments]):
        return FAILED
    return CRITICAL if status.summarize(options).counts()[Level.CRITICAL] else FRESH
