"""The judgement: what users of a mirror get, and how bad that is. No I/O and no clock."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence

from msgspec import Struct

from ..core.completeness import INTERVALS
from ..exit_codes import CheckExit
from ..formatting import duration, printable, timestamp
from ..reporting.published import Published
from ..reporting.standing import CLOCK_SECONDS, LONGEST_CAUSE
from ..transports.problems import NO_ROUTE, TIME_OUT
from .answers import Answer, Kind
from .reference import DAY, Reference
from .survey import Surveyed

# Of a mirror that says nothing of itself but when it was synced last: it may be one that runs once a day.
WARN_SYNCED, CRITICAL_SYNCED = DAY, 3 * DAY

NAMED = 2

_BADNESS = {CheckExit.OK: 0, CheckExit.UNKNOWN: 1, CheckExit.WARNING: 2, CheckExit.CRITICAL: 3}


class Finding(Struct, frozen=True):
    """One thing that is known of a mirror; `age` is for how long it is so at least, in seconds, None if not known."""

    severity: CheckExit
    text: str
    age: int | None = None


class Judged(Struct, frozen=True):
    """What users of one mirror get. `older` are copies that are older than the mirror itself has."""

    url: str
    severity: CheckExit
    text: str
    complete_age: int | None
    serial_lag: int | None
    older: Sequence[Finding]
    requests: int


def badness(severity: CheckExit) -> int:
    """Return how bad an exit code is: what is not known is worse than OK only."""
    return _BADNESS[severity]


def judge(fleet: Sequence[Surveyed], reference: Reference, now: int) -> list[Judged]:
    """Return what users get of each mirror; all of a fleet are to have what the `reference` has."""
    return [_judge(one, reference, now) for one in fleet]


def _judge(one: Surveyed, reference: Reference, now: int) -> Judged:
    older = sorted(_older(one.answers, reference, now), key=lambda found: (-badness(found.severity), -(found.age or 0)))
    findings = [*_unreached(one), *_faults(one.answers), *_standings(one.answers, now), *_summed_up(older)]
    if not reference.has_dates and all(found.severity is not CheckExit.CRITICAL for found in findings):
        findings.append(
            Finding(CheckExit.UNKNOWN, f"nothing tells how old that is what users get{_missed(one.answers)}")
        )
    if not findings:
        findings.append(Finding(CheckExit.OK, "no copy is older than another; when it was complete is not known"))
    said = sorted(findings, key=lambda found: -badness(found.severity))
    facts = [answer.published for answer in one.answers if answer.published]
    return Judged(
        one.places.shown,
        said[0].severity,
        "; ".join(dict.fromkeys(found.text for found in said)),
        max((max(0, now - at) for answer in one.answers if (at := _complete_at(answer)) is not None), default=None),
        max((found.serial_lag for found in facts if found.serial_lag is not None), default=None),
        older,
        one.requests,
    )


def _unreached(one: Surveyed) -> Iterator[Finding]:
    """Yield which of a mirror's addresses don't answer; one that this host has no way to is no matter of the mirror."""
    if one.problem:
        yield Finding(CheckExit.CRITICAL, one.problem)
        return
    problems = {address: _first_problem(one, address) for address in one.addresses}
    problems = {
        address: problem
        for address, problem in problems.items()
        if problem != NO_ROUTE or set(problems.values()) == {NO_ROUTE}
    }
    failed = {address: problem for address, problem in problems.items() if problem}
    if failed and len(failed) == len(problems):
        yield Finding(CheckExit.CRITICAL, ", ".join(dict.fromkeys(failed.values())))
    elif failed:
        said = ", ".join(f"{address}: {problem}" for address, problem in failed.items())
        yield Finding(CheckExit.WARNING, f"{len(failed)} of {len(problems)} addresses fail ({said})")


def _first_problem(one: Surveyed, address: str) -> str:
    """Return why an address gave no answer, empty if it gave one."""
    answers = [answer for answer in one.answers if answer.question.address == address]
    if not answers:
        return TIME_OUT
    return next((answer.problem for answer in answers if answer.status is None), "")


def _faults(answers: Sequence[Answer]) -> Iterator[Finding]:
    """Yield what users don't get at all."""
    if any(answer.published and answer.published.verdict == "first-sync" for answer in answers):
        return
    index = [one for one in answers if one.question.kind is Kind.INDEX and one.status is not None]
    bad = [
        (one, one.problem or "a page that is no index") for one in index if one.problem or not (one.names or one.serial)
    ]
    if bad:
        one, problem = bad[0]
        yield Finding(CheckExit.CRITICAL, f"{_named(one)} is not there: {problem}")
    facts = [one.published for one in answers if one.published]
    known = {name for one in facts for name in one.newest}
    has_serials = bool(facts) or any(one.modified for one in answers)
    pages = [one for one in answers if one.question.kind is Kind.PAGE and one.status is not None]
    if any(one.status != 404 for one in pages):  # a project that is deleted meanwhile is one
        pages = [one for one in pages if one.status != 404 or one.question.project in known]
    broken = [(one, fault) for one in pages if (fault := _fault(one, has_serials=has_serials))]
    if broken:
        one, problem = broken[0]
        severity = CheckExit.CRITICAL if len(broken) == len(pages) else CheckExit.WARNING
        yield Finding(severity, f"{len(broken)} of {len(pages)} pages fail, such as {_named(one)}: {problem}")


def _fault(answer: Answer, *, has_serials: bool) -> str:
    """Return what is wrong with a page, empty if nothing is; those of a mirror have serials."""
    if answer.is_listing:
        return "a directory listing"
    return answer.problem or ("it has no serial" if has_serials and answer.serial is None else "")


