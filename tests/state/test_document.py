"""The document that the suite's memory is."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any

import pytest

from bandersnatch_freshness.core.history import Hour, PastRun
from bandersnatch_freshness.core.incidents import Incident, Level
from bandersnatch_freshness.core.verdicts import Verdict
from bandersnatch_freshness.formatting import plain_url, seconds, timestamp
from bandersnatch_freshness.state.document import (
    NewerStateError,
    NotificationRecord,
    State,
    StateError,
    Totals,
    dump,
    load,
)

NOON = 1_539_691_200
FULL = Incident(
    "foo",
    since=NOON,
    seen=NOON + 300,
    runs=2,
    required_serial=42,
    got=None,
    verdict=Verdict.EDGE_STALE,
    level=Level.WARNING,
    newest=41,
    count=3,
    examples=("a", "b"),
    evidence=({"variant": "plain", "serial": 41},),
)
RUN = PastRun(NOON, NOON + 7, "errors", 41, 42, fresh=5, stale=1, gone=2, extra_requests=7, cured={"strip": 3})


def test_comes_back_as_it_was() -> None:
    """Every field of an incident and a run, and what is counted."""
    totals = Totals(Counter(fresh=3), Counter(plain=9, strip=1), 4, 5)
    history = [Hour(NOON, 1, 2, 3, 4), Hour(NOON + 3600)]
    state = State("https://master.example", {"foo": FULL}, [RUN], history=history, fresh_at=NOON, totals=totals)
    assert load("".join(dump(state, NOON))) == state


def test_is_readable_by_a_person() -> None:
    """Words and times, not numbers that stand for them."""
    document = json.loads("".join(dump(State("https://master.example", {"foo": FULL}, [RUN]), NOON)))
    assert document["format"] == 1
    assert document["written"] == "2018-10-16T12:00:00Z"
    assert document["by"].startswith("bandersnatch-freshness ")
    assert document["incidents"]["foo"]["level"] == "warning"
    assert document["incidents"]["foo"]["verdict"] == "edge-stale"
    assert document["incidents"]["foo"]["since"] == "2018-10-16T12:00:00Z"
    assert document["runs"][0]["finished"] == "2018-10-16T12:00:07Z"


def test_is_bounded() -> None:
    """The last runs, and evidence for as many incidents as anyone reads."""
    many = {f"p{number:05}": FULL for number in range(1005)}
    document = json.loads("".join(dump(State("", many, [RUN] * 105), NOON)))
    assert len(document["runs"]) == 100
    assert len(document["incidents"]) == len(many)
    assert sum("evidence" in one for one in document["incidents"].values()) == 1000


def test_what_was_told_of_many_alike_is_said_once() -> None:
    """It comes back as it was, and takes one object."""
    alike = NotificationRecord(Level.WARNING, Verdict.EDGE_STALE, NOON, NOON + 60, delivered=True, ever=True)
    notified = {"a": {**{f"p{number}": alike for number in range(99)}, "x": alike._replace(at=0)}, "b": {}}
    text = "".join(dump(State("", notified=notified), NOON))
    assert load(text).notified == notified
    assert text.count("edge-stale") == 2


@pytest.mark.parametrize(
    ("outcomes", "kept"),
    [
        pytest.param(["fresh", *["failed"] * 100], ["fresh", *["failed"] * 99], id="pushed-out"),
        pytest.param(["errors", "fresh", *["failed"] * 200], ["fresh", *["failed"] * 99], id="the-last"),
        pytest.param(["fresh"] * 200 + ["failed"], ["fresh"] * 99 + ["failed"], id="among-them"),
        pytest.param(["failed"] * 200, ["failed"] * 100, id="there-is-none"),
        pytest.param([], [], id="no-run"),
    ],
)
def test_the_last_run_that_got_to_its_end_is_kept(outcomes: list[str], kept: list[str]) -> None:
    """However many have failed since: it says how long the mirror is silent."""
    runs = [RUN._replace(outcome=outcome) for outcome in outcomes]
    assert [run.outcome for run in load("".join(dump(State("", runs=runs), NOON))).runs] == kept


def changed(**changes: Any) -> str:
    """Return a document with some of its parts replaced."""
    return json.dumps({**json.loads("".join(dump(State("m", {"foo": FULL}, [RUN]), NOON))), **changes})


INCIDENT = json.loads(changed())["incidents"]["foo"]


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("", id="empty"),
        pytest.param("{", id="half"),
        pytest.param("[]", id="no-object"),
        pytest.param("null", id="null"),
        pytest.param("{}", id="no-format"),
        pytest.param(changed(format=0), id="format-0"),
        pytest.param(changed(format="1"), id="format-text"),
        pytest.param(changed(incidents=[]), id="incidents-no-object"),
        pytest.param(changed(incidents={"foo": {}}), id="incident-without-fields"),
        pytest.param(changed(incidents={"foo": 1}), id="incident-no-object"),
        pytest.param(changed(incidents={"foo": {"level": "loud"}}), id="unknown-level"),
        pytest.param(changed(runs=[{"started": "yesterday"}]), id="no-time"),
        pytest.param(changed(runs=None), id="no-runs"),
        pytest.param(changed(batch={"target": math.inf, "size": 1}), id="infinity"),
        pytest.param(changed(incidents={"foo": INCIDENT | {"required": math.inf}}), id="infinite-incident"),
        pytest.param(changed(incidents={"foo": INCIDENT | {"since": "2018-10-16T12:00:00"}}), id="no-zone"),
        pytest.param(changed(told={"a": {"foo": {}}}), id="told-no-list"),
        pytest.param("[" * 100_000, id="too-deep"),
    ],
)
def test_what_is_no_state_is_an_error_of_its_own(text: str) -> None:
    """Whatever is wrong with it."""
    with pytest.raises(StateError, match="not a state file"):
        load(text)


def test_a_newer_format_is_told_apart() -> None:
    """So that it can be left alone."""
    with pytest.raises(NewerStateError, match="written by a newer release, 'x 9'"):
        load(changed(format=2, by="x 9", incidents="of another shape"))


@pytest.mark.parametrize(
    ("url", "plain"),
    [
        ("https://master.example", "https://master.example"),
        ("https://user:p%40ss@master.example:8443/path?token=x#y", "https://master.example:8443/path"),
        ("https://token@master.example/", "https://master.example/"),
    ],
)
def test_urls_lose_their_secrets(url: str, plain: str) -> None:
    """User, password, query and fragment."""
    assert plain_url(url) == plain


def test_times_are_iso_8601() -> None:
    """In UTC, there and back."""
    assert timestamp(NOON) == "2018-10-16T12:00:00Z"
    assert seconds("2018-10-16T12:00:00Z") == NOON
