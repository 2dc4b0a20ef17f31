"""The climb through requests, against real servers on loopback."""

from __future__ import annotations

import logging
import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests

from bandersnatch_freshness.core.climb import RecheckBudget
from bandersnatch_freshness.core.refusals import Refusal
from bandersnatch_freshness.core.variants import LADDER
from bandersnatch_freshness.transports.requests_adapter import FreshAdapter, StaleError

from .requests_upstream import STRIP, Answer, Received, Upstream, fixed


@pytest.mark.parametrize(
    ("serial", "body", "fresh"),
    [
        pytest.param("42", "{}", True, id="header"),
        pytest.param("41", '{"last_serial": 43}', False, id="stale-header-before-body"),
        pytest.param(None, '{"last_serial": 42}', True, id="body"),
        pytest.param("", '{"last_serial": 42}', True, id="empty-header"),
        pytest.param("4_2", '{"last_serial": 42}', True, id="malformed-header"),
        pytest.param("9" * 9000, '{"last_serial": 42}', True, id="absurd-header"),
        pytest.param(None, '{"last_serial": 41}', False, id="stale-body"),
        pytest.param(None, "no JSON", False, id="nothing"),
    ],
)
@pytest.mark.parametrize("stream", [False, True])
def test_judges_by_header_then_body(stream: bool, serial: str | None, body: str, fresh: bool) -> None:
    """And a body that was looked into can still be read, streamed too."""
    upstream = fixed(serial=serial, body=body.encode())
    with upstream.session([STRIP]) as (session, adapter):
        outcome = adapter.fetch(session, upstream.url("/pypi/foo/json"), 42, stream=stream)
        assert outcome.error is None
        assert (outcome.response is not None) is fresh
        if outcome.response:
            assert b"".join(outcome.response.iter_content(2)) == body.encode()


@pytest.mark.parametrize("by_body", [False, True])
@pytest.mark.parametrize("stream", [False, True])
def test_a_new_header_lets_no_older_page_in(stream: bool, by_body: bool) -> None:
    """Without an own copy it is as bare."""
    old, new = (Answer(body=b'{"last_serial": %d}' % serial) for serial in (41, 42))
    upstream = Upstream(lambda asked: old if "Accept-Encoding" in asked.headers else new)
    with upstream.session() as (session, adapter):
        for _ in range(2):  # then it begins where it was fresh
            outcome = adapter.fetch(session, upstream.url("/pypi/foo/json"), 42, by_body=by_body, stream=stream)
            assert outcome.response is not None
            assert outcome.response.json()["last_serial"] == (42 if by_body else 41)
    assert len(upstream.asked) == (3 if by_body else 2)


@pytest.mark.parametrize("whole", [True, False])
def test_a_page_that_breaks_off_may_be_whole_in_another_copy(whole: bool) -> None:
    """If it is in none, the error is the one that requests has for it."""
    upstream = Upstream(
        lambda asked: Answer() if whole and "Accept-Encoding" not in asked.headers else Answer(missing=10)
    )
    with upstream.session() as (session, adapter), requests.Session() as bare:
        with pytest.raises(requests.RequestException) as raised:
            bare.get(upstream.url("/pypi/foo/json"))
        outcome = adapter.fetch(session, upstream.url("/pypi/foo/json"), 42, by_body=True)
    assert (outcome.response is not None) is whole
    assert whole or type(outcome.error) is raised.type
    assert str(outcome.observations[0]) == "plain got a body that breaks off"
    assert len(upstream.asked) == 1 + (2 if whole else len(LADDER))


def test_a_page_that_breaks_off_beside_an_old_one_is_stale() -> None:
    """As any that no way gets; and what is asked for next is judged by itself."""
    upstream = Upstream(lambda asked: Answer(serial="41") if "cb" in asked.query else Answer(missing=10))
    with upstream.session() as (session, adapter):
        outcome = adapter.fetch(session, upstream.url("/pypi/foo/json"), 42, by_body=True)
    assert (outcome.response, outcome.error) == (None, None)


@pytest.mark.parametrize("first", [True, False])
def test_a_time_out_in_a_body_ends_the_climb(first: bool) -> None:
    """With the error of requests where the first answer meets it; in a later one, the page is stale."""
    never = threading.Event()

    def answer(asked: Received) -> Answer:
        return Answer(serial="41") if not first and "Accept-Encoding" in asked.headers else Answer(waits=never)

    upstream = Upstream(answer)
    with upstream.session() as (session, adapter):
        outcome = adapter.fetch(session, upstream.url("/pypi/foo/json"), 42, by_body=True, timeout=0.2)
        never.set()
    assert outcome.response is None
    assert isinstance(outcome.error, requests.ConnectionError) is first
    assert len(upstream.asked) == (1 if first else 2)


