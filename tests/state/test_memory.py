"""Runs that overlap, and runs that never tell their end: what is remembered of them."""

from __future__ import annotations

import logging
from pathlib import Path
from typing import Any

import pytest

from bandersnatch_freshness.core.climb import PageResult
from bandersnatch_freshness.core.history import PastRun
from bandersnatch_freshness.core.incidents import EDGE, MIRROR, Incident
from bandersnatch_freshness.core.observations import Observation
from bandersnatch_freshness.core.origin import Allowance, OriginPlan, Turn
from bandersnatch_freshness.core.quarantine import QuarantineEntry, with_lost
from bandersnatch_freshness.core.refusals import Refusal
from bandersnatch_freshness.core.run import PageRequirement, Run
from bandersnatch_freshness.core.variants import LADDER, ORIGIN
from bandersnatch_freshness.core.verdicts import Verdict
from bandersnatch_freshness.settings import read_tracking
from bandersnatch_freshness.state.document import State
from bandersnatch_freshness.state.memory import Memory
from bandersnatch_freshness.state.records import Records
from bandersnatch_freshness.state.store import Store
from bandersnatch_freshness.state.trace import Left, Trace

from .test_records import NOON, records

HOUR, DAY = 3600, 86400


class Clock:
    """A clock that stands still."""

    now = NOON

    def __call__(self) -> int:
        """Return what it is set to."""
        return self.now


@pytest.fixture
def clock() -> Clock:
    """Return a clock at noon."""
    return Clock()


def trace(directory: Path) -> Trace:
    """Return the trace in a directory."""
    return Trace(Store(records(directory).store._storage, directory, "trace"))


def memory(directory: Path, clock: Clock) -> Memory:
    """Return the memory of a mirror, as one process has it."""
    return Memory(records(directory), read_tracking(["freshness"], {}), clock, trace=trace(directory))


def begun(memory: Memory) -> Run:
    """Begin a run."""
    run = memory.begin()
    assert run
    return run


def saw(run: Run, *, fresh: bool = False) -> Run:
    """Record that a run asked for foo."""
    run.saw("foo", 42, [Observation(LADDER[0], 200, 42 if fresh else 41)], fresh=fresh)
    return run


def state(directory: Path) -> State:
    """Return what is remembered."""
    read = records(directory)
    with read.lock():
        return read.state


def foo(directory: Path) -> Incident:
    """Return the incident of foo."""
    return state(directory).incidents["foo"]


def test_a_run_that_overlaps_another_one_is_remembered_and_does_not_count(tmp_path: Path, clock: Clock) -> None:
    """What both see is seen once; the one that was there first is a run like any other."""
    first, second = memory(tmp_path, clock), memory(tmp_path, clock)
    one, other = saw(begun(first)), saw(begun(second))
    assert (one.report.overlaps, other.report.overlaps) == (False, True)
    clock.now += 5
    second.end(other, None, "errors", 42)
    assert (foo(tmp_path).runs, foo(tmp_path).since) == (0, NOON + 5)
    clock.now += 5
    first.end(one, None, "errors", 42)
    assert (foo(tmp_path).runs, foo(tmp_path).since, foo(tmp_path).seen) == (1, NOON + 10, NOON + 10)
    assert [run.outcome for run in state(tmp_path).runs] == ["overlapping", "errors"]
    assert state(tmp_path).totals.runs == {"overlapping": 1, "errors": 1}
    assert not begun(memory(tmp_path, clock)).report.overlaps


def test_runs_that_overlap_make_nothing_worse(tmp_path: Path, clock: Clock) -> None:
    """Neither by their number nor by their time; what they see is news all the same."""
    for _ in range(3):
        counts = memory(tmp_path, clock)
        counts.end(saw(begun(counts)), None, "errors", 42)
        clock.now += 60
    long = memory(tmp_path, clock)
    begun(long)
    clock.now += 2 * DAY
    overlapping = memory(tmp_path, clock)
    overlapping.end(saw(begun(overlapping)), None, "errors", 42)
    assert (foo(tmp_path).runs, foo(tmp_path).seen, str(foo(tmp_path).level)) == (3, NOON + 120, "stale")
    assert state(tmp_path).last_run() == NOON + 120
    overlapping.end(saw(begun(overlapping), fresh=True), None, "fresh", 42)
    assert state(tmp_path).incidents.keys() == {MIRROR}


