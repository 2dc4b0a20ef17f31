"""What a master says of itself by XML-RPC."""

from __future__ import annotations

import xmlrpc.client

import pytest

from bandersnatch_freshness.core.changelog import ask_changes, ask_last_serial, read_changes, read_last_serial


def answer(value: object) -> bytes:
    """Return an answer with this value."""
    return xmlrpc.client.dumps((value,), methodresponse=True, allow_none=True).encode()  # type: ignore[arg-type]


def test_asks_for_the_last_serial() -> None:
    """Without any parameter."""
    assert xmlrpc.client.loads(ask_last_serial()) == ((), "changelog_last_serial")


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
    assert read_last_serial(body) == serial


def test_asks_for_what_has_changed() -> None:
    """Since a serial."""
    assert xmlrpc.client.loads(ask_changes(42)) == ((42,), "changelog_since_serial")


@pytest.mark.parametrize(
    ("body", "changes"),
    [
        pytest.param(
            answer([["Foo", "1.0", 1, "new release", 43], ["bar", None, 2, "create", 44], ["Foo", "1.0", 3, "x", 45]]),
            {"Foo": 45, "bar": 44},
            id="the-highest-of-each",
        ),
        pytest.param(answer([]), {}, id="nothing"),
        pytest.param(answer(42), None, id="a-number"),
        pytest.param(answer([["Foo", 43]]), None, id="too-short"),
        pytest.param(answer([["Foo", "1.0", 1, "x", "many"]]), None, id="no-serial"),
        pytest.param(answer([["Foo", "1.0", 1, "x", 43], [True, "1.0", 1, "x", 44]]), None, id="no-name"),
        pytest.param(answer([["Foo", "1.0", 1, "x", 43], [7, "1.0", 1, "x", 44]]), None, id="a-number-for-a-name"),
        pytest.param(answer([["Foo", "1.0", 1, "x", "43"]]), None, id="a-text-for-a-serial"),
        pytest.param(b"<html>Login</html>", None, id="html"),
        pytest.param(
            xmlrpc.client.dumps(xmlrpc.client.Fault(-32500, "HTTPTooManyRequests")).encode(), None, id="fault"
        ),
    ],
)
def test_changes_are_serials_by_project(body: bytes, changes: dict[str, int] | None) -> None:
    """Never an error."""
    assert read_changes(body) == changes
