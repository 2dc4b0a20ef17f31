"""What a master says of itself by XML-RPC."""

from __future__ import annotations

import xmlrpc.client

import pytest

from bandersnatch_freshness.core.last_serial import REQUEST, read_answer


def answer(value: object) -> bytes:
    """Return an answer with this value."""
    return xmlrpc.client.dumps((value,), methodresponse=True, allow_none=True).encode()  # type: ignore[arg-type]


def test_asks_for_the_last_serial() -> None:
    """Without any parameter."""
    assert xmlrpc.client.loads(REQUEST) == ((), "changelog_last_serial")


@pytest.mark.parametrize(
    ("body", "serial"),
    [
        pytest.param(answer(42), 42, id="serial"),
        pytest.param(answer(0), None, id="zero"),
        pytest.param(answer(True), None, id="truth"),
        pytest.param(answer("42"), None, id="text"),
        pytest.param(answer([]), None, id="list"),
        pytest.param(answer(42)[:-20], None, id="cut-off"),
        pytest.param(b"<html>Login</html>", None, id="html"),
        pytest.param(b"", None, id="nothing"),
        pytest.param(
            xmlrpc.client.dumps(xmlrpc.client.Fault(-32500, "HTTPTooManyRequests")).encode(), None, id="fault"
        ),
    ],
)
def test_an_answer_is_a_serial_or_nothing(body: bytes, serial: int | None) -> None:
    """Never an error."""
    assert read_answer(body) == serial
