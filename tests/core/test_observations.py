"""What one answer shows, and the serials in answers and pages."""

import pytest
from multidict import CIMultiDict

from bandersnatch_freshness.core.observations import (
    Observation,
    observe,
    parse_serial,
    serial_in_body,
    serial_in_html,
)
from bandersnatch_freshness.core.variants import PLAIN, AcceptEncoding, Variant
from bandersnatch_freshness.formatting import printable

STRIP = Variant(AcceptEncoding.ABSENT)


def test_reads_serial_and_node() -> None:
    """The serial judges, the node's name is evidence."""
    headers = CIMultiDict({"x-pypi-last-serial": "42", "x-served-by": "cache-ams21"})
    assert observe(STRIP, 200, headers) == Observation(STRIP, 200, 42, served_by="cache-ams21")
    assert str(observe(STRIP, 200, headers)) == "strip got serial 42 from cache-ams21"


def test_keeps_what_says_something_as_evidence() -> None:
    """Plain data, cut and escaped, for a state file that a person reads."""
    headers = {"X-PyPI-Last-Serial": "42", "X-Served-By": "cache-ams21", "X-Cache": "HIT\n", "Age": "7", "Via": ""}
    assert observe(STRIP, 200, CIMultiDict(headers)).evidence() == {
        "variant": "strip",
        "status": 200,
        "serial": 42,
        "served_by": "cache-ams21",
        "x_cache": "HIT\\n",
        "age": "7",
    }


@pytest.mark.parametrize(
    ("status", "headers", "words"),
    [
        pytest.param(200, {}, "plain got no serial", id="missing"),
        pytest.param(200, {"X-PyPI-Last-Serial": ""}, "plain got the malformed serial ''", id="empty"),
        pytest.param(200, {"X-PyPI-Last-Serial": "4.2"}, "plain got the malformed serial '4.2'", id="malformed"),
        pytest.param(404, {"X-PyPI-Last-Serial": "1"}, "plain got status 404", id="not-found"),
    ],
)
def test_says_what_was_wrong(status: int, headers: dict[str, str], words: str) -> None:
    """No answer is an exception, each is said in a few words."""
    assert str(observe(PLAIN, status, CIMultiDict(headers))) == words


@pytest.mark.parametrize(
    ("headers", "past"),
    [
        pytest.param({"X-Cache": "MISS, MISS"}, True, id="missed-everywhere"),
        pytest.param({"X-Cache": "MISS, HIT"}, False, id="hit-at-the-edge"),
        pytest.param({"X-Cache": "HIT, MISS"}, False, id="hit-at-the-shield"),
        pytest.param({"X-Cache": "MISS from squid"}, True, id="squid"),
        pytest.param({"X-Cache": "cached"}, False, id="unknown-word"),
        pytest.param({"Cache-Status": "Edge; fwd=uri-miss; stored, Shield; fwd=miss"}, True, id="cache-status-missed"),
        pytest.param({"Cache-Status": "Edge; fwd=stale, Shield; hit; ttl=30"}, False, id="cache-status-hit"),
        pytest.param({"Cache-Status": "Edge"}, False, id="cache-status-of-no-use"),
        pytest.param({"Age": "0"}, False, id="age-proves-nothing"),
        pytest.param({}, False, id="no-word-of-a-cache"),
    ],
)
def test_knows_when_an_answer_came_past_the_caches(headers: dict[str, str], past: bool) -> None:
    """Only where every cache on the way says so."""
    assert observe(PLAIN, 200, CIMultiDict(headers)).came_past_caches is past


@pytest.mark.parametrize(
    ("value", "safe"),
    [
        pytest.param("cache-ams21, cache-fra1", "cache-ams21, cache-fra1", id="as-it-is"),
        pytest.param("\x1b[31mred", "\\x1b[31mred", id="terminal-sequence"),
        pytest.param("a\r\nERROR: all is lost", "a\\r\\nERROR: all is lost", id="line-break"),
        pytest.param("ä\u202e", "\\xe4\\u202e", id="beyond-ascii"),
        pytest.param("x" * 10_000, "x" * 100 + "…", id="long"),
    ],
)
def test_hostile_values_do_no_harm_in_a_log(value: str, safe: str) -> None:
    """What comes from outside is escaped and cut."""
    assert printable(value) == safe


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
        pytest.param(b'{"last_serial": "\\u0034"}', 4, id="escaped-digits"),
        pytest.param(b'{"last_serial" :\n42\t}', 42, id="with-blanks"),
        pytest.param(b'{"info": {"last_serial": 7}, "last_serial": 42}', 42, id="beside-a-nested-one"),
        pytest.param(b'{"info": {"last_serial": 7}}', None, id="nested-alone"),
        pytest.param(b'{"info": "\\"last_serial\\": 7", "last_serial": 42}', 42, id="beside-one-in-a-text"),
        pytest.param(b'{"info": "\\"last_serial\\": 7"}', None, id="in-a-text-alone"),
        pytest.param(b'{"info": ["last_serial", 7]}', None, id="as-a-value"),
        pytest.param(b'{"last_serial": 7, "last_serial": 42}', 42, id="the-last-of-two"),
        pytest.param(b'{"meta": {"_last-serial": 7}, "last_serial": 42}', 42, id="of-both-the-documents"),
        pytest.param(b'{"meta": {"_last-serial": 7}, "last_serial": null}', None, id="null-of-both"),
        pytest.param(b'{"meta": {"x": {"_last-serial": 7}}}', None, id="nested-in-meta"),
        pytest.param(b'{"meta": ["_last-serial"]}', None, id="meta-is-a-list"),
        pytest.param(b'{"last_serial": 42, "info": NaN}', 42, id="not-a-number-as-python-reads-it"),
        pytest.param(b'{"last_serial": 42, "info": "\\ud800"}', 42, id="half-a-pair-as-python-reads-it"),
        pytest.param(b'{"meta": {"_last-serial": 42, "x": NaN}}', 42, id="not-a-number-in-meta"),
        pytest.param(b'{"info": NaN}', None, id="not-a-number-and-no-serial"),
        pytest.param(b"[NaN]", None, id="not-a-number-in-a-list"),
        pytest.param(b'{"last_serial": 42, "info": NaN', None, id="not-a-number-and-cut-off"),
        pytest.param(b'{"last_serial": 42, "info": ', None, id="cut-off"),
        pytest.param(b'{"last_serial": 42} {', None, id="more-behind-it"),
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
