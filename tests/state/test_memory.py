"""Runs that overlap, and runs that never tell their end: what is remembered of them."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bandersnatch_freshness.core.history import PastRun
from bandersnatch_freshness.core.incidents import MIRROR
from bandersnatch_freshness.core.quarantine import QuarantineEntry, with_lost
from bandersnatch_freshness.settings import read_tracking
from bandersnatch_freshness.state.document import State
from bandersnatch_freshness.state.memory import Memory
from bandersnatch_freshness.state.store import Store
from bandersnatch_freshness.state.trace import Left, Trace

from .remembering import Clock, begun, foo, memory, saw, state, trace
from .test_records import NOON, records

HOUR, DAY = 3600, 86400
OPTIONS = ("status_page", "metrics_file")


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

    def run(*failed: str) -> list[int]:
        levels: list[int] = []

        def publish(_: State, __: int, level: Callable[[str], int]) -> set[str]:
            levels.extend(map(level, OPTIONS))
            return set(failed)

        tracking = read_tracking(["freshness"], {"repeat_every": "1d"})
        one = Memory(records(tmp_path), tracking, clock, publish=publish)
        one.end(begun(one), None, "fresh", 42)
        return levels

    page, metrics = OPTIONS
    assert run(page) == [logging.ERROR, logging.ERROR]
    clock.now += 60
    assert run(page) == [logging.DEBUG, logging.ERROR]
    assert run(page, metrics) == [logging.DEBUG, logging.ERROR]  # one doesn't silence the other
    assert run(page, metrics) == [logging.DEBUG, logging.DEBUG]
    clock.now += 24 * 3600
    assert run(page) == [logging.ERROR, logging.ERROR]
    assert run() == [logging.DEBUG, logging.ERROR]
    assert run(page) == [logging.ERROR, logging.ERROR]


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


@pytest.mark.parametrize("is_told", [False, True])
def test_that_it_can_be_written_again_is_told_to_those_who_were_told(
    is_told: bool, tmp_path: Path, clock: Clock, mocker: Any
) -> None:
    """Once, by the next run as it begins."""
    tracking, notifier = read_tracking(["freshness"], {"notify": "json://localhost"}), mocker.Mock()
    notifier.plan.return_value = {}
    left = trace(tmp_path)
    left.lose(NOON)
    if is_told:
        left.tell()
    for _ in range(2):
        again = Memory(records(tmp_path), tracking, clock, lambda: notifier, trace=trace(tmp_path))
        again.end(begun(again), None, "fresh", 42)
        clock.now += 60
    assert notifier.end_alarm.call_count == is_told


def test_a_run_that_can_not_read_the_state_leaves_that_too(tmp_path: Path, clock: Clock, mocker: Any) -> None:
    """It is not remembered either."""
    mocker.patch.object(Store, "lock", side_effect=OSError("no room"))
    assert memory(tmp_path, clock).begin() is None
    assert trace(tmp_path).left() == Left(NOON, is_lost=True)


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
