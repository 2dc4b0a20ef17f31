"""What Alertmanager is posted after each run, without I/O."""

from __future__ import annotations

import json

import pytest

from bandersnatch_freshness.core.incidents import Incident, Level
from bandersnatch_freshness.core.observations import Observation
from bandersnatch_freshness.core.variants import LADDER
from bandersnatch_freshness.core.verdicts import Verdict
from bandersnatch_freshness.documentation import RUNBOOK, where
from bandersnatch_freshness.formatting import timestamp
from bandersnatch_freshness.state.document import State, dump

from .test_notifier import AM, DAY, HOUR, MINUTE, NOON, Mirror, alerts_in, warned


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
