"""Whom the origin itself is asked for, how often, and which answers count."""

from __future__ import annotations

import json
from collections.abc import Mapping
from types import MappingProxyType
from typing import Any

import pytest
from msgspec.structs import replace

from bandersnatch_freshness.core.incidents import EDGE, Incident
from bandersnatch_freshness.core.observations import Evidence, Observation
from bandersnatch_freshness.core.origin import (
    A_RUN,
    Allowance,
    OriginPlan,
    OriginTurns,
    Turn,
    choose,
    is_fresh,
    look,
    most_a_day,
    read,
)
from bandersnatch_freshness.core.quarantine import QuarantineEntry
from bandersnatch_freshness.core.variants import LADDER, ORIGIN
from bandersnatch_freshness.core.verdicts import Verdict

HOUR, DAY = 3600, 86400
NOON = 1_539_691_200


@pytest.mark.parametrize(
    ("wanted", "master", "most"),
    [
        (None, "https://pypi.org", 100),
        (None, "https://PyPI.org:443/", 100),
        (None, "https://test.pypi.org", 0),
        (None, "https://pypi.example", 0),
        (None, "https://pypi.org.example", 0),
        (None, "https://pypi.org/mirror", 0),
        (7, "https://pypi.example", 7),
        (7, "https://pypi.org", 7),
        (0, "https://pypi.org", 0),
    ],
)
def test_by_itself_only_pypi_is_asked(wanted: int | None, master: str, most: int) -> None:
    """Any other only so often as its operator wants."""
    assert most_a_day(wanted, master) == most


def test_so_many_a_day() -> None:
    """In the 24 hours from the first on; what a run took and did not use is free again."""
    fresh = Allowance()
    assert fresh.left(100, NOON) == 100
    taken = fresh.take(20, NOON).take(20, NOON + HOUR)
    assert (taken.left(100, NOON + HOUR), taken.left(30, NOON + HOUR)) == (60, 0)
    turns = OriginTurns(OriginPlan(frozenset({"foo", "bar"}), 18, 42))
    turns.saw("foo", Observation(ORIGIN, 200, 42), fresh=True)
    after = taken.settle(turns, {"foo"}, NOON + HOUR)
    assert (after.left(100, NOON + HOUR), after.cured, after.pages) == (79, 1, {})
    assert taken.left(100, NOON + DAY - 1) == 60
    assert taken.left(100, NOON + DAY) == 100
    assert after.take(5, NOON + DAY) == Allowance(NOON + DAY, 5, pages={})
    # a clock that jumped back holds it no longer than a day
    assert taken.left(100, NOON - 1) == 100


def test_a_refusal_holds_for_a_day() -> None:
    """From the last one on, and not if the clock has jumped back."""
    turns = OriginTurns(OriginPlan(frozenset({"foo"})))
    turns.saw("foo", look(405, {}), fresh=False)
    refused = Allowance().take(1, NOON).settle(turns, set(), NOON + 9)
    assert refused.left(100, NOON + 9) == refused.left(100, NOON + DAY + 8) == 0
    assert refused.left(100, NOON + DAY + 9) == 100
    assert refused.left(100, NOON) == 99
    assert refused.settle(OriginTurns(), set(), NOON + DAY).refused == NOON + 9


def test_each_turn_is_remembered() -> None:
    """What is fresh by now, or gone, is not; nor what had none for two days."""
    before = Allowance(NOON, 3, pages={"foo": Turn(NOON, 1), "bar": Turn(NOON, 2), "old": Turn(NOON - 2 * DAY + 60, 3)})
    turns = OriginTurns(OriginPlan(frozenset({"foo", "new", "cured", "in-vain"})))
    for name in ("foo", "new"):
        turns.saw(name, look(404, {}), fresh=False)
    for name in ("cured", "in-vain"):  # of the latter, a file is missing
        turns.saw(name, Observation(ORIGIN, 200, 42), fresh=True)
    after = before.settle(turns, {"bar", "cured"}, NOON + 60)
    assert after.pages == {"foo": Turn(NOON + 60, 2), "new": Turn(NOON + 60, 1), "in-vain": Turn(NOON + 60, 1)}
    assert after.cured == 1


