"""How far the audit in every run is, what it found, and what to do about that, in words."""

from __future__ import annotations

from collections.abc import Iterator

from ..core.audit_round import AuditRound, is_partial
from ..formatting import duration, timestamp


def share(audit: AuditRound) -> int:
    """Return how much of its round is done, in percent."""
    return 100 * audit.seen // audit.listed if audit.listed else 0


def progress(audit: AuditRound, every: int | None, now: int) -> Iterator[str]:
    """Yield in sentences how far the round is, and what the last one found.

    `every` is `audit_every` in seconds, None if runs compare nothing any more; `now` is in seconds since 1970.
    """
    if every is None:
        yield "audit_every = never: runs compare nothing with the index any more."
    elif audit.began > now:
        yield f"The next round begins at {timestamp(audit.began)}."
    else:
        yield f"{audit.seen:,} of {audit.listed:,} projects compared with the index since {timestamp(audit.began)}."
    if last := audit.last:
        found = f"{_packages(last.found)} missing, older or broken" if last.found else "nothing lost"
        yield f"The last round ended {duration(max(0, now - last.ended))} ago and found {found}."


def advice(audit: AuditRound, every: int | None, now: int) -> Iterator[str]:
    """Yield in sentences what is to be known of it: what is not synced without consent, and that it takes too long."""
    missing, listed = (audit.last.missing, audit.last.listed) if audit.last else (audit.missing, audit.listed)
    if is_partial(missing, listed) and not audit.is_consented and not audit.is_whole:
        yield (
            f"{_packages(missing)} missing, which is more than 1 %: the mirror seems to be partial by intent, and they "
            "are not synced. `bandersnatch-freshness audit --repair` syncs them."
        )
    if every is not None and audit.is_late(now, every):
        yield (
            f"audit_every = {duration(every)} is not kept: a run gives it a fiftieth of its time, at most half a "
            "second, and none while it works off a todo list. `bandersnatch-freshness audit` compares all at once."
        )


def _packages(count: int) -> str:
    return "1 package" if count == 1 else f"{count:,} packages"
