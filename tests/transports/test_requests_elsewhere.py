"""Redirects, threads and what goes wrong inside, through requests."""

from __future__ import annotations

import threading
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import pytest
import requests
from requests.adapters import HTTPAdapter

from bandersnatch_freshness.core.variants import LADDER, PLAIN
from bandersnatch_freshness.fail_open import begin_run
from bandersnatch_freshness.transports.requests_adapter import FreshAdapter

from .requests_upstream import ALL, BUST, STRIP, Answer, Received, Upstream, fixed


@pytest.mark.parametrize(
    ("answer", "taken"),
    [
        (Answer(serial="42"), True),
        (Answer(serial="41"), False),
        (Answer(serial=None), False),
        (Answer(404, None), False),
        (Answer(503, None), False),
    ],
    ids=["fresh", "stale", "no-serial", "404", "503"],
)
def test_a_page_from_elsewhere_is_taken_or_not_and_proves_nothing(answer: Answer, taken: bool) -> None:
    """As bare takes it, request by request; twice, as nothing is learned."""
    elsewhere = Upstream(lambda _: answer)
    upstream = Upstream(lambda _: Answer(302, None, location=elsewhere.url("/pypi/foo/json")))
    with elsewhere.serving(), upstream.session() as (session, adapter), requests.Session() as bare:
        status = bare.get(upstream.url("/pypi/foo/json")).status_code
        for count in (2, 3):
            outcome = adapter.fetch(session, upstream.url("/pypi/foo/json"), 42)
            assert (outcome.response is not None) is taken
            assert getattr(getattr(outcome.error, "response", None), "status_code", 200) == status
            assert (outcome.is_missing, outcome.is_proven_gone) == (status == 404, False)
            assert [seen.serial for seen in outcome.observations if seen.serial] == []
            assert (len(upstream.asked), len(elsewhere.asked)) == (count, count)
    assert not adapter.climber.ladder.is_refused


@pytest.mark.parametrize("answer", [Answer(), Answer(404, None), Answer(429, None), Answer(302, None, location="/")])
@pytest.mark.parametrize("cured", [True, False])
def test_a_later_way_that_leads_elsewhere_is_no_cure(cured: bool, answer: Answer) -> None:
    """On to the next; unless it never ends, as a broken connection does."""
    elsewhere = Upstream(lambda _: answer)
    there = elsewhere.url("/pypi/foo/json")

    def answering(asked: Received) -> Answer:
        if "Accept-Encoding" in asked.headers and not asked.query:
            return Answer(serial="41")
        return Answer() if cured and asked.query else Answer(302, None, location=there)

    upstream = Upstream(answering)
    with elsewhere.serving(), upstream.session() as (session, adapter):
        outcome = adapter.fetch(session, upstream.url("/pypi/foo/json"), 42)
    assert outcome.error is None
    if answer.location:
        assert outcome.response is None
        assert [str(seen) for seen in outcome.observations[1:]] == ["strip got TooManyRedirects"]
        return
    assert (outcome.response is not None) is cured
    assert str(outcome.observations[1]) == "strip got a redirect to another host"
    assert len(outcome.observations) == (3 if cured else len(LADDER))


def test_a_404_is_still_one_where_other_ways_lead_elsewhere() -> None:
    """What answers there is no word on it."""
    elsewhere = fixed()
    there = elsewhere.url("/pypi/foo/json")
    upstream = Upstream(
        lambda asked: (
            Answer(404, None)
            if "Accept-Encoding" in asked.headers and not asked.query
            else Answer(302, None, location=there)
        )
    )
    with elsewhere.serving(), upstream.session([PLAIN, STRIP, BUST]) as (session, adapter):
        outcome = adapter.fetch(session, upstream.url("/pypi/foo/json"), 42)
    assert isinstance(outcome.error, requests.HTTPError)


