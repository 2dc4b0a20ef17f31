"""The standing: how fresh a mirror is, decided once for all that tell it: `check`, `status`, the page and `--json`.

No I/O and no clock.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable

from msgspec import Struct

from ..core import wording as words
from ..core.completeness import longest_silence, usual_interval
from ..core.incidents import Incident, Level
from ..core.observations import Evidence
from ..exit_codes import CheckExit
from ..formatting import duration, printable
from .summary import Summary

# How far the clocks of different hosts may be apart, in seconds.
CLOCK_SECONDS = 60

NAMED = 3
NODES_NAMED = 3
LONGEST_CAUSE = 500

_BY_LEVEL = {Level.STALE: CheckExit.OK, Level.WARNING: CheckExit.WARNING, Level.CRITICAL: CheckExit.CRITICAL}


class Freshness(enum.Enum):
    """What a mirror is in a word.

    `behind` is what may pass by itself, `stale` what has persisted; `stopped`: no run begins any more, or one hangs.
    """

    FRESH = "fresh"
    BEHIND = "behind"
    STALE = "stale"
    STOPPED = "stopped"
    FIRST_SYNC = "first-sync"
    UNKNOWN = "unknown"


class Standing(Struct, frozen=True):
    """How fresh a mirror is, how bad that is, why, and what to do about it, which is empty if nothing is to be done.

    `incident` is the one that is to blame, the worst that speaks for itself; None if there is none.
    """

    freshness: Freshness
    severity: CheckExit
    reason: str
    to_do: str = ""
    incident: Incident | None = None


def standing(summary: Summary) -> Standing:
    """Return how fresh a mirror is."""
    now = summary.now
    if summary.obstacle:
        to_do = "make room, or see who may write there: nothing that runs see is remembered until then"
        return Standing(Freshness.UNKNOWN, CheckExit.CRITICAL, summary.obstacle, to_do)
    if summary.problem:
        return Standing(Freshness.UNKNOWN, CheckExit.UNKNOWN, summary.problem, _to_do_about(summary.problem))
    ended = max(_ends(summary), default=0)
    if ended > now + CLOCK_SECONDS:
        reason = f"the last run ended {duration(ended - now)} in the future: the clock was ahead then, or is behind now"
        return Standing(Freshness.UNKNOWN, CheckExit.UNKNOWN, reason, "set the clock, and start a run")
    return _stopped(summary) or _troubled(summary) or _robbed(summary) or _well(summary)


def _to_do_about(problem: str) -> str:
    """Return what to do where the state says nothing."""
    if "enables no plugin" in problem:
        return "add `freshness` to `[plugins] enabled`"
    if "newer release" in problem:
        return "install that release of bandersnatch-freshness again, or a later one"
    if "ermission denied" in problem:
        return "`chown` that file to the mirror's user: a run as another one, such as root, left it"
    aside = "" if "no run is remembered" in problem else ", which puts a broken file aside"
    return f"have a run begin{aside}: `bandersnatch-freshness run mirror`"


def quiet_until(summary: Summary) -> int:
    """Return until when it means nothing that no run shows a sign of life, in seconds since 1970."""
    return (_last_sign(summary) or summary.now) + _longest_silence(summary)


def nodes(evidence: Iterable[Evidence]) -> tuple[str, ...]:
    """Return the nodes that answered, each from the first header that names one."""
    names = (next((one[key] for key in ("served_by", "via", "cache_status") if one.get(key)), "") for one in evidence)
    return tuple(printable(str(name)) for name in list(dict.fromkeys(filter(None, names)))[:NODES_NAMED])


def why(incident: Incident) -> str:
    """Return why a subject is not as it should be: what fails, or who holds the old page."""
    return printable(incident.cause or words.meaning(incident.verdict), LONGEST_CAUSE)


def completeness(summary: Summary) -> str:
    """Return how complete the mirror is, as of when."""
    state = summary.state
    if state.complete_at:
        but = len(summary.quarantine)
        apart = f", but for {but} package{'' if but == 1 else 's'} in quarantine" if but else ""
        return f"complete as of {duration(max(0, summary.now - state.complete_at))} ago{apart}"
    return _first_sync(summary) if summary.is_first_sync else "not known to be complete yet"


def left(summary: Summary) -> int:
    """Return how many packages are left to sync: a run that is under way takes them off Bandersnatch's todo list."""
    batch = summary.state.batch
    return summary.waiting or (batch.left if batch else 0)


