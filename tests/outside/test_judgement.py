"""What users of a mirror get, and how bad that is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import msgspec
import pytest

from bandersnatch_freshness.exit_codes import CheckExit
from bandersnatch_freshness.outside.answers import Answer, Copy, Form, Kind, Question, places
from bandersnatch_freshness.outside.judgement import Judged, judge
from bandersnatch_freshness.outside.reference import Reference
from bandersnatch_freshness.outside.survey import Surveyed
from bandersnatch_freshness.reporting.published import Published, publish, read

from ..reporting import examples
from . import site

NOW = 1_700_000_000
HOUR, DAY = 3600, 86400
A, B = "10.0.0.1", "10.0.0.2"
OK, WARNING, CRITICAL, UNKNOWN = CheckExit.OK, CheckExit.WARNING, CheckExit.CRITICAL, CheckExit.UNKNOWN
GZIP, PLAIN, OLD_PIP = Copy(), Copy(is_packed=False), Copy(Form.HTML)


def of(age: site.Age = site.NOW, **more: Any) -> Published:
    """Return what a mirror says of itself."""
    return msgspec.structs.replace(read(site.facts(age, NOW).encode()), **more)


def facts(published: Published | None = None, address: str = A, **more: Any) -> Answer:
    """Return the answer that has them."""
    found = Question(Kind.FACTS, "u", address)
    return Answer(found, 200, published=published or of(**more))


def index(serial: int | None = 42, address: str = A, copy: Copy = GZIP, **more: Any) -> Answer:
    """Return an answer that is an index."""
    return Answer(
        Question(Kind.INDEX, "u", address, copy=copy), **{"status": 200, "serial": serial, "names": ("foo",), **more}
    )


def page(serial: int | None, project: str = "foo", address: str = A, copy: Copy = GZIP, **more: Any) -> Answer:
    """Return an answer that is a page."""
    return Answer(Question(Kind.PAGE, "u", address, project, copy), **{"status": 200, "serial": serial, **more})


def lost(address: str = B, problem: str = "connection refused") -> Answer:
    """Return an answer that is none."""
    return Answer(Question(Kind.FACTS, "u", address), problem=problem)


def modified(ago: int, address: str = A) -> Answer:
    """Return an answer of a mirror without facts."""
    return Answer(Question(Kind.MODIFIED, "u", address), 200, modified=NOW - ago)


def surveyed(*answers: Answer, addresses: Sequence[str] = (), problem: str = "") -> Surveyed:
    """Return what came of asking a mirror."""
    named = addresses or list(dict.fromkeys(one.question.address for one in answers))
    return Surveyed(places("https://m"), named, list(answers), len(answers), problem, is_done=True)


def judged(*answers: Answer, **more: Any) -> Judged:
    """Return what its users get."""
    fleet = [surveyed(*answers, **more)]
    return judge(fleet, Reference(fleet[0].answers), NOW)[0]


COMPLETE = "complete as of 1 min 5 s ago"
UNDATED = "nothing tells how old that is what users get"
GOOD = (index(), page(42), page(43, "bar"))


@pytest.mark.parametrize(
    ("answers", "severity", "text"),
    [
        pytest.param((facts(), *GOOD), OK, COMPLETE, id="complete"),
        pytest.param(
            (
                facts(severity="warning", verdict="stale", serial_lag=1200, since=NOW - 2 * HOUR, reason="foo | x"),
                *GOOD,
            ),
            WARNING,
            f"stale by 1,200 serials since 2023-11-14T20:13:20Z: foo | x (as of 1 min ago); {COMPLETE}",
            id="behind",
        ),
        pytest.param(
            (facts(verdict="behind", serial_lag=12), *GOOD), OK, f"behind by 12 serials; {COMPLETE}", id="a-bit"
        ),
        pytest.param(
            (facts(severity="critical", verdict="stopped", reason="no run for 2 d", since=None), *GOOD),
            CRITICAL,
            f"stopped: no run for 2 d (as of 1 min ago); {COMPLETE}",
            id="stopped-by-its-own-account",
        ),
        pytest.param(
            (facts(quiet_until=NOW - 1, written=NOW - 2 * DAY), *GOOD),
            CRITICAL,
            f"no run for 1 min; {COMPLETE}",
            id="stopped",
        ),
        pytest.param(
            (facts(of(site.BEFORE, usual_interval=300)), index(40), page(39)),
            WARNING,
            "no run has ended for 5 h, usually one every 5 min; complete as of 5 h 5 s ago",
            id="a-copy-that-stopped",
        ),
        pytest.param((facts(of(usual_interval=10)), *GOOD), OK, COMPLETE, id="an-hour-is-no-matter"),
        pytest.param(
            (facts(of(site.BEFORE, usual_interval=2 * HOUR)), index(40), page(39)),
            OK,
            "complete as of 5 h 5 s ago",
            id="runs-are-rare",
        ),
        pytest.param(
            (facts(written=NOW + 2 * HOUR), *GOOD),
            UNKNOWN,
            "its facts were written 2 h in the future: a clock is wrong",
            id="clock",
        ),
        pytest.param(
            (facts(complete_at=None, verdict="first-sync"), index(None, status=404, problem="status 404", names=())),
            OK,
            "first sync; not known to be complete yet",
            id="first-sync",
        ),
        pytest.param((modified(HOUR), *GOOD), OK, "synced 1 h ago, by its last-modified", id="bare"),
        pytest.param((modified(DAY), *GOOD), WARNING, "synced 1 d ago, by its last-modified", id="bare-late"),
        pytest.param((modified(3 * DAY), *GOOD), CRITICAL, "synced 3 d ago, by its last-modified", id="bare-stopped"),
        pytest.param(
            (
                Answer(Question(Kind.FACTS, "u", A), 404, "status 404"),
                Answer(Question(Kind.MODIFIED, "u", A), 403, "status 403"),
                *GOOD,
            ),
            UNKNOWN,
            f"{UNDATED} (status.json: status 404; last-modified: status 403)",
            id="serials-without-a-date",
        ),
        pytest.param(
            (Answer(Question(Kind.FACTS, "u", A), 200), index(None), page(None)),
            UNKNOWN,
            f"{UNDATED} (status.json: another document)",
            id="no-serials",
        ),
    ],
)
def test_what_the_mirror_says_of_itself(answers: Sequence[Answer], severity: CheckExit, text: str) -> None:
    """Its verdict, by how much and since when; as of now, whatever time it was written."""
    found = judged(*answers)
    assert (found.severity, found.text) == (severity, text)


def test_one_of_a_fleet_that_tells_is_enough() -> None:
    """The others' copies are measured by it, though none of these has a date of its own."""
    fleet = [surveyed(facts(), *GOOD), surveyed(*GOOD)]
    reference = Reference(answer for one in fleet for answer in one.answers)
    dated, undated = judge(fleet, reference, NOW)
    assert (dated.severity, dated.text) == (OK, COMPLETE)
    assert (undated.severity, undated.text) == (
        OK,
        "no copy is older than another; when it was complete is not known",
    )


