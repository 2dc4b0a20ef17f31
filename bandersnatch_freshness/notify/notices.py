"""Notices: what to tell each channel after a run, and what it was told before. No I/O.

A channel is told about an incident when it becomes a warning, when it gets worse, every
`repeat_every` while it lasts, and when it ends: one message per run and level.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from ..core.incidents import MIRROR, Incident, Level
from ..core.wording import ails, describe, meaning, title, to_do
from ..documentation import RUNBOOK, where
from ..formatting import duration, timestamp
from ..state.document import ChannelRecord, NotificationRecord, State
from .heartbeat import Signal

# A message names at most this many packages, and gives only the number of the rest; and so many reasons.
NAMED = 20
REASONS = 5

# How early a repeat may be, as a share of `repeat_every`. Cron is not exact to the second, and a run
# that is slightly early would otherwise leave the repeat to the next run, again and again.
EARLY_SHARE = 0.01

# How often it is said that nothing arrives by a channel, in seconds.
SAID_EVERY = 24 * 60 * 60

# If a message is still unconfirmed after this long, the run that was sending it has died.
UNDER_WAY_SECONDS = 60


class Message(Struct, frozen=True):
    """One message to one channel, about these subjects. A `level` of None means that they are over."""

    level: Level | None
    subjects: tuple[str, ...]
    title: str
    body: str


def due(
    incidents: Mapping[str, Incident], notified: Mapping[str, NotificationRecord], now: int, repeat_every: int
) -> list[str]:
    """Return the subjects that a channel is due to be told about: none that another incident explains."""
    return [
        *(
            subject
            for subject, incident in incidents.items()
            if incident.level > Level.STALE
            and not incident.is_explained
            and _is_due(incident, notified.get(subject), now, repeat_every)
        ),
        *(subject for subject, last in notified.items() if subject not in incidents and not _under_way(last, now)),
    ]


def _is_due(incident: Incident, last: NotificationRecord | None, now: int, repeat_every: int) -> bool:
    # A later start means a new incident; nobody was told that the previous one had ended.
    if last is None or last.level < incident.level or last.since < incident.since:
        return True
    if last.delivered:
        # A time far in the future was recorded by a clock that was ahead.
        return not -UNDER_WAY_SECONDS < now - last.at < repeat_every * (1 - EARLY_SHARE)
    return not _under_way(last, now)


def _under_way(last: NotificationRecord, now: int) -> bool:
    # In either direction: this run may have read its clock before the other one did.
    return not last.delivered and abs(now - last.at) < UNDER_WAY_SECONDS


def mark(
    incidents: Mapping[str, Incident], notified: Mapping[str, NotificationRecord], subjects: Iterable[str], now: int
) -> dict[str, NotificationRecord]:
    """Return the channel's records, with messages about these subjects marked as under way.

    An incident that is over and that the channel never heard about is dropped silently.
    """
    after = dict(notified)
    for subject in subjects:
        last, incident = notified.get(subject), incidents.get(subject)
        if incident is not None:
            ever = last is not None and last.ever
            after[subject] = NotificationRecord(incident.level, incident.verdict, incident.since, now, ever=ever)
        elif last is not None and last.ever:
            after[subject] = replace(last, at=now, delivered=False)
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
    """Return the channel's records after the messages about these subjects arrived or failed."""
    after = dict(notified)
    for subject in subjects:
        if subject not in after:
            continue
        if not arrived:
            after[subject] = replace(after[subject], at=0)
        elif subject in incidents:
            after[subject] = replace(after[subject], delivered=True, ever=True)
        else:
            del after[subject]
    return after


def posted(
    incidents: Mapping[str, Incident], notified: Mapping[str, NotificationRecord], now: int
) -> dict[str, NotificationRecord]:
    """Return Alertmanager's records after it received the alerts for all open incidents."""
    after = {}
    for subject, incident in incidents.items():
        last = notified.get(subject)
        if incident.level is Level.STALE or (incident.is_explained and last is None):
            continue
        if last is None or (last.level, last.since) != (incident.level, incident.since):
            last = NotificationRecord(incident.level, incident.verdict, incident.since, now, delivered=True, ever=True)
        after[subject] = last
    return after


