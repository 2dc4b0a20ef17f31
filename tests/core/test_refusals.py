"""Until when a server that refused a request is asked for no more than is needed."""

from __future__ import annotations

import pytest

from bandersnatch_freshness.core.refusals import Refusal, read_refusal

NOON = 1_539_691_200
HOUR, DAY = 3600, 86400
DATE = "Tue, 16 Oct 2018 12:00:00 GMT"
LATER = "Tue, 16 Oct 2018 12:00:10 GMT"


@pytest.mark.parametrize(
    ("retry_after", "date", "wait"),
    [
        pytest.param("120", "", 120, id="seconds"),
        pytest.param(" 120\t", "", 120, id="with-blanks"),
        pytest.param(LATER, DATE, 10, id="a-date"),
        pytest.param(LATER, "Tue, 16 Oct 2018 11:59:00 GMT", 70, id="by-the-servers-clock"),
        pytest.param(LATER, "", 10, id="by-our-clock"),
        pytest.param(LATER, "soon", 10, id="by-our-clock-as-theirs-is-garbled"),
        pytest.param("Tuesday, 16-Oct-18 12:00:10 GMT", DATE, 10, id="rfc-850"),
        pytest.param("Tue Oct 16 12:00:10 2018", DATE, 10, id="asctime"),
        pytest.param("86401", "", DAY, id="more-than-a-day"),
        pytest.param("9" * 5000, "", DAY, id="more-digits-than-int-takes"),
        pytest.param("Fri, 31 Dec 9999 23:59:59 GMT", DATE, DAY, id="never"),
        pytest.param("0", "", None, id="at-once"),
        pytest.param(DATE, LATER, None, id="over"),
        pytest.param("", "", None, id="missing"),
        pytest.param("-5", "", None, id="negative"),
        pytest.param("1.5", "", None, id="a-fraction"),
        pytest.param("٣", "", None, id="digits-of-another-script"),
        pytest.param("later", "", None, id="garbled"),
        pytest.param("Tue, 99 Oct 2018 12:00:10 GMT", "", None, id="no-such-day"),
        pytest.param("Tue, 16 Oct 99999999 12:00:10 GMT", "", None, id="no-such-year"),
    ],
)
def test_reads_retry_after(retry_after: str, date: str, wait: int | None) -> None:
    """Seconds, or a date in any form that HTTP knows; a day at most; whatever it is, it raises nothing."""
    expected = None if wait is None else Refusal(NOON, NOON + wait)
    assert read_refusal(retry_after, date, NOON) == expected


@pytest.mark.parametrize(
    ("now", "holds"),
    [(NOON - 1, False), (NOON, True), (NOON + HOUR - 1, True), (NOON + HOUR, False)],
)
def test_holds_until_then(now: int, holds: bool) -> None:
    """Not where the clock has jumped back."""
    assert Refusal(NOON, NOON + HOUR).holds(now) is holds


def test_holds_for_a_day_at_most() -> None:
    """Whatever the state says, which somebody may have edited."""
    refusal = Refusal(NOON, NOON + 9 * DAY)
    assert refusal.holds(NOON + DAY - 1)
    assert not refusal.holds(NOON + DAY)
