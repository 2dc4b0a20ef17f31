"""Problems: what went wrong with a request, in the same words whatever client made it; of the standard library."""

from __future__ import annotations

import errno
import socket
import ssl
from collections.abc import Mapping, Sequence
from http.client import HTTPException

from ..core.causes import REDIRECTS, TLS, said_of_tls

TIME_OUT, BROKEN, NO_ROUTE = "time-out", "connection broken", "no route"

# The errors of the standard library by the words for them; which of those words are first, counts.
_KINDS: Mapping[str, tuple[type[BaseException], ...]] = {
    REDIRECTS: (),  # which only libraries follow
    "name not found": (socket.gaierror,),
    TIME_OUT: (TimeoutError,),
    "connection refused": (ConnectionRefusedError,),
    BROKEN: (ConnectionError, HTTPException),
}
_UNREACHABLE = {errno.ENETUNREACH, errno.EHOSTUNREACH, errno.EADDRNOTAVAIL}


def problem(causes: Sequence[BaseException], more: Mapping[str, tuple[type[BaseException], ...]] | None = None) -> str:
    """Return a few words on an error, which has these causes; empty where none of them is known.

    `more` are the errors of a library by the words for them. No error's own text is used, but for what OpenSSL says of
    a certificate: it may hold secrets.
    """
    failed = [one for one in causes if isinstance(one, ssl.SSLError)]
    if failed:
        return f"{TLS}{said_of_tls(failed)}"
    for words, kinds in _KINDS.items():
        if any(isinstance(one, (*kinds, *(more or {}).get(words, ()))) for one in causes):
            return words
    return NO_ROUTE if any(isinstance(one, OSError) and one.errno in _UNREACHABLE for one in causes) else ""
