"""The exit codes of each command, and when it ends with them. The docs' reference is generated from this."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Self


class ExitCode(enum.IntEnum):
    """An exit code; `when` says when a command ends with it."""

    when: str

    def __new__(cls, code: int, when: str) -> Self:
        """Make a member from a number and a sentence."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.when = when
        return member


class UsageError(ValueError):
    """The command line was wrong; the text names the option and what is allowed."""


class CommonExit(ExitCode):
    """The exit codes of commands without their own."""

    DONE = 0, "it did what it was asked for"
    FAILED = 1, "it could not: one line on standard error says why"
    USAGE = 2, "the command line was wrong"


class CheckExit(ExitCode):
    """The exit codes of `check`, as monitoring systems expect them of a plugin."""

    OK = (
        0,
        "no incident is a warning or worse, and runs go on; during a first sync too, while it gets on; with --url: and "
        "users get what the mirror has, or what is old there has not been so for `warn_after` yet",
    )
    WARNING = (
        1,
        "an incident is a warning; with --url also: copies have been old for `warn_after`, or for an unknown time; an "
        "address or some pages fail; or runs are late",
    )
    CRITICAL = (
        2,
        "an incident is critical; or there was no run, or one hangs, for three times the usual interval and at least "
        "`critical_after`; or the state can't be written, so that nothing is remembered; with --url also: copies have "
        "been old for `critical_after`, or users get no answer, no index or no page",
    )
    UNKNOWN = (
        3,
        "no run is remembered, the last one ended in the future (a clock was wrong), or `check` failed for another "
        "reason, such as a usage error; with --url: nothing tells how old that is what users get",
    )


class NotifyExit(ExitCode):
    """The exit codes of `notify`."""

    ARRIVED = 0, "each service has taken the test"
    FAILED = 1, "one has not, there is none, or the configuration can't be followed"
    USAGE = 2, "the command line was wrong"


class RunExit(ExitCode):
    """The exit codes of `run`."""

    FRESH = 0, "nothing is critical, and Bandersnatch itself did not fail: what did is remembered, and told if it lasts"
    FAILED = 1, "Bandersnatch itself failed"
    CRITICAL = 2, "an incident is critical, or the state can't be written"
    USAGE = 64, "the command line was wrong, or the configuration can't be followed: nothing was done"


class ProbeExit(ExitCode):
    """The exit codes of `probe`: the result of all ways together.

    Of several packages, 3 wins; otherwise it is 0 or 2 if all of them agree on that, else 1.
    """

    FRESH = 0, "every way of asking is fresh"
    SOME_STALE = 1, "some ways are stale, or packages differ"
    ALL_STALE = 2, "every way of asking is stale"
    UNDETERMINED = 3, "freshness is unknown: no answer, no serial, or the command line was wrong"


class AuditExit(ExitCode):
    """The exit codes of `audit`."""

    COMPLETE = 0, "the mirror has everything up to its serial, but for what is in quarantine"
    FINDINGS = 1, "something is missing, older, or otherwise not as announced"
    UNDETERMINED = 3, "it could not tell: no index to compare with, or the command line was wrong"


class DemoExit(ExitCode):
    """The exit codes of `demo`."""

    CURED = 0, "the suite cured what bare Bandersnatch could not"
    FAILED = 1, "the demo did not go as expected, or could not run: its last lines say why"
    USAGE = 2, "the command line was wrong"


INTERRUPTED = 130

# The commands that have their own exit codes.
BY_COMMAND: Mapping[str, type[ExitCode]] = {
    "check": CheckExit,
    "notify": NotifyExit,
    "run": RunExit,
    "probe": ProbeExit,
    "audit": AuditExit,
    "demo": DemoExit,
}
