"""The report: what is printed of answers, from plain data."""

from __future__ import annotations

import shlex
from collections.abc import Iterable
from dataclasses import replace

import pytest

from bandersnatch_freshness.core.observations import Observation
from bandersnatch_freshness.exit_codes import ProbeExit
from bandersnatch_freshness.probe import ways
from bandersnatch_freshness.probe.diagnosis import Answer, diagnose
from bandersnatch_freshness.probe.report import ProbeReport, curl_command, exit_code
from bandersnatch_freshness.probe.ways import Client, Method, Page, Way
from bandersnatch_freshness.table import Styled

BASE = ways.base("foo")


def report(*serials: int) -> ProbeReport:
    """Return a report of base-line answers."""
    answers = [Answer(BASE, Observation(BASE.variant, 200, serial), "https://x.example/") for serial in serials]
    return ProbeReport("https://x.example", "foo", answers, diagnose(answers, BASE, 42), "")


def text(lines: Iterable[Styled]) -> str:
    """Return lines without their styles."""
    return "\n".join(line for line, _ in lines)


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


def test_a_curl_command_for_options() -> None:
    """As people type it."""
    way = replace(BASE, method=Method.OPTIONS)
    words = shlex.split(curl_command(Answer(way, Observation(way.variant), "https://x.example/")))
    assert words[words.index("-X") + 1] == "OPTIONS"
    assert "-X" not in shlex.split(curl_command(Answer(BASE, Observation(BASE.variant), "https://x.example/")))


CLIENT = replace(BASE, client=Client.REQUESTS)
OPTIONS = replace(BASE, method=Method.OPTIONS)


def reported(*answers: tuple[Way, int | None, int | None], expected: int | None = 42) -> ProbeReport:
    """Return a report of ways, each with the status and serial that it got."""
    seen = [
        Answer(way, Observation(way.variant, status, serial, "" if status == 200 else f"status {status}"), "")
        for way, status, serial in answers
    ]
    return ProbeReport("https://x.example", "foo", seen, diagnose(seen, BASE, expected), "")


@pytest.mark.parametrize(
    ("found", "lines"),
    [
        pytest.param(
            reported((BASE, 200, 42), (BASE, 200, 42), (CLIENT, 200, 42), (OPTIONS, 405, None)),
            [
                "foo at https://x.example: fresh: every way of asking gets the newest page",
                "serial  42",
                "asked   in 3 ways that agree, 4 requests",
                "to do   nothing",
                "all     add --all to see each request and its answer",
            ],
            id="fresh",
        ),
        pytest.param(
            reported((BASE, 200, 41), (CLIENT, 200, 41), (OPTIONS, 200, 41)),
            [
                "foo at https://x.example: origin-stale: the origin itself is behind",
                "serial  41, 1 behind 42",
                "asked   in 3 ways that agree, 3 requests",
                "to do   report it to whoever runs it",
                "all ",
            ],
            id="origin-stale",
        ),
        pytest.param(
            reported((BASE, 200, 41), (CLIENT, 200, 41)),
            [
                "foo at https://x.example: unknown: no answer proves who holds the old page",
                "serial  41, 1 behind 42",
                "asked ",
                "to do   have whoever runs the caches look into them",
                "all ",
            ],
            id="unknown",
        ),
        pytest.param(
            reported((BASE, 404, None), (CLIENT, 404, None), expected=None),
            [
                "foo at https://x.example: unknown: No way of asking finds it: is the name right?",
                "serial  none",
                "asked ",
                "to do   see whether the name is right",
                "all ",
            ],
            id="no-such-name",
        ),
        pytest.param(
            reported((BASE, 503, None), (CLIENT, 503, None)),
            [
                "foo at https://x.example: unknown: No way of asking gets the page: status 503.",
                "serial  none",
                "asked ",
                "to do   nothing on the mirror: the master is in trouble",
                "all ",
            ],
            id="server-error",
        ),
        pytest.param(
            reported((BASE, None, None), (CLIENT, None, None)),
            [
                "foo at https://x.example: unknown: No way of asking gets the page: ",
                "serial  none",
                "asked ",
                "to do   see whether this host reaches the master",
                "all ",
            ],
            id="no-connection",
        ),
        pytest.param(
            reported((BASE, 200, 41), (BASE, 200, 42), (CLIENT, 200, 42)),
            [
                "foo at https://x.example: fresh: ",
                "serial  42",
                "asked ",
                "to do   nothing: a cache gave the old page once",
                "all ",
            ],
            id="revalidated",
        ),
    ],
)
def test_five_lines_where_all_agree(found: ProbeReport, lines: list[str]) -> None:
    """Verdict, serial, how many ways, what to do, how to see all."""
    assert found.agrees
    for (line, _), beginning in zip(found.summary(), lines, strict=True):
        assert line.startswith(beginning)