def incident(name: str = "foo", age: int = 6 * HOUR, runs: int = 3, **more: Any) -> Incident:
    """Return an incident that was seen at noon."""
    return Incident(name, NOON - age, NOON, runs, 42, 41, **{"verdict": Verdict.UNKNOWN, **more})


HIT: Evidence = {"variant": "plain", "status": 200, "serial": 41, "x_cache": "MISS, HIT"}
MISS: Evidence = {"variant": "strip", "status": 200, "serial": 41, "x_cache": "MISS, MISS"}
HELD = QuarantineEntry(42, NOON - HOUR, NOON, 1)


def chosen(
    *incidents: Incident,
    most: int = 100,
    turn: Turn | None = None,
    held: Mapping[str, QuarantineEntry] = MappingProxyType({}),
) -> OriginPlan:
    """Return what may be asked for of packages with incidents, some of them in quarantine, and of the edge's."""
    found = {one.subject: one for one in incidents}
    announced = {one.subject: one.required_serial for one in incidents if one.subject != EDGE}
    allowance = Allowance(pages={"foo": turn} if turn else {})
    return choose(held, found, announced, allowance, most, NOON, 6 * HOUR, HOUR)


@pytest.mark.parametrize(
    ("found", "turn", "is_chosen"),
    [
        pytest.param(incident(), None, True, id="as-old-as-it-must-be"),
        pytest.param(incident(age=6 * HOUR - 1), None, False, id="too-young"),
        pytest.param(incident(runs=2), None, False, id="seen-in-two-runs"),
        pytest.param(incident(released=NOON - HOUR), None, False, id="released-an-hour-ago"),
        pytest.param(incident(verdict=Verdict.EDGE_STALE), None, True, id="an-edge-is-to-blame"),
        pytest.param(incident(verdict=Verdict.ORIGIN_STALE), None, False, id="the-origin-has-no-newer-one"),
        pytest.param(incident(evidence=(HIT, MISS)), None, True, id="a-cache-had-it"),
        pytest.param(incident(evidence=(MISS,)), None, False, id="no-cache-had-it"),
        pytest.param(incident(), Turn(NOON - 6 * HOUR + 1, 1), False, id="once-just-now"),
        pytest.param(incident(), Turn(NOON - 6 * HOUR, 1), True, id="once"),
        pytest.param(incident(), Turn(NOON - 12 * HOUR + 1, 2), False, id="twice-just-now"),
        pytest.param(incident(), Turn(NOON - 12 * HOUR, 2), True, id="twice"),
        pytest.param(incident(), Turn(NOON - DAY + 1, 9), False, id="often-just-now"),
        pytest.param(incident(), Turn(NOON - DAY, 9), True, id="often"),
        pytest.param(incident(), Turn(NOON + 1, 9), True, id="the-clock-jumped-back"),
    ],
)
def test_which_pages_may_be_asked_for(found: Incident, turn: Turn | None, is_chosen: bool) -> None:
    """By age, by runs, and ever more rarely; in quarantine or not yet."""
    assert chosen(found, turn=turn, held={"foo": HELD}).names == ({"foo"} if is_chosen else set())
    assert chosen(found, turn=turn).names == ({"foo"} if is_chosen else set())


def test_what_waits_for_another_list_is_not_asked_for() -> None:
    """Nobody knows its serial; nor what has no incident."""
    assert chosen(incident(), held={"foo": replace(HELD, waiting=True)}).most == 0
    assert choose({"foo": HELD}, {}, {"foo": 42}, Allowance(), 9, NOON, 6 * HOUR, HOUR).most == 0


