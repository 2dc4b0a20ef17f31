"""The command `bandersnatch-freshness run`: Bandersnatch's own, with an exit code that tells."""

from __future__ import annotations

import argparse
import sys

from ..core.incidents import Level
from ..exit_codes import CheckExit, RunExit
from ..reporting.summary import Summary
from .summaries import summarize

# Options of Bandersnatch's that need no command, and no configuration.
_ENOUGH = frozenset(("-h", "--help", "--version"))

# Ours too where it comes after `run`: Bandersnatch has no such option.
_QUIET = frozenset(("-q", "--quiet"))


def main(options: argparse.Namespace) -> int:
    """Run Bandersnatch with the arguments given, and return the exit code."""
    quiet = options.quiet or not _QUIET.isdisjoint(options.arguments)
    options.arguments = [one for one in options.arguments if one not in _QUIET]
    if all(one.startswith("-") and one not in _ENOUGH for one in options.arguments):
        question = "which command of Bandersnatch? mirror, sync, verify or delete"
        print(f"bandersnatch-freshness run: {question}", file=sys.stderr)  # noqa: T201
        return RunExit.USAGE
    if options.arguments[0] in ("-h", "--help"):
        options.explain()
        return RunExit.FRESH
    # All of Bandersnatch is imported for this, which the other commands do without.
    from .. import host

    try:
        given = ["--config", options.config, *options.arguments]
        ended = host.run(given, quiet=quiet, needs_configuration=_ENOUGH.isdisjoint(given))
    except host.RefusedError as error:
        if str(error):
            print(f"bandersnatch-freshness run: {error}", file=sys.stderr)  # noqa: T201
        return RunExit.USAGE
    if ended is None:  # it was asked for its help, or its version
        return RunExit.FRESH
    options.config = host.config_file()  # which may be among the arguments
    summary = summarize(options)
    code = RunExit.FRESH if ended else RunExit.FAILED
    if summary.obstacle or summary.counts()[Level.CRITICAL]:
        code = RunExit.CRITICAL
    if code is not RunExit.FRESH and "mirror" in options.arguments and not quiet and sys.stderr.isatty():
        _say_why(summary)
    return code


def _say_why(summary: Summary) -> None:
    """Say what is wrong to whoever started a run by hand: what is known is not said again in each run."""
    from ..reporting.standing import standing  # which no cron job needs

    found = standing(summary)
    if found.incident is not None or found.severity is not CheckExit.OK:
        said = f"{found.reason}; more by `bandersnatch-freshness status`"
        print(f"bandersnatch-freshness run: {said}", file=sys.stderr)  # noqa: T201
