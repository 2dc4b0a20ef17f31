"""The alerts, as a real Alertmanager takes them."""

from __future__ import annotations

import time
from typing import Any

import pytest
import requests

from bandersnatch_freshness.core.incidents import EDGE, INDEX, Incident, Level
from bandersnatch_freshness.core.verdicts import Verdict
from bandersnatch_freshness.formatting import seconds
from bandersnatch_freshness.notify import alerts
from bandersnatch_freshness.notify.sender import send_to_alertmanager
from bandersnatch_freshness.state.document import NotificationRecord

from ..eventually import eventually
from .test_channels import active_alerts

MIRROR = alerts.Mirror("host", "/srv/pypi", "https://pypi.example")


def post(alertmanager: str, *given: Any) -> None:
    """Post the alerts for these incidents, records and times."""
    (body,) = alerts.Posting(lambda: alerts.of_incidents(*given))
    send_to_alertmanager(f"alertmanager://{alertmanager}", body)


def test_a_real_alertmanager_understands_it(alertmanager: str) -> None:
    """One alert while it lasts, another when its severity changes, none when it is over."""

    now = int(time.time())
    notified: dict[str, NotificationRecord] = {}
    foo = Incident("foo", now - 3600, now, 3, 42, 41, Verdict.EDGE_STALE, Level.WARNING)
    for incidents in ({"foo": foo}, {"foo": foo}):
        post(alertmanager, incidents, notified, MIRROR, now, 1800)
        notified = {"foo": NotificationRecord(Level.WARNING, Verdict.EDGE_STALE, foo.since, now)}
        assert active_alerts(alertmanager) == [("foo", "warning")]
    worse = Incident("foo", now - 86400, now, 9, 42, 41, Verdict.EDGE_STALE, Level.CRITICAL)
    post(alertmanager, {"foo": worse}, notified, MIRROR, now, 1800)
    assert active_alerts(alertmanager) == [("foo", "critical")]
    notified = {"foo": NotificationRecord(Level.CRITICAL, Verdict.EDGE_STALE, worse.since, now)}
    post(alertmanager, {}, notified, MIRROR, now, 1800)
    assert active_alerts(alertmanager) == []


def test_a_real_alertmanager_takes_what_a_clock_put_back_leaves(alertmanager: str) -> None:
    """An incident that began in the future is open, and ends."""
    now = int(time.time())
    later = now + 86400
    foo = Incident("foo", later, later, 3, 42, 41, Verdict.EDGE_STALE, Level.WARNING)
    notified = {"foo": NotificationRecord(Level.WARNING, Verdict.EDGE_STALE, later, later)}
    post(alertmanager, {"foo": foo}, notified, MIRROR, now, 1800)
    post(alertmanager, {}, notified, MIRROR, now, 1800)


@pytest.mark.parametrize("subject", ["foo", EDGE, INDEX, ""])
def test_an_alert_says_where_it_comes_from_and_what_to_do(subject: str, alertmanager: str) -> None:
    """Whatever it is about: Alertmanager takes URLs only."""
    now = int(time.time())
    mirror = alerts.Mirror("host", "/srv/a b\udcff", "https://pypi.example/a b/")
    alert = mirror.alert("PyPIMirrorStale", Level.WARNING, now, now, now + 60, {"summary": "x"}, subject)
    send_to_alertmanager(f"alertmanager://{alertmanager}", *alerts.Posting(lambda: iter([alert])))
    (found,) = requests.get(f"http://{alertmanager}/api/v2/alerts", timeout=10).json()
    page = "foo/" if subject == "foo" else ""
    assert found["generatorURL"] == f"https://pypi.example/a%20b/simple/{page}"
    assert found["annotations"]["runbook_url"]
    assert found["labels"]["mirror"] == r"/srv/a b\udcff"


def of_rules(name: str, severity: str, mirror: str = "/srv/pypi") -> alerts.Alert:
    """Return an alert as Prometheus posts it for one of the shipped rules."""
    return {"labels": {"alertname": name, "severity": severity, "mirror": mirror, "instance": "host:9100"}}


def test_nobody_is_told_twice_by_the_suite_and_the_rules(alertmanager: str) -> None:
    """The rules say what the suite does not: of another mirror, of another severity, of what it knows nothing of."""
    now = int(time.time())
    foo = Incident("foo", now - 3600, now, 3, 42, 41, Verdict.EDGE_STALE, Level.WARNING)
    post(alertmanager, {"foo": foo}, {}, MIRROR, now, 1800)
    given = [
        of_rules("PyPIMirrorWarning", "warning"),
        of_rules("PyPIMirrorIncomplete", "warning"),
        of_rules("PyPIMirrorQuarantineOld", "warning"),
        of_rules("PyPIMirrorWarning", "warning", "/srv/other"),
        of_rules("PyPIMirrorIncomplete", "critical", "/srv/third"),
        of_rules("PyPIMirrorIncomplete", "warning", "/srv/third"),
    ]
    requests.post(f"http://{alertmanager}/api/v2/alerts", json=given, timeout=10).raise_for_status()
    expected = [
        ("PyPIMirrorIncomplete", "/srv/third", "critical"),
        ("PyPIMirrorQuarantineOld", "/srv/pypi", "warning"),
        ("PyPIMirrorStale", "/srv/pypi", "warning"),
        ("PyPIMirrorWarning", "/srv/other", "warning"),
    ]
    # What inhibits what, Alertmanager works out after it has answered.
    eventually(lambda: uninhibited(alertmanager), lambda told: told == expected, 10)


def uninhibited(alertmanager: str) -> list[tuple[str, str, str]]:
    """Return name, mirror and severity of each alert that is told."""
    found = requests.get(f"http://{alertmanager}/api/v2/alerts", params={"inhibited": "false"}, timeout=10).json()
    return sorted((one["labels"]["alertname"], one["labels"]["mirror"], one["labels"]["severity"]) for one in found)


def test_a_test_alert_is_over_by_itself(alertmanager: str) -> None:
    """And has a name of its own."""
    now = int(time.time())
    alert = alerts.of_test("nothing is wrong", MIRROR, now)
    send_to_alertmanager(f"alertmanager://{alertmanager}", *alerts.Posting(lambda: iter([alert])))
    (found,) = requests.get(f"http://{alertmanager}/api/v2/alerts", timeout=10).json()
    assert found["labels"]["alertname"] == "PyPIMirrorTest"
    assert seconds(found["endsAt"]) == now + 300
