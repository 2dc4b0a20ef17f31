"""Serials, as they are read from headers and bodies."""

import pytest

from bandersnatch_freshness.core.observations import parse_serial, serial_in_body, serial_in_html


@pytest.mark.parametrize(
    ("text", "serial"),
    [
        pytest.param("4872850", 4872850, id="plain"),
        pytest.param(" 42\t", 42, id="blanks-around"),
        pytest.param("0", 0, id="zero"),
        pytest.param("9" * 18, 10**18 - 1, id="longest"),
        pytest.param("9" * 19, None, id="absurd"),
        pytest.param("9" * 5000, None, id="more-digits-than-int-takes"),
        pytest.param("", None, id="empty"),
        pytest.param(None, None, id="missing"),
        pytest.param("-1", None, id="negative"),
        pytest.param("4_2", None, id="underscore"),
        pytest.param("٤٢", None, id="digits-of-another-script"),
        pytest.param("42, 43", None, id="two-headers-joined"),
        pytest.param("1e6", None, id="float"),
    ],
)
def test_a_serial_is_digits_and_nothing_else(text: str | None, serial: int | None) -> None:
    """What is no serial is None, never an exception."""
    assert parse_serial(text) == serial


@pytest.mark.parametrize(
    ("body", "serial"),
    [
        pytest.param(b'{"last_serial": 42, "info": {}}', 42, id="json-api"),
        pytest.param(b'{"meta": {"_last-serial": "42", "api-version": "1.1"}}', 42, id="simple-page"),
        pytest.param(b'{"meta":{"_last-serial":42}}', 42, id="simple-page-with-a-number"),
        pytest.param(b'{"meta": "_last-serial"}', None, id="meta-is-a-text"),
        pytest.param(b'{"info": {}}', None, id="none"),
        pytest.param(b'{"last_serial": null}', None, id="null"),
        pytest.param(b'{"last_serial": true}', None, id="bool"),
        pytest.param(b'{"last_serial": 4.2}', None, id="float"),
        pytest.param(b"[42]", None, id="no-object"),
        pytest.param(b"<html>", None, id="no-json"),
        pytest.param(b"\xff\xfe", None, id="no-text"),
        pytest.param(b"[" * 100_000, None, id="too-deep"),
    ],
)
def test_a_body_has_a_serial_or_not(body: bytes, serial: int | None) -> None:
    """Whatever the body is, reading it raises nothing."""
    assert serial_in_body(body) == serial


@pytest.mark.parametrize(
    ("page", "serial"),
    [
        pytest.param(b"<html></html>\n<!--SERIAL 4872850-->", 4872850, id="html"),
        pytest.param(b"<html></html>\n<!--SERIAL 4872850-->\n", 4872850, id="line-end"),
        pytest.param(b"SERIAL 4872850-->", None, id="cut-off"),
        pytest.param(b"<html></html>\n<!--SERIAL None-->", None, id="no-serial"),
        pytest.param(b"<!--SERIAL 99-->\n<a>1.0</a>\n<!--SERIAL 42-->", 42, id="somebodys-text"),
        pytest.param(b"<!--SERIAL 99-->\n<a>1.0</a>", None, id="somebodys-text-alone"),
        pytest.param(b"", None, id="empty"),
    ],
)
def test_reads_the_serial_that_a_page_ends_with(page: bytes, serial: int | None) -> None:
    """As PyPI and Bandersnatch write it."""
    assert serial_in_html(page) == serial