def _ends(summary: Summary) -> Iterable[int]:
    """Return when the runs ended that had the mirror to themselves: others may overlap one that hangs."""
    return (run.finished for run in summary.state.runs if run.outcome != "overlapping")


def _last_sign(summary: Summary) -> int:
    """Return when a run last showed a sign of life, in seconds since 1970; 0 if none is known."""
    return max((summary.begun, summary.touched, *_ends(summary)))


def _longest_silence(summary: Summary) -> int:
    return longest_silence(summary.state.runs, summary.thresholds.critical_after)


def _first_sync(summary: Summary) -> str:
    batch, remaining = summary.state.batch, left(summary)
    if batch and batch.size >= remaining:
        return f"first sync, {batch.size - remaining:,} of {batch.size:,}"
    return f"first sync, {remaining:,} packages left" if remaining else "first sync"


def _robbed(summary: Summary) -> Standing | None:
    """Return the standing of a mirror that has lost more than its runs bring back unasked."""
    lost = summary.state.audit.lost if summary.state.audit else 0
    if not lost:
        return None
    reason = f"{lost:,} packages are missing that were here, as the audit in every run has found"
    to_do = "bring them back by `bandersnatch-freshness audit --repair`; keep out by a filter what is to stay away"
    return Standing(Freshness.STALE, CheckExit.WARNING, f"{reason}; {completeness(summary)}", to_do)


def _stopped(summary: Summary) -> Standing | None:
    """Return the standing of a mirror whose runs don't begin or don't end any more, or that has had none."""
    runs, now, longest = summary.state.runs, summary.now, _longest_silence(summary)
    alive = _last_sign(summary)
    start = "`bandersnatch-freshness run mirror`"
    if not alive:
        return Standing(Freshness.UNKNOWN, CheckExit.UNKNOWN, "no run is remembered", f"start one: {start}")
    if now - alive > longest:
        usual = usual_interval(runs)
        reason = f"no run for {duration(now - alive)}" + (f"; usually every {duration(usual)}" if usual else "")
        to_do = f"see whether cron or a timer starts it and whether a run hangs; then start one: {start}"
        return Standing(Freshness.STOPPED, CheckExit.CRITICAL, reason, to_do)
    is_overlapped = bool(runs) and runs[-1].outcome == "overlapping" and runs[-1].finished > summary.begun
    if summary.begun and now - summary.begun > longest and is_overlapped:
        reason = f"the run that began {duration(now - summary.begun)} ago has not ended, and others overlap it"
        to_do = "see whether it hangs, by `pgrep -af bandersnatch`, and end it"
        return Standing(Freshness.STOPPED, CheckExit.CRITICAL, reason, to_do)
    return None


def _troubled(summary: Summary) -> Standing | None:
    """Return the standing of a mirror with incidents."""
    if not summary.state.incidents:
        return None
    severity = _BY_LEVEL[max(one.level for one in summary.state.incidents.values())]
    found = summary.worst(NAMED)
    first, *others = found
    extent = words.extent(first)
    many = f" ({printable(extent, LONGEST_CAUSE)})" if extent else ""
    reason = (
        f"{printable(words.title(first.subject))}{many} has been {words.ails(first.subject, first.verdict)} "
        f"for {duration(first.age(summary.now))}: {why(first)}"
    )
    if others:
        more = len(summary.speaking) - len(found)
        named = ", ".join(f"{printable(words.title(one.subject))} ({_how_bad(one)})" for one in others)
        reason += f"; also {named}" + (f" and {more} more" if more > 0 else "")
    freshness = Freshness.BEHIND if severity is CheckExit.OK else Freshness.STALE
    return Standing(freshness, severity, reason, words.to_do(first), first)


def _how_bad(incident: Incident) -> str:
    """Return the level of an incident in a word, or, where that is the first, what is wrong."""
    return words.ails(incident.subject, incident.verdict) if incident.level is Level.STALE else str(incident.level)


def _well(summary: Summary) -> Standing:
    """Return the standing of a mirror whose runs get on, and that has no incidents."""
    if summary.is_first_sync:
        return Standing(Freshness.FIRST_SYNC, CheckExit.OK, completeness(summary))
    is_fresh = summary.state.complete_at and not (left(summary) or summary.serial_lag or summary.quarantine)
    return Standing(Freshness.FRESH if is_fresh else Freshness.BEHIND, CheckExit.OK, completeness(summary))
