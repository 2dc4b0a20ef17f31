"""Who is told what, and how often: ten days of runs, without I/O."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from bandersnatch_freshness.core.history import PastRun
from bandersnatch_freshness.core.incidents import Incident, Level, RunReport, Sighting, Thresholds, advance
from bandersnatch_freshness.core.verdicts import Verdict
from bandersnatch_freshness.documentation import RUNBOOK, where
from bandersnatch_freshness.formatting import timestamp
from bandersnatch_freshness.notify import notices
from bandersnatch_freshness.notify.channels import Channel
from bandersnatch_freshness.notify.notifier import Deliveries, Notifier, Sending
from bandersnatch_freshness.settings import read_tracking
from bandersnatch_freshness.state.document import State, dump, load

MINUTE, HOUR, DAY = 60, 3600, 86400
NOON = 1_539_691_200
URL = "json://localhost/secret"
AM = "alertmanager://localhost:9093"


def made(*urls: str, heartbeat: str = "") -> Notifier:
    """Return the notifier of a mirror with these channels."""
    options = {"notify": "\n".join(urls), "heartbeat": heartbeat}
    return Notifier(read_tracking(["freshness"], options), "host", "/srv/pypi")


def key(url: str) -> str:
    """Return what a channel goes by in the state."""
    return Channel(url, 1).key


class Mirror:
    """A mirror with one channel, run after run; the state goes through its document each time."""

    def __init__(self, url: str = URL) -> None:
        """Start with nothing remembered."""
        self.notifier = made(url)
        self.text = "".join(dump(State("https://pypi.example/"), NOON))

    @property
    def state(self) -> State:
        """What the document says."""
        return load(self.text)

    def plan(self, now: int, *stale: str, verdict: Verdict = Verdict.EDGE_STALE) -> Deliveries:
        """End a run that found these stale, up to where it would send; nothing else is open."""
        state = self.state
        report = RunReport({name: Sighting(42, 41, verdict) for name in stale}, reached=42)
        state.incidents, _ = advance(state.incidents, report, now, Thresholds(HOUR, DAY))
        # more are of no interest to a notifier, and take their time to be written and read
        state.runs = [*state.runs[-10:], PastRun(now, now, "errors", 41)]
        plan = self.notifier.plan(state, now)
        self.text = "".join(dump(state, now))
        return plan

    def settle(self, plan: Deliveries, now: int, *, arrived: bool | list[bool] = True) -> None:
        """Say what came of it, of all or of each."""
        state = self.state
        came = {
            channel: [
                "" if one else "late"
                for one in (arrived if isinstance(arrived, list) else [arrived] * len(list(sending.parts())))
            ]
            for channel, sending in plan.items()
        }
        self.notifier.settle(state, plan, came, now)
        self.text = "".join(dump(state, now))

    def run(self, now: int, *stale: str, arrived: bool = True) -> list[str]:
        """Run, and return the titles of the messages sent."""
        plan = self.plan(now, *stale)
        self.settle(plan, now, arrived=arrived)
        return titles(plan)


def titles(plan: Deliveries) -> list[str]:
    """Return the titles of the messages in a plan, without the mirror's name."""
    return [
        message.title.replace(" PyPI mirror host:/srv/pypi:", "")
        for sending in plan.values()
        for message in sending.messages
    ]


def alerts_in(sending: Sending) -> list[Any]:
    """Return the alerts of a sending, as Alertmanager gets them."""
    return [alert for body in sending.parts() for alert in json.loads(body)]


def test_ten_days_are_twelve_messages() -> None:
    """1 warning, 1 critical, 9 repeats, 1 recovery; whatever the number of runs."""
    mirror = Mirror()
    sent = []
    for quarter in range(10 * 24 * 4 + 1):
        sent += [(quarter * 15 * MINUTE, title) for title in mirror.run(NOON + quarter * 15 * MINUTE, "foo")]
    sent += [(0, title) for title in mirror.run(NOON + 10 * DAY + 5 * MINUTE)]
    assert sent == [
        (HOUR, "[WARNING] foo stale"),
        *((day * DAY, "[CRITICAL] foo stale") for day in range(1, 11)),
        (0, "[RESOLVED] foo no longer stale"),
    ]
    assert mirror.run(NOON + 11 * DAY) == []
    assert mirror.state.notified == {key(URL): {}}
    assert (mirror.state.totals.notifications_sent, mirror.state.totals.notifications_failed) == (12, 0)


@pytest.mark.parametrize("jitter", [1, 20])
def test_ten_days_of_a_cron_that_is_not_to_the_second_are_twelve_messages_too(jitter: int) -> None:
    """Runs that are a few seconds early don't put repeats off, one after the other."""
    chance = random.Random(jitter)  # noqa: S311 - no secret
    mirror, sent = Mirror(), []
    for number in range(10 * 24 * 12 + 1):
        sent += mirror.run(NOON + number * 5 * MINUTE + chance.randint(0, jitter), "foo")
    sent += mirror.run(NOON + 10 * DAY + 5 * MINUTE)
    assert sent == ["[WARNING] foo stale", *["[CRITICAL] foo stale"] * 10, "[RESOLVED] foo no longer stale"]


