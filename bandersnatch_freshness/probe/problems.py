"""Problems: names what went wrong with a request in the same words for every client."""

from __future__ import annotations

from collections.abc import Sequence

import aiohttp

from ..core.causes import REDIRECTS, all_behind
from ..extras import Extra
from ..transports import problems

_Errors = tuple[type[BaseException], ...]

# The errors of the clients' libraries, by the words for them.
_PROXY: _Errors = (aiohttp.ClientProxyConnectionError, aiohttp.ClientHttpProxyError)
_KINDS: dict[str, _Errors] = {
    REDIRECTS: (aiohttp.TooManyRedirects,),
    problems.BROKEN: (aiohttp.ClientPayloadError, aiohttp.ServerDisconnectedError),
}

if Extra.REQUESTS.is_installed:
    from requests.exceptions import ProxyError, Timeout, TooManyRedirects
    from urllib3.exceptions import HTTPError

    _PROXY = (*_PROXY, ProxyError)
    _KINDS = {
        REDIRECTS: (*_KINDS[REDIRECTS], TooManyRedirects),
        problems.TIME_OUT: (Timeout,),
        problems.BROKEN: (*_KINDS[problems.BROKEN], HTTPError),
    }

# curl's exit codes (curl(1), EXIT CODES)
_CURL_PROBLEMS = {
    5: "proxy: name not found",
    6: "name not found",
    7: "connection refused",
    18: "connection broken",
    28: "time-out",
    35: "TLS: handshake failed",
    47: REDIRECTS,
    52: "connection broken",
    56: "connection broken",
    60: "TLS: certificate verify failed",
    97: "proxy: refused",
}


class CurlError(Exception):
    """curl failed; the only argument is its exit code."""


def problem_of(error: BaseException) -> str:
    """Return a few words on what went wrong. The error's own text is never used: it may hold secrets."""
    if isinstance(error, CurlError):
        return _CURL_PROBLEMS.get(error.args[0], f"curl exit code {error.args[0]}")
    causes = list(all_behind(error))
    by_proxy = any(isinstance(one, _PROXY) for one in causes)
    return ("proxy: " if by_proxy else "") + _problem(causes)


def _problem(causes: Sequence[BaseException]) -> str:
    words = problems.problem(causes, _KINDS)
    if words:
        return words
    status = next((one.status for one in causes if isinstance(one, aiohttp.ClientResponseError)), 0)
    return f"status {status}" if status else type(causes[0]).__name__