@pytest.mark.parametrize("overlaps", [False, True])
def test_a_run_that_overlaps_is_not_complete(overlaps: bool, tmp_path: Path, clock: Clock) -> None:
    """What the other one does meanwhile may be older."""
    other = memory(tmp_path, clock)
    if overlaps:
        begun(other)
    second = memory(tmp_path, clock)
    run = begun(second)
    run.report.reached = 42
    second.begin_batch(run, 42, 0, resumed=False, announced=0)
    second.end(run, None, "fresh", 42)
    assert bool(state(tmp_path).complete_at) is not overlaps
    assert state(tmp_path).runs[0].is_whole is not overlaps


def test_how_an_overlapping_run_failed_is_said(tmp_path: Path, clock: Clock) -> None:
    """That it overlapped is said of those alone that got to their end."""
    other, second = memory(tmp_path, clock), memory(tmp_path, clock)
    begun(other)
    second.end(begun(second), None, "failed", 42)
    assert state(tmp_path).runs[0].outcome == "failed"


def killed(directory: Path, clock: Clock) -> None:
    """Begin a run that never ends."""
    dying = memory(directory, clock)
    begun(dying)
    dying._running.close()  # as the system does


def test_a_run_that_was_killed_is_remembered_by_the_next_one(tmp_path: Path, clock: Clock) -> None:
    """At its beginning, as that may be killed too; and once."""
    ended = memory(tmp_path, clock)
    run = begun(ended)
    run.report.reached = 42
    ended.end(run, None, "fresh", 42)
    for day in range(1, 4):
        clock.now = NOON + day * DAY
        killed(tmp_path, clock)
        past = [PastRun(NOON + one * DAY, NOON + one * DAY, "interrupted", 42) for one in range(1, day)]
        assert state(tmp_path).runs[1:] == past
    clock.now += 60
    last = memory(tmp_path, clock)
    last.end(begun(last), None, "fresh", 42)
    killed(tmp_path, clock)
    assert [run.outcome for run in state(tmp_path).runs] == ["fresh", *["interrupted"] * 3, "fresh"]
    assert state(tmp_path).totals.runs == {"fresh": 2, "interrupted": 3}


def test_a_run_that_was_killed_after_it_had_told_is_no_other(tmp_path: Path, clock: Clock, mocker: Any) -> None:
    """As while it sends notifications."""
    dying = memory(tmp_path, clock)
    run = begun(dying)
    mocker.patch.object(Trace, "end")
    dying.end(run, None, "fresh", 42)
    assert trace(tmp_path).left() == Left(NOON, is_lost=False)
    clock.now += 60
    begun(memory(tmp_path, clock))
    assert [run.outcome for run in state(tmp_path).runs] == ["fresh"]


def test_a_run_under_way_is_not_taken_for_killed(tmp_path: Path, clock: Clock) -> None:
    """By one that overlaps it, whose trace is none."""
    first, second = memory(tmp_path, clock), memory(tmp_path, clock)
    one = begun(first)
    clock.now += 60
    second.end(begun(second), None, "fresh", 42)
    assert trace(tmp_path).left() == Left(NOON, is_lost=False)
    first.end(one, None, "fresh", 42)
    assert trace(tmp_path).left() is None
    assert [run.outcome for run in state(tmp_path).runs] == ["overlapping", "fresh"]


def test_a_trace_is_written_where_it_lies(tmp_path: Path) -> None:
    """Always of the same size, so that a full disk has room for it; and never through a link."""
    mine = trace(tmp_path)
    mine.begin(NOON)
    before = (tmp_path / "trace").stat()
    mine.lose(NOON)
    mine.lose(NOON + 60)
    assert mine.left() == Left(NOON, is_lost=True)
    mine.end()
    after = (tmp_path / "trace").stat()
    assert (before.st_ino, before.st_size, oct(before.st_mode)) == (after.st_ino, after.st_size, "0o100600")
    (tmp_path / "trace").rename(tmp_path / "elsewhere")
    (tmp_path / "trace").symlink_to(tmp_path / "elsewhere")
    mine.begin(NOON)
    assert mine.left() is None


@pytest.mark.parametrize("content", [b"", b"begun", b"begun yesterday", b"\xff \xff", b"x 2018-10-16T12:00:00Z"])
def test_a_trace_that_is_no_trace_is_none(content: bytes, tmp_path: Path) -> None:
    """And the next run writes it anew."""
    (tmp_path / "trace").write_bytes(content + b" " * 100)
    assert trace(tmp_path).left() is None
    trace(tmp_path).begin(NOON)
    assert trace(tmp_path).left() == Left(NOON, is_lost=False)


