"""Notify: the channels that messages go through, each at a third party's mercy.

No channel's URL is ever logged: in many of Apprise's schemes every part is a secret.
"""

from __future__ import annotations

import logging
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import unquote, urlsplit

from .incidents import Incident, Level
from .notices import Message
from .state import Told, timestamp
from .words import describe, title

log = logging.getLogger("bandersnatch.freshness")

# What a hanging service costs a run, at most and in all.
SECONDS: float = 10

ALERT_NAME = "PyPIMirrorStale"


class DeliveryError(Exception):
    """A message did not arrive; says why, without secrets."""


@dataclass(frozen=True)
class Channel:
    """One line of `notify`."""

    url: str
    number: int

    def __str__(self) -> str:
        """Name it without its secrets."""
        return f"notify line {self.number} ({self.url.partition(':')[0]})"

    @property
    def is_alertmanager(self) -> bool:
        """Whether it is one of Alertmanager's, which wants all that is open in every run."""
        return self.url.partition(":")[0] in ("alertmanager", "alertmanagers")


def deliver(sendings: Mapping[Channel, Callable[[], None]]) -> dict[Channel, bool]:
    """Send through all channels at once, and return which ones took what they were given.

    A channel that fails is logged. One that has not answered in time is left behind, and
    whatever becomes of it later is not heard of.
    """
    problems: dict[Channel, str] = {}

    def send(channel: Channel, sending: Callable[[], None]) -> None:
        try:
            sending()
        except DeliveryError as error:
            problems[channel] = str(error)
        except Exception as error:  # noqa: BLE001 - a library's; its text may have secrets in it
            problems[channel] = type(error).__name__
        else:
            problems[channel] = ""

    threads = {
        channel: threading.Thread(target=send, args=(channel, sending), name=str(channel), daemon=True)
        for channel, sending in sendings.items()
    }
    deadline = time.monotonic() + SECONDS
    for thread in threads.values():
        thread.start()
    arrived = {}
    for channel, thread in threads.items():
        thread.join(max(0, deadline - time.monotonic()))
        problem = problems.get(channel, f"no answer in {SECONDS:g} seconds")
        if problem:
            log.warning("%s: not delivered, to be tried again in the next run: %s", channel, problem)
        arrived[channel] = not problem
    return arrived


def send_by_apprise(url: str, messages: Sequence[Message]) -> None:
    """Send messages through one of Apprise's services.

    Raises:
        DeliveryError: where the URL is none of Apprise's, or a message was not taken.
    """
    import apprise

    # Apprise logs URLs, secrets included, and where nobody listens that ends on standard error.
    logger = logging.getLogger("apprise")
    logger.propagate = False
    logger.addHandler(logging.NullHandler())
    service = apprise.Apprise()
    if not service.add(url):
        raise DeliveryError("not a URL that Apprise understands")
    kinds = {
        Level.CRITICAL: apprise.NotifyType.FAILURE,
        Level.WARNING: apprise.NotifyType.WARNING,
        None: apprise.NotifyType.SUCCESS,
    }
    for message in messages:
        taken = service.notify(
            title=message.title,
            body=message.body,
            notify_type=kinds[message.level],
            body_format=apprise.NotifyFormat.TEXT,
        )
        if not taken:
            raise DeliveryError("the service did not take it")


def send_to_alertmanager(url: str, alerts: Sequence[Mapping[str, Any]]) -> None:
    """Post alerts to Alertmanager's API, version 2.

    Raises:
        DeliveryError: where it did not take them.
    """
    import requests

    parts = urlsplit(url)
    scheme = "https" if parts.scheme == "alertmanagers" else "http"
    host = parts.netloc.rpartition("@")[2]
    auth = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    try:
        answer = requests.post(
            f"{scheme}://{host}{parts.path.rstrip('/')}/api/v2/alerts", json=list(alerts), auth=auth, timeout=SECONDS
        )
    except requests.RequestException as error:
        raise DeliveryError(type(error).__name__) from error
    if not answer.ok:
        raise DeliveryError(f"status {answer.status_code}")


def alerts(
    incidents: Mapping[str, Incident], told: Mapping[str, Told], mirror: str, now: int, ahead: int
) -> list[dict[str, Any]]:
    """Return the alerts for what is open, and the ends of those that are not any more.

    Alertmanager identifies an alert by its labels alone, so what changes from run to run
    is in the annotations, and where a label changes, the alert with the old one is ended.
    It resolves an alert whose `endsAt` has passed, so that is `ahead` seconds from now.
    """
    made = []
    for subject, last in told.items():
        incident = incidents.get(subject)
        if incident is None or (incident.level, incident.verdict) != (last.level, last.verdict):
            made.append(_alert(mirror, subject, last.level, last.verdict.value, last.since, now))
    for subject, incident in incidents.items():
        if incident.level is Level.STALE:
            continue
        alert = _alert(mirror, subject, incident.level, incident.verdict.value, incident.since, now + ahead)
        alert["annotations"] = {
            "summary": f"{title(subject)} is stale",
            "description": describe(incident, now),
            "required_serial": str(incident.required),
            "got_serial": str(incident.got),
        }
        made.append(alert)
    return made


def _alert(mirror: str, subject: str, level: Level, verdict: str, since: int, ends: int) -> dict[str, Any]:
    return {
        "labels": {
            "alertname": ALERT_NAME,
            "mirror": mirror,
            "package": subject,
            "verdict": verdict,
            "severity": str(level),
        },
        "startsAt": timestamp(since),
        "endsAt": timestamp(ends),
    }