def warned(url: str = URL) -> tuple[Mirror, int]:
    """Return a mirror whose foo has just become a warning, and the time."""
    mirror = Mirror(url)
    for now in (NOON, NOON + 5 * MINUTE):
        assert mirror.run(now, "foo") == []
    return mirror, NOON + HOUR


def test_three_runs_at_once_send_one_message() -> None:
    """The first has noted that its message is under way."""
    mirror, now = warned()
    plans = [mirror.plan(now + second, "foo") for second in range(3)]
    assert [titles(plan) for plan in plans] == [["[WARNING] foo stale"], [], []]
    for plan in plans:
        mirror.settle(plan, now + 5)
    assert mirror.run(now + 5 * MINUTE, "foo") == []


@pytest.mark.parametrize("settled", [False, True])
def test_a_run_that_looked_at_its_clock_earlier_sends_nothing_either(settled: bool) -> None:
    """It waited for the one that was writing, whose message has a later time, arrived or not."""
    mirror, now = warned()
    plan = mirror.plan(now + 9, "foo")
    assert titles(plan) == ["[WARNING] foo stale"]
    if settled:
        mirror.settle(plan, now + 9)
    assert titles(mirror.plan(now, "foo")) == []


def test_a_clock_that_was_ahead_silences_nothing() -> None:
    """Put right, it has the message said again, and then as often as ever."""
    mirror, now = warned()
    mirror.run(now + 365 * DAY, "foo")
    assert mirror.run(now, "foo") == ["[CRITICAL] foo stale"]
    assert mirror.run(now + 5 * MINUTE, "foo") == []


def test_what_did_not_arrive_is_sent_by_the_next_run() -> None:
    """As often as it takes, and never again once it did."""
    mirror, now = warned()
    for number in range(3):
        assert mirror.run(now + number * 5 * MINUTE, "foo", arrived=False) == ["[WARNING] foo stale"]
    assert mirror.run(now + 15 * MINUTE, "foo") == ["[WARNING] foo stale"]
    assert mirror.run(now + 20 * MINUTE, "foo") == []


def test_what_arrived_is_not_sent_again_with_what_did_not() -> None:
    """Of two messages to one channel only the second was lost."""
    mirror, now = warned()
    mirror.run(now, "foo")
    for later in (now + DAY, now + DAY + MINUTE):
        mirror.run(later, "foo", "bar")
    now += DAY + HOUR
    plan = mirror.plan(now, "bar")
    assert titles(plan) == ["[WARNING] bar stale", "[RESOLVED] foo no longer stale"]
    mirror.settle(plan, now, arrived=[True, False])
    assert mirror.run(now + 5 * MINUTE, "bar") == ["[RESOLVED] foo no longer stale"]
    assert mirror.run(now + 10 * MINUTE, "bar") == []


def test_a_run_that_died_while_sending_is_made_good() -> None:
    """After a minute, its message counts as lost."""
    mirror, now = warned()
    assert titles(mirror.plan(now, "foo"))
    assert titles(mirror.plan(now + MINUTE - 1, "foo")) == []
    assert titles(mirror.plan(now + MINUTE, "foo")) == ["[WARNING] foo stale"]


def test_an_end_is_told_only_to_who_heard_of_the_beginning() -> None:
    """A channel that was down throughout is spared it."""
    mirror, now = warned()
    mirror.run(now, "foo", arrived=False)
    assert mirror.run(now + 5 * MINUTE) == []
    assert mirror.state.notified == {key(URL): {}}


def test_an_end_that_did_not_arrive_is_sent_again() -> None:
    """Until it does."""
    mirror, now = warned()
    mirror.run(now, "foo")
    assert mirror.run(now + 5 * MINUTE, arrived=False) == ["[RESOLVED] foo no longer stale"]
    assert mirror.run(now + 10 * MINUTE) == ["[RESOLVED] foo no longer stale"]
    assert mirror.run(now + 15 * MINUTE) == []


def test_a_new_incident_is_told_though_the_end_of_the_last_was_not() -> None:
    """The run that saw the end was interrupted before it could tell."""
    mirror, now = warned()
    mirror.run(now, "foo")
    state = mirror.state
    state.incidents.clear()
    mirror.text = "".join(dump(state, now))
    for minutes in (5, 10):
        assert mirror.run(now + minutes * MINUTE, "foo") == []
    assert mirror.run(now + 2 * HOUR, "foo") == ["[WARNING] foo stale"]


