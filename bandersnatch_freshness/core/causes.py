"""Causes: what an error means for who runs a mirror, in words, and what to do about it. No I/O.

An error is told by the names of its classes: which library raised it depends on Bandersnatch, and none is imported.
"""

from __future__ import annotations

import errno
from collections.abc import Mapping

DISK_FULL, READ_ONLY, NO_PERMISSION = "the disk is full", "the disk is read-only", "no permission to write"
NO_ANSWER, NO_CONNECTION, CUT_OFF = "no answer in time", "no connection", "the connection breaks off"
NO_JSON, CHECKSUM, REDIRECTS = "it is no JSON", "a wrong checksum", "endless redirects"
KILLED, ENDED = "a run was killed, or the machine went down", "it was ended before it was done"

DOUBTED = "the index lists fewer projects than before, and is doubted"
STOP_ON_ERROR = "stop-on-error ended it"

_BY_NUMBER = {
    errno.ENOSPC: DISK_FULL,
    errno.EDQUOT: DISK_FULL,
    errno.EROFS: READ_ONLY,
    errno.EACCES: NO_PERMISSION,
    errno.EPERM: NO_PERMISSION,
}

# By the name of a class that the error is of; the first that fits, the most special first.
_BY_CLASS: Mapping[str, str] = {
    "ContentTypeError": NO_JSON,  # aiohttp's, which has the status of a good answer
    "JSONDecodeError": NO_JSON,
    "UnicodeDecodeError": NO_JSON,
    "TooManyRedirects": REDIRECTS,
    "ClientPayloadError": CUT_OFF,
    "ChunkedEncodingError": CUT_OFF,
    "ContentDecodingError": CUT_OFF,
    "IncompleteRead": CUT_OFF,
    "ServerDisconnectedError": CUT_OFF,
    "ConnectionResetError": CUT_OFF,
    "Timeout": NO_ANSWER,
    "TimeoutError": NO_ANSWER,
    "ConnectionTimeout": NO_ANSWER,  # Bandersnatch's
    "ClientConnectionError": NO_CONNECTION,
    "ConnectionError": NO_CONNECTION,
}

_ENDS = "see what ends the runs: a time limit of what starts them, the memory of this host, or somebody by hand"

_ADVICE: Mapping[str, str] = {
    DISK_FULL: "make room on the mirror's disk, or enlarge it",
    READ_ONLY: "see why the mirror's disk is read-only, and mount it to be written",
    NO_PERMISSION: "make the mirror's directory the property of the user that runs Bandersnatch",
    NO_CONNECTION: "see whether this host reaches the master: network, DNS, proxy, firewall",
    KILLED: _ENDS,
    ENDED: _ENDS,
    DOUBTED: "see who answers in the master's place, by `bandersnatch-freshness probe`, if it lasts for hours",
    STOP_ON_ERROR: "see why that package fails, and set `stop-on-error = false`, so that the others are synced",
    CHECKSUM: "nothing on the mirror: the master's file differs from its page, which may be an attack; report it there",
}


def cause_of(error: BaseException) -> str:
    """Return in words what an error means. Its own text is not quoted, as it may hold a URL with a password."""
    number = error.errno if isinstance(error, OSError) else None
    if number in _BY_NUMBER:
        return _BY_NUMBER[number]
    names = [kind.__name__ for kind in type(error).__mro__]
    if "ContentTypeError" in names:
        return NO_JSON
    status = getattr(error, "status", None) or getattr(getattr(error, "response", None), "status_code", None)
    if status:
        return f"status {status}"
    if isinstance(error, ValueError) and str(error).startswith("Inconsistent file"):  # bandersnatch/mirror.py
        return CHECKSUM
    found = next((text for name, text in _BY_CLASS.items() if name in names), "")
    # One that says nothing may stand for another one.
    behind = error.__cause__ or error.__context__
    return found or (cause_of(behind) if behind is not None else type(error).__name__)


def is_of_answer(cause: str) -> bool:
    """Return whether a cause is one of an answer, or of none, and not of this machine."""
    return cause.startswith("status ") or cause in (NO_ANSWER, NO_CONNECTION, CUT_OFF, NO_JSON, CHECKSUM, REDIRECTS)


def advice(cause: str) -> str:
    """Return what to do about a cause, which may stand among other words."""
    found = (text for known, text in _ADVICE.items() if known in cause)
    return next(found, "see what the master answers, by `bandersnatch-freshness probe`")
