"""The exit codes: what each command can end with, and when. The reference in the docs is made of this."""

from __future__ import annotations

import enum
from collections.abc import Mapping
from typing import Self


class ExitCode(enum.IntEnum):
    """An exit code, and when a command ends with it."""

    when: str

    def __new__(cls, code: int, when: str) -> Self:
        """Make a member of a number and a sentence."""
        member = int.__new__(cls, code)
        member._value_ = code
        member.when = when
        return member


class CommonExit(ExitCode):
    """Those of a command that has none of its own."""

    DONE = 0, "it did what it was asked for"
    FAILED = 1, "it could not: one line on standard error says why"
    USAGE = 2, "the command line was wrong"


class CheckExit(ExitCode):
    """Those of `check`, as monitoring plugins have them."""

    OK = 0, "no incident is a warning or worse"
    WARNING = 1, "one is"
    CRITICAL = 2, "one is critical"
    UNKNOWN = (
        3,
        "no run has finished for longer than `critical_after`, the last one did so in the future (a clock was wrong), "
        "nothing is remembered, or anything else keeps `check` from telling, a usage error included",
    )


class RunExit(ExitCode):
    """Those of `run`."""

    FRESH = 0, "all is fresh, or will be soon: nothing but stale pages has failed, and none is critical"
    FAILED = 1, "Bandersnatch failed, or a package did for another reason"
    CRITICAL = 2, "there are critical incidents"
    USAGE = 64, "no command of Bandersnatch was named"


class ProbeExit(ExitCode):
    """Those of `probe`: what all ways together came to.

    Of several packages, 3 comes first; else it is 0 or 2 if that holds for all of them.
    """

    FRESH = 0, "every way of asking is fresh"
    SOME_STALE = 1, "some ways are stale, or packages differ"
    ALL_STALE = 2, "all ways are stale"
    UNDETERMINED = 3, "it can't be told: no answer, no serial, or the command line was wrong"


class DemoExit(ExitCode):
    """Those of `demo`."""

    CURED = 0, "the suite cured what bare Bandersnatch could not"
    FAILED = 1, "the story went otherwise than told, or could not be played: its last lines say why"
    USAGE = 2, "the command line was wrong"


INTERRUPTED = 130

# Of the commands that have codes of their own.
BY_COMMAND: Mapping[str, type[ExitCode]] = {"check": CheckExit, "run": RunExit, "probe": ProbeExit, "demo": DemoExit}
