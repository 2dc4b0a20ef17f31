"""A round of the audit: how far each run goes, and what of what it finds is synced."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bandersnatch_freshness.core.audit_round import AuditRound, PastRound, is_partial, resumed, seconds_for
from bandersnatch_freshness.core.history import PastRun

MINUTE, HOUR, DAY = 60, 3600, 86400
WEEK = 7 * DAY
BEGAN = 1_760_000_000
COMPLETE = PastRound(BEGAN - WEEK, BEGAN, 1000, 0, 0)


def runs(*starts: int, took: int = 30) -> list[PastRun]:
    """Return whole runs that began so many seconds after the round did."""
    return [PastRun(BEGAN + start, BEGAN + start + took, "fresh", 42) for start in starts]


def after(one: AuditRound, seen: int, lost: int = 0, missing: int = 0, **more: bool) -> tuple[AuditRound, list[str]]:
    """Return the round after a slice that found so many, a day after it began, and the packages to sync."""
    old, absent = ({f"{kind}-{number}": 42 for number in range(many)} for kind, many in (("l", lost), ("m", missing)))
    found, sync = one.after_slice(
        seen, 1000, old, absent, BEGAN + DAY, WEEK, is_filtered=more.get("is_filtered", False)
    )
    return found, sorted(sync)


@pytest.mark.parametrize(
    ("listed", "age", "interval", "goal"),
    [
        pytest.param(700_000, 0, 5 * MINUTE, 348, id="a-run-every-five-minutes"),
        pytest.param(700_000, WEEK // 2, 5 * MINUTE, 350_348, id="half-way"),
        pytest.param(700_000, 0, DAY, 100_000, id="a-run-every-night"),
        pytest.param(700_000, 6 * DAY, DAY, 700_000, id="the-last-night"),
        pytest.param(20, 3 * WEEK, DAY, 20, id="too-late"),
        pytest.param(20, 0, 30 * DAY, 20, id="a-run-a-month"),
        pytest.param(20, -DAY, 5 * MINUTE, 0, id="not-yet"),
    ],
)
def test_each_run_does_its_share(listed: int, age: int, interval: int, goal: int) -> None:
    """So that all are compared in time, though the next run begin after that."""
    past = runs(-3 * interval, -2 * interval, -interval)
    assert AuditRound(BEGAN).goal(listed, BEGAN + age, WEEK, past) == goal


def test_what_was_compared_is_not_compared_again() -> None:
    """Unless the listing has become shorter: what came later may have moved up."""
    one = AuditRound(BEGAN, seen=100, listed=1000)
    assert one.start(1000) == one.start(1010) == one.goal(1000, BEGAN, WEEK, []) == 100
    assert one.start(990) == 90
    assert one.start(50) == 0
    assert AuditRound(BEGAN, seen=100, listed=100).start(99) == 99


def test_the_next_round_begins_where_this_one_was_to_end() -> None:
    """Or at once where it is late; what it found is kept."""
    found, _ = after(AuditRound(BEGAN, seen=900, listed=1000, found=3, missing=1), 1000, lost=2)
    assert found.last == PastRound(BEGAN, BEGAN + DAY, 1000, 5, 1)
    assert (found.began, found.seen, found.found, found.missing) == (BEGAN + WEEK, 0, 0, 0)
    late = AuditRound(BEGAN - 3 * WEEK, seen=900, listed=1000)
    assert late.is_late(BEGAN, WEEK)
    found, _ = after(late, 1000)
    assert found.began == BEGAN + DAY
    assert found.is_late(BEGAN + DAY, WEEK)  # as the last one was
    assert not AuditRound(BEGAN).is_late(BEGAN + WEEK, WEEK)


def test_what_is_older_or_broken_is_synced_at_once() -> None:
    """However much is missing."""
    assert after(AuditRound(BEGAN), 100, lost=2, missing=50)[1] == ["l-0", "l-1"]


def test_what_is_missing_waits_for_the_end_of_the_first_round() -> None:
    """Only then it is known that the mirror was not made partial by hand."""
    found, sync = after(AuditRound(BEGAN), 500, missing=2)
    assert (sync, sorted(found.held)) == ([], ["m-0", "m-1"])
    found, sync = after(found, 1000)
    assert (sync, found.held) == (["m-0", "m-1"], {})


def test_in_later_rounds_it_does_not_wait() -> None:
    """At most twenty in a run, of all that is lost."""
    later = AuditRound(BEGAN, last=COMPLETE, held={f"h-{number:02}": 42 for number in range(30)})
    found, sync = after(later, 100, lost=5, missing=1)
    assert len(sync) == 20
    assert sync[:5] == [f"h-{number:02}" for number in range(5)]
    assert len(found.held) == 16


@pytest.mark.parametrize("last", [None, COMPLETE])
def test_a_partial_mirror_stays_so(last: PastRound | None) -> None:
    """Nothing is held either, of which there may be 700,000; the next round is the same, until there is consent."""
    found, sync = after(AuditRound(BEGAN, last=last), 100, missing=11)
    assert (sync, found.held) == ([], {})
    found, sync = after(found, 1000)
    assert sync == []
    assert found.last
    assert found.last.missing == 11
    found, sync = after(found, 100, missing=1)
    assert (sync, sorted(found.held)) == ([], ["m-0"])
    assert after(replace(found, is_consented=True), 200, missing=15)[1] == sorted(f"m-{n}" for n in range(15))
    assert after(found, 1000)[1] == ["m-0"]  # now that it is so few


def test_what_was_here_once_is_a_loss_however_much() -> None:
    """It is not synced without consent either, but somebody has to know."""
    whole, _ = after(AuditRound(BEGAN), 1000, missing=1)
    assert (whole.is_whole, whole.lost) == (True, 0)
    robbed, sync = after(whole, 100, missing=11)
    assert (robbed.lost, sync) == (11, [])
    over, _ = after(robbed, 1000, missing=9)
    assert (over.lost, over.missing) == (20, 0)
    assert replace(over, is_consented=True).lost == 0
    partial, _ = after(AuditRound(BEGAN), 1000, missing=11)
    assert (partial.is_whole, partial.lost) == (False, 0)


def test_filters_that_may_have_kept_a_page_out_need_consent() -> None:
    """However little is missing."""
    one = AuditRound(BEGAN, last=COMPLETE)
    assert one.may_sync(is_filtered=False)
    found, sync = after(one, 1000, missing=1, is_filtered=True)
    assert (sync, found.held) == ([], {})
    assert after(replace(one, is_consented=True), 100, missing=1, is_filtered=True)[1] == ["m-0"]


@pytest.mark.parametrize(
    ("missing", "listed", "partial"), [(1, 8, False), (2, 8, True), (10, 1000, False), (11, 1000, True), (0, 0, False)]
)
def test_more_than_a_hundredth_is_no_loss(missing: int, listed: int, *, partial: bool) -> None:
    """Of a small mirror one package may be lost."""
    assert is_partial(missing, listed) is partial


def test_a_round_that_begins_in_the_future_begins_now() -> None:
    """The clock was ahead; the next round, which begins within `audit_every`, is not that."""
    assert resumed(None, BEGAN, WEEK) == AuditRound(BEGAN)
    ahead = AuditRound(BEGAN + 2 * WEEK, is_consented=True)
    assert resumed(ahead, BEGAN, WEEK) == AuditRound(BEGAN, is_consented=True)
    assert resumed(AuditRound(BEGAN + WEEK), BEGAN, WEEK) == AuditRound(BEGAN + WEEK)


@pytest.mark.parametrize(("took", "seconds"), [(0, 0.02), (10, 0.2), (3600, 0.5)])
def test_a_slice_takes_a_fiftieth_of_a_run(took: int, seconds: float) -> None:
    """Of the last one that got to its end; at most half a second."""
    past = [*runs(0, took=took), PastRun(BEGAN, BEGAN + 9999, "interrupted", 42)]
    assert seconds_for(past) == pytest.approx(seconds)
    assert seconds_for([]) == pytest.approx(0.02)
