"""Real processes whose clock is ahead, that make no pauses, or that die at a moment of one's choice."""

from __future__ import annotations

from pathlib import Path

_SITE = {"PYTHONPATH": str(Path(__file__).with_name("site"))}


def ahead(seconds: int) -> dict[str, str]:
    """Return what to add to the environment of a process whose clock is to be ahead."""
    return {**_SITE, "AHEAD": str(seconds)}


def mortal(at: int = 0, after: str = "") -> dict[str, str]:
    """Return what to add to the environment of a process that makes no pauses, and is to kill itself.

    `at` is the number of the file operation (a rename, a removal, a copy, …) at which it
    dies (0: it does not). They are counted from one on a file named `after` on, if given.
    """
    return {**_SITE, "KILL_AT": str(at), "KILL_AFTER": after}


def without_pauses() -> dict[str, str]:
    """Return what to add to the environment of a process that is to make no pauses, such as Bandersnatch's."""
    return mortal()
