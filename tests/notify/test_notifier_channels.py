"""How channels stand, and what the heartbeat says."""

from __future__ import annotations

import logging
from typing import Any

import pytest

from bandersnatch_freshness.core.history import PastRun
from bandersnatch_freshness.core.incidents import Incident, Level
from bandersnatch_freshness.core.verdicts import Verdict
from bandersnatch_freshness.notify import channels, notices
from bandersnatch_freshness.notify.channels import Channel
from bandersnatch_freshness.notify.heartbeat import Signal
from bandersnatch_freshness.notify.sender import NOT_UNDERSTOOD
from bandersnatch_freshness.settings import OptionError
from bandersnatch_freshness.state.document import ChannelRecord, State, dump, load

from .test_notifier import AM, DAY, MINUTE, NOON, URL, key, made, warned


def test_a_channel_that_is_dead_is_said_once_a_day_and_when_it_is_over(caplog: pytest.LogCaptureFixture) -> None:
    """Its messages are tried in every run, and what each came to is DEBUG."""
    caplog.set_level(logging.INFO)
    mirror, now = warned()
    for minutes in range(0, 3 * 24 * 60, 5):
        mirror.run(now + minutes * MINUTE, "foo", arrived=False)
    mirror.run(now + 3 * DAY, "foo")
    mirror.run(now + 4 * DAY, "foo")
    what = "notify line 1 (json): not delivered"
    assert [(record.levelname, record.getMessage()) for record in caplog.records] == [
        ("WARNING", f"{what}, trying again in the next run: late"),
        *(
            ("WARNING", f"{what} for {age}, trying again in the next run: late")
            for age in ("23 h 50 min", "1 d 23 h", "2 d 23 h")
        ),
        ("WARNING", "notify line 1 (json): what is sent arrives again, after 3 d"),
    ]
    assert mirror.state.channels == {}


def test_a_clock_that_was_ahead_does_not_keep_a_dead_channel_quiet() -> None:
    """What was said in the future is said again now."""
    after, is_news = notices.standing(ChannelRecord(failing=NOON + DAY, said=NOON + DAY), "late", NOON)
    assert is_news
    assert after.said == NOON


def understanding(mocker: Any, problem: str) -> list[list[str]]:
    """Have Apprise's parser say this of all URLs; return what it is asked, as it is."""
    asked: list[list[str]] = []

    def deliver(sendings: dict[Channel, list[Any]], seconds: float | None = None) -> dict[Channel, list[str]]:
        assert all(parts == [None] for parts in sendings.values())
        asked.append([channel.url for channel in sendings])
        return {channel: [problem] for channel in sendings}

    mocker.patch.object(channels, "deliver", deliver)
    return asked


def test_urls_are_checked_once_for_all(mocker: Any) -> None:
    """By Apprise, which takes seconds to load; one that is new, alone. Alertmanager's are none of Apprise's."""
    asked = understanding(mocker, "")
    state = State("m")
    for urls in ([URL, AM], [URL, AM], ["json://new", URL]):
        made(*urls).check(state)
        state = load("".join(dump(state, NOON)))
    assert asked == [[URL], ["json://new"]]
    made(URL).plan(state, NOON)
    assert list(state.channels) == [key(URL)]  # what is configured no more is forgotten


def test_a_url_that_apprise_does_not_understand_is_refused(mocker: Any) -> None:
    """By its line, without the URL."""
    understanding(mocker, NOT_UNDERSTOOD)
    with pytest.raises(OptionError) as caught:
        made(AM, URL).check(State("m"))
    assert str(caught.value) == (
        "[freshness] notify = (line 2, of 23 characters): not a URL that Apprise understands; "
        "allowed: Apprise URLs and alertmanager://host:port, one a line"
    )


def test_a_check_that_can_not_be_done_stops_nothing_and_is_done_by_the_next_run(mocker: Any) -> None:
    """As where there is no memory left for another process."""
    state = State("m")
    understanding(mocker, "the sending process ended with 1")
    made(URL).check(state)
    assert state.channels == {}
    asked = understanding(mocker, "")
    made(URL).check(state)
    assert asked == [[URL]]


def past(outcome: str, *levels: Level) -> State:
    """Return the state after a run that ended like this, with incidents of these levels."""
    incidents = {
        f"p{number}": Incident(f"p{number}", NOON, NOON, 3, 42, 41, Verdict.UNKNOWN, level)
        for number, level in enumerate(levels)
    }
    return State("m", incidents, [PastRun(NOON, NOON, outcome, 41)])


@pytest.mark.parametrize(
    ("outcome", "levels", "told"),
    [
        ("fresh", [], (Signal.SUCCESS, "")),
        ("fresh", [Level.WARNING], (Signal.SUCCESS, "")),
        ("fresh", [Level.CRITICAL], (Signal.FAILURE, "critical: p0")),
        ("errors", [Level.CRITICAL] * 3, (Signal.FAILURE, "critical: p0 and 2 more")),
        ("errors", [Level.WARNING], None),
        ("failed", [], (Signal.FAILURE, "Bandersnatch failed")),
        ("overlapping", [Level.CRITICAL], None),
    ],
)
def test_what_the_heartbeat_says(outcome: str, levels: list[Level], told: object) -> None:
    """Success, failure, or nothing, which alarms by itself if it lasts."""
    assert notices.beat(past(outcome, *levels)) == told
