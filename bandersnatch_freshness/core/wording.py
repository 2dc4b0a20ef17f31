"""The wording: what an incident and a verdict are called in log lines, messages and the probe's report."""

from __future__ import annotations

from collections.abc import Mapping

from ..formatting import duration, timestamp
from . import causes
from .incidents import EDGE, INDEX, MIRROR, OF_ALL, Change, Incident
from .observations import Evidence
from .verdicts import Verdict

# What each verdict means, and what to do about it.
_VERDICTS: Mapping[Verdict, tuple[str, str]] = {
    Verdict.EDGE_STALE: (
        "a cache on the way holds an old copy",
        "wait for it to expire, or have it purged by whoever runs it; the nodes above name it",
    ),
    Verdict.ORIGIN_STALE: (
        "the origin itself is behind",
        "report it to whoever runs it (PyPI: pypi/warehouse on GitHub); no way of asking helps",
    ),
    Verdict.FAILING: ("an error that is no matter of serials", "see what the master answers"),
    Verdict.UNKNOWN: (
        "no answer proves who holds the old page",
        "see who holds the old page, by `bandersnatch-freshness probe`",
    ),
}

_TITLES = {EDGE: "most of what was asked for", INDEX: "the index", MIRROR: "the mirror"}


def title(subject: str) -> str:
    """Return what an incident is about."""
    return _TITLES.get(subject, subject)


def extent(incident: Incident) -> str:
    """Return how many packages an incident of the whole edge is about; empty for any other."""
    if incident.subject != EDGE:
        return ""
    return f"{incident.count} packages, such as {', '.join(incident.examples)}"


def ails(subject: str, verdict: Verdict) -> str:
    """Return what is wrong with the subject of an incident, as what follows "has been"."""
    if subject == MIRROR:
        return "incomplete"
    return "failing" if verdict is Verdict.FAILING else "stale"


def meaning(verdict: Verdict) -> str:
    """Return what a verdict means; empty for a fresh page."""
    return _VERDICTS.get(verdict, ("", ""))[0]


def advice(verdict: Verdict) -> str:
    """Return what to do about a verdict; empty for a fresh page."""
    return _VERDICTS.get(verdict, ("", ""))[1]


def to_do(incident: Incident, *, for_all: bool = False) -> str:
    """Return what to do about an incident, or about all that have its cause."""
    package = "" if incident.subject in OF_ALL else " PACKAGE" if for_all else f" {incident.subject}"
    is_failing = incident.verdict is Verdict.FAILING
    found = causes.advice(incident.cause) if is_failing else advice(incident.verdict)
    return found.replace("probe`", f"probe{package}`")


def describe(incident: Incident, now: int) -> str:
    """Return one line: what, since when, the serials or the cause, the verdict, what was tried, what to do."""
    got = "none" if incident.got is None else str(incident.got)
    many = f" ({extent(incident)})" if incident.subject == EDGE else ""
    when = f"for {duration(incident.age(now))}, since {timestamp(incident.since)}, in {incident.runs} runs"
    note = " It is in quarantine, and the mirror goes on without it." if incident.in_quarantine else ""
    head = f"{title(incident.subject)}{many} has been {ails(incident.subject, incident.verdict)} {when}"
    if incident.verdict is Verdict.FAILING:
        return f"{head}: {incident.cause}.{note} To do: {to_do(incident)}"
    return (
        f"{head}: {incident.cause or f'serial {incident.required_serial} wanted, {got} got'}.{note} "
        f"{incident.verdict}: {meaning(incident.verdict)}. "
        f"Tried: {tried(incident.evidence)}. To do: {to_do(incident)}"
    )


def describe_change(change: Change, now: int) -> str:
    """Return one line for an incident that has worsened or ended."""
    one = change.incident
    if change.ending is None:
        return describe(one, now)
    return (
        f"{title(one.subject)} is no longer {ails(one.subject, one.verdict)}: {change.ending.value}. "
        f"It was {one.level}, since {timestamp(one.since)}"
    )


def in_quarantine(incident: Incident, now: int) -> str:
    """Return one line for a package that goes into quarantine."""
    return (
        f"{incident.subject} has been {ails(incident.subject, incident.verdict)} for {duration(incident.age(now))}, "
        "and now in quarantine: the mirror goes on without it, and asks for it again"
    )


def tried(evidence: tuple[Evidence, ...]) -> str:
    """Return what each variant got, from which node."""
    return ", ".join(map(_one_way, evidence)) if evidence else "nothing"


def _one_way(evidence: Evidence) -> str:
    got = evidence.get("problem") or evidence.get("serial", "no serial")
    words = [str(evidence.get(name)) for name in ("x_cache", "cache_status", "served_by") if evidence.get(name)]
    return f"{evidence.get('variant')} {got}" + (f" ({' '.join(words)})" if words else "")
