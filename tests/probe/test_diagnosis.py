"""The diagnosis: what answers say, from tables."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import pytest

from bandersnatch_freshness.core.observations import NO_JSON, Observation
from bandersnatch_freshness.core.variants import PLAIN, AcceptEncoding, Variant
from bandersnatch_freshness.core.verdicts import Verdict
from bandersnatch_freshness.exit_codes import ProbeExit
from bandersnatch_freshness.probe import ways
from bandersnatch_freshness.probe.diagnosis import Answer, Diagnosis, diagnose, serial_required
from bandersnatch_freshness.probe.ways import Agent, Client, Method, Page, Way

BASE = ways.base("foo")
STRIP = replace(BASE, accept_encoding=AcceptEncoding.ABSENT)
BUST = replace(BASE, cache_bust=True)
NO_CACHE = replace(BASE, no_cache=True)
AGENT = replace(BASE, agent=Agent.CURL)
CLIENT = replace(BASE, client=Client.REQUESTS)
ADDRESS = replace(BASE, address="192.0.2.1")
OPTIONS = replace(BASE, method=Method.OPTIONS)
PAGE = replace(BASE, page=Page.SIMPLE_JSON)
CURL = Way(Page.JSON_API, AcceptEncoding.ABSENT, client=Client.CURL, agent=Agent.CURL)


def answer(way: Way, serial: int | None, status: int | None = 200, **more: Any) -> Answer:
    """Return an answer to one way of asking."""
    problem = more.pop("problem", "") if status == 200 else "time-out" if status is None else f"status {status}"
    return Answer(way, Observation(way.variant, status, serial, problem, **more), "https://pypi.example/pypi/foo/json")


def diagnosis(*answers: Answer, expected: int | None = 42) -> Diagnosis:
    """Return what these answers say."""
    return diagnose(answers, BASE, expected)


@pytest.mark.parametrize(
    ("way", "decides"),
    [
        pytest.param(STRIP, "accept_encoding", id="encoding"),
        pytest.param(BUST, "cache_bust", id="cache-bust"),
        pytest.param(NO_CACHE, "no_cache", id="no-cache"),
        pytest.param(AGENT, "agent", id="agent"),
        pytest.param(CLIENT, "client", id="client"),
        pytest.param(ADDRESS, "address", id="address"),
        pytest.param(PAGE, "page", id="page"),
        pytest.param(OPTIONS, "method", id="method"),
    ],
)
@pytest.mark.parametrize(("plain", "other"), [pytest.param(41, 42, id="cured"), pytest.param(42, 41, id="spoiled")])
def test_a_single_difference_that_turns_the_answer_decides(way: Way, decides: str, plain: int, other: int) -> None:
    """From stale to fresh as well as the other way round."""
    found = diagnosis(answer(BASE, plain), answer(BASE, plain), answer(way, other))
    assert found.decides == (decides,)
    assert found.outcome is ProbeExit.SOME_STALE
    assert found.verdict is Verdict.EDGE_STALE


def test_differences_that_come_together_decide_nothing() -> None:
    """Curl as typed differs in three; which of them it is shows only one by one."""
    found = diagnosis(answer(BASE, 41), answer(CURL, 42), answer(AGENT, 41))
    assert found.decides == ()
    assert "No single difference decides" in found.sentences[0]
    assert "client curl" in found.sentences[0]


def test_the_cure_is_the_first_of_the_ladder_that_is_always_fresh() -> None:
    """One that helped once and failed once is none."""
    answers = [answer(BASE, 41), answer(STRIP, 42), answer(STRIP, 41), answer(BUST, 42)]
    assert diagnosis(*answers).cure == Variant(cache_bust=True)
    assert diagnosis(*answers, answer(STRIP, 42)).fresh == (Variant(cache_bust=True),)


def test_what_helps_but_is_no_way_of_the_plugins_is_no_cure() -> None:
    """They don't change the User-Agent."""
    found = diagnosis(answer(BASE, 41), answer(AGENT, 42), answer(STRIP, 41))
    assert (found.decides, found.cure) == (("agent",), None)
    assert "None of the ways in which the plugins ask" in found.sentences[-1]