def test_a_climb_stops_at_the_first_fresh_answer(caplog: pytest.LogCaptureFixture) -> None:
    """One line says which variant cured it; the next page begins there."""
    caplog.set_level(logging.INFO, "bandersnatch.freshness")
    upstream = Upstream(lambda asked: Answer(serial="42" if "cb" in asked.query else "41"))
    with upstream.session() as (session, adapter):
        with adapter.requiring(42) as asking:
            assert session.get(upstream.url("/pypi/foo/json")).status_code == 200
        assert [str(seen) for seen in asking.observations] == [
            "plain got serial 41",
            "strip got serial 41",
            "strip+cache-bust got serial 42",
        ]
        session.get(upstream.url("/simple/"))
    assert len(upstream.asked) == 4
    assert "cb" in upstream.asked[-1].query
    assert caplog.messages == [
        "foo was stale, cured by strip+cache-bust: "
        "plain got serial 41, strip got serial 41, strip+cache-bust got serial 42"
    ]


def test_several_pages_may_be_asked_for_in_one_block() -> None:
    """Each is judged by itself."""
    upstream = Upstream(lambda asked: Answer(serial="41" if "old" in asked.target else "42"))
    with upstream.session() as (session, adapter), adapter.requiring(42):
        session.get(upstream.url("/pypi/foo/json"))
        with pytest.raises(StaleError, match="no way gets serial 42: plain got serial 41, strip got") as raised:
            session.get(upstream.url("/pypi/old/json"))
        session.get(upstream.url("/pypi/foo/json"))
    assert raised.value.required_serial == 42
    assert len(raised.value.observations) == len(LADDER)
    assert len(upstream.asked) == 2 + len(LADDER)


def test_a_password_is_sent_and_not_told() -> None:
    """In the master's URL it is part of the address, and of no message."""
    upstream = fixed(serial="41")
    url = upstream.url().replace("http://", "http://user:secret@")
    with upstream.serving(), requests.Session() as session:
        adapter = FreshAdapter(url, [STRIP])
        session.mount(url, adapter)
        with adapter.requiring(42), pytest.raises(StaleError) as raised:
            session.get(f"{url}/pypi/foo/json")
    assert "secret" not in str(raised.value)
    assert upstream.asked[0].headers["Authorization"] == "Basic dXNlcjpzZWNyZXQ="


def test_nothing_is_required_outside_of_the_block_or_in_another_thread() -> None:
    """A thread's requirement is its own."""
    upstream = fixed(serial="41")
    with upstream.session() as (session, adapter):
        with adapter.requiring(42), ThreadPoolExecutor(1) as threads:
            assert threads.submit(session.get, upstream.url("/pypi/foo/json")).result().status_code == 200
        assert session.get(upstream.url("/pypi/foo/json")).status_code == 200
    assert len(upstream.asked) == 2


def test_a_404_that_no_way_cures_is_handed_on() -> None:
    """Asked for in one other way; and not at all where no serial is asked for."""
    upstream = fixed(status=404, serial=None, body=b"gone")
    with upstream.session() as (session, adapter):
        for required_serial, requests_ in ((42, 2), (42, 4), (0, 5)):
            outcome = adapter.fetch(session, upstream.url("/pypi/foo/json"), required_serial)
            assert isinstance(outcome.error, requests.HTTPError)
            assert outcome.error.response is not None
            assert outcome.error.response.text == "gone"
            assert (outcome.is_missing, outcome.is_proven_gone) == (True, False)
            assert len(upstream.asked) == requests_


def test_a_cached_404_is_climbed_past() -> None:
    """Some copy has the new package."""
    upstream = Upstream(lambda asked: Answer() if "cb" in asked.query else Answer(404, None))
    with upstream.session() as (session, adapter):
        assert adapter.fetch(session, upstream.url("/pypi/foo/json"), 42).response is not None
    assert len(upstream.asked) == 2


@pytest.mark.parametrize(
    ("other", "status"),
    [
        pytest.param(Answer(404, None), 404, id="gone"),
        pytest.param(Answer(serial="41"), None, id="an-old-page"),
        pytest.param(Answer(503), 404, id="trouble"),
        pytest.param(Answer(403), 404, id="refused"),
    ],
)
def test_a_404_of_one_copy_is_not_the_whole_story(other: Answer, status: int | None) -> None:
    """Where another has a page, the package is not missing."""
    upstream = Upstream(lambda asked: other if "cb" in asked.query else Answer(404, None))
    with upstream.session() as (session, adapter):
        outcome = adapter.fetch(session, upstream.url("/pypi/foo/json"), 42)
    assert outcome.response is None
    assert getattr(getattr(outcome.error, "response", None), "status_code", None) == status
    assert outcome.is_missing is (status == 404)
    assert not outcome.is_proven_gone