OLD = "older than the mirror itself has: "


@pytest.mark.parametrize(
    ("answers", "severity", "text"),
    [
        pytest.param(
            (facts(), index(), page(43, "bar"), page(None, status=404, problem="status 404")),
            WARNING,
            f"1 of 2 pages fail, such as foo (JSON, gzip) at 10.0.0.1: status 404; {COMPLETE}",
            id="a-404-that-all-copies-are-though-the-mirror-has-it",
        ),
        pytest.param(
            (facts(), index(), *(page(None, name, status=404, problem="status 404") for name in ("foo", "baz"))),
            CRITICAL,
            f"2 of 2 pages fail, such as foo (JSON, gzip) at 10.0.0.1: status 404; {COMPLETE}",
            id="all-pages-are-404s",
        ),
        pytest.param(
            (facts(), index(), page(43, "bar"), page(None, "baz", status=404, problem="status 404")),
            OK,
            COMPLETE,
            id="a-404-of-what-may-be-deleted",
        ),
        pytest.param(
            (facts(), index(), page(None), page(None, "bar")),
            CRITICAL,
            f"2 of 2 pages fail, such as foo (JSON, gzip) at 10.0.0.1: it has no serial; {COMPLETE}",
            id="down-for-maintenance",
        ),
    ],
)
def test_pages_that_are_none(answers: Sequence[Answer], severity: CheckExit, text: str) -> None:
    """What the mirror has by its own facts is to be there; of another project, a 404 may be true."""
    found = judged(*answers)
    assert (found.severity, found.text) == (severity, text)


