"""What is in quarantine, asked for again, and let go."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bandersnatch_freshness.core.incidents import EDGE, Incident
from bandersnatch_freshness.core.quarantine import QuarantineEntry, after_run, is_over, plan
from bandersnatch_freshness.core.verdicts import Verdict

HOUR, DAY = 3600, 86400
NOON = 1_539_691_200


def incident(subject: str = "foo", age: int = 6 * HOUR, runs: int = 3, released: int = 0) -> Incident:
    """Return an incident that was seen at noon."""
    return Incident(subject, NOON - age, NOON, runs, 42, 41, Verdict.UNKNOWN, released=released)


def entry(last_asked: int = HOUR, since: int = DAY, required_serial: int = 42) -> QuarantineEntry:
    """Return what is in quarantine since so many seconds, and was asked for last so many seconds ago."""
    return QuarantineEntry(required_serial, NOON - since, NOON - last_asked, 7)


@pytest.mark.parametrize(
    ("found", "in_quarantine"),
    [
        pytest.param(incident(), True, id="on-the-dot"),
        pytest.param(incident(age=6 * HOUR - 1), False, id="too-young"),
        pytest.param(incident(runs=2), False, id="seen-in-two-runs"),
        pytest.param(incident(age=DAY, runs=2), True, id="seen-in-two-runs-a-day-apart"),
        pytest.param(incident(age=DAY, released=NOON - HOUR), False, id="released-an-hour-ago"),
        pytest.param(incident(age=DAY, released=NOON - 6 * HOUR), True, id="released-long-ago"),
    ],
)
def test_what_persists_is_in_quarantine(found: Incident, in_quarantine: bool) -> None:
    """By age and by runs; it is asked for at once, like any package, and to be remembered first."""
    made = plan({}, {"foo": found}, {"foo": 43}, 20, NOON, 6 * HOUR)
    assert made.quarantine == ({"foo": QuarantineEntry(43, NOON, NOON)} if in_quarantine else {})
    assert made.changed == made.ask.keys() == set(made.quarantine)
    assert not made.hold


def test_a_wish_of_less_than_an_hour_goes_for_the_runs_too() -> None:
    """Else an hour, or `warn_after` where that is shorter."""
    found = {"foo": incident(age=90)}
    for quarantine_after, warn_after, in_quarantine in ((90, HOUR, True), (91, HOUR, False), (90, 91, True)):
        made = plan({}, found, {"foo": 43}, 20, NOON, quarantine_after, warn_after=warn_after)
        assert bool(made.quarantine) is in_quarantine
    old = {"foo": replace(incident(age=DAY), seen=NOON - DAY + 90)}
    assert not plan({}, old, {"foo": 43}, 20, NOON, 6 * HOUR).quarantine
    assert plan({}, old, {"foo": 43}, 20, NOON, 6 * HOUR, warn_after=90).quarantine


def test_what_is_not_to_be_synced_is_not_in_quarantine() -> None:
    """It doesn't hold up the mirror."""
    assert plan({}, {"foo": incident()}, {}, 20, NOON, 6 * HOUR).quarantine == {}


def test_nothing_is_in_quarantine_while_the_whole_edge_is_stale() -> None:
    """What is in quarantine already stays so."""
    incidents = {"foo": incident(), EDGE: incident(EDGE)}
    before = {"bar": entry()}
    assert plan(before, incidents, {"foo": 43, "bar": 42}, 20, NOON, 6 * HOUR).quarantine == before


def test_there_is_no_limit() -> None:
    """However many there are: a mirror that stands still has none of them either."""
    before = {f"p{number}": entry() for number in range(5000)}
    made = plan(before, {"foo": incident()}, dict.fromkeys([*before, "foo"], 42), 20, NOON, 6 * HOUR)
    assert made.quarantine.keys() == {*before, "foo"}