def test_a_refusal_ends_all_extra_asking() -> None:
    """Of this page, and of any other in the run: the server wants fewer requests."""
    upstream = Upstream(lambda asked: Answer(serial="41") if "Accept-Encoding" in asked.headers else Answer(429))
    with upstream.session() as (session, adapter):
        for name, count in (("foo", 2), ("bar", 3)):
            adapter.fetch(session, upstream.url(f"/pypi/{name}/json"), 42)
            assert len(upstream.asked) == count


@pytest.mark.parametrize("status", [403, 429, 503])
def test_what_a_refusal_says_is_kept(status: int, mocker: Any) -> None:
    """The latest time; of the first answer too, which ends as it would without the suite."""
    mocker.patch("time.time", return_value=1000.5)
    waits = iter(("60", "30"))
    upstream = Upstream(lambda _: Answer(status, retry_after=next(waits)))
    with upstream.session() as (session, adapter):
        for _ in range(2):
            outcome = adapter.fetch(session, upstream.url("/pypi/foo/json"), 42)
            assert isinstance(outcome.error, requests.HTTPError)
            assert adapter.climber.refusal == Refusal(1000, 1060)
    assert len(upstream.asked) == 2


@pytest.mark.parametrize("status", [200, 404])
def test_a_run_that_begins_refused_asks_plainly_and_once(status: int) -> None:
    """Whether a page is stale or not found, and for what is in quarantine too, whose turn it is in another way."""
    upstream = fixed(status=status, serial="41")
    with upstream.session() as (session, adapter):
        adapter.climber.begin_refused(Refusal(0, 60))
        for budget in (None, RecheckBudget(3, 4, 40)):
            assert adapter.fetch(session, upstream.url("/pypi/foo/json"), 42, budget).response is None
    assert len(upstream.asked) == 2
    assert all("Accept-Encoding" in asked.headers and not asked.query for asked in upstream.asked)


@pytest.mark.parametrize(
    "answer",
    [Answer(503), Answer(0), Answer(missing=10, serial=None)],
    ids=["server-error", "reset", "truncated"],
)
def test_errors_are_the_callers(answer: Answer) -> None:
    """As without the suite: nothing is asked again."""
    upstream = Upstream(lambda _: answer)
    errors = []
    with upstream.session() as (session, adapter):
        with requests.Session() as bare:
            with pytest.raises(requests.RequestException) as raised:
                bare.get(upstream.url("/pypi/foo/json")).raise_for_status()
            errors.append(raised.type)
        outcome = adapter.fetch(session, upstream.url("/pypi/foo/json"), 42)
    assert [type(outcome.error)] == errors
    assert len(upstream.asked) == 2


def test_a_broken_connection_ends_the_climb() -> None:
    """The page counts as stale, as the first answer said; nothing is retried."""
    upstream = Upstream(lambda asked: Answer(0) if "Accept-Encoding" not in asked.headers else Answer(serial="41"))
    with upstream.session() as (session, adapter):
        outcome = adapter.fetch(session, upstream.url("/pypi/foo/json"), 42)
    assert (outcome.response, outcome.error) == (None, None)
    assert [seen.serial for seen in outcome.observations] == [41, None]


def test_a_page_that_is_known_to_be_stale_is_asked_for_sparingly() -> None:
    """In as many ways as allowed."""
    upstream = fixed(serial="41")
    with upstream.session() as (session, adapter):
        outcome = adapter.fetch(session, upstream.url("/pypi/foo/json"), 42, RecheckBudget(2, 4, 41))
    assert (outcome.response, outcome.error) == (None, None)
    assert len(upstream.asked) == 2


def test_a_page_that_is_known_follows_the_others_and_leaves_out_what_is_no_use() -> None:
    """In the way that has just cured another one, then in the first."""
    upstream = Upstream(
        lambda asked: Answer(serial="42" if "bar" in asked.target and "Accept-Encoding" not in asked.headers else "41")
    )
    with upstream.session() as (session, adapter):
        adapter.climber.leave_out({"cache_bust", "no_cache"})
        for name, budget, count in (("foo", None, 3), ("bar", None, 2), ("baz", RecheckBudget(1, None, 41), 2)):
            before = len(upstream.asked)
            adapter.fetch(session, upstream.url(f"/pypi/{name}/json"), 42, budget)
            assert len(upstream.asked) == before + count
