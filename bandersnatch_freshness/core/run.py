"""A run under way: what is asked for, and what the answers showed.

No I/O, no clock, no log.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Mapping, Sequence
from typing import TYPE_CHECKING, Any

from msgspec.structs import replace

from .agreement import HOUR, are_three_runs
from .audit_round import AuditRound
from .back_off import BackOff
from .climb import PageResult, RecheckBudget
from .history import Batch, PastRun
from .incidents import EDGE, Incident, RunReport, Sighting
from .missing import Missing, MissingPlan, NotFound
from .missing import after_run as after_missing
from .newest import Newest
from .observations import BROKEN_BODIES, Observation
from .origin import OriginTurns
from .quarantine import QuarantineEntry, QuarantinePlan
from .usefulness import Usefulness
from .variants import LADDER, ORIGIN
from .verdicts import Verdict, judge

if TYPE_CHECKING:
    from .decision import PageRequirement


class Run:
    """One run of `bandersnatch mirror`."""

    def __init__(
        self, started: int, known: Mapping[str, Incident], *, quiets: bool = True, warn_after: int = HOUR
    ) -> None:
        """`started` is in seconds since 1970, `warn_after` in seconds; `known` are the open incidents.

        `quiets`: Bandersnatch's lines about its failures are lowered.
        """
        self.started = started
        self.batch: Batch | None = None
        # Requests for pages and copies of the index, by variant.
        self.requests: dict[str, int] = {}
        # Which serial the index has now, where a todo list is worked off; 0 if it does not say, None if nobody looked.
        self.upstream: int | None = None
        # Whether it asks for all packages that there are.
        self.is_full = False
        # The packages in quarantine that this run asks for, and the serials at which it synced some.
        self.rechecks: dict[str, RecheckBudget | None] = {}
        self.synced: dict[str, int] = {}
        # What the origin itself may be asked for.
        self.origin = OriginTurns()
        # The missing packages that it asks for again, by serial; what it did not find, and whether that is saved by
        # now; and whose page it had although something else failed.
        self.missing_asked: dict[str, int] = {}
        self.not_found: dict[str, NotFound] = {}
        self.has_kept_missing = False
        self._had_page: set[str] = set()
        self._missing: Mapping[str, Missing] = {}
        self._dropped: set[str] = set()
        self._report = RunReport()
        self._quarantine: Mapping[str, QuarantineEntry] = {}
        self._own_serials: Mapping[str, int] = {}
        self._taken: dict[str, int] = {}
        self._known = known
        # Whether an earlier run met any trouble that is not over: asked for each line of a log.
        self.has_known = bool(known)
        self._quiets = quiets
        self._warn_after = warn_after
        # Stale pages: their required serial, and all answers so far; those that the report lacks yet.
        self._seen: dict[str, list[Observation]] = {}
        self._unjudged: dict[str, int] = {}
        self._cured: Counter[str] = Counter()
        self._extra_requests = 0
        # How many variants a climb takes, and what those that were no use showed of them.
        self.ways = len(LADDER)
        self.usefulness = Usefulness()
        # How far the audit is by this run, None if it has no part in it; and what it found lost and is to sync.
        self.audit: AuditRound | None = None
        self.lost: dict[str, int] = {}
        # The packages whose announced serials can't be true, as they are listed, by normalized names.
        self.untold: dict[str, str] = {}
        self.newest = Newest()
        # Made once it is needed, as on a healthy day it isn't.
        self._back_off: BackOff | None = None
        self._asked_once: set[str] = set()

    def missing_after(self, missing: Mapping[str, Missing], now: int) -> dict[str, Missing]:
        """Return the missing packages after the run; one that is there again stays until it is synced."""
        pages = self._pages - self.missing_asked.keys()
        found = {} if self.has_kept_missing else self.not_found
        failed = self.report.failing.keys() - self._had_page
        return after_missing(missing, found, now, seen=pages | self.synced.keys() | self._dropped, failed=failed)

    @property
    def _pages(self) -> set[str]:
        """Whose pages there are."""
        return self.report.fresh | self.report.stale.keys() | self._had_page

    def missing_seen(self) -> dict[str, int]:
        """Return the missing packages that are there again and were not synced, each with the serial asked for."""
        pages = self._pages - self.synced.keys()
        return {name: serial for name, serial in self.missing_asked.items() if name in pages}

    @property
    def report(self) -> RunReport:
        """What the run has seen so far."""
        unjudged, self._unjudged = self._unjudged, {}
        for project, required_serial in unjudged.items():
            seen = self._sighting(project, required_serial)
            found = self._report.failing if seen.verdict is Verdict.FAILING else self._report.stale
            found[project] = seen
        return self._report

    def follow(self, plan: QuarantinePlan, own_serials: Mapping[str, int]) -> None:
        """Follow a plan for the packages in quarantine; `own_serials` are those of the mirror's own pages of them."""
        self._quarantine = plan.quarantine
        self._own_serials = own_serials
        for name, ways in plan.ask.items():
            known = self._known.get(name)
            newest = known.newest if known else None
            self.rechecks[name] = None if ways is None else RecheckBudget(ways, plan.quarantine[name].asks, newest)

    def follow_missing(self, plan: MissingPlan, missing: Mapping[str, Missing]) -> None:
        """Follow a plan for the packages that are missing; `missing` are all of them."""
        self.missing_asked = dict(plan.ask)
        self._missing = missing

    def drop_missing(self, names: Iterable[str]) -> None:
        """Forget missing packages that it does not ask for after all, as the mirror's own filters drop them."""
        for name in names:
            del self.missing_asked[name]
            self._dropped.add(name)

    def saw(
        self,
        project: str,
        required_serial: int,
        observations: Sequence[Observation],
        *,
        fresh: bool = False,
        not_found: NotFound | None = None,
    ) -> None:
        """Record the result of asking for a project's page once, in one or more variants."""
        self._extra_requests += len(observations) - 1
        for one in observations:
            self.requests[one.variant.name] = self.requests.get(one.variant.name, 0) + 1
        report = self._report
        if len(observations) > 1:
            self.usefulness.saw(project, observations)
            if not fresh and project not in self._asked_once:
                report.climbed |= {project} if project in self._known else {project, EDGE}
        if self._back_off is not None:
            self._back_off.ended(project, in_vain=not fresh)
        report.fresh.discard(project)
        report.gone.discard(project)
        report.stale.pop(project, None)
        report.failing.pop(project, None)
        self._unjudged.pop(project, None)
        self.not_found.pop(project, None)
        self._had_page.discard(project)
        if fresh or not_found is not None:
            self.origin.give_back(project)
        if fresh:
            report.fresh.add(project)
            self.newest.saw(project, required_serial)
            if self.concerns(project):
                self._taken[project] = required_serial
            if len(observations) > 1:
                self._cured[observations[-1].variant.name] += 1
        elif not_found is not None:
            self.not_found[project] = not_found
            if not_found.is_proven:
                report.gone.add(project)
        else:
            self._seen.setdefault(project, []).extend(observations)
            self._unjudged[project] = required_serial

    def may_ask_origin(self, project: str, ways: Collection[str]) -> bool:
        """Return whether to ask the origin itself for a page; these are the names of all other ways."""
        sighting = self.report.stale.get(project)
        return sighting is not None and self.origin.may_ask(project, sighting.verdict, self._seen[project], ways)

    def asked_origin(self, requirement: PageRequirement, result: PageResult[Any]) -> None:
        """Record what the origin itself answered when it was asked for a page that was stale in other ways."""
        project, fresh = requirement.project, result.response is not None
        self.origin.saw(project, result.observations[0], fresh=fresh)
        self.saw(project, requirement.required_serial, result.observations, fresh=fresh)
        self._extra_requests += 1
        if fresh:
            self._report.by_origin.add(project)
            self._cured[ORIGIN.name] += 1

    def _sighting(self, project: str, required_serial: int) -> Sighting:
        seen = self._seen[project]  # Bandersnatch asks three times: all of it is evidence
        known = self._known.get(project)
        best = max((one.serial for one in seen if one.serial is not None), default=None)
        verdict = judge(seen, required_serial, known.newest if known else None)
        # one of each variant is enough to read
        evidence = {one.variant.name: one.evidence() for one in seen}
        if known and known.got == best:
            # What earlier runs proved of this serial still holds, and so does what proved it.
            before = {str(one["variant"]): one for one in known.evidence}
            is_proof = verdict is Verdict.UNKNOWN and known.verdict in (Verdict.EDGE_STALE, Verdict.ORIGIN_STALE)
            verdict = known.verdict if is_proof else verdict
            evidence = evidence | before if is_proof else before | evidence
        broken = next((one.problem for one in seen if one.problem in BROKEN_BODIES), "")
        cause = f"its page: {broken}" if verdict is Verdict.FAILING else ""
        return Sighting(required_serial, best, verdict, tuple(evidence.values()), cause)

    def older_page(self, project: str) -> Observation | None:
        """Return what showed a page that is worth syncing although it is stale, None if none is.

        For a package in quarantine, that is the newest to be had, whoever holds it; but it may be older than the
        mirror's.
        """
        if project not in self.rechecks or project not in self.report.stale:
            return None
        has = max(self._quarantine[project].synced or 0, self._own_serials.get(project, 0))
        newer = (one for one in self._seen[project] if (one.serial or 0) > has and one.variant != ORIGIN)
        return max(newer, key=lambda one: one.serial or 0, default=None)

    def takes(self, project: str, serial: int) -> None:
        """Record that Bandersnatch gets a page of at least this serial."""
        if self.concerns(project):
            self._taken[project] = serial

    def concerns(self, project: str) -> bool:
        """Return whether a project is in quarantine, or missing and asked for again."""
        return project in self._quarantine or project in self.missing_asked

    def processed(self, project: str) -> bool:
        """Record that Bandersnatch has synced the page that it got; return whether that concerns the suite."""
        if project in self._taken:
            self.synced[project] = self._taken[project]
        return project in self._taken

    def proven_serial(self, project: str) -> int:
        """Return the serial that a synced page proves to have been given out when it was announced, 0 if none.

        The mirror's own may advance to it. An older page proves nothing of what was announced: that may be nonsense,
        and others have been released below the page's serial since.
        """
        serial, entry = self.synced[project], self._quarantine.get(project)
        if entry is None:
            return serial
        return entry.required_serial if serial >= entry.required_serial else 0

    def excuses(self, project: str) -> bool:
        """Return whether a failure of a project is not the run's, as it is on record apart."""
        return project in self.missing_asked or project in self.rechecks

    def budget(self, project: str, serial: int) -> RecheckBudget | None:
        """Return how to ask for a project's page of a serial, None if without a limit.

        What is known to be missing at that serial is asked for in another variant each time, and in no more. What goes
        into quarantine in this run is asked for as anything else that is known to be stale.
        """
        missing = self._missing.get(project)
        if missing and serial <= missing.serial and project not in self.rechecks:
            return RecheckBudget(1, missing.asks, None, is_missing=True)
        if self.origin.has_turn(project, serial):
            return None
        budget = self.rechecks.get(project)
        if budget is None and self._known and not (project in self.rechecks and self._quarantine[project].asks):
            if self._back_off is None:
                self._back_off = BackOff(self._known, self._is_known, self.started, self.ways)
            budget = self._back_off.budget(project)
            if budget is not None:
                self._asked_once.add(project)
        return budget

    def fails(self, project: str, required_serial: int, cause: str) -> None:
        """Record that a project can't be synced for a `cause` that is no matter of serials.

        That may be an error of its page, or of what comes after that, such as a release file.
        """
        report = self.report
        if project in report.fresh:
            report.fresh.discard(project)
            self._had_page.add(project)
        if project not in report.stale:
            report.failing[project] = Sighting(required_serial, None, Verdict.FAILING, cause=cause)
        self.origin.give_back(project)
        if self._back_off is not None and project not in self._had_page:
            self._back_off.ended(project, in_vain=True)

    def believes_gone(self, project: str, now: int, *, has_files: bool) -> bool:
        """Return whether Bandersnatch may act on a 404; where it is to delete files, that takes two proofs."""
        found, before = self.not_found.get(project), self._missing.get(project)
        if found is None:
            return True
        if has_files and not (before and before.is_proven_again(found, now)):
            self.not_found[project] = replace(found, keeps_files=True)
            return False
        return found.is_proven or (before is not None and before.is_gone)

    @property
    def is_quiet(self) -> bool:
        """Whether nobody must read what Bandersnatch says of its failures, as the suite tells what persists."""
        return self._quiets

    def is_known(self, *subjects: str) -> bool:
        """Return whether an earlier run met the trouble with one of these subjects, or with the whole edge."""
        return any(subject in self._known for subject in (*subjects, EDGE))

    def is_persistent(self, project: str) -> bool:
        """Return whether waiting within a run is no use: the origin was proved to be behind, or many runs met it."""
        known = self._known.get(project) or self._known.get(EDGE)
        return known is not None and self._is_known(known)

    def _is_known(self, incident: Incident) -> bool:
        return incident.verdict is Verdict.ORIGIN_STALE or are_three_runs(
            incident.runs, incident.since, incident.seen, self._warn_after
        )

    def finished(self, now: int, outcome: str, target: int) -> PastRun:
        """Return what to remember of the run; `now` is in seconds since 1970."""
        report = self.report
        return PastRun(
            started=self.started,
            finished=now,
            outcome=outcome,
            serial=report.reached,
            target=target,
            fresh=len(report.fresh),
            stale=len(report.stale),
            gone=len(self.not_found),
            extra_requests=self._extra_requests,
            cured=dict(self._cured),
            failing=len(report.failing),
        )