def test_all_fresh() -> None:
    """Nothing decides, nothing is to be cured."""
    found = diagnosis(answer(BASE, 42), answer(STRIP, 43), expected=41)
    assert (found.outcome, found.verdict, found.required_serial) == (ProbeExit.SOME_STALE, Verdict.EDGE_STALE, 43)
    found = diagnosis(answer(BASE, 42), answer(STRIP, 42))
    assert (found.outcome, found.verdict, found.cure) == (ProbeExit.FRESH, Verdict.FRESH, None)
    assert found.fresh == (PLAIN, STRIP.variant)


def test_the_origin_is_blamed_on_proof_alone() -> None:
    """Copies that agree, and one that came past all caches."""
    cached = diagnosis(answer(BASE, 41, x_cache="HIT"), answer(STRIP, 41, x_cache="HIT"))
    assert (cached.outcome, cached.verdict) == (ProbeExit.ALL_STALE, Verdict.UNKNOWN)
    assert "unknown whether" in cached.sentences[0]
    missed = diagnosis(answer(BASE, 41, x_cache="HIT"), answer(STRIP, 41, x_cache="MISS, MISS"))
    assert (missed.outcome, missed.verdict) == (ProbeExit.ALL_STALE, Verdict.ORIGIN_STALE)
    assert "X-Cache: MISS, MISS" in missed.sentences[0]
    by_rfc = diagnosis(answer(BASE, 41), answer(STRIP, 41, cache_status="edge; fwd=uri-miss"))
    assert by_rfc.verdict is Verdict.ORIGIN_STALE
    assert "Cache-Status: edge; fwd=uri-miss" in by_rfc.sentences[0]


def test_the_origin_has_what_no_copy_has() -> None:
    """Purging is broken, whatever caches say of themselves."""
    found = diagnosis(answer(BASE, 41), answer(STRIP, 40), answer(OPTIONS, 42), answer(BUST, 41))
    assert (found.outcome, found.verdict) == (ProbeExit.SOME_STALE, Verdict.EDGE_STALE)
    assert (found.decides, found.fresh, found.origin_serial) == (("method",), (), 42)
    assert found.sentences[0] == ("Every cached copy is old, and the origin itself has serial 42: purging is broken.")
    assert "(ask_origin)" in found.sentences[1]


def test_purging_is_not_called_broken_where_one_copy_is_fresh() -> None:
    """Then that decides, and what the plugins do with it helps."""
    found = diagnosis(answer(BASE, 41), answer(STRIP, 42), answer(OPTIONS, 42))
    assert found.decides == ("accept_encoding", "method")
    assert "Past the cache it is fresh too: with OPTIONS." in found.sentences
    assert "strip" in found.sentences[-1]
    page = diagnosis(answer(BASE, 41), answer(PAGE, 42), answer(OPTIONS, 42))
    assert "purging" not in " ".join(page.sentences)


def test_the_origin_says_itself_that_it_is_behind() -> None:
    """Where no cache says anything, and where some are even older."""
    found = diagnosis(answer(BASE, 41), answer(STRIP, 41), answer(OPTIONS, 41))
    assert (found.outcome, found.verdict, found.origin_serial) == (ProbeExit.ALL_STALE, Verdict.ORIGIN_STALE, 41)
    assert "at the origin itself, which has serial 41, 1 behind 42: the origin has no newer page" in found.sentences[0]
    older = diagnosis(answer(BASE, 40), answer(STRIP, 41), answer(OPTIONS, 41))
    assert older.verdict is Verdict.ORIGIN_STALE
    odd = diagnosis(answer(BASE, 41), answer(OPTIONS, 40))
    assert odd.verdict is Verdict.EDGE_STALE