@pytest.mark.parametrize(
    "found",
    [
        pytest.param(reported((BASE, 200, 42), (CLIENT, 200, 41)), id="some-stale"),
        pytest.param(reported((BASE, 200, 41), (CLIENT, 200, 40)), id="other-serials"),
        pytest.param(reported((BASE, 200, 42), (CLIENT, 502, None)), id="one-failed"),
        pytest.param(reported((BASE, 404, None), (CLIENT, 200, None)), id="other-problems"),
        pytest.param(reported((BASE, 200, 41), (CLIENT, 200, 41), (OPTIONS, 200, 42)), id="only-the-origin-is-fresh"),
    ],
)
def test_no_summary_of_what_differs(found: ProbeReport) -> None:
    """The table shows in what."""
    assert not found.agrees


@pytest.mark.parametrize(
    ("reports", "code"),
    [
        pytest.param([report(42)], ProbeExit.FRESH, id="fresh"),
        pytest.param([report(41)], ProbeExit.ALL_STALE, id="stale"),
        pytest.param([report(42), report(41)], ProbeExit.SOME_STALE, id="mixed"),
        pytest.param([report(42, 41)], ProbeExit.SOME_STALE, id="some"),
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
    table = report(41, 42).table(columns)
    heads = table.columns
    assert all(len(line) <= columns for line, _ in table.lines(columns))
    assert "how asked" in heads
    assert ("ms" not in heads) is spared
    assert "age" not in heads


def test_what_to_do_where_the_page_fails_and_another_is_there() -> None:
    """By what Bandersnatch asks for, in the long form too."""
    found = reported((BASE, 503, None), (CLIENT, 503, None), (replace(BASE, page=Page.SIMPLE_JSON), 200, 42))
    assert not found.agrees
    assert "To do: nothing on the mirror: the master is in trouble; ask again later" in text(found.conclusion())


@pytest.mark.parametrize(
    ("problem", "to_do"),
    [
        ("endless redirects", "see `[mirror] master`"),
        ("TLS: certificate has expired", "see why this host does not trust the master"),
        ("status 403", "have fewer requests made"),
        ("status 429", "have fewer requests made"),
        ("a body that is no JSON", "see what answers"),
    ],
)
def test_what_to_do_where_no_page_is_to_be_had(problem: str, to_do: str) -> None:
    """By what comes instead."""
    status = int(problem[7:]) if problem.startswith("status") else 200 if "JSON" in problem else None
    seen = [Answer(way, Observation(way.variant, status, None, problem), "") for way in (BASE, CLIENT)]
    found = ProbeReport("https://x.example", "foo", seen, diagnose(seen, BASE, None), "")
    assert f"To do: {to_do}" in text(found.conclusion())
    assert f"to do   {to_do}" in text(found.summary())


def test_what_to_do_where_there_is_no_index() -> None:
    """A 404 is no matter of a name then."""
    index = ways.base("")
    seen = [Answer(index, Observation(index.variant, 404, None, "status 404"), "") for _ in range(2)]
    found = ProbeReport("https://x.example", "", seen, diagnose(seen, index, None), "")
    assert "see whether `[mirror] master` is right" in text(found.summary())