def test_a_time_in_the_future_is_none() -> None:
    """It may be of years ago."""
    found = judged(modified(-DAY), index(), page(42))
    assert found.severity is CheckExit.UNKNOWN
    assert "its last-modified is in the future: a clock is wrong" in found.text


@pytest.mark.parametrize(
    ("answers", "severity", "text"),
    [
        pytest.param(
            (facts(), index(40), *GOOD[1:]),
            WARNING,
            f"{OLD}the index (JSON, gzip) at 10.0.0.1 is at serial 40, the mirror at 42, for 2 h; {COMPLETE}",
            id="index",
        ),
        pytest.param(
            (facts(), index(41), *GOOD[1:]),
            OK,
            f"{COMPLETE}; {OLD}the index (JSON, gzip) at 10.0.0.1 is at serial 41, the mirror at 42, for 1 min",
            id="index-that-a-cache-may-keep-for-a-while",
        ),
        pytest.param(
            (facts(), *GOOD, page(39, copy=OLD_PIP, node="cache-1")),
            WARNING,
            f"{OLD}foo (HTML, gzip) at 10.0.0.1 (cache-1) is at serial 39, the mirror at 42, for 2 h; {COMPLETE}",
            id="page",
        ),
        pytest.param(
            (facts(), *GOOD, page(39), page(40, address=B), page(42, address=B, copy=PLAIN)),
            WARNING,
            f"{OLD}foo (JSON, gzip) at 10.0.0.1 is at serial 39, the mirror at 42, for 2 h, "
            f"foo (JSON, gzip) at 10.0.0.2 is at serial 40, the mirror at 42, for 2 h; {COMPLETE}",
            id="by-address",
        ),
        pytest.param(
            (facts(), *GOOD, *(page(39, copy=OLD_PIP) for _ in range(5))),
            WARNING,
            "for 2 h, and 3 more copies are old; complete",
            id="many",
        ),
        pytest.param(
            (facts(critical_after=HOUR), *GOOD, page(39)),
            CRITICAL,
            f"{OLD}foo (JSON, gzip) at 10.0.0.1 is at serial 39, the mirror at 42, for 2 h; {COMPLETE}",
            id="critical-by-its-own-option",
        ),
        pytest.param(
            (facts(), *GOOD, page(None, status=404, problem="status 404", copy=PLAIN)),
            WARNING,
            f"{OLD}foo (JSON, plain) at 10.0.0.1 is at a 404, the mirror at serial 42, for 2 h; {COMPLETE}",
            id="cached-404",
        ),
        pytest.param(
            (facts(of(site.BEFORE), B), facts(), *GOOD),
            WARNING,
            f"{OLD}status.json at 10.0.0.2 is at serial 41, the mirror at 43, for 2 h; complete as of 5 h 5 s ago; "
            f"{COMPLETE}",
            id="a-copy-behind-the-same-name",
        ),
        pytest.param(
            (*GOOD, page(41, copy=PLAIN)),
            WARNING,
            f"{OLD}foo (JSON, plain) at 10.0.0.1 is at serial 41, the mirror at 42",
            id="since-when-is-not-known",
        ),
        pytest.param(
            (modified(HOUR), *GOOD, page(41, copy=PLAIN, age=120)),
            OK,
            f"{OLD}foo (JSON, plain) at 10.0.0.1 is at serial 41, the mirror at 42, for 2 min",
            id="for-as-long-as-a-cache-says",
        ),
        pytest.param(
            (modified(HOUR), modified(4 * HOUR, B), *GOOD),
            WARNING,
            f"{OLD}last-modified at 10.0.0.2 is at 2023-11-14T18:13:20Z, the newest at 2023-11-14T21:13:20Z, for 3 h; "
            "synced 1 h ago, by its last-modified; synced 4 h ago, by its last-modified",
            id="bare-copies",
        ),
    ],
)
def test_what_is_older_than_the_mirror_itself_has(answers: Sequence[Answer], severity: CheckExit, text: str) -> None:
    """Which copy, by which node, at which serial, and for how long at least."""
    found = judged(*answers)
    assert found.severity == severity
    assert text in found.text
    assert found.older or severity is OK


