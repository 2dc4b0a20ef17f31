"""Channels: deliver messages through third-party services, any of which may fail or hang.

No channel's URL is ever logged: in many of Apprise's schemes every part is a secret.
"""

from __future__ import annotations

import json
import logging
import subprocess
import sys
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ..core.incidents import Incident, Level
from ..core.log_fields import log_fields
from ..core.wording import describe, title
from ..formatting import timestamp
from ..state.document import NotificationRecord
from .sender import ALERTMANAGER

log = logging.getLogger("bandersnatch.freshness")

# The longest that hanging services may delay a run, all of them together.
SECONDS: float = 10

ALERT_NAME = "PyPIMirrorStale"
STATE_ALERT_NAME = "PyPIMirrorStateNotWritten"


@dataclass(frozen=True)
class Channel:
    """One line of `notify`."""

    url: str
    number: int

    def __str__(self) -> str:
        """Return a name without its secrets."""
        return f"notify line {self.number} ({self.url.partition(':')[0]})"

    @property
    def is_alertmanager(self) -> bool:
        """Whether this is an Alertmanager, which expects every open incident in every run."""
        return self.url.partition(":")[0] in ALERTMANAGER


def deliver(sendings: Mapping[Channel, Sequence[Any]]) -> dict[Channel, list[bool]]:
    """Send the parts of each channel, all channels at once, and return which parts arrived.

    A channel that fails is logged. If the time runs out, the sending process is killed, and what
    is still unsent counts as not delivered.
    """
    channels = [{"url": channel.url, "parts": parts} for channel, parts in sendings.items()]
    # On standard input, as anyone can read a command line.
    command = [sys.executable, "-P", "-m", f"{__package__}.sender"]
    given = json.dumps(channels).encode()
    try:
        ended = subprocess.run(
            command, input=given, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=SECONDS, check=False
        )
        said, otherwise = ended.stdout, f"the sending process ended with {ended.returncode}"
    except subprocess.TimeoutExpired as late:
        said, otherwise = late.stdout or b"", f"no answer in {SECONDS:g} seconds"
    except OSError as error:
        said, otherwise = b"", f"no process can be started to send it: {error.strerror}"
    whole_lines = said[: said.rfind(b"\n") + 1].splitlines()
    problems = {(number, index): problem for number, index, problem in map(json.loads, whole_lines)}
    arrived = {}
    for number, (channel, parts) in enumerate(sendings.items()):
        found = [problems.get((number, index), otherwise) for index in range(len(parts))]
        arrived[channel] = [not problem for problem in found]
        failed = [problem for problem in found if problem]
        if failed:
            what = "not delivered" if len(failed) == len(parts) else f"{len(failed)} of {len(parts)} not delivered"
            log.warning(
                "%s: %s, trying again in the next run: %s",
                *(channel, what, failed[0]),
                extra=log_fields(channel=str(channel)),
            )
    return arrived


def alerts(
    incidents: Mapping[str, Incident], notified: Mapping[str, NotificationRecord], mirror: str, now: int, ahead: int
) -> list[dict[str, Any]]:
    """Return the alerts for open incidents, and the ended alerts for those that are over.

    Alertmanager identifies an alert by its labels alone, so anything that changes from run to
    run is in the annotations, and when a label changes, the alert with the old label is ended.
    Alertmanager resolves an alert once its `endsAt` has passed, so that is `ahead` seconds from now.
    """
    made = []
    for subject, last in notified.items():
        incident = incidents.get(subject)
        if incident is None or (incident.level, incident.verdict) != (last.level, last.verdict):
            made.append(_alert(mirror, subject, last.level, last.verdict.value, last.since, now, now))
    for subject, incident in incidents.items():
        if incident.level is Level.STALE:
            continue
        alert = _alert(mirror, subject, incident.level, incident.verdict.value, incident.since, now, now + ahead)
        alert["annotations"] = {
            "summary": f"{title(subject)} is stale",
            "description": describe(incident, now),
            "required_serial": str(incident.required_serial),
            "got_serial": str(incident.got),
        }
        made.append(alert)
    return made


def state_alert(mirror: str, text: str, since: int, now: int, ahead: int) -> dict[str, Any]:
    """Return the alert for a state that can't be written; Alertmanager resolves it when no run repeats it any more."""
    return {
        "labels": {"alertname": STATE_ALERT_NAME, "mirror": mirror, "severity": str(Level.CRITICAL)},
        "annotations": {"summary": "the state can't be written", "description": text},
        "startsAt": timestamp(min(since, now)),
        "endsAt": timestamp(now + ahead),
    }


def _alert(mirror: str, subject: str, level: Level, verdict: str, since: int, now: int, ends: int) -> dict[str, Any]:
    return {
        "labels": {
            "alertname": ALERT_NAME,
            "mirror": mirror,
            "package": subject,
            "verdict": verdict,
            "severity": str(level),
        },
        # Alertmanager rejects an alert that ends before it starts, as happens when a clock is set back.
        "startsAt": timestamp(min(since, now)),
        "endsAt": timestamp(ends),
    }
