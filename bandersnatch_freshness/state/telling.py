"""Telling: the log lines about what a run has changed in memory."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Mapping

from ..core import wording as words
from ..core.incidents import Change, Incident, Level
from ..core.log_fields import change_fields, incident_fields, log_fields
from ..core.origin import OriginTurns

log = logging.getLogger("bandersnatch.freshness")


def log_plan(
    after: Mapping[str, object], before: Mapping[str, object], incidents: Mapping[str, Incident], now: int
) -> None:
    """Log what goes into quarantine, and what leaves it because the mirror's own filters drop it."""
    for name in sorted(after.keys() - before.keys()):
        incident = incidents[name]
        log.warning("%s", words.in_quarantine(incident, now), extra=incident_fields(incident))
    for name in sorted(before.keys() - after.keys()):
        log.info(
            "%s is dropped by the mirror's filters, and no longer in quarantine", name, extra=log_fields(project=name)
        )


def log_left(names: Iterable[str]) -> None:
    """Log what has left the quarantine."""
    for name in sorted(names):
        log.info("%s is no longer in quarantine", name, extra=log_fields(project=name))


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
    for change in changes:
        log.log(_level(change), "%s", words.describe_change(change, now), extra=change_fields(change))


def _level(change: Change) -> int:
    if change.ending is not None:
        # Anyone who read that an incident had worsened must also see that it ended.
        return logging.INFO if change.incident.level is Level.STALE else logging.WARNING
    return logging.CRITICAL if change.incident.level is Level.CRITICAL else logging.WARNING