def test_what_changed_longest_ago_comes_first() -> None:
    """Twenty in a run, or what is left of the day."""
    held = {f"p{number:02}": replace(HELD, required_serial=1000 - number) for number in range(50)}
    found = list(map(incident, held))
    last = sorted(held)[::-1]
    assert chosen(*found, held=held).names == set(last[:A_RUN])
    assert chosen(*found, most=3, held=held).names == set(last[:3])
    assert chosen(*found, most=0, held=held).most == 0


@pytest.mark.parametrize(
    ("edge", "count"),
    [
        pytest.param(incident(EDGE), A_RUN - 1, id="as-old-as-a-page-must-be"),
        pytest.param(incident(EDGE, age=6 * HOUR - 1), 0, id="too-young"),
        pytest.param(incident(EDGE, runs=2), 0, id="seen-in-two-runs"),
        pytest.param(incident(EDGE, verdict=Verdict.ORIGIN_STALE), 0, id="the-origin-has-no-newer-ones"),
    ],
)
def test_the_edges_packages_are_as_old_as_its_incident(edge: Incident, count: int) -> None:
    """What is known by itself comes first."""
    plan = chosen(edge, incident())
    assert (set(plan.names), plan.of_edge, plan.most) == ({"foo"}, count, count + 1)
    assert chosen(edge, incident(), most=1).most == 1


def test_the_first_stale_pages_of_the_edge_have_their_turns() -> None:
    """Not those released since, nor those that had one lately; the fresh give theirs back."""
    turns = OriginTurns(OriginPlan(of_edge=2, newest=42, resting=frozenset({"tired"})))
    assert not turns.has_turn("new", 43)
    assert not turns.has_turn("tired", 42)
    assert [turns.has_turn(name, 42) for name in ("a", "b", "c", "a")] == [True, True, False, True]
    turns.give_back("a")
    assert turns.has_turn("c", 42)
    assert turns.may_ask("b", Verdict.UNKNOWN, [seen(HIT)], ["plain"])
    assert not turns.may_ask("c", Verdict.UNKNOWN, [seen(MISS)], ["strip"])
    assert not turns.has_turn("c", 42)
    assert not turns.may_ask("d", Verdict.UNKNOWN, [seen(HIT)], ["plain"])
    assert turns.over == {"c"}


def seen(evidence: Evidence) -> Observation:
    """Return the observation that left this."""
    variants = {one.name: one for one in LADDER}
    return Observation(**{**evidence, "variant": variants[str(evidence["variant"])]})  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("evidence", "ways", "expected", "is_over"),
    [
        pytest.param((HIT,), ["plain"], True, False, id="a-hit"),
        pytest.param((HIT, MISS), ["plain", "strip"], True, False, id="one-is-a-hit"),
        pytest.param((HIT,), ["plain", "strip"], False, False, id="not-all-ways-tried"),
        pytest.param((MISS,), ["strip"], False, True, id="no-cache-says-so"),
        pytest.param(({**MISS, "age": "7"},), ["strip"], True, False, id="an-age"),
        pytest.param(({**MISS, "age": "0"},), ["strip"], False, True, id="just-fetched"),
        pytest.param(({**MISS, "cache_status": "proxy; hit"},), ["strip"], True, False, id="cache-status"),
        pytest.param(({**MISS, "cache_status": "proxy; fwd=miss"},), ["strip"], False, True, id="cache-status-miss"),
        pytest.param(({**HIT, "status": 503},), ["plain"], False, True, id="an-error-is-no-copy"),
        pytest.param((HIT, {**MISS, "status": 404}), ["plain", "strip"], False, True, id="a-404-is-no-copy"),
    ],
)
def test_a_cache_must_hold_the_old_page(
    evidence: tuple[Evidence, ...], ways: list[str], expected: bool, is_over: bool
) -> None:
    """By its own account; and no way of asking may be left."""
    answers = list(map(seen, evidence))
    for verdict, asks in ((Verdict.UNKNOWN, expected), (Verdict.ORIGIN_STALE, False)):
        turns = OriginTurns(OriginPlan(frozenset({"foo"})))
        assert turns.may_ask("foo", verdict, answers, ways) is asks
        assert (turns.over == {"foo"}) is (is_over or (expected and not asks))


