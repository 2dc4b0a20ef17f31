"""What becomes of announced packages whose page is a 404."""

from __future__ import annotations

import pytest

from bandersnatch_freshness.core.missing import Missing, NotFound, after_listing, after_run, is_over, plan, still_owed

MINUTE, HOUR, DAY = 60, 3600, 86400
NOON = 1_539_691_200


def one(age: int = 0, asked: int = 0, **more: object) -> Missing:
    """Return a package that has been missing for so long, and was asked for so long ago."""
    return Missing(42, NOON - age, NOON - asked, **more)  # type: ignore[arg-type]


PROVEN, UNPROVEN = NotFound(42, is_proven=True), NotFound(42, is_proven=False)


@pytest.mark.parametrize(
    ("missing", "due"),
    [
        pytest.param(one(MINUTE, MINUTE), False, id="new"),
        pytest.param(one(HOUR, HOUR), True, id="after-an-hour"),
        pytest.param(one(4 * HOUR, 2 * HOUR - 1), False, id="then-less-often"),
        pytest.param(one(4 * HOUR, 2 * HOUR), True, id="after-as-long-as-it-was-missing"),
        pytest.param(one(6 * DAY, DAY), True, id="at-least-daily"),
        pytest.param(one(8 * DAY, DAY, asks=5), False, id="gone-after-a-week"),
        pytest.param(one(8 * DAY, DAY, asks=4), True, id="a-week-in-which-few-asked"),
        pytest.param(one(8 * DAY, 8 * DAY), True, id="a-week-in-which-nobody-asked"),
        pytest.param(one(7 * DAY, DAY, asks=5), True, id="asked-for-in-less-than-a-week"),
        pytest.param(one(DAY, DAY, is_proven=True), False, id="proven"),
        pytest.param(one(HOUR, HOUR, is_proven=True, keeps_files=True), True, id="proven-with-files"),
        pytest.param(one(MINUTE, MINUTE, is_proven=True, keeps_files=True), False, id="not-yet"),
        pytest.param(one(8 * DAY, DAY, asks=5, keeps_files=True), True, id="a-week-with-files"),
        pytest.param(one(-DAY, -DAY), True, id="the-clock-was-ahead"),
    ],
)
def test_asks_ever_more_rarely(missing: Missing, *, due: bool) -> None:
    """For a week; and where files are to be deleted, for a second proof."""
    assert missing.is_due(NOON) is due
    assert ("foo" in plan({"foo": missing}, {}, (), NOON).ask) is due


def test_what_is_listed_is_held_off_until_it_is_due_or_news() -> None:
    """By its serial; what is in quarantine is not the list's business."""
    missing = {name: one() for name in ("held", "news", "less", "aside")} | {"due": one(HOUR, HOUR)}
    made = plan(missing, {"held": 42, "news": 43, "less": 41, "aside": 42, "due": 42, "other": 99}, {"aside"}, NOON)
    assert (dict(made.ask), set(made.hold)) == ({"due": 42}, {"held"})


def test_few_are_asked_for_in_an_hour() -> None:
    """However many there are, those not asked for the longest first; what is found missing first does not count."""
    missing = {f"p{number:03}": one(2 * HOUR, HOUR + number) for number in range(100)}
    missing |= {f"new{number}": one(MINUTE, MINUTE) for number in range(100)}
    made = plan(missing, {}, (), NOON)
    assert sorted(made.ask) == [f"p{number:03}" for number in range(90, 100)]
    asked = {**missing, **dict.fromkeys(made.ask, one(2 * HOUR, 0, asks=2))}
    assert plan(asked, {}, (), NOON + 5 * MINUTE).ask == {}
    assert len(plan(asked, {}, (), NOON + HOUR).ask) == 10


def test_of_very_many_a_share_is_asked_for() -> None:
    """Else it would take years to believe that all of them are gone."""
    missing = {f"p{number:05}": one(2 * HOUR, HOUR) for number in range(5000)}
    assert len(plan(missing, {}, (), NOON).ask) == 50


