"""What one answer shows."""

import pytest
from multidict import CIMultiDict

from bandersnatch_freshness.core.observations import Observation, observe
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
