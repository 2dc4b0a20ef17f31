"""The document that the suite's memory is."""

from __future__ import annotations

import json
import math
from collections import Counter
from typing import Any

import pytest
from msgspec.structs import replace

from bandersnatch_freshness.core.ceiling import Ceiling
from bandersnatch_freshness.core.history import Batch, Hour, PastRun
from bandersnatch_freshness.core.incidents import Incident, Level
from bandersnatch_freshness.core.index import Doubt, Index
from bandersnatch_freshness.core.missing import Missing
from bandersnatch_freshness.core.origin import Allowance, Turn
from bandersnatch_freshness.core.quarantine import QuarantineEntry
from bandersnatch_freshness.core.refusals import Refusal
from bandersnatch_freshness.core.usefulness import Idle
from bandersnatch_freshness.core.verdicts import Verdict
from bandersnatch_freshness.formatting import plain_url, seconds, timestamp
from bandersnatch_freshness.state.document import (
    ChannelRecord,
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
    state = State("https://master.example", {"foo": FULL}, [RUN], history=history, complete_at=NOON, totals=totals)
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
    notified = {"a": {**{f"p{number}": alike for number in range(99)}, "x": replace(alike, at=0)}, "b": {}}
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
    runs = [replace(RUN, outcome=outcome) for outcome in outcomes]
    assert [run.outcome for run in load("".join(dump(State("", runs=runs), NOON))).runs] == kept


def test_what_only_a_newer_release_knows_is_passed_over() -> None:
    """Wherever it is, while the format is the same."""
    document = json.loads(changed(surprise={"a": [1.5]}))
    document["incidents"]["foo"]["surprise"] = document["runs"][0]["surprise"] = [None]
    assert load(json.dumps(document)) == load(changed())


def test_how_channels_stand_is_the_mirrors() -> None:
    """Read as written; and no other master changes that."""
    state = State("https://a.example")
    state.channels = {"1f": ChannelRecord(is_understood=True), "2f": ChannelRecord(failing=NOON, said=NOON + 60)}
    assert load("".join(dump(state, NOON))) == state
    assert state.switched_to("https://b.example", NOON).channels == state.channels


def test_masters_are_remembered() -> None:
    """The last three; what is the mirror's stays, and what is the master's comes back with it."""
    foo = replace(FULL, in_quarantine=True)
    told = {"a": {"foo": NotificationRecord(Level.WARNING, Verdict.EDGE_STALE, NOON, NOON)}}
    index, doubt, ceiling = (
        Index(42, NOON, 9),
        Doubt("smaller", 42, 1, NOON, NOON + 9, 2),
        Ceiling(50, NOON, NOON - 9, 60, 2, True),
    )
    first = State("https://a.example", {"foo": foo}, [RUN], told, {"foo": QuarantineEntry(42, NOON, NOON, synced=40)})
    first.batch, first.index, first.doubt, first.ceiling, first.complete_at = Batch(42, 7), index, doubt, ceiling, NOON
    first.refusal = refusal = Refusal(NOON, NOON + 60)
    first.idle_cache_bust = idle = Idle(("foo", "bar"), 3, NOON, NOON + 3600)
    first.newest = {"foo": 42, "bar": 41}
    first.origin = origin = Allowance(NOON, 3, 1, NOON + 9, {"foo": Turn(NOON + 5, 2)})
    assert load("".join(dump(first, NOON))) == first
    second = first.switched_to("https://b.example", NOON + 100)
    assert (second.master, second.incidents, second.notified, second.batch) == ("https://b.example", {}, {}, None)
    assert (second.index, second.doubt, second.ceiling, second.refusal) == (None, None, None, None)
    assert (second.idle_cache_bust, second.idle_no_cache, second.origin) == (None, None, None)
    assert second.newest == {}
    assert (second.runs, second.complete_at, second.another_master) == ([RUN], NOON, True)
    assert second.quarantine == {"foo": QuarantineEntry(42, NOON, NOON, waiting=True)}
    assert second.announced() is None, "of the other's runs"
    again = load("".join(dump(second, NOON)))
    assert again == second
    back = again.switched_to("https://A.example/", NOON + 200)
    assert (back.incidents, back.notified, back.batch) == (first.incidents, told, Batch(42, 7))
    assert (back.index, back.doubt, back.ceiling, back.refusal) == (index, doubt, ceiling, refusal)
    assert (back.idle_cache_bust, back.idle_no_cache, back.origin) == (idle, None, origin)
    assert back.newest == first.newest
    assert [(one.master, one.left) for one in back.others] == [("https://b.example", NOON + 200)]
    far = back.switched_to("https://c.example", NOON + 300).switched_to("https://d.example", NOON + 400)
    assert [one.master for one in far.others] == ["https://A.example/", "https://c.example"]


def test_only_what_was_announced_since_a_switch_counts() -> None:
    """A run that began before it has the old master's serials."""
    state = State("https://a.example", runs=[RUN]).switched_to("https://b.example", NOON + 100)
    state.runs.append(replace(RUN, started=NOON + 100, target=7))
    state.runs.append(replace(RUN, started=NOON + 200, target=0))
    assert state.announced() == 7


def test_what_is_written_can_be_read() -> None:
    """Whatever a hostile index made of it: the next run must not lose the state for it."""
    huge = replace(FULL, subject="a\ud800", required_serial=10**30, got=-1, examples=("b\udfff",))
    told = {"a": {"c\ud800": NotificationRecord(Level.STALE, Verdict.UNKNOWN, -5, 10**15)}}
    quarantine = {"d\ud800": QuarantineEntry(10**18, -7, 10**15)}
    state = State("m", {huge.subject: huge}, [replace(RUN, target=2**64)], told, quarantine, index=Index(10**19, NOON))
    state.origin = Allowance(NOON, 1, pages={"e\ud800": Turn(-7, 1)})
    read = load("".join(dump(state, NOON)))
    assert (read.incidents["a?"].required_serial, read.incidents["a?"].got) == (10**18 - 1, 0)
    assert read.quarantine["d?"].since == 0
    assert read.origin == Allowance(NOON, 1, pages={"e?": Turn(0, 1)})
    assert read.index == Index(10**18 - 1, NOON)


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
        pytest.param('{"format":' + "[" * 100_000, id="too-deep-inside"),
        pytest.param(changed(master=None), id="no-master"),
        pytest.param(changed(master=7), id="master-number"),
        pytest.param(changed(another_master=1), id="number-for-truth"),
        pytest.param(changed(batch={"target": True, "size": 1}), id="truth-for-number"),
        pytest.param(changed(batch={"target": "1", "size": 1}), id="text-for-number"),
        pytest.param(changed(batch={"target": 1.0, "size": 1}), id="float"),
        pytest.param(changed(batch={"target": -1, "size": 1}), id="negative"),
        pytest.param(changed(batch={"target": 10**18, "size": 1}), id="too-many-digits"),
        pytest.param(
            changed(batch={"target": "x"}).replace(chr(34) + "x" + chr(34), "9" * 5000), id="far-too-many-digits"
        ),
        pytest.param(changed(batch=[1, 1]), id="list-for-object"),
        pytest.param(changed(quarantine=[]), id="quarantine-list"),
        pytest.param(changed(totals={"runs": {"fresh": "1"}}), id="totals-text"),
        pytest.param(changed(incidents={"foo": INCIDENT | {"level": "loud"}}), id="unknown-level-alone"),
        pytest.param(changed(incidents={"foo": INCIDENT | {"level": 2}}), id="number-for-level"),
        pytest.param(changed(incidents={"foo": INCIDENT | {"verdict": "guilty"}}), id="unknown-verdict"),
        pytest.param(changed(incidents={"foo": INCIDENT | {"examples": "ab"}}), id="text-for-list"),
        pytest.param(
            changed(incidents={"foo": INCIDENT | {"evidence": [{"variant": "plain", "status": "200"}]}}), id="evidence"
        ),
        pytest.param(changed(incidents={"foo": INCIDENT | {"since": 1_539_691_200}}), id="number-for-time"),
        pytest.param(changed(incidents={"foo": INCIDENT | {"since": "0001-01-01T00:00:00Z"}}), id="before-1970"),
        pytest.param(changed(incidents={"foo": INCIDENT | {"since": "9999-12-31T23:59:59-23:00"}}), id="after-9999"),
        pytest.param(changed(others=[{"master": "m"}]), id="other-without-fields"),
    ],
)
def test_what_is_no_state_is_an_error_of_its_own(text: str) -> None:
    """Whatever is wrong with it."""
    with pytest.raises(StateError, match="not a state file"):
        load(text)


