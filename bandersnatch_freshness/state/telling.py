"""Telling: the log lines about what a run has changed in memory."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping, Set

from ..core import wording as words
from ..core.incidents import Change, Incident, Level
from ..core.log_fields import change_fields, incident_fields, log_fields
from ..core.origin import OriginTurns

log = logging.getLogger("bandersnatch.freshness")


# Of each kind, so many lines at WARNING and above, and so many at INFO; then how many more there are.
LINES, QUIET_LINES = 20, 10


def _log_each(level: int, lines: Iterable[tuple[str, Mapping[str, object]]]) -> None:
    """Log texts with their fields, in a summary where they are many."""
    most, count = LINES if level > logging.INFO else QUIET_LINES, 0
    for count, (text, fields) in enumerate(lines, 1):
        if count <= most:
            log.log(level, "%s", text, extra=fields)
    if count > most:
        log.log(level, "and %d more: see `bandersnatch-freshness status`", count - most)


def log_lost(names: Set[str]) -> None:
    """Log what an audit found lost, and the run is to sync."""
    if names:
        text = "The mirror lacks pages that it should have, by the index, and syncs them: %s"
        log.info(text, ", ".join(sorted(names)))


def log_plan(
    after: Mapping[str, object],
    before: Mapping[str, object],
    lost: Set[str],
    incidents: Mapping[str, Incident],
    now: int,
    *,
    is_news: bool,
) -> None:
    """Log what goes into quarantine, but what was found lost, and what leaves it as the mirror's own filters drop it.

    It `is_news` where nobody was told of the incident.
    """
    new = sorted(after.keys() - before.keys() - lost)
    entered = [incidents[name] for name in new if name in incidents]
    level = logging.WARNING if is_news else logging.INFO
    _log_each(level, ((words.in_quarantine(one, now), incident_fields(one)) for one in entered))
    untold = "is announced with a serial that can't be true, and waits in quarantine for a list that tells the true one"
    _log_each(logging.INFO, ((f"{name} {untold}", log_fields(project=name)) for name in new if name not in incidents))
    dropped = "is dropped by the mirror's filters, and no longer in quarantine"
    _log_each(
        logging.INFO,
        ((f"{name} {dropped}", log_fields(project=name)) for name in sorted(before.keys() - after.keys())),
    )


def log_left(names: Iterable[str]) -> None:
    """Log what has left the quarantine."""
    _log_each(
        logging.INFO, ((f"{name} is no longer in quarantine", log_fields(project=name)) for name in sorted(names))
    )


def log_no_use(traits: Iterable[str]) -> None:
    """Log which traits of variants are left out from now on."""
    for trait in traits:
        log.info("%s is no use at this master: left out, and tried again in a week", trait.replace("_", "-"))


def log_origin(turns: OriginTurns) -> None:
    """Log what the origin itself was asked for, and whether it refused."""
    if turns.asked:
        log.info("Asked the origin itself for %d pages, of which %d are fresh", len(turns.asked), len(turns.fresh))
    if turns.refusal:
        log.info("The origin refuses to be asked by OPTIONS: %s. It is not asked again for a day", turns.refusal)


def log_changes(changes: Iterable[Change], now: int) -> None:
    """Log which incidents have worsened or ended."""
    by_level: dict[int, list[Change]] = {}
    for change in changes:
        by_level.setdefault(_level(change), []).append(change)
    for level, found in by_level.items():
        _log_each(level, ((words.describe_change(one, now), change_fields(one)) for one in found))


def _level(change: Change) -> int:
    if change.ending is not None:
        # Anyone who read that an incident had worsened must also see that it ended.
        return logging.INFO if change.incident.level is Level.STALE else logging.WARNING
    return logging.CRITICAL if change.incident.level is Level.CRITICAL else logging.WARNING
