"""What memory lets a run ask the origin itself for."""

from __future__ import annotations

from pathlib import Path

import pytest

from bandersnatch_freshness.core.climb import PageResult
from bandersnatch_freshness.core.decision import PageRequirement
from bandersnatch_freshness.core.incidents import EDGE, Incident
from bandersnatch_freshness.core.observations import Observation
from bandersnatch_freshness.core.origin import Allowance, OriginPlan, Turn
from bandersnatch_freshness.core.quarantine import QuarantineEntry
from bandersnatch_freshness.core.refusals import Refusal
from bandersnatch_freshness.core.run import Run
from bandersnatch_freshness.core.variants import LADDER, ORIGIN
from bandersnatch_freshness.core.verdicts import Verdict
from bandersnatch_freshness.settings import read_tracking
from bandersnatch_freshness.state.document import State
from bandersnatch_freshness.state.memory import Memory
from bandersnatch_freshness.state.records import Records

from .remembering import Clock, begun, state, trace
from .test_records import NOON, records

HOUR, DAY = 3600, 86400


def may_ask(directory: Path, clock: Clock, names: list[str], a_day: str = "9") -> tuple[Memory, Run]:
    """Begin a run that may ask the origin for some of these packages, which it finds stale in a cache."""
    tracking = read_tracking(["freshness"], {"ask_origin": a_day})
    found = Memory(records(directory), tracking, clock, trace=trace(directory))
    run = begun(found)
    plan = found.plan(run, dict.fromkeys(names, 42), 0)
    run.follow(plan, {})
    for name in plan.ask:
        run.saw(name, 42, [Observation(LADDER[0], 200, 41, x_cache="HIT")])
    return found, run


def hold(directory: Path, names: list[str]) -> None:
    """Have packages in quarantine that the origin may be asked for."""
    written = records(directory)

    def change(state: State) -> None:
        for name in names:
            state.incidents[name] = Incident(name, NOON - DAY, NOON, 9, 42, 41, Verdict.UNKNOWN)
            state.quarantine[name] = QuarantineEntry(42, NOON - HOUR, NOON, 1)

    assert written.update(change)


def ask(run: Run, name: str, status: int = 200) -> None:
    """Have a run ask the origin for a package."""
    assert run.may_ask_origin(name, ["plain"])
    fresh = status == 200
    seen = Observation(ORIGIN, status, 42 if fresh else None)
    run.asked_origin(PageRequirement(name, 42, 0, 0, 42, None), PageResult([seen], object() if fresh else None))


def test_what_the_origin_may_be_asked_for_is_counted_before(tmp_path: Path, clock: Clock) -> None:
    """A run that is killed, again and again, asks for no more than a day's; what a run did not use is free again."""
    names = ["bar", "baz", "foo"]
    hold(tmp_path, names)
    found, run = may_ask(tmp_path, clock, names, "5")
    assert run.origin.plan.names == set(names)
    assert state(tmp_path).origin == Allowance(NOON, 3)
    ask(run, "bar", 404)
    found.end(run, None, "errors", 42)
    assert state(tmp_path).origin == Allowance(NOON, 1, pages={"bar": Turn(NOON, 1)})
    names.remove("bar")
    for asked in (3, 5, 5):  # killed
        clock.now += 60
        found, run = may_ask(tmp_path, clock, names, "5")
        found._running.close()
        assert state(tmp_path).origin == Allowance(NOON, asked, pages={"bar": Turn(NOON, 1)})
    assert run.origin.plan.names == set()


def test_where_the_state_can_not_be_written_the_origin_is_not_asked(
    tmp_path: Path, clock: Clock, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As nobody would know of it."""
    hold(tmp_path, ["foo"])
    monkeypatch.setattr(Records, "write", fails)
    _, run = may_ask(tmp_path, clock, ["foo"])
    assert run.origin.plan.names == set()
    assert run.rechecks == {}


def fails(_: Records) -> None:
    """Fail as a full disk does."""
    raise OSError("full")


def test_a_refusal_of_the_origin_is_remembered(tmp_path: Path, clock: Clock) -> None:
    """For a day."""
    hold(tmp_path, ["bar", "foo"])
    found, run = may_ask(tmp_path, clock, ["bar", "foo"])
    ask(run, "bar", 405)
    found.end(run, None, "errors", 42)
    assert state(tmp_path).origin == Allowance(NOON, 1, refused=NOON, pages={"bar": Turn(NOON, 1)})
    clock.now += DAY - 1
    assert may_ask(tmp_path, clock, ["foo"])[1].origin.plan.names == set()
    clock.now += 1
    assert may_ask(tmp_path, clock, ["foo"])[1].origin.plan.names == {"foo"}


def test_a_master_that_wants_fewer_requests_is_not_asked_like_this(tmp_path: Path, clock: Clock) -> None:
    """Until that is over."""
    hold(tmp_path, ["foo"])
    assert records(tmp_path).update(lambda state: setattr(state, "refusal", Refusal(NOON, NOON + HOUR)))
    assert may_ask(tmp_path, clock, ["foo"])[1].origin.plan.names == set()
    clock.now += HOUR
    assert may_ask(tmp_path, clock, ["foo"])[1].origin.plan.names == {"foo"}


def test_what_came_past_all_caches_makes_nothing_else_due(tmp_path: Path, clock: Clock) -> None:
    """Though all that was asked for came home; what is fresh by itself does."""
    names = [f"p{number:02}" for number in range(40)]
    for by_origin in (True, False):
        hold(tmp_path, names)
        found, run = may_ask(tmp_path, clock, names, "20")
        for name in sorted(run.origin.plan.names) if by_origin else run.rechecks:
            if by_origin:
                ask(run, name)
            else:
                run.saw(name, 42, [Observation(LADDER[0], 200, 42)], fresh=True)
            assert run.processed(name)
        found.end(run, None, "errors", 42)
        assert state(tmp_path).drains is not by_origin
        clock.now += DAY


def test_of_a_flood_the_origin_is_asked_before_it_is_critical(tmp_path: Path, clock: Clock) -> None:
    """None of its packages is in quarantine yet; what the run may ask for is counted before, here too."""
    edge = Incident(EDGE, NOON - 6 * HOUR, NOON, 9, 42, 41, Verdict.UNKNOWN, climbed=NOON)
    assert records(tmp_path).update(lambda state: state.incidents.update({EDGE: edge}))
    found, run = may_ask(tmp_path, clock, [])
    assert run.origin.plan == OriginPlan(of_edge=9, newest=42)
    assert state(tmp_path).origin == Allowance(NOON, 9)
    for name in ("bar", "foo"):
        assert run.budget(name, 42) is None
        run.saw(name, 42, [Observation(LADDER[0], 200, 41, x_cache="HIT")])
    ask(run, "bar")
    ask(run, "foo", 404)
    found.end(run, None, "errors", 40)
    assert state(tmp_path).origin == Allowance(NOON, 2, 1, pages={"foo": Turn(NOON, 1)})
    assert state(tmp_path).quarantine == {}
    assert may_ask(tmp_path, clock, [])[1].origin.plan.resting == {"foo"}
