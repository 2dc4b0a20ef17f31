"""The pictures of the status page."""

from __future__ import annotations

import pytest

from bandersnatch_freshness.core.history import HOUR, Hour
from bandersnatch_freshness.reporting.status_page import render

from .test_status_page import DAY, NOW, Page, summary


@pytest.mark.parametrize(
    ("history", "bars", "said"),
    [
        pytest.param([], 0, "No run in the last 7 days is remembered.", id="none"),
        pytest.param([Hour(NOW - NOW % HOUR, 7)], 1, "with runs in 1 of 168 hours. The peak was 7 serials", id="one"),
        pytest.param(
            [Hour(NOW - NOW % HOUR - hours * HOUR) for hours in range(7 * 24 - 1, -1, -2)],
            7 * 12,
            "with runs in 84 of 168 hours. There were no serials at any time; 0 in the last.",
            id="every-other-hour",
        ),
        pytest.param([Hour(NOW - 9 * DAY), Hour(NOW + DAY)], 0, "No run in the last 7 days", id="other-days"),
    ],
)
def test_draws_the_last_days(history: list[Hour], bars: int, said: str) -> None:
    """A bar for each hour with a run, a gap for others; the same in words and in a table."""
    page = Page(render(summary(history=history)))
    assert len([one for one in page.of("rect") if one["class"] in ("lag", "none")]) == 2 * bars
    assert said in page.words("desc")[0]
    for picture in (one for one in page.of("svg") if one.get("role") == "img"):
        names = {str(one.get("id")) for tag in ("title", "desc") for one in page.of(tag)}
        assert {picture["aria-labelledby"], picture["aria-describedby"]} <= names
    assert len([text for text in page.words("tr") if text.endswith("no run")]) >= (bars < 7 * 24)


def test_levels_are_stacked_to_scale() -> None:
    """From the bottom up, the worst lowest; what there is at all can be seen."""
    history = [Hour(NOW - NOW % HOUR, stale=60, warning=39, critical=1)]
    bars = [one for one in Page(render(summary(history=history))).of("rect") if one["class"] != "none"]
    assert [(one["class"], one["y"], one["height"]) for one in bars] == [
        ("critical", "94", "2"),
        ("warning", "57", "37"),
        ("stale", "0", "57"),
    ]


def test_hours_that_are_alike_share_a_line() -> None:
    """So that the table of a mirror that is well is short."""
    hour = NOW - NOW % HOUR
    history = [Hour(hour - 5 * HOUR, 7, 1, 2, 3), Hour(hour - 2 * HOUR), Hour(hour - HOUR), Hour(hour)]
    table = [text for text in Page(render(summary(history=history))).words("tr") if text.startswith("10-")]
    assert table == [
        "10-16 10:0010-16 13:000000",
        "10-16 08:0010-16 10:00no run",
        "10-16 07:0010-16 08:007321",
        "10-09 13:0010-16 07:00no run",
    ]
