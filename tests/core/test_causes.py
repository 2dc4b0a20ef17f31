"""What errors mean, in words."""

from __future__ import annotations

import errno
import json
import ssl
from types import SimpleNamespace
from typing import Any

import aiohttp
import pytest
import requests
from urllib3.exceptions import MaxRetryError

from bandersnatch_freshness.core.causes import advice, cause_of, cause_of_no_begin, is_of_answer, is_of_request


def of_aiohttp(kind: type[aiohttp.ClientResponseError], status: int) -> aiohttp.ClientResponseError:
    """Return an error of a response."""
    return kind(None, (), status=status)  # type: ignore[arg-type] # not looked at


def of_requests(status: int) -> requests.HTTPError:
    """Return an error of a response."""
    response = requests.Response()
    response.status_code = status
    return requests.HTTPError("for https://user:secret@host", response=response)


KEY: Any = SimpleNamespace(host="host", port=443, ssl=True, is_ssl=True)


def of_connection(error: OSError) -> aiohttp.ClientConnectorError:
    """Return aiohttp's error for one of a connection."""
    return aiohttp.ClientConnectorError(KEY, error)


def of_tls(message: str) -> ssl.SSLCertVerificationError:
    """Return OpenSSL's error about a certificate, whose number is 1, as that of "not permitted" is."""
    error = ssl.SSLCertVerificationError(1, "for https://user:secret@host")
    error.verify_message = message
    return error


def of_tls_reason(reason: str) -> ssl.SSLError:
    """Return OpenSSL's error about a connection, as aiohttp has it: of a class of its own, with that behind."""
    error = ssl.SSLError(1, "for https://user:secret@host")
    error.reason = reason
    return error


@pytest.mark.parametrize(
    ("error", "cause"),
    [
        pytest.param(OSError(errno.ENOSPC, "x"), "the disk is full", id="full"),
        pytest.param(OSError(errno.EDQUOT, "x"), "the disk is full", id="quota"),
        pytest.param(OSError(errno.EROFS, "x"), "the disk is read-only", id="read-only"),
        pytest.param(PermissionError(errno.EACCES, "x"), "no permission to write", id="permission"),
        pytest.param(of_aiohttp(aiohttp.ClientResponseError, 503), "status 503", id="status"),
        pytest.param(of_requests(503), "status 503", id="status-requests"),
        pytest.param(of_aiohttp(aiohttp.ContentTypeError, 200), "it is no JSON", id="html"),
        pytest.param(json.JSONDecodeError("x", "y", 0), "it is no JSON", id="no-json"),
        pytest.param(TimeoutError(), "no answer in time", id="time-out"),
        pytest.param(requests.ReadTimeout(), "no answer in time", id="time-out-requests"),
        pytest.param(aiohttp.ServerTimeoutError(), "no answer in time", id="time-out-aiohttp"),
        pytest.param(aiohttp.ClientPayloadError(), "the connection breaks off", id="cut"),
        pytest.param(ConnectionResetError(errno.ECONNRESET, "x"), "the connection breaks off", id="reset"),
        pytest.param(aiohttp.ServerDisconnectedError(), "the connection breaks off", id="disconnected"),
        pytest.param(requests.ConnectionError(), "no connection", id="no-connection"),
        pytest.param(ConnectionRefusedError(errno.ECONNREFUSED, "x"), "no connection", id="refused"),
        pytest.param(of_connection(PermissionError(errno.EPERM, "x")), "no connection", id="firewall"),
        pytest.param(ssl.SSLError(1, "https://user:secret@host"), "TLS: handshake failed", id="tls"),
        pytest.param(of_tls_reason("WRONG_VERSION_NUMBER"), "TLS: WRONG_VERSION_NUMBER", id="http"),
        pytest.param(ssl.SSLEOFError(8, "x"), "the connection breaks off", id="tls-cut"),
        pytest.param(of_tls("certificate has expired"), "TLS: certificate has expired", id="certificate"),
        pytest.param(
            aiohttp.ClientConnectorCertificateError(KEY, of_tls("certificate has expired")),
            "TLS: certificate has expired",
            id="certificate-aiohttp",
        ),
        pytest.param(
            requests.exceptions.SSLError(MaxRetryError(None, "/", of_tls("certificate has expired"))),  # type: ignore[arg-type]
            "TLS: certificate has expired",
            id="certificate-requests",
        ),
        pytest.param(requests.TooManyRedirects(), "endless redirects", id="redirects"),
        pytest.param(ValueError("Inconsistent file. x has hash 1 instead of 2."), "a wrong checksum", id="hash"),
        pytest.param(KeyError("https://user:secret@host"), "KeyError", id="anything-else"),
    ],
)
def test_says_what_an_error_means(error: Exception, cause: str) -> None:
    """Whichever library raised it, and without a word of its own text."""
    assert cause_of(error) == cause
    assert advice(cause)
    assert "secret" not in cause_of(error)


def test_an_error_may_stand_for_another_one() -> None:
    """As those of XML-RPC do."""
    error = OSError("no answer")
    error.__cause__ = ConnectionRefusedError(errno.ECONNREFUSED, "x")
    assert cause_of(error) == "no connection"


def test_says_what_to_do() -> None:
    """By what failed; a cause may follow the thing that has it."""
    assert advice("the disk is full") == advice("something: the disk is full") != advice("status 503")
    assert advice("foo (its file: the disk is full), bar (status 503)") == advice("the disk is full")
    assert "see what ends the runs" in advice("it was ended before it was done: foo (its page is stale)")


@pytest.mark.parametrize(
    ("cause", "of_answer"), [("status 404", True), ("a wrong checksum", True), ("KeyError", False)]
)
def test_tells_answers_from_this_machine(cause: str, of_answer: bool) -> None:
    """What fails after the page is a release file, unless it is this machine."""
    assert is_of_answer(cause) is of_answer


def test_what_keeps_a_run_from_beginning() -> None:
    """The disk by its own words; what a lock that is held, or a bug, has behind it is no answer of the master's."""
    held = RuntimeError("Could not acquire lock")
    held.__context__ = TimeoutError()
    assert cause_of_no_begin(held) == "Bandersnatch does not begin: RuntimeError"
    assert cause_of_no_begin(OSError(errno.ENOSPC, "x")) == "the disk is full"
    assert "which says why" in advice(cause_of_no_begin(held))


def test_tells_what_came_of_a_request() -> None:
    """Whose text may have a password in it; also where another error stands for it."""
    behind = RuntimeError("x")
    behind.__cause__ = of_requests(407)
    assert is_of_request(behind)
    assert is_of_request(of_connection(OSError("x")))
    assert not is_of_request(PermissionError(errno.EACCES, "x"))