@pytest.mark.parametrize("status", [200, 204, 301, 403, 404, 405, 501, 503, None])
@pytest.mark.parametrize("serial", [41, 42])
def test_options_that_are_refused_change_nothing(status: int | None, serial: int) -> None:
    """No problem, and no verdict."""
    others = [answer(BASE, serial), answer(STRIP, serial)]
    assert diagnosis(*others, answer(OPTIONS, None, status)) == diagnosis(*others)
    gone = [answer(BASE, None, 404)]
    assert diagnosis(*gone, answer(OPTIONS, None, status), expected=None) == diagnosis(*gone, expected=None)


def test_old_once_and_fresh_at_the_second_ask() -> None:
    """A cache revalidates each copy: no incident, nothing to be set."""
    asked = [answer(BASE, 41), answer(BASE, 42), answer(STRIP, 41), answer(AGENT, 42), answer(STRIP, 42)]
    found = diagnosis(*asked, answer(OPTIONS, 42), answer(BUST, 42))
    assert (found.outcome, found.verdict, found.revalidated) == (ProbeExit.FRESH, Verdict.FRESH, True)
    assert found.fresh[0] == PLAIN
    assert found.decides == ()
    assert "old once, and fresh at the second ask" in found.sentences[1]
    assert not diagnosis(answer(BASE, 42), answer(STRIP, 42)).revalidated


@pytest.mark.parametrize(
    "answers",
    [
        pytest.param([answer(BASE, 41), answer(BASE, 42), answer(BASE, 41)], id="old-again"),
        pytest.param([answer(BASE, 41), answer(BASE, 42), answer(STRIP, 41)], id="another-copy-is-old"),
        pytest.param([answer(BASE, 41), answer(BASE, 42), answer(OPTIONS, 41)], id="the-origin-is-old"),
        pytest.param([answer(BASE, 41), answer(NO_CACHE, 42), answer(BASE, 42)], id="refreshed-by-asking"),
    ],
)
def test_what_is_no_revalidation(answers: list[Answer]) -> None:
    """Every way must have turned, by itself, and for good."""
    found = diagnosis(*answers)
    assert not found.revalidated
    assert found.outcome is ProbeExit.SOME_STALE


def test_the_node_that_gave_the_old_page_once_is_named() -> None:
    """Where it is not known to have the new one: it may never get it."""
    found = diagnosis(answer(BASE, 41, served_by="b"), answer(BASE, 42, served_by="a"))
    assert "the old page came from b." in found.sentences[1]
    same = diagnosis(answer(BASE, 41, served_by="b"), answer(BASE, 42, served_by="b"))
    assert "the old page came from" not in same.sentences[1]


def test_copies_of_the_index_differ_where_all_is_well() -> None:
    """So it is said that this alone is no fault."""
    base = ways.base("")
    strip = replace(base, accept_encoding=AcceptEncoding.ABSENT)
    found = diagnose([answer(base, 41), answer(strip, 42)], base, None)
    assert "that alone is healthy" in found.sentences[-1]


def test_copies_that_are_all_stale_and_differ_are_caches() -> None:
    """The origin has but one serial."""
    found = diagnosis(answer(BASE, 40), answer(STRIP, 41))
    assert (found.outcome, found.verdict) == (ProbeExit.ALL_STALE, Verdict.EDGE_STALE)


def test_equal_questions_with_different_answers() -> None:
    """Luck; and where the nodes say so, which of them it is."""
    found = diagnosis(
        answer(BASE, 42, served_by="a"), answer(BASE, 41, served_by="b"), answer(STRIP, 42, served_by="a")
    )
    assert found.decides == ()
    assert "matter of luck" in found.sentences[0]
    assert "the node: b holds the old copy, a does not" in found.sentences[0]
    nameless = diagnosis(answer(BASE, 42), answer(BASE, 41))
    assert "the node" not in nameless.sentences[0]
    both = diagnosis(answer(BASE, 42, served_by="a"), answer(BASE, 41, served_by="a"))
    assert "the node" not in both.sentences[0]


