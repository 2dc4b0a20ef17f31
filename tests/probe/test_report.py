"""The report: what is printed of answers, from plain data."""

from __future__ import annotations

import io
import shlex

import pytest
from rich.console import Console

from bandersnatch_freshness.core.observations import Observation
from bandersnatch_freshness.exit_codes import ProbeExit
from bandersnatch_freshness.probe import ways
from bandersnatch_freshness.probe.diagnosis import Answer, diagnose
from bandersnatch_freshness.probe.report import ProbeReport, curl_command, exit_code
from bandersnatch_freshness.probe.ways import Way

BASE = ways.base("foo")


def report(*serials: int) -> ProbeReport:
    """Return a report of base-line answers."""
    answers = [Answer(BASE, Observation(BASE.variant, 200, serial), "https://x.example/") for serial in serials]
    return ProbeReport("https://x.example", "foo", answers, diagnose(answers, BASE, 42), "")


@pytest.mark.parametrize(
    ("address", "url", "resolve"),
    [
        pytest.param("192.0.2.1", "https://x.example/pypi/foo/json", "x.example:443:192.0.2.1", id="https"),
        pytest.param("192.0.2.1", "http://x.example/", "x.example:80:192.0.2.1", id="http"),
        pytest.param("2001:db8::1", "https://x.example:8443/", "x.example:8443:[2001:db8::1]", id="ipv6"),
    ],
)
def test_a_curl_command_asks_the_same_address(address: str, url: str, resolve: str) -> None:
    """As curl takes it."""
    way = Way(BASE.page, address=address)
    words = shlex.split(curl_command(Answer(way, Observation(way.variant), url)))
    assert words[words.index("--resolve") + 1] == resolve
    assert words[-1] == url


def test_a_curl_command_is_safe_for_a_shell() -> None:
    """Whatever a header or a URL has in it; and the timestamp of a cache-bust is a new one."""
    way = Way(BASE.page, cache_bust=True)
    sent = {"User-Agent": "$(reboot) `x` '\"", "Accept-Encoding": "", "Authorization": "Basic eA=="}
    command = curl_command(Answer(way, Observation(way.variant), "https://u:p@x.example/a%27b?cache-bust=12", sent))
    words = shlex.split(command)
    assert words[words.index("--user-agent") + 1] == "$(reboot) `x` '\""
    assert "Accept-Encoding;" in words
    assert words[-1] == "https://x.example/a%27b?cache-bust=$(date +%s)"
    assert "eA==" not in command


@pytest.mark.parametrize(
    ("reports", "code"),
    [
        pytest.param([report(42)], ProbeExit.FRESH, id="fresh"),
        pytest.param([report(41)], ProbeExit.ALL_STALE, id="stale"),
        pytest.param([report(42), report(41)], ProbeExit.SOME_STALE, id="mixed"),
        pytest.param([report(41, 42)], ProbeExit.SOME_STALE, id="some"),
        pytest.param([report(41), report()], ProbeExit.UNDETERMINED, id="undetermined"),
    ],
)
def test_exit_codes(reports: list[ProbeReport], code: ProbeExit) -> None:
    """What can't be told comes first; else all must agree."""
    assert exit_code(reports) == code


def test_the_best_and_the_worst_are_named() -> None:
    """Where they differ."""
    assert [row[2] for row in report(41, 42, 40).rows()] == ["1", "0 (freshest)", "2 (stalest)"]
    assert [row[2] for row in report(41, 41).rows()] == ["1", "1"]


@pytest.mark.parametrize(("columns", "spared"), [(80, True), (100, False)])
def test_a_narrow_terminal_gets_no_more_than_it_has_room_for(columns: int, spared: bool) -> None:
    """Sizes and times are left to `--json`, and so is a column in which nothing is."""
    console = Console(width=columns, file=io.StringIO(), record=True)
    console.print(report(41, 42).table(columns))
    heads = console.export_text().splitlines()[2]
    assert "how asked" in heads
    assert ("ms" not in heads) is spared
    assert "age" not in heads
