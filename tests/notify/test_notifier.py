"""Who is told what, and how often: ten days of runs, without I/O."""

from __future__ import annotations

import json
import random
from typing import Any

import pytest

from bandersnatch_freshness.core.history import PastRun
from bandersnatch_freshness.core.incidents import Incident, Level, RunReport, Sighting, Thresholds, advance
from bandersnatch_freshness.core.observations import Observation
from bandersnatch_freshness.core.variants import LADDER
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


@pytest.mark.parametrize(
    ("gap", "ahead"), [pytest.param(5 * MINUTE, 30 * MINUTE, id="cron"), pytest.param(6 * HOUR, DAY, id="rarely")]
)
def test_alerts_outlast_several_runs(gap: int, ahead: int) -> None:
    """Posted in every run, with an end that some missed runs don't reach."""
    mirror = Mirror(AM)
    for number in range(20):
        now = NOON + number * gap
        plan = mirror.plan(now, "foo")
        mirror.settle(plan, now)
    (sending,) = plan.values()
    (alert,) = alerts_in(sending)
    assert alert["labels"] == {
        "alertname": "PyPIMirrorStale",
        "host": "host",
        "mirror": "/srv/pypi",
        "package": "foo",
        "severity": "warning" if gap == 5 * MINUTE else "critical",
    }
    assert alert["startsAt"] == "2018-10-16T12:00:00Z"
    assert alert["endsAt"] == timestamp(now + ahead)
    assert alert["generatorURL"] == "https://pypi.example/simple/foo/"
    assert alert["annotations"]["verdict"] == "edge-stale"
    assert alert["annotations"]["runbook_url"] == where(RUNBOOK)
    assert set(alert["annotations"]) == {
        *("summary", "description", "required_serial", "got_serial", "verdict", "runbook_url")
    }


def test_an_outage_does_not_make_alerts_last_for_months() -> None:
    """Runs are five minutes apart again after it, as before."""
    mirror, now = warned(AM)
    for number in range(3):
        now = NOON + 100 * DAY + number * 5 * MINUTE
        (sending,) = mirror.plan(now, "foo").values()
    assert alerts_in(sending)[-1]["endsAt"] == timestamp(now + 30 * MINUTE)


def test_an_alert_starts_before_it_ends_when_the_clock_is_put_back() -> None:
    """Or Alertmanager refuses it, in every run."""
    mirror, now = warned(AM)
    mirror.settle(mirror.plan(now, "foo"), now)
    (sending,) = mirror.plan(NOON - DAY).values()
    (alert,) = alerts_in(sending)
    assert alert["startsAt"] == alert["endsAt"] == timestamp(NOON - DAY)


def test_an_alert_with_other_labels_ends_the_old_one() -> None:
    """Alertmanager would take them for two."""
    mirror, now = warned(AM)
    mirror.settle(mirror.plan(now, "foo"), now)
    worse = mirror.plan(NOON + DAY, "foo", verdict=Verdict.ORIGIN_STALE)
    (sending,) = worse.values()
    ended, opened = alerts_in(sending)
    assert ended["labels"]["severity"] == "warning"
    assert ended["endsAt"] == timestamp(NOON + DAY)
    assert ended["annotations"]["summary"] == "foo is critical now"
    assert (opened["labels"]["severity"], opened["annotations"]["verdict"]) == ("critical", "origin-stale")


def test_a_verdict_that_changes_makes_no_other_alert() -> None:
    """It is no label: whoever silenced the alert, or was paged for it, goes on with the same one."""
    mirror, now = warned(AM)
    plan = mirror.plan(now, "foo")
    ((before,),) = (alerts_in(sending) for sending in plan.values())
    mirror.settle(plan, now)
    plan = mirror.plan(now + MINUTE, "foo", verdict=Verdict.ORIGIN_STALE)
    ((alert,),) = (alerts_in(sending) for sending in plan.values())
    assert alert["labels"] == before["labels"]
    assert [one["annotations"]["verdict"] for one in (before, alert)] == ["edge-stale", "origin-stale"]
    mirror.settle(plan, now + MINUTE)
    assert mirror.state.totals.notifications_sent == 1  # the same as before


def test_an_alert_that_is_over_is_ended_until_that_was_heard() -> None:
    """With the labels it had."""
    mirror, now = warned(AM)
    mirror.settle(mirror.plan(now, "foo"), now)
    for arrived in (False, True):
        now += 5 * MINUTE
        plan = mirror.plan(now)
        mirror.settle(plan, now, arrived=arrived)
        (sending,) = plan.values()
        (alert,) = alerts_in(sending)
        assert (alert["labels"]["package"], alert["endsAt"]) == ("foo", timestamp(now))
        assert alert["annotations"]["summary"] == "foo is no longer stale"
        assert "It was warning, since" in alert["annotations"]["description"]
    assert mirror.plan(now + 5 * MINUTE) == {}


MANY = [f"pkg-{number}" for number in range(1100)]


def many_stale() -> Mirror:
    """Return a mirror with more that is stale than one request has alerts, not told of any yet."""
    mirror = Mirror(AM)
    evidence = tuple(
        Observation(variant, 200, 4869648, x_cache="MISS, HIT", served_by="cache-iad-kjyo7100032-IAD, cache-ams21-AMS")
        for variant in LADDER
    )
    incidents = {
        name: Incident(
            *(name, NOON, NOON, 9, 4869649, 4869648, Verdict.EDGE_STALE, Level.WARNING),
            evidence=tuple(one.evidence() for one in evidence),
        )
        for name in MANY
    }
    mirror.text = "".join(dump(State("https://pypi.example/", incidents), NOON))
    return mirror


def test_many_alerts_are_posted_in_requests_that_a_proxy_lets_through() -> None:
    """Of 1 MiB at most, as nginx takes them, however much there is to say of each."""
    mirror = many_stale()
    (sending,) = mirror.notifier.plan(mirror.state, NOON + HOUR).values()
    assert [len(json.loads(body)) for body in sending.parts()] == [500, 500, 100]
    assert max(map(len, sending.parts())) < 2**20
    assert {alert["labels"]["package"] for alert in alerts_in(sending)} == set(MANY)


def test_what_came_in_part_is_one_failure_and_is_ended() -> None:
    """Alertmanager has got some of it, and nobody knows what it has made of the rest."""
    mirror = many_stale()
    state = mirror.state
    plan = mirror.notifier.plan(state, NOON + HOUR)
    channel = next(iter(plan))
    mirror.notifier.settle(state, plan, {channel: ["", "status 413", ""]}, NOON + HOUR)
    assert (state.totals.notifications_sent, state.totals.notifications_failed) == (0, 1)
    state.incidents = {}
    for problems in (["status 500", "", ""], ["", "", ""]):
        plan = mirror.notifier.plan(state, NOON + 2 * HOUR)
        (sending,) = plan.values()
        ended = {alert["labels"]["package"] for alert in alerts_in(sending)}
        assert ended == set(MANY)
        mirror.notifier.settle(state, plan, {channel: problems}, NOON + 2 * HOUR)
    assert mirror.notifier.plan(state, NOON + 3 * HOUR) == {}
    assert (state.totals.notifications_sent, state.totals.notifications_failed) == (1, 2)


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
