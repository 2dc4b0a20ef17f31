"""The audit in every run, of one mirror: which slice of the listing is next, and what becomes of what it finds."""

from __future__ import annotations

from collections.abc import Callable, Mapping

from msgspec import Struct
from msgspec.structs import replace

from ..core import quarantine
from ..core.audit_round import AuditRound, resumed, seconds_for
from ..core.missing import Missing
from ..core.quarantine import QuarantineEntry
from ..core.run import Run
from .document import State
from .records import Records


class Slice(Struct, frozen=True):
    """The projects to compare in a run, from `start` to `stop` in the order of the listing, of so many `listed`.

    It ends before that where it takes more than so many `seconds`.
    """

    audit: AuditRound
    start: int
    stop: int
    listed: int
    seconds: float


class AuditRounds:
    """The rounds of the audit that runs make."""

    def __init__(self, records: Records, every: int | None, clock: Callable[[], int]) -> None:
        """`every` is in how many seconds a round is to be over, None if runs compare nothing.

        `clock` returns seconds since 1970.
        """
        self._records = records
        self._every = every
        self._clock = clock

    def next_slice(self, run: Run, listed: int) -> Slice | None:
        """Return what a run is to compare, None if nothing. With a run that asks for all there is, the first begins."""
        if self._every is None or run.report.overlaps or not listed:
            return None
        state, now = self._records.state, self._clock()
        audit = resumed(state.audit, now, self._every)
        run.audit = audit = audit if audit.seen else replace(audit, listed=listed)
        start, stop = audit.start(listed), audit.goal(listed, now, self._every, state.runs)
        if run.is_full or (start == stop and not audit.held):
            return None
        return Slice(audit, start, stop, listed, seconds_for(state.runs))

    @property
    def on_record(self) -> tuple[Mapping[str, QuarantineEntry], Mapping[str, Missing]]:
        """What is in quarantine, and what is missing by a 404, and asked for anyway."""
        return self._records.state.quarantine, self._records.state.missing

    def note(
        self,
        run: Run,
        part: Slice,
        seen: int,
        lost: Mapping[str, int],
        missing: Mapping[str, int],
        *,
        is_filtered: bool,
    ) -> None:
        """Note what a slice that got to `seen` found; what is to be synced goes into quarantine with the run's plan."""
        now, every = self._clock(), self._every or 0
        run.audit, run.lost = part.audit.after_slice(
            seen, part.listed, lost, missing, now, every, is_filtered=is_filtered
        )


def with_lost(state: State, run: Run, now: int) -> dict[str, QuarantineEntry]:
    """Return the quarantine with what a run's audit found lost, and is to sync."""
    return quarantine.with_lost(state.quarantine, run.lost, now) if run.lost else state.quarantine
