"""Causes: what an error means for who runs a mirror, in words, and what to do about it. No I/O.

An error is told by the names of its classes: which library raised it depends on Bandersnatch, and none is imported.
"""

from __future__ import annotations

import errno
from collections.abc import Iterable, Iterator, Mapping

DISK_FULL, READ_ONLY, NO_PERMISSION = "the disk is full", "the disk is read-only", "no permission to write"
NO_ANSWER, NO_CONNECTION, CUT_OFF = "no answer in time", "no connection", "the connection breaks off"
NO_JSON, CHECKSUM, REDIRECTS = "it is no JSON", "a wrong checksum", "endless redirects"
TLS = "TLS: "  # what OpenSSL says of it follows
KILLED, ENDED = "a run was killed, or the machine went down", "it was ended before it was done"

DOUBTED = "the index lists fewer projects than before, and is doubted"
STOP_ON_ERROR = "stop-on-error ended it"
NOT_BEGUN = "Bandersnatch does not begin"

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

# aiohttp's and requests' bases of what comes of a request, and that of names that are not found.
_OF_REQUESTS = frozenset(("ClientError", "RequestException", "gaierror"))

_ENDS = "see what ends the runs: a time limit of what starts them, the memory of this host, or somebody by hand"

# By what a cause has in it; the first that fits, the most special first.
_ADVICE: Mapping[str, str] = {
    NOT_BEGUN: "start a run by hand, which says why: `bandersnatch-freshness run mirror`",
    DISK_FULL: "make room on the mirror's disk, or enlarge it",
    READ_ONLY: "see why the mirror's disk is read-only, and mount it to be written",
    NO_PERMISSION: "`chown -R` the mirror's directory to the user that runs Bandersnatch, with all that is in it",
    TLS: "see why this host does not trust the master: its clock, its certificates (SSL_CERT_FILE), a proxy in between",
    REDIRECTS: "see `[mirror] master`, which is to be the address that answers",
    "a release file: status 404": "nothing on the mirror: the master's page lists a file that it does not have",
    "status 403": "have fewer requests made: fewer `workers`, rarer runs; or see why the master refuses this host",
    "status 429": "have fewer requests made: fewer `workers`, rarer runs",
    NO_CONNECTION: "see whether this host reaches the master: network, DNS, proxy, firewall",
    KILLED: _ENDS,
    ENDED: _ENDS,
    DOUBTED: "see who answers in the master's place, by `bandersnatch-freshness probe`, if it lasts for hours",
    STOP_ON_ERROR: "see why that package fails, and set `stop-on-error = false`, so that the others are synced",
    CHECKSUM: "nothing on the mirror: the master's file differs from its page, which may be an attack; report it there",
}


def cause_of(error: BaseException) -> str:
    """Return in words what an error means. Its own text is not quoted, as it may hold a URL with a password."""
    names = [kind.__name__ for kind in type(error).__mro__]
    if not {"SSLEOFError", "SSLZeroReturnError"}.isdisjoint(names):
        return CUT_OFF
    if _is_of_tls(error):
        return f"{TLS}{said_of_tls(filter(_is_of_tls, all_behind(error)))}"
    # Those of a connection have numbers too: of a firewall, or the library's own.
    number = error.errno if isinstance(error, OSError) and _OF_REQUESTS.isdisjoint(names) else None
    if number in _BY_NUMBER:
        return _BY_NUMBER[number]
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


def cause_of_no_begin(error: BaseException) -> str:
    """Return in words what kept Bandersnatch from beginning a run: what it asks for comes later."""
    cause = cause_of(error)
    return cause if cause in _BY_NUMBER.values() else f"{NOT_BEGUN}: {type(error).__name__}"


def is_of_request(error: BaseException) -> bool:
    """Return whether an error came of a request: then its text may have a URL with a password in it."""
    names = {kind.__name__ for one in all_behind(error) for kind in type(one).__mro__}
    return not (_OF_REQUESTS | {"ProtocolError"}).isdisjoint(names)


def all_behind(error: BaseException) -> Iterator[BaseException]:
    """Yield an error and its causes, from every attribute in which a library keeps one."""
    seen: list[object] = []
    waiting: list[object] = [error]
    while waiting:
        one = waiting.pop(0)
        if not isinstance(one, BaseException) or one in seen:
            continue
        seen.append(one)
        yield one
        behind = ("__cause__", "__context__", "reason", "os_error", "certificate_error")
        waiting += [*(getattr(one, name, None) for name in behind), *one.args]


def _is_of_tls(error: BaseException) -> bool:
    return any("SSL" in kind.__name__ for kind in type(error).__mro__)


def said_of_tls(errors: Iterable[BaseException]) -> str:
    """Return what OpenSSL says of a connection that it refused, in a few words of its own."""
    failed = list(errors)
    said = (getattr(one, name, None) for name in ("verify_message", "reason") for one in failed)
    return next((text for text in said if isinstance(text, str) and text), "handshake failed")


def is_of_answer(cause: str) -> bool:
    """Return whether a cause is one of an answer, or of none, and not of this machine."""
    if cause.startswith(("status ", TLS)):
        return True
    return cause in (NO_ANSWER, NO_CONNECTION, CUT_OFF, NO_JSON, CHECKSUM, REDIRECTS)


def advice(cause: str) -> str:
    """Return what to do about a cause, which may stand among other words."""
    found = (text for known, text in _ADVICE.items() if known in cause)
    return next(found, "see what the master answers, by `bandersnatch-freshness probe`")