@pytest.mark.parametrize(
    ("last_asked", "since", "is_due"),
    [
        pytest.param(1, 1, True, id="in-every-run-at-first"),
        pytest.param(60, 120, True, id="a-minute-after-a-minute"),
        pytest.param(HOUR, 11 * HOUR, True, id="an-hour-after-ten"),
        pytest.param(HOUR - 1, 11 * HOUR - 1, False, id="less-than-an-hour-after-ten"),
        pytest.param(DAY, 99 * DAY, True, id="daily"),
        pytest.param(DAY - 1, 99 * DAY, False, id="not-more-often"),
        pytest.param(-HOUR, DAY, True, id="asked-by-a-clock-ahead"),
    ],
)
def test_is_asked_for_again_ever_more_rarely(last_asked: int, since: int, is_due: bool) -> None:
    """Within a tenth of the time that it has been in quarantine; the others are held back."""
    made = plan({"foo": entry(last_asked, since)}, {}, {"foo": 42}, 20, NOON, 6 * HOUR)
    assert ("foo" in made.ask) is is_due
    assert ("foo" in made.hold) is not is_due
    assert not made.changed


@pytest.mark.parametrize(("announced", "last_asked", "is_due"), [(1, DAY, True), (1, 60, False), (0, DAY, False)])
def test_what_no_list_tells_of_is_asked_for_too(announced: int, last_asked: int, *, is_due: bool) -> None:
    """Of another master's, whose own list may be out for days: its newest page is taken, and it waits on."""
    waits = replace(entry(last_asked, DAY, 99), waiting=True)
    made = plan({"foo": waits}, {}, {"foo": announced}, 20, NOON, 6 * HOUR)
    assert ("foo" in made.ask, "foo" in made.hold) == (is_due, not is_due)
    assert made.quarantine == {"foo": waits}
    for gone, synced in ((set(), {"foo": 100}), ({"foo"}, {})):
        assert after_run({"foo": waits}, {"foo"}, gone, synced, NOON)["foo"].waiting


def test_what_is_announced_with_nonsense_waits_for_a_list_that_tells() -> None:
    """It is asked for as if it were not in quarantine, in each run."""
    made = plan({}, {}, {"foo": 1}, 20, NOON, 6 * HOUR, untold={"foo"})
    assert made.ask == {"foo": None}
    assert made.changed == {"foo"}
    waits = made.quarantine["foo"]
    assert (waits.waiting, waits.required_serial) == (True, 1)
    after = after_run(made.quarantine, {"foo"}, set(), {"foo": 41}, NOON)
    assert (after["foo"].waiting, after["foo"].synced) == (True, None)
    assert plan(after, {}, {"foo": 1}, 20, NOON + 1, 6 * HOUR, untold={"foo"}).ask == {"foo": None}
    told = plan(after, {}, {"foo": 42}, 20, NOON + 1, 6 * HOUR)
    assert told.ask == {"foo": None}
    assert (told.quarantine["foo"].waiting, told.quarantine["foo"].required_serial) == (False, 42)


def test_nonsense_that_was_remembered_is_untold_too() -> None:
    """No index has announced anything else, so nothing is right until one does."""
    before = entry(required_serial=10**9)
    made = plan({"foo": before}, {}, {"foo": 1}, 20, NOON, 6 * HOUR, most=60, untold={"foo"})
    assert made.quarantine["foo"] == replace(before, required_serial=1, waiting=True)
    assert made.ask == {"foo": None}


def test_what_is_untold_leaves_where_it_is_gone() -> None:
    """The list lacks it by then, so it is asked for to see; another master's may come yet."""
    untold, anothers = (replace(entry(DAY, DAY, serial), waiting=True) for serial in (1, 42))
    made = plan({"untold": untold, "anothers": anothers}, {}, {"untold": 0, "anothers": 0}, 20, NOON, 6 * HOUR)
    assert set(made.ask) == {"untold"}
    assert made.hold == {"anothers"}
    assert after_run(made.quarantine, {"untold"}, {"untold", "anothers"}, {}, NOON).keys() == {"anothers"}


def test_a_new_release_is_asked_for_at_once() -> None:
    """Like any package; and remembered before the serial can pass it."""
    made = plan({"foo": entry(last_asked=1, since=99 * DAY)}, {}, {"foo": 50}, 20, NOON, 6 * HOUR)
    assert made.ask == {"foo": None}
    assert made.quarantine["foo"].required_serial == 50
    assert made.changed == {"foo"}