def messages(
    incidents: Mapping[str, Incident],
    notified: Mapping[str, NotificationRecord],
    subjects: Iterable[str],
    mirror: str,
    now: int,
) -> list[Message]:
    """Return the messages about these subjects, the worst first, those about ended incidents last."""
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
        ailing = {ails(name, (incidents.get(name) or notified[name]).verdict) for name in names}
        state = ("no longer " if level is None else "") + _joined(ailing)
        found = [incidents[name] for name in names if name in incidents]
        body = "\n".join([*_summary(found, len(names), _joined(ailing), now), "", *lines])
        made.append(Message(level, tuple(names), f"[{word}] PyPI mirror {mirror}: {what} {state}", body))
    return made


def _why(incident: Incident) -> tuple[str, str]:
    """Return why a subject ails, and what to do about it."""
    return incident.cause or f"{incident.verdict}: {meaning(incident.verdict)}", to_do(incident, for_all=True)


def _joined(words: Iterable[str]) -> str:
    return " or ".join(sorted(words))


def _summary(incidents: Sequence[Incident], count: int, ailing: str, now: int) -> list[str]:
    """Return the first lines of a message about so many `ailing` subjects: what, since when, why, and what to do.

    It has the incidents of all of them, or of none if they are over.
    """
    many = "1 is" if count == 1 else f"{count} are"
    if not incidents:
        return [f"{many} no longer {ailing}. There is nothing to do."]
    since = min(one.since for one in incidents)
    longest = "" if count == 1 else "the longest "
    quarantined = sum(one.in_quarantine for one in incidents)
    apart = f" The mirror goes on without {quarantined} of them, in quarantine." if quarantined else ""
    return [
        f"{many} {ailing}, {longest}for {duration(max(0, now - since))}, since {timestamp(since)}.{apart}",
        *(
            f"{why} ({number}). To do: {what}"
            for (why, what), number in Counter(map(_why, incidents)).most_common(REASONS)
        ),
        "All of it: bandersnatch-freshness status",
        f"What each cause means, step by step: {where(RUNBOOK)}",
    ]


def standing(before: ChannelRecord, problem: str, now: int) -> tuple[ChannelRecord, bool]:
    """Return how a channel stands after something was sent, and whether that is to be said aloud.

    Aloud are the first failure, one a day while nothing arrives, and that it does again.
    """
    if not problem:
        return replace(before, failing=0, said=0), bool(before.failing)
    # A time in the future was recorded by a clock that was ahead.
    is_news = not before.said or not 0 <= now - before.said < SAID_EVERY * (1 - EARLY_SHARE)
    return replace(before, failing=before.failing or now, said=now if is_news else before.said), is_news


def beat(state: State) -> tuple[Signal, str] | None:
    """Return what the heartbeat's receiver is told after the last run of a state, and why; None for nothing."""
    outcome, mirror = state.runs[-1].outcome if state.runs else "", state.incidents.get(MIRROR)
    critical = sorted(name for name, one in state.incidents.items() if one.level is Level.CRITICAL)
    if outcome == "overlapping":
        return None
    if critical:
        more = f" and {len(critical) - 1} more" if len(critical) > 1 else ""
        return Signal.FAILURE, f"critical: {title(critical[0])}{more}"
    if outcome == "failed":
        return Signal.FAILURE, "Bandersnatch failed"
    return (Signal.SUCCESS, "") if outcome == "fresh" and mirror is None else None


def _over(subject: str, last: NotificationRecord) -> str:
    ailed = ails(subject, last.verdict)
    return f"{title(subject)} is no longer {ailed}. It was {last.level}, since {timestamp(last.since)}"