def page(**more: Any) -> bytes:
    """Return a project's page."""
    return json.dumps(
        {"info": {"name": "Foo.Bar", "version": "1"}, "last_serial": 42, "releases": {"1": []}, "urls": [], **more}
    ).encode()


def judged(body: bytes = page(), status: int = 200, serial: str = "42", kind: str = "application/json") -> Observation:
    """Return what an answer shows."""
    seen = look(status, {"X-PyPI-Last-Serial": serial, "Content-Type": kind, "X-Cache": "MISS, MISS"})
    return read(seen, body, "foo-bar") if is_fresh(seen, 42) else seen


def test_the_page_is_accepted() -> None:
    """Its evidence goes by a name of its own."""
    seen = judged(kind="application/json; charset=utf-8")
    assert is_fresh(seen, 42)
    assert seen.evidence() == {"variant": "origin", "status": 200, "serial": 42, "x_cache": "MISS, MISS"}
    assert not is_fresh(seen, 43)


@pytest.mark.parametrize(
    ("answer", "problem"),
    [
        pytest.param({"status": 204}, "status 204", id="empty"),
        pytest.param({"status": 301}, "status 301", id="a-redirect"),
        pytest.param({"status": 404}, "status 404", id="a-404"),
        pytest.param({"kind": "text/html"}, "no JSON", id="html"),
        pytest.param({"kind": "application/jsonp"}, "no JSON", id="another-kind"),
        pytest.param({"serial": ""}, "the malformed serial ''", id="no-serial"),
        pytest.param({"body": b"<html>"}, "no page of a project", id="html-as-json"),
        pytest.param({"body": page()[:-9]}, "no page of a project", id="cut"),
        pytest.param({"body": b"[" * 99999}, "no page of a project", id="a-bomb"),
        pytest.param({"body": page(info={})}, "no page of a project", id="no-name"),
        pytest.param({"body": page(info=None)}, "no page of a project", id="no-info"),
        pytest.param({"body": page(releases=None)}, "no page of a project", id="no-releases"),
        pytest.param({"body": page(releases=[])}, "no page of a project", id="a-list-of-releases"),
        pytest.param({"body": page(last_serial="42")}, "no page of a project", id="a-serial-as-text"),
        pytest.param({"body": page(info={"name": "foo"})}, "the page of another project", id="wrong-name"),
        pytest.param({"body": page(last_serial=41)}, "another serial in its body", id="older-body"),
        pytest.param({"body": page(last_serial=43)}, "another serial in its body", id="newer-body"),
    ],
)
def test_all_else_is_not(answer: dict[str, Any], problem: str) -> None:
    """And says nothing of the page's serial."""
    seen = judged(**answer)
    assert not is_fresh(seen, 42)
    assert (seen.problem, seen.serial) == (problem, None)


def test_an_older_page_is_evidence() -> None:
    """Of what the origin has."""
    seen = judged(serial="41")
    assert (is_fresh(seen, 42), seen.serial, seen.problem) == (False, 41, "")


@pytest.mark.parametrize(
    ("status", "refused"),
    [(200, False), (301, False), (404, False), (403, True), (405, True), (429, True), (500, True)],
)
def test_the_first_refusal_is_one_for_all(status: int, refused: bool) -> None:
    """A page is asked for once in a run, and counts as asked for whatever came of it."""
    turns = OriginTurns(OriginPlan(frozenset({"foo", "bar", "baz"})))
    assert turns.has_turn("foo", 42)
    assert not turns.has_turn("qux", 42)
    turns.saw("bar", Observation(ORIGIN, 200, 42), fresh=True)
    turns.saw("foo", look(status, {}), fresh=False)
    assert not turns.has_turn("foo", 42)
    assert not turns.has_turn("bar", 42)
    assert turns.has_turn("baz", 42) is not refused
    assert (turns.asked, turns.fresh, turns.refusal is not None) == ({"foo", "bar"}, {"bar"}, refused)