def test_a_copy_that_asking_has_refreshed_is_no_luck() -> None:
    """What is fresh after no-cache was stale before."""
    found = diagnosis(answer(BASE, 41), answer(NO_CACHE, 42), answer(BASE, 42))
    assert found.decides == ("no_cache",)
    assert found.cure == NO_CACHE.variant
    assert "has refreshed its copy" in found.sentences[-1]


@pytest.mark.parametrize(
    ("plain", "outcome", "words"),
    [
        pytest.param(answer(BASE, None, 404), ProbeExit.ALL_STALE, "status 404", id="404"),
        pytest.param(answer(BASE, None), ProbeExit.ALL_STALE, "no serial", id="no-serial"),
        pytest.param(answer(BASE, None, 503), ProbeExit.UNDETERMINED, "status 503", id="503"),
        pytest.param(answer(BASE, None, None), ProbeExit.UNDETERMINED, "time-out", id="time-out"),
    ],
)
def test_answers_without_a_serial(plain: Answer, outcome: ProbeExit, words: str) -> None:
    """A 404 and a page without a serial are stale where one is announced, as for the plugins; errors say nothing."""
    found = diagnosis(plain, plain)
    assert found.outcome is outcome
    assert words in " ".join(found.sentences)


@pytest.mark.parametrize(
    ("plain", "words"),
    [
        pytest.param(answer(BASE, None, 404), "is the name right?", id="404"),
        pytest.param(answer(BASE, None), "No answer carries a serial", id="no-serial"),
        pytest.param(answer(BASE, None, None), "No way of asking gets the page: time-out.", id="time-out"),
        pytest.param(
            answer(BASE, None, problem=NO_JSON), "something on the way answers in the master's place", id="html"
        ),
    ],
)
def test_nothing_to_judge_by(plain: Answer, words: str) -> None:
    """Nothing announced, nothing seen: one sentence."""
    found = diagnosis(plain, plain, expected=None)
    assert (found.outcome, found.required_serial) == (ProbeExit.UNDETERMINED, None)
    assert len(found.sentences) == 1
    assert words in found.sentences[0]


def test_a_page_that_fails_while_another_is_there() -> None:
    """What Bandersnatch asks for is what counts, and what else there is is said."""
    found = diagnosis(answer(BASE, None, 503), answer(CLIENT, None, 503), answer(PAGE, 42))
    assert found.outcome is ProbeExit.UNDETERMINED
    assert found.sentences == (
        "No way of asking gets the page: status 503.",
        "That is the JSON API; the simple page in JSON can be had.",
    )


def test_other_pages_need_no_serial() -> None:
    """A static mirror's simple page has none, and is not stale for that."""
    found = diagnosis(answer(BASE, 42), answer(PAGE, None))
    assert found.outcome is ProbeExit.FRESH


def test_requests_that_failed_are_counted() -> None:
    """Beside what the others say."""
    found = diagnosis(answer(BASE, 42), answer(CLIENT, None, None), answer(AGENT, None, 502))
    assert found.outcome is ProbeExit.FRESH
    assert found.sentences[-1] == "2 of 3 requests failed: time-out, status 502."


@pytest.mark.parametrize(
    ("serials", "expected", "required_serial"),
    [
        pytest.param([41, 42], None, 42, id="best-seen"),
        pytest.param([41], 43, 43, id="expected"),
        pytest.param([44], 43, 44, id="the-index-is-stale"),
        pytest.param([None], None, None, id="nothing"),
    ],
)
def test_required_serial(serials: list[int | None], expected: int | None, required_serial: int | None) -> None:
    """The highest of what is known."""
    assert serial_required([answer(BASE, serial) for serial in serials], expected) == required_serial
