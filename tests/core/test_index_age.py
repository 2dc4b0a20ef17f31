"""How old an index may be, and when a newer one is looked for."""

from __future__ import annotations

import pytest

from bandersnatch_freshness.core.index_age import LIFETIME, IndexAge, Look, Mark, remember

MINUTE, HOUR, DAY = 60, 3600, 86400
NOON = 1_539_691_200


def age(*marks: tuple[int, int], moved: int = 0, look: Look | None = None, longest: int = 6 * HOUR) -> IndexAge:
    """Return what is remembered of an index: serials, and how long ago they were known."""
    known = [Mark(serial, NOON - ago) for serial, ago in marks]
    serial = max((serial for serial, _ in marks), default=0)
    return IndexAge(known, NOON - moved, look or Look(), NOON, longest, serial)


@pytest.mark.parametrize(
    ("serial", "is_old", "is_doubtful"),
    [
        pytest.param(61, False, False, id="newest"),
        pytest.param(60, False, False, id="as-known"),
        pytest.param(50, False, False, id="not-expired-yet"),
        pytest.param(49, True, True, id="should-have-expired"),
    ],
)
def test_an_older_copy_is_healthy_until_it_should_have_expired(serial: int, *, is_old: bool, is_doubtful: bool) -> None:
    """65 minutes at PyPI: two tiers, each of which keeps it."""
    made = age((50, LIFETIME), (60, LIFETIME - 1))
    assert (made.is_old(serial), made.is_doubtful(serial)) == (is_old, is_doubtful)


def test_one_that_does_not_move_is_doubtful() -> None:
    """Whatever serial it stands at; a cache may keep it for longer by its own account."""
    made = age((50, 2 * LIFETIME), moved=LIFETIME)
    assert made.is_doubtful(50)
    assert not made.is_doubtful(51)
    assert not made.is_doubtful(50, DAY)
    assert not made.wants_look(50, DAY)
    assert made.wants_look(50)


def test_of_one_without_a_serial_nothing_is_known() -> None:
    """Nor of the first one that there ever was."""
    assert not age((50, DAY), moved=DAY).wants_look(None)
    assert not age().wants_look(0)


@pytest.mark.parametrize(
    ("ago", "times", "due"),
    [
        pytest.param(LIFETIME - 1, 0, False, id="just-looked"),
        pytest.param(LIFETIME, 0, True, id="once-an-hour"),
        pytest.param(LIFETIME, 1, False, id="in-vain"),
        pytest.param(2 * LIFETIME, 1, True, id="twice-as-long"),
        pytest.param(6 * HOUR - 1, 9, False, id="rarely"),
        pytest.param(6 * HOUR, 9, True, id="at-least-so-often"),
        pytest.param(-DAY, 9, True, id="the-clock-was-ahead"),
    ],
)
def test_looks_ever_more_rarely_while_nothing_newer_is_found(ago: int, times: int, *, due: bool) -> None:
    """Up to `index_max_age`."""
    made = age((50, DAY), moved=DAY, look=Look(NOON - ago, times))
    assert made.wants_look(50) is due
    assert made.look_after(found=False, moved=False) == (Look(NOON, times + 1) if due else Look(NOON - ago, times))


def test_what_is_found_is_looked_for_again_in_an_hour() -> None:
    """Until then an old copy is no news."""
    made = age((50, DAY), look=Look(NOON - DAY, 5), moved=DAY)
    assert not made.is_minded
    assert made.wants_look(49)
    assert made.look_after(found=True, moved=True) == Look(NOON, 0)
    assert age((50, DAY), look=Look(NOON - HOUR, 0)).is_minded
    assert not age((50, DAY), look=Look(NOON - LIFETIME, 0)).is_minded
    assert not age((50, DAY), look=Look(NOON - HOUR, 1)).is_minded


def test_one_that_moves_by_itself_is_looked_for_at_once_when_it_stops() -> None:
    """The pauses begin anew."""
    made = age((50, DAY), look=Look(NOON - HOUR, 5))
    assert not made.wants_look(51)
    assert made.look_after(found=False, moved=True) == Look(NOON - HOUR, 0)


def test_marks_are_few_and_those_that_count() -> None:
    """One before the last 65 minutes, and of these one in ten minutes; none that is higher, or to come."""
    marks: tuple[Mark, ...] = ()
    for number in range(300):
        marks = remember(marks, number, NOON + number * MINUTE)
    assert len(marks) <= 9
    end = NOON + 299 * MINUTE
    assert max(mark.serial for mark in marks if mark.at <= end - LIFETIME) in range(299 - 65 - 10, 299 - 65 + 1)
    assert remember((Mark(99, NOON), Mark(50, NOON)), 60, NOON)[-1] == Mark(50, NOON)
    assert remember((Mark(50, NOON + DAY),), 60, NOON) == (Mark(60, NOON),)