def test_the_error_says_what_is_wrong_and_where() -> None:
    """In one short line, whatever the document holds."""
    with pytest.raises(StateError, match=r"Expected `int`, got `str` - at `\$\.batch\.size`"):
        load(changed(batch={"target": 1, "size": "1"}))
    with pytest.raises(StateError) as raised:
        load(changed(incidents={"foo": INCIDENT | {"verdict": "x\n" * 10_000}}))
    assert len(str(raised.value)) < 200
    assert "\n" not in str(raised.value)


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


def test_what_is_missing_is_kept() -> None:
    """With all that was found out about it."""
    missing = {
        "foo": Missing(42, NOON, NOON + 60, 3, unlisted=NOON + 60),
        "bar": Missing(43, NOON, NOON, is_proven=True, keeps_files=True),
    }
    text = "".join(dump(State("m", missing=missing), NOON))
    assert load(text).missing == missing
    assert '"missing"' not in "".join(dump(State("m"), NOON))


def test_another_master_owes_what_is_missing() -> None:
    """Once it has told its serial; what is gone is another master's business."""
    missing = {"foo": Missing(42, NOON, NOON), "bar": Missing(43, NOON, NOON, is_proven=True)}
    switched = State("https://a.example", missing=missing).switched_to("https://b.example", NOON)
    assert switched.missing == {}
    assert switched.quarantine == {"foo": QuarantineEntry(42, NOON, NOON, waiting=True)}


def test_when_an_incident_was_climbed_for_is_kept() -> None:
    """By which later runs know how rarely to do so; of one that never was, nothing is written."""
    state = State("https://pypi.org")
    for name, climbed in (("foo", NOON + 60), ("bar", 0)):
        state.incidents[name] = Incident(name, NOON, NOON + 60, 2, 42, 41, Verdict.UNKNOWN, climbed=climbed)
    text = "".join(dump(state, NOON))
    assert text.count('"climbed"') == 1
    assert load(text).incidents == state.incidents