def test_one_message_for_each_level() -> None:
    """However many packages there are; of very many, only some by name."""
    mirror, now = warned()
    many = [f"p{number:02}" for number in range(8)]
    for time in (now, now + MINUTE, now + HOUR):
        plan = mirror.plan(time, "foo", *many)
        mirror.settle(plan, time)
    assert titles(plan) == ["[WARNING] 8 packages stale"]
    (sending,) = plan.values()
    assert sending.messages[0].body.splitlines()[:5] == [
        "8 are stale, the longest for 1 h, since 2018-10-16T13:00:00Z.",
        "edge-stale: a cache on the way holds an old copy (8). To do: wait for it to expire, or have it purged by "
        "whoever runs it; the nodes above name it",
        "All of it: bandersnatch-freshness status",
        f"What each cause means, step by step: {where(RUNBOOK)}",
        "",
    ]
    assert len(sending.messages[0].body.splitlines()) == 5 + 8

    incidents = {
        f"p{number}": Incident(f"p{number}", 0, 0, 3, 42, 41, Verdict.UNKNOWN, Level.WARNING) for number in range(99)
    }
    (message,) = notices.messages(incidents, {}, incidents, "m", NOON)
    assert len(message.body.splitlines()) == 5 + 20 + 1
    assert message.body.endswith("and 79 more")


def test_a_channel_that_is_gone_is_forgotten() -> None:
    """And a new one hears of what is open."""
    mirror, now = warned()
    mirror.run(now, "foo")
    mirror.notifier = made("json://elsewhere/")
    assert [title[:9] for title in mirror.run(now + 5 * MINUTE, "foo")] == ["[WARNING]"]
    assert list(mirror.state.notified) == [key("json://elsewhere/")]


def test_what_is_sent_is_counted_and_what_is_not() -> None:
    """That Alertmanager is told the same in every run is no news, but that it can't be told is."""
    mirror, now = warned("alertmanager://localhost")
    for minutes, arrived in ((0, False), (5, True), (10, True), (15, False), (20, True)):
        mirror.run(now + minutes * MINUTE, "foo", arrived=arrived)
    assert (mirror.state.totals.notifications_sent, mirror.state.totals.notifications_failed) == (1, 2)


def test_nothing_secret_is_remembered() -> None:
    """A channel goes by a name that its URL can't be read from."""
    mirror, now = warned()
    mirror.run(now, "foo")
    assert "secret" not in mirror.text


@pytest.mark.parametrize(("is_told", "channels"), [(False, 2), (True, 1)])
def test_a_state_that_can_not_be_written_is_told(is_told: bool, channels: int, mocker: Any) -> None:
    """Once to whom one message will do; to Alertmanager in every run, until it has not heard of it for a while."""
    notifier = made(URL, AM)
    deliver = mocker.patch.object(notifier, "deliver", side_effect=lambda plan: {one: [""] for one in plan})
    assert notifier.alarm(State("https://m"), "/srv/state.json", NOON, NOON + HOUR, is_told=is_told)
    (plan,) = deliver.call_args.args
    assert len(plan) == channels
    (alert,) = [alerts_in(sending)[0] for channel, sending in plan.items() if channel.is_alertmanager]
    assert alert["labels"] == {
        "alertname": "PyPIMirrorStateNotWritten",
        "host": "host",
        "mirror": "/srv/pypi",
        "severity": "critical",
    }
    assert (alert["startsAt"], alert["endsAt"]) == (timestamp(NOON), timestamp(NOON + HOUR + 30 * MINUTE))
    for sending in plan.values():
        for message in sending.messages:
            assert message.title == "[CRITICAL] PyPI mirror host:/srv/pypi: /srv/state.json can't be written"
            assert "since 2018-10-16T12:00:00Z" in message.body


def test_that_it_can_be_written_again_is_told(mocker: Any) -> None:
    """To whom one message was sent; Alertmanager has heard no more of it."""
    notifier = made(URL, AM)
    deliver = mocker.patch.object(notifier, "deliver")
    notifier.end_alarm("/srv/state.json", NOON)
    ((channel, sending),) = deliver.call_args.args[0].items()
    assert channel.url == URL
    (message,) = sending.messages
    assert message.title == "[RESOLVED] PyPI mirror host:/srv/pypi: /srv/state.json can be written again"
    assert "since 2018-10-16T12:00:00Z" in message.body
    made(AM).end_alarm("/srv/state.json", NOON)


@pytest.mark.parametrize("failing", [URL, AM])
def test_a_message_that_does_not_arrive_is_not_told(failing: str, mocker: Any) -> None:
    """Alertmanager hears of it again in any case."""
    notifier = made(URL, AM)
    came = {True: "late", False: ""}
    mocker.patch.object(notifier, "deliver", side_effect=lambda plan: {one: [came[one.url == failing]] for one in plan})
    assert notifier.alarm(State("m"), "x", NOON, NOON, is_told=False) is (failing == AM)
