"""Alerts: what Alertmanager is posted about a mirror. No I/O.

Alertmanager identifies an alert by its labels alone, so anything that changes from run to run is in the annotations.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from functools import lru_cache
from itertools import islice
from typing import Any
from urllib.parse import quote

from msgspec import Struct
from msgspec.json import Encoder

from ..core.incidents import OF_ALL, Incident, Level
from ..core.wording import ails, describe, title
from ..documentation import RUNBOOK, where
from ..formatting import encodable, timestamp, with_texts
from ..state.document import NotificationRecord

ALERT_NAME = "PyPIMirrorStale"
STATE_ALERT_NAME = "PyPIMirrorStateNotWritten"
TEST_ALERT_NAME = "PyPIMirrorTest"

# An alert has up to 1,400 bytes, and a proxy in front of Alertmanager often takes no more than 1 MiB at a time.
PER_REQUEST = 500

Alert = dict[str, Any]

_ENCODER = Encoder()


class Mirror(Struct, frozen=True):
    """The mirror that alerts are about. `master` is its upstream's URL, without secrets."""

    host: str
    directory: str
    master: str

    def alert(
        self,
        name: str,
        level: Level,
        since: int,
        now: int,
        ends: int,
        annotations: Mapping[str, str],
        subject: str = "",
    ) -> Alert:
        """Return an alert about a subject, or about the mirror itself; `ends` may be now, or still to come."""
        # `mirror` has the value that it has in metrics, where it is Prometheus that adds which host that is.
        labels = {"alertname": name, "host": self.host, "mirror": self.directory, "severity": str(level)}
        return {
            "labels": {**labels, "package": subject} if subject else labels,
            "annotations": {**annotations, "runbook_url": where(RUNBOOK)},
            # Alertmanager rejects an alert that ends before it starts, as happens when a clock is set back.
            "startsAt": timestamp(min(since, now)),
            "endsAt": timestamp(ends),
            "generatorURL": self._page(subject),
        }

    def _page(self, subject: str) -> str:
        """Return the URL of the page that is stale, for a person to look at."""
        index = _index(self.master)
        return index if subject in ("", *OF_ALL) else f"{index}{_quoted(subject)}/"


def of_incidents(
    incidents: Mapping[str, Incident], notified: Mapping[str, NotificationRecord], mirror: Mirror, now: int, ahead: int
) -> Iterator[Alert]:
    """Yield the alerts for open incidents, and the ended alerts for those that are over.

    When a level changes, which is a label, the alert with the old one is ended. Alertmanager resolves an alert once
    its `endsAt` has passed, so that is `ahead` seconds from now.
    """
    for subject, last in notified.items():
        incident = incidents.get(subject)
        if incident is None or incident.level != last.level:
            yield mirror.alert(ALERT_NAME, last.level, last.since, now, now, _ended(subject, last, incident), subject)
    for subject, incident in incidents.items():
        if incident.level is Level.STALE or (incident.is_explained and subject not in notified):
            continue
        annotations = {
            "summary": f"{title(subject)} is {ails(subject, incident.verdict)}",
            "description": describe(incident, now),
            "required_serial": str(incident.required_serial),
            "got_serial": str(incident.got),
            "verdict": incident.verdict,
        }
        yield mirror.alert(ALERT_NAME, incident.level, incident.since, now, now + ahead, annotations, subject)


class Posting(Struct, frozen=True):
    """What is posted to Alertmanager: the bodies of requests, each JSON with at most 500 alerts.

    There may be 100,000 alerts, so each time they are made while they are posted.
    """

    make: Callable[[], Iterator[Alert]]

    def has_any(self) -> bool:
        """Return whether there is any alert."""
        return any(True for _ in self.make())

    def __iter__(self) -> Iterator[bytes]:
        """Yield the bodies."""
        left = self.make()
        return iter(lambda: _encoded(list(islice(left, PER_REQUEST))), b"[]")


def _encoded(alerts: list[Alert]) -> bytes:
    try:
        return _ENCODER.encode(alerts)
    except UnicodeEncodeError:
        return _ENCODER.encode(with_texts(alerts, encodable))


def _quoted(text: str) -> str:
    return quote(text, safe="/:[]%~+", errors="backslashreplace")


@lru_cache(1)  # it is in each alert
def _index(master: str) -> str:
    """Return the URL of a master's index."""
    return _quoted(f"{master.rstrip('/')}/simple/")


def _ended(subject: str, last: NotificationRecord, incident: Incident | None) -> dict[str, str]:
    what = f"no longer {ails(subject, last.verdict)}" if incident is None else f"{incident.level} now"
    summary = f"{title(subject)} is {what}"
    return {"summary": summary, "description": f"{summary}. It was {last.level}, since {timestamp(last.since)}"}


def of_state(text: str, mirror: Mirror, since: int, now: int, ahead: int) -> Alert:
    """Return the alert for a state that can't be written; Alertmanager resolves it when no run repeats it any more."""
    annotations = {"summary": "the state can't be written", "description": text}
    return mirror.alert(STATE_ALERT_NAME, Level.CRITICAL, since, now, now + ahead, annotations)


def of_test(text: str, mirror: Mirror, now: int) -> Alert:
    """Return an alert that is there to see whether it arrives, and is over in five minutes."""
    annotations = {"summary": "a test: nothing is wrong", "description": text}
    return mirror.alert(TEST_ALERT_NAME, Level.WARNING, now, now, now + 5 * 60, annotations)