@pytest.mark.parametrize(
    ("asked", "back", "owed", "over"),
    [
        pytest.param(10, 6, 100, True, id="most-of-ten"),
        pytest.param(10, 5, 100, False, id="half"),
        pytest.param(9, 9, 100, False, id="too-few-to-tell"),
        pytest.param(3, 2, 3, True, id="most-of-a-few"),
        pytest.param(0, 0, 0, False, id="none"),
    ],
)
def test_the_trouble_is_over_when_most_are_back(asked: int, back: int, owed: int, *, over: bool) -> None:
    """Of as many as a run asks for again."""
    names = [f"p{number}" for number in range(asked)]
    assert is_over(set(names), set(names[:back]), owed) is over


def test_when_the_trouble_is_over_all_are_due() -> None:
    """But for what is proven."""
    missing = {f"p{number:03}": one() for number in range(100)} | {"gone": one(is_proven=True)}
    assert len(plan(missing, {}, (), NOON, drains=True).ask) == 100


def test_a_404_after_another_counts_on() -> None:
    """By the same serial; another begins anew, as does what nobody asked for in a month, and a proof stays one."""
    before = {"foo": one(HOUR, HOUR), "bar": one(HOUR, HOUR, is_proven=True)}
    after = after_run(before, {"foo": UNPROVEN, "bar": UNPROVEN}, NOON)
    assert after == {"foo": one(HOUR, 0, asks=2), "bar": one(HOUR, 0, asks=2, is_proven=True)}
    assert after_run(before, {"foo": PROVEN}, NOON)["foo"] == one(0, 0, asks=2, is_proven=True)
    for serial in (41, 43):
        assert after_run(before, {"foo": NotFound(serial, is_proven=False)}, NOON)["foo"] == Missing(serial, NOON, NOON)
    ages_ago = {"foo": Missing(42, 0, 0, asks=4)}
    assert after_run(ages_ago, {"foo": UNPROVEN}, NOON)["foo"] == one()


def test_leaves_when_there_is_a_page_and_is_forgotten_after_a_month() -> None:
    """Where asking fails, the week begins anew."""
    before = {
        "seen": one(HOUR, HOUR),
        "proven": one(30 * DAY, 30 * DAY, is_proven=True),
        "believed": one(40 * DAY, 30 * DAY, asks=5),
        "owed": one(30 * DAY, 30 * DAY),
        "failed": one(6 * DAY, DAY, asks=4),
        "kept": one(29 * DAY, DAY, is_proven=True),
    }
    after = after_run(before, {}, NOON, seen={"seen"}, failed={"failed", "other"})
    assert after == {"failed": one(), "kept": before["kept"], "owed": before["owed"]}


def test_two_lists_an_hour_apart_prove_it() -> None:
    """What is listed again in between is not gone."""
    missing = after_listing({"foo": one(), "bar": one()}, {"bar"}, NOON)
    assert missing == {"foo": one(unlisted=NOON), "bar": one()}
    assert after_listing(missing, {"foo"}, NOON + HOUR)["foo"].unlisted == 0
    assert not after_listing(missing, {}, NOON + HOUR - 1)["foo"].is_proven
    after = after_listing(missing, {}, NOON + HOUR)
    assert after["foo"].is_proven
    assert not after["bar"].is_proven
    assert dict(still_owed(after)) == {"bar": 42}


@pytest.mark.parametrize(
    ("before", "found", "again"),
    [
        pytest.param(one(HOUR, HOUR, is_proven=True), PROVEN, True, id="an-hour-later"),
        pytest.param(one(HOUR - 1, HOUR - 1, is_proven=True), PROVEN, False, id="too-soon"),
        pytest.param(one(HOUR, HOUR), PROVEN, False, id="the-first"),
        pytest.param(one(HOUR, HOUR, is_proven=True), UNPROVEN, False, id="no-proof"),
        pytest.param(one(9 * DAY, HOUR, asks=5), UNPROVEN, True, id="after-a-week"),
        pytest.param(one(9 * DAY, HOUR, asks=4), UNPROVEN, False, id="after-few"),
        pytest.param(one(9 * DAY, HOUR - 1, asks=5), UNPROVEN, False, id="too-soon-after-the-week"),
        pytest.param(one(HOUR, HOUR, is_proven=True), NotFound(43, is_proven=True), False, id="another-serial"),
    ],
)
def test_a_second_proof(before: Missing, found: NotFound, *, again: bool) -> None:
    """An hour after the first, at the same serial."""
    assert before.is_proven_again(found, NOON) is again