@pytest.mark.parametrize("first", [True, False])
def test_redirects_without_end_end_the_climb(first: bool) -> None:
    """With the error of requests, and after as many requests; met in another way, the page is stale."""

    def answer(asked: Received) -> Answer:
        if not first and "Accept-Encoding" in asked.headers:
            return Answer(serial="41")
        return Answer(302, None, location="/pypi/foo/json")

    upstream = Upstream(answer)
    with upstream.session() as (session, adapter), requests.Session() as bare:
        if first:
            with pytest.raises(requests.TooManyRedirects):
                bare.get(upstream.url("/pypi/foo/json"))
        most = len(upstream.asked) or 1 + 31
        for _ in range(2):
            upstream.asked.clear()
            outcome = adapter.fetch(session, upstream.url("/pypi/foo/json"), 42)
            assert outcome.response is None
            assert isinstance(outcome.error, requests.TooManyRedirects) is first
            assert len(upstream.asked) == most
            most = most if first else 1  # it is known to be stale by then


def test_many_threads_learn_from_one_climb() -> None:
    """The first page is asked for alone; the timestamps differ."""
    upstream = Upstream(lambda asked: Answer(serial="42" if "cb" in asked.query else "41"))
    with upstream.session() as (session, adapter), ThreadPoolExecutor(10) as threads:
        urls = [upstream.url(f"/pypi/p{number}/json") for number in range(20)]
        outcomes = list(threads.map(lambda url: adapter.fetch(session, url, 42), urls))
    assert all(outcome.response is not None for outcome in outcomes)
    assert len(upstream.asked) == 20 + 2
    busts = [asked.query["cb"][0] for asked in upstream.asked if "cb" in asked.query]
    assert len(set(busts)) == len(busts) == 20


def test_the_others_do_not_wait_for_a_first_answer_that_never_comes(mocker: Any) -> None:
    """A page that hangs delays them for a moment, and once only."""
    mocker.patch("bandersnatch_freshness.transports.requests_adapter.SCOUT_SECONDS", 0.05)
    arrived, let_go = threading.Event(), threading.Event()

    def answer(asked: Received) -> Answer:
        if "hangs" in asked.target:
            arrived.set()
            let_go.wait(30)
        return Answer()

    upstream = Upstream(answer)
    with upstream.session() as (session, adapter), ThreadPoolExecutor(1) as threads:
        first = threads.submit(adapter.fetch, session, upstream.url("/pypi/hangs/json"), 42)
        assert arrived.wait(30)
        assert adapter.fetch(session, upstream.url("/pypi/foo/json"), 42).response is not None
        mocker.patch("bandersnatch_freshness.transports.requests_adapter.SCOUT_SECONDS", 3600)
        assert adapter.fetch(session, upstream.url("/pypi/foo/json"), 42).response is not None
        let_go.set()
        assert first.result().response is not None


def test_a_bug_of_ours_leaves_requests_as_they_are(mocker: Any, caplog: pytest.LogCaptureFixture) -> None:
    """Logged once; the request is sent plainly, and so are all later ones; a page is judged all the same."""
    begin_run()
    mocker.patch.object(FreshAdapter, "_dress", autospec=True, side_effect=RuntimeError("a bug"))
    upstream = fixed(serial="41")
    with upstream.session([ALL]) as (session, adapter):
        for _ in range(2):
            assert session.get(upstream.url("/simple/")).status_code == 200
        outcome = adapter.fetch(session, upstream.url("/pypi/foo/json"), 42)
    assert (outcome.response, outcome.error) == (None, None)
    assert upstream.targets == ["/simple/", "/simple/", "/pypi/foo/json"]
    assert caplog.messages == ["An error inside bandersnatch-freshness: continuing without it"]


def test_closing_the_session_closes_what_sends() -> None:
    """Its connections, too."""
    upstream = fixed()
    with upstream.session() as (session, adapter):
        session.get(upstream.url("/simple/"))
        assert isinstance(adapter.inner, HTTPAdapter)
        assert len(adapter.inner.poolmanager.pools) == 1
    assert len(adapter.inner.poolmanager.pools) == 0