def test_an_index_that_has_gone_back_announces_nothing() -> None:
    """The highest serial counts."""
    made = plan({"foo": entry()}, {}, {"foo": 40}, 20, NOON, 6 * HOUR)
    assert made.quarantine["foo"].required_serial == 42


@pytest.mark.parametrize(
    ("held", "others", "count", "ways"),
    [
        pytest.param(9, 0, 1, 1, id="one-in-a-run-with-nothing-else"),
        pytest.param(9, 20, 1, 1, id="one-in-twenty"),
        pytest.param(20, 0, 4, 1, id="a-fifth-of-many"),
        pytest.param(2000, 0, 10, 1, id="ten-of-very-many"),
        pytest.param(100, 380, 20, 1, id="twenty-in-four-hundred"),
        pytest.param(100, 19_000, 100, 10, id="several-ways-where-there-is-room"),
    ],
)
def test_asks_within_its_share(held: int, others: int, count: int, ways: int) -> None:
    """A twentieth of the requests, or as many as tell whether the trouble is over: those not asked for the longest."""
    before = {f"p{number}": entry(last_asked=DAY + number) for number in range(held)}
    made = plan(before, {}, dict.fromkeys(before, 42), others, NOON, 6 * HOUR)
    assert set(made.ask) == {f"p{number}" for number in range(held - count, held)}
    assert set(made.ask.values()) == {ways}
    assert made.hold == before.keys() - made.ask.keys()


@pytest.mark.parametrize("held", [3, 15, 50, 2000])
def test_drains_within_three_runs_once_the_trouble_is_over(held: int) -> None:
    """Most of ten have come back: all are due at once, whatever their back-off says."""
    quarantine, drains, now = {f"p{number}": entry(last_asked=DAY + number) for number in range(held)}, False, NOON
    for run in range(3):
        made = plan(quarantine, {}, dict.fromkeys(quarantine, 42), 20, now, 6 * HOUR, drains=drains)
        after = after_run(made.quarantine, made.ask.keys(), set(), dict.fromkeys(made.ask, 42), now)
        drains = is_over(made.ask.keys(), quarantine.keys() - after.keys(), len(quarantine))
        quarantine, now = after, now + 300
        assert drains or not quarantine, run
        if not quarantine:
            break
    assert quarantine == {}


@pytest.mark.parametrize(
    ("held", "asked", "left", "over"),
    [
        (50, 10, 6, True),
        (50, 10, 5, False),
        (50, 9, 9, False),
        (2000, 2000, 1001, True),
        (2000, 2000, 0, False),
        (20, 4, 4, True),
        (20, 3, 3, False),
        (3, 1, 1, True),
        (3, 0, 0, False),
    ],
)
def test_the_trouble_is_over_when_most_of_ten_come_back(held: int, asked: int, left: int, *, over: bool) -> None:
    """Or of a fifth, of fewer than fifty; and what comes back of others is not counted."""
    names = [f"p{number}" for number in range(asked)]
    assert is_over(set(names), {*names[:left], "other"}, held) is over


def test_what_the_mirrors_filters_drop_leaves() -> None:
    """It is not wanted any more."""
    assert plan({"foo": entry(), "bar": entry()}, {}, {"bar": 42}, 20, NOON, 6 * HOUR).quarantine.keys() == {"bar"}


def test_leaves_when_the_serials_meet_or_it_is_gone() -> None:
    """Not by a page that is older than what was announced, as when that was of a newer release since."""
    before = {name: entry() for name in ("fresh", "gone", "older", "asked", "held")}
    after = after_run(before, {"fresh", "gone", "older", "asked"}, {"gone"}, {"fresh": 42, "older": 41}, NOON)
    assert after == {
        "older": QuarantineEntry(42, NOON - DAY, NOON, 8, synced=41),
        "asked": QuarantineEntry(42, NOON - DAY, NOON, 8),
        "held": before["held"],
    }