@pytest.mark.parametrize(
    ("survey", "severity", "text"),
    [
        pytest.param(surveyed(problem="name not found"), CRITICAL, "name not found", id="no-name"),
        pytest.param(
            surveyed(lost(A, "TLS: certificate has expired")), CRITICAL, "TLS: certificate has expired", id="tls"
        ),
        pytest.param(
            surveyed(facts(), *GOOD, lost()),
            WARNING,
            f"1 of 2 addresses fail (10.0.0.2: connection refused); {COMPLETE}",
            id="one-address",
        ),
        pytest.param(
            surveyed(facts(), *GOOD, addresses=[A, B]), WARNING, "1 of 2 addresses fail (10.0.0.2: time-out)", id="slow"
        ),
        pytest.param(surveyed(facts(), *GOOD, lost("::1", "no route")), OK, COMPLETE, id="no-ipv6-here"),
        pytest.param(surveyed(lost("::1", "no route")), CRITICAL, "no route", id="nothing-but-that"),
        pytest.param(
            surveyed(facts(), index(None, status=404, problem="status 404", names=())),
            CRITICAL,
            f"the index (JSON, gzip) at 10.0.0.1 is not there: status 404; {COMPLETE}",
            id="404",
        ),
        pytest.param(
            surveyed(index(None, names=())),
            CRITICAL,
            "the index (JSON, gzip) at 10.0.0.1 is not there: a page that is no index",
            id="html",
        ),
        pytest.param(
            surveyed(facts(), *GOOD, page(None, "qux", status=503, problem="status 503")),
            WARNING,
            f"1 of 3 pages fail, such as qux (JSON, gzip) at 10.0.0.1: status 503; {COMPLETE}",
            id="one-page",
        ),
        pytest.param(
            surveyed(facts(), index(), page(None, is_listing=True)),
            CRITICAL,
            f"1 of 1 pages fail, such as foo (JSON, gzip) at 10.0.0.1: a directory listing; {COMPLETE}",
            id="listing",
        ),
    ],
)
def test_what_users_do_not_get_at_all(survey: Surveyed, severity: CheckExit, text: str) -> None:
    """Where all fails, it is critical; a project that is not there is none of that."""
    (found,) = judge([survey], Reference(survey.answers), NOW)
    assert found.severity == severity
    assert found.text.startswith(text)


def test_a_fleet_is_to_have_what_its_newest_has() -> None:
    """A copy of it that stopped is old by the facts of another one, long before it says so itself."""
    fleet = [surveyed(facts(), *GOOD), surveyed(facts(of(site.BEFORE)), index(40), page(39))]
    reference = Reference(answer for one in fleet for answer in one.answers)
    new, old = judge(fleet, reference, NOW)
    assert (new.severity, old.severity) == (OK, WARNING)
    assert old.text.startswith(f"{OLD}status.json at 10.0.0.1 is at serial 41, the mirror at 43, for 2 h, the index ")
    assert len(old.older) == 3
    alone = judge(fleet[1:], Reference(fleet[1].answers), NOW)
    assert alone[0].severity is OK


def test_text_from_outside_is_printable() -> None:
    """Whoever it is from."""
    hostile = "\x1b[31m"
    reported = read(publish(examples.summary(examples.WARNING, now=NOW)).encode())
    found = judged(facts(msgspec.structs.replace(reported, reason=hostile)), index(), page(39, node=hostile), page(42))
    assert "\x1b" not in found.text
