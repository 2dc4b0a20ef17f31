"""A run under way: what it knows of earlier ones, and what it sees. No I/O."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping, Sequence

from .incidents import EDGE, RUNS_BEFORE_WARNING, Incident, Level, Report, Sighting
from .observations import Observation
from .state import PastRun
from .verdicts import judge


class Run:
    """One run of `bandersnatch mirror`."""

    def __init__(self, started: int, known: Mapping[str, Incident]) -> None:
        """`started` is in seconds since 1970; `known` are the incidents that are open."""
        self.started = started
        self.report = Report()
        self._known = known
        self._seen: dict[str, list[Observation]] = {}
        self._cured: Counter[str] = Counter()
        self._extra_requests = 0

    def saw(self, project: str, required: int, observations: Sequence[Observation], *, fresh: bool, gone: bool) -> None:
        """Take down what came of asking for a project's page once, in one or more ways."""
        self._extra_requests += len(observations) - 1
        report = self.report
        for place in (report.fresh, report.gone):
            place.discard(project)
        report.stale.pop(project, None)
        if fresh:
            report.fresh.add(project)
            if len(observations) > 1:
                self._cured[str(observations[-1].variant)] += 1
        elif gone:
            report.gone.add(project)
        else:
            report.stale[project] = self._sighting(project, required, observations)

    def _sighting(self, project: str, required: int, observations: Sequence[Observation]) -> Sighting:
        # Bandersnatch asks three times: all of it is evidence.
        seen = self._seen.setdefault(project, [])
        seen.extend(observations)
        known = self._known.get(project)
        best = max((one.serial for one in seen if one.serial is not None), default=None)
        verdict = judge(seen, required, known.newest if known else None)
        # one of each variant is enough to read
        evidence = {one.variant: one.evidence() for one in seen}
        return Sighting(required, best, verdict, tuple(evidence.values()))

    def is_quiet(self, project: str) -> bool:
        """Tell whether a stale page of a project is no news yet that anybody must read."""
        known = self._known.get(project)
        return known is None or known.level is Level.STALE

    def is_persistent(self, project: str) -> bool:
        """Tell whether it was stale in so many runs that waiting within one is no use."""
        known = self._known.get(project) or self._known.get(EDGE)
        return known is not None and known.runs >= RUNS_BEFORE_WARNING

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