def test_a_run_that_can_not_write_the_state_leaves_that(
    tmp_path: Path, clock: Clock, mocker: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """Said once, with the time of the first; when there is room again, too, it is remembered, the trace is gone."""
    before = memory(tmp_path, clock)
    before.end(begun(before), None, "fresh", 42)
    mocker.patch.object(Store, "write", side_effect=OSError("no room"))
    for minutes, levels in ((5, ["CRITICAL"]), (10, [])):
        clock.now = NOON + minutes * 60
        lost = memory(tmp_path, clock)
        caplog.clear()
        lost.end(begun(lost), None, "errors", 42)
        assert [record.levelname for record in caplog.records] == levels
        assert trace(tmp_path).left() == Left(NOON + 300, is_lost=True)
    mocker.stopall()
    after = memory(tmp_path, clock)
    after.end(begun(after), None, "fresh", 42)
    assert any(message.endswith("can be written again") for message in caplog.messages), caplog.messages
    assert trace(tmp_path).left() is None
    assert [run.outcome for run in state(tmp_path).runs] == ["fresh", "failed", "fresh"]


def test_what_others_read_is_missed_once_a_day(tmp_path: Path, clock: Clock) -> None:
    """That page or metrics can't be written is said again after `repeat_every`; and anew, once they could be."""
    levels: list[int] = []

    def run(*, is_written: bool) -> int:
        def publish(_: State, __: int, level: int) -> bool:
            levels.append(level)
            return is_written

        tracking = read_tracking(["freshness"], {"repeat_every": "1d"})
        one = Memory(records(tmp_path), tracking, clock, publish=publish)
        one.end(begun(one), None, "fresh", 42)
        return levels[-1]

    assert run(is_written=False) == logging.ERROR
    clock.now += 60
    assert run(is_written=False) == logging.DEBUG
    clock.now += 24 * 3600
    assert run(is_written=False) == logging.ERROR
    assert run(is_written=True) == logging.DEBUG
    assert run(is_written=False) == logging.ERROR


def test_that_it_can_not_be_written_is_told_until_it_has_arrived(tmp_path: Path, clock: Clock, mocker: Any) -> None:
    """And where the trace can't be left either, it isn't, as it would be in every run."""
    tracking, notifier = read_tracking(["freshness"], {"notify": "json://localhost"}), mocker.Mock()
    notifier.plan.return_value = {}
    mocker.patch.object(Store, "write", side_effect=OSError("no room"))

    def told(arrives: bool, kept: Trace) -> list[Any]:
        notifier.reset_mock()
        notifier.alarm.return_value = arrives
        lost = Memory(records(tmp_path), tracking, clock, lambda: notifier, trace=kept)
        lost.end(begun(lost), None, "errors", 42)
        clock.now += 60
        return [call.kwargs["is_told"] for call in notifier.alarm.call_args_list]

    assert told(True, Trace()) == []
    assert [told(arrives, trace(tmp_path)) for arrives in (False, True, True)] == [[False], [False], [True]]
    assert trace(tmp_path).left() == Left(NOON + 60, is_lost=True, is_told=True)


def test_a_run_that_can_not_read_the_state_leaves_that_too(tmp_path: Path, clock: Clock, mocker: Any) -> None:
    """It is not remembered either."""
    mocker.patch.object(Store, "lock", side_effect=OSError("no room"))
    assert memory(tmp_path, clock).begin() is None
    assert trace(tmp_path).left() == Left(NOON, is_lost=True)


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


def test_what_an_audit_repairs_stays_while_a_run_plans(tmp_path: Path, clock: Clock) -> None:
    """Its list was made before, so that has not been dropped by the mirror's filters; at the end it is there still."""
    one = memory(tmp_path, clock)
    run = begun(one)
    state = one._records.state
    state.quarantine["old"] = QuarantineEntry(40, NOON - DAY, NOON - DAY)
    assert one._records.update(lambda _: None)
    audit = records(tmp_path)
    with audit.lock():
        audit.state.quarantine = with_lost(audit.state.quarantine, {"lost": 42}, NOON)
        audit.write()
    plan = one.plan(run, {"old": 41}, 0)
    assert plan.ask.keys() == {"old"}
    assert not plan.hold
    run.follow(plan, {})
    one.end(run, None, "fresh", 42)
    kept = records(tmp_path)
    with kept.lock():
        assert kept.state.quarantine.keys() == {"lost", "old"}