def _standings(answers: Sequence[Answer], now: int) -> Iterator[Finding]:
    """Yield what the mirror says of itself, at each address."""
    for one in answers:
        if one.published:
            yield _standing(one.published, now)
        elif one.modified is not None and one.modified > now + CLOCK_SECONDS:
            yield Finding(CheckExit.UNKNOWN, "its last-modified is in the future: a clock is wrong")
        elif one.modified is not None:
            age = now - one.modified
            late = CheckExit.CRITICAL if age >= CRITICAL_SYNCED else CheckExit.WARNING
            severity = CheckExit.OK if age < WARN_SYNCED else late
            yield Finding(severity, f"synced {_ago(age)}, by its last-modified", age)


def _standing(one: Published, now: int) -> Finding:
    """Return what a mirror says of itself, as of now."""
    if one.written > now + CLOCK_SECONDS:
        ahead = duration(one.written - now)
        return Finding(CheckExit.UNKNOWN, f"its facts were written {ahead} in the future: a clock is wrong")
    complete = f"complete as of {_ago(now - one.complete_at)}" if one.complete_at else "not known to be complete yet"
    if now > one.quiet_until:
        last = one.last_run.finished if one.last_run else one.written
        return Finding(CheckExit.CRITICAL, f"no run for {duration(now - last)}; {complete}")
    severity = CheckExit[one.severity.upper()]
    silence = now - one.written
    if one.usual_interval and silence > max(one.warn_after, INTERVALS * one.usual_interval):
        # No matter yet for whoever sees that a run is at work, but its users get nothing new.
        usual = f"usually one every {duration(one.usual_interval)}"
        found = Finding(CheckExit.WARNING, f"no run has ended for {duration(silence)}, {usual}; {complete}")
        return max(found, Finding(severity, found.text), key=lambda either: badness(either.severity))
    if one.verdict == "fresh":
        return Finding(severity, complete)
    lag = f" by {one.serial_lag:,} serials" if one.serial_lag and one.verdict in ("behind", "stale") else ""
    since = f" since {timestamp(one.since)}" if one.since else ""
    # Its durations are as of when it was written.
    reason = f"{printable(one.reason, LONGEST_CAUSE)} (as of {_ago(silence)})"
    why = f": {reason}" if one.since or severity is not CheckExit.OK else ""
    return Finding(severity, f"{one.verdict.replace('-', ' ')}{lag}{since}{why}; {complete}")


def _complete_at(answer: Answer) -> int | None:
    return answer.published.complete_at if answer.published else answer.modified


def _missed(answers: Iterable[Answer]) -> str:
    """Return why a mirror's answers don't tell how old it is, to follow what is said of that."""
    problems = {
        one.question.kind.value: one.problem or "another document"
        for one in answers
        if one.question.kind in (Kind.FACTS, Kind.MODIFIED)
    }
    return f" ({'; '.join(f'{what}: {problem}' for what, problem in problems.items())})" if problems else ""


def _older(answers: Iterable[Answer], reference: Reference, now: int) -> Iterator[Finding]:
    """Yield the copies that are older than the mirror itself has."""
    best = reference.published
    for one in answers:
        found = one.published
        if best and found and (found.serial or 0) < (best.serial or 0):
            since = reference.since_facts(found.serial or 0)
            yield _old(one, f"serial {found.serial or 0}, the mirror at {best.serial}", since, reference, now)
        elif one.modified and reference.modified and one.modified < reference.modified:
            # Its own time is that of a run; the next one was later.
            text = f"{timestamp(one.modified)}, the newest at {timestamp(reference.modified)}"
            yield _old(one, text, now - (reference.modified - one.modified), reference, now)
        elif one.question.kind in (Kind.INDEX, Kind.PAGE) and (one.serial is not None or one.status == 404):
            wanted = reference.wanted(one)
            is_page = one.question.kind is Kind.PAGE
            if one.status == 404 and is_page and wanted.serial and _is_elsewhere(one, reference):
                yield _old(one, f"a 404, the mirror at serial {wanted.serial}", wanted.since, reference, now)
            elif one.serial is not None and one.serial < wanted.serial:
                text = f"serial {one.serial}, the mirror at {wanted.serial}"
                yield _old(one, text, wanted.since, reference, now)


def _is_elsewhere(answer: Answer, reference: Reference) -> bool:
    """Return whether another copy of a page is there: filters and deletions make a 404 of all."""
    return any(reference.serials(answer.question.project))


def _old(one: Answer, text: str, since: int | None, reference: Reference, now: int) -> Finding:
    age = max(0, now - since) if since is not None else one.age
    thresholds = reference.thresholds
    if age is None:
        return Finding(CheckExit.WARNING, f"{_named(one)} is at {text}", None)
    late = CheckExit.CRITICAL if age >= thresholds.critical_after else CheckExit.WARNING
    return Finding(
        late if age >= thresholds.warn_after else CheckExit.OK, f"{_named(one)} is at {text}, for {duration(age)}", age
    )


def _summed_up(older: Sequence[Finding]) -> Iterator[Finding]:
    """Yield the worst of the old copies, and how many more there are."""
    if older:
        more = f", and {len(older) - NAMED} more copies are old" if len(older) > NAMED else ""
        text = f"older than the mirror itself has: {', '.join(one.text for one in older[:NAMED])}{more}"
        yield Finding(older[0].severity, text, older[0].age)


def _named(one: Answer) -> str:
    """Return what an answer is of, which copy, and who gave it."""
    question = one.question
    what = question.project or question.kind.value
    copy = f" ({question.copy})" if question.kind in (Kind.INDEX, Kind.PAGE) else ""
    node = f" ({printable(one.node)})" if one.node else ""
    return f"{printable(what)}{copy}" + (f" at {question.address}{node}" if question.address else node)


def _ago(age: int) -> str:
    return f"{duration(max(0, age))} ago"
