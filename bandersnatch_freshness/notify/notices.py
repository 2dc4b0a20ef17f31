"""Notices: who is to be told what after a run, and what they were told before. No I/O.

A channel is told of an incident once it is a warning, again when it is worse, every
`repeat_every` while it lasts, and when it is over: one message per run and level.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping
from dataclasses import dataclass

from ..core.incidents import Incident, Level
from ..core.wording import describe, title
from ..formatting import timestamp
from ..state.document import NotificationRecord

# Of more packages than this, a message says only how many more there are.
NAMED = 20

# A repeat may be so much early, as a share of `repeat_every`: no cron is to the second, and a run
# that is a little early would put it off to the next one, again and again.
EARLY_SHARE = 0.01

# A message that was under way so long ago and never confirmed was of a run that died.
UNDER_WAY_SECONDS = 60


@dataclass(frozen=True, slots=True)
class Message:
    """One message to one channel, about these subjects. A `level` of None is the end."""

    level: Level | None
    subjects: tuple[str, ...]
    title: str
    body: str


def channel_id(url: str) -> str:
    """Return what a channel is called in the state: nothing that its secrets can be read from."""
    return hashlib.sha256(url.encode()).hexdigest()[:12]


def due(
    incidents: Mapping[str, Incident], notified: Mapping[str, NotificationRecord], now: int, repeat_every: int
) -> list[str]:
    """Return the subjects that a channel is to hear of."""
    return [
        *(
            subject
            for subject, incident in incidents.items()
            if incident.level > Level.STALE and _is_due(incident, notified.get(subject), now, repeat_every)
        ),
        *(subject for subject, last in notified.items() if subject not in incidents and not _under_way(last, now)),
    ]


def _is_due(incident: Incident, last: NotificationRecord | None, now: int, repeat_every: int) -> bool:
    # A later beginning is another incident, whose predecessor's end nobody was told of.
    if last is None or last.level < incident.level or last.since < incident.since:
        return True
    if last.delivered:
        # Far in the future, it was said by a clock that was ahead.
        return not -UNDER_WAY_SECONDS < now - last.at < repeat_every * (1 - EARLY_SHARE)
    return not _under_way(last, now)


def _under_way(last: NotificationRecord, now: int) -> bool:
    # Either way: this run may have looked at its clock before the other one did.
    return not last.delivered and abs(now - last.at) < UNDER_WAY_SECONDS


def mark(
    incidents: Mapping[str, Incident], notified: Mapping[str, NotificationRecord], subjects: Iterable[str], now: int
) -> dict[str, NotificationRecord]:
    """Return what the channel was told, with the messages about these subjects under way.

    What is over and never reached the channel is dropped without a word.
    """
    after = dict(notified)
    for subject in subjects:
        last, incident = notified.get(subject), incidents.get(subject)
        if incident is not None:
            ever = last is not None and last.ever
            after[subject] = NotificationRecord(incident.level, incident.verdict, incident.since, now, ever=ever)
        elif last is not None and last.ever:
            after[subject] = last._replace(at=now, delivered=False)
        else:
            after.pop(subject, None)
    return after


def settle(
    incidents: Mapping[str, Incident],
    notified: Mapping[str, NotificationRecord],
    subjects: Iterable[str],
    *,
    arrived: bool,
) -> dict[str, NotificationRecord]:
    """Return what the channel was told, now that its messages arrived or did not."""
    after = dict(notified)
    for subject in subjects:
        if subject not in after:
            continue
        if not arrived:
            after[subject] = after[subject]._replace(at=0)
        elif subject in incidents:
            after[subject] = after[subject]._replace(delivered=True, ever=True)
        else:
            del after[subject]
    return after


def posted(
    incidents: Mapping[str, Incident], notified: Mapping[str, NotificationRecord], now: int
) -> dict[str, NotificationRecord]:
    """Return what Alertmanager was told, now that it has the alerts of all that is open."""
    after = {}
    for subject, incident in incidents.items():
        if incident.level is Level.STALE:
            continue
        last, (level, verdict, since) = notified.get(subject), (incident.level, incident.verdict, incident.since)
        if last is None or (last.level, last.verdict, last.since) != (level, verdict, since):
            last = NotificationRecord(level, verdict, since, now, delivered=True, ever=True)
        after[subject] = last
    return after


def messages(
    incidents: Mapping[str, Incident],
    notified: Mapping[str, NotificationRecord],
    subjects: Iterable[str],
    mirror: str,
    now: int,
) -> list[Message]:
    """Return the messages about these subjects: the worst first, what is over last."""
    by_level: dict[Level | None, list[str]] = {Level.CRITICAL: [], Level.WARNING: [], None: []}
    for subject in sorted(subjects):
        by_level[incidents[subject].level if subject in incidents else None].append(subject)
    made = []
    for level, names in by_level.items():
        if not names:
            continue
        lines = [
            describe(incidents[name], now) if name in incidents else _over(name, notified[name])
            for name in names[:NAMED]
        ]
        if len(names) > NAMED:
            lines.append(f"and {len(names) - NAMED} more")
        what = title(names[0]) if len(names) == 1 else f"{len(names)} packages"
        word = "RESOLVED" if level is None else level.name
        state = "no longer stale" if level is None else "stale"
        made.append(Message(level, tuple(names), f"[{word}] PyPI mirror {mirror}: {what} {state}", "\n".join(lines)))
    return made


def _over(subject: str, last: NotificationRecord) -> str:
    return f"{title(subject)} is no longer stale. It was {last.level}, since {timestamp(last.since)}"
