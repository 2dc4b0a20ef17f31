"""A run under way: what it knows of earlier ones, and what it sees. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from ..state.document import Batch, PastRun
from .incidents import EDGE, RUNS_BEFORE_WARNING, Incident, Level, RunReport, Sighting
from .ladder import RecheckBudget
from .observations import Observation
from .quarantine import QuarantineEntry, QuarantinePlan
from .verdicts import Verdict, judge


class Run:
    """One run of `bandersnatch mirror`."""

    def __init__(self, started: int, known: Mapping[str, Incident], *, quiets: bool = True) -> None:
        """`started` is in seconds since 1970; `known` are the incidents that are open.

        `quiets` is whether Bandersnatch's lines about what is no news are to be lowered.
        """
        self.started = started
        self.report = RunReport()
        self.batch: Batch | None = None
        # The pages and copies of the index that were asked for, by variant.
        self.requests: Counter[str] = Counter()
        # Whether it asks for all packages that there are.
        self.is_full = False
        # What is in quarantine: those that this run asks for, and at which serial it synced some.
        self.rechecks: dict[str, RecheckBudget | None] = {}
        self.synced: dict[str, int] = {}
        self._quarantine: Mapping[str, QuarantineEntry] = {}
        self._copies: Mapping[str, int] = {}
        self._taken: dict[str, int] = {}
        self._known = known
        self._quiets = quiets
        self._seen: dict[str, list[Observation]] = {}
        self._cured: Counter[str] = Counter()
        self._extra_requests = 0

    def follow(self, plan: QuarantinePlan, copies: Mapping[str, int]) -> None:
        """Know what is in quarantine, how to ask for it, and the serials of the mirror's own copies of it."""
        self._quarantine = plan.quarantine
        self._copies = copies
        for name, ways in plan.ask.items():
            known = self._known.get(name)
            self.rechecks[name] = (
                None
                if ways is None
                else RecheckBudget(ways, plan.quarantine[name].asks, known.newest if known else None)
            )

    def saw(
        self, project: str, required_serial: int, observations: Sequence[Observation], *, fresh: bool, gone: bool
    ) -> None:
        """Take down what came of asking for a project's page once, in one or more ways."""
        self._extra_requests += len(observations) - 1
        for one in observations:
            self.requests[one.variant.name] += 1
        report = self.report
        for place in (report.fresh, report.gone):
            place.discard(project)
        report.stale.pop(project, None)
        if fresh:
            report.fresh.add(project)
            self.takes(project, required_serial)
            if len(observations) > 1:
                self._cured[str(observations[-1].variant)] += 1
        elif gone:
            report.gone.add(project)
        else:
            report.stale[project] = self._sighting(project, required_serial, observations)

    def _sighting(self, project: str, required_serial: int, observations: Sequence[Observation]) -> Sighting:
        # Bandersnatch asks three times: all of it is evidence.
        seen = self._seen.setdefault(project, [])
        seen.extend(observations)
        known = self._known.get(project)
        best = max((one.serial for one in seen if one.serial is not None), default=None)
        verdict = judge(seen, required_serial, known.newest if known else None)
        # one of each variant is enough to read
        evidence = {str(one.variant): one.evidence() for one in seen}
        if known and known.got == best:
            # What was proven of this serial in earlier runs still is.
            verdict = known.verdict if verdict is Verdict.UNKNOWN else verdict
            evidence = {str(one["variant"]): one for one in known.evidence} | evidence
        return Sighting(required_serial, best, verdict, tuple(evidence.values()))

    def older_page_to_take(self, project: str) -> int | None:
        """Return the serial of a page that is worth syncing although it is stale, None where none is.

        Of what is in quarantine, the origin's own page has the newest content that exists; but
        it may be older than what the mirror has.
        """
        sighting = self.report.stale.get(project)
        if project not in self.rechecks or sighting is None or sighting.got is None:
            return None
        has = max(self._quarantine[project].synced or 0, self._copies.get(project, 0))
        return sighting.got if sighting.verdict is Verdict.ORIGIN_STALE and sighting.got > has else None

    def takes(self, project: str, serial: int) -> None:
        """Note that Bandersnatch gets a page of at least this serial."""
        if self.concerns(project):
            self._taken[project] = serial

    def concerns(self, project: str) -> bool:
        """Tell whether a project is in quarantine."""
        return project in self._quarantine

    def processed(self, project: str) -> bool:
        """Note that Bandersnatch is through with the page that it got; tell whether that was in quarantine."""
        if project in self._taken:
            self.synced[project] = self._taken[project]
        return project in self._taken

    def excuses(self, project: str) -> bool:
        """Tell whether a failure of a project is none of the run: it is in quarantine, and still not to be had."""
        return project in self.rechecks and project not in self._taken

    def is_quiet(self, project: str) -> bool:
        """Tell whether a stale page of a project is no news yet that anybody must read."""
        known = [one for one in (self._known.get(project), self._known.get(EDGE)) if one is not None]
        return self._quiets and all(one.level is Level.STALE for one in known)

    def is_persistent(self, project: str) -> bool:
        """Tell whether waiting within a run is no use: an earlier one proved the origin behind, or many met it."""
        known = self._known.get(project) or self._known.get(EDGE)
        return known is not None and (known.verdict is Verdict.ORIGIN_STALE or known.runs >= RUNS_BEFORE_WARNING)

    def finished(self, now: int, outcome: str, target: int) -> PastRun:
        """Return what to remember of the run."""
        return PastRun(
            started=self.started,
            finished=now,
            outcome=outcome,
            serial=self.report.reached,
            target=target,
            fresh=len(self.report.fresh),
            stale=len(self.report.stale),
            gone=len(self.report.gone),
            extra_requests=self._extra_requests,
            cured=dict(self._cured),
        )
