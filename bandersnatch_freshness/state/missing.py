"""The missing packages: what is remembered of them, over the course of a run."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping

from ..core import missing
from ..core.missing import MissingPlan
from ..core.run import Run
from .document import State
from .records import Records


class MissingPackages:
    """The packages that were announced, and whose page is a 404."""

    def __init__(self, records: Records, clock: Callable[[], int]) -> None:
        """`clock` returns seconds since 1970."""
        self._records = records
        self._clock = clock

    def __bool__(self) -> bool:
        """Return whether there are any."""
        return bool(self._records.state.missing)

    def is_any_due(self) -> bool:
        """Return whether one is to be asked for again, unless the index doesn't list it any more."""
        now = self._clock()
        return any(one.is_due(now) for one in self._records.state.missing.values())

    def owed(self) -> set[str]:
        """Return those that are not proven to be gone."""
        return {name for name, _ in missing.still_owed(self._records.state.missing)}

    def note_listed(self, listed: Collection[str]) -> None:
        """Note which of them the index lists."""
        state = self._records.state
        state.missing = missing.after_listing(state.missing, listed, self._clock())

    def plan(self, run: Run, listed: Mapping[str, int]) -> MissingPlan:
        """Decide on them in a run that has these packages on its list, by their serials."""
        state = self._records.state
        plan = missing.plan(state.missing, listed, state.quarantine, self._clock(), drains=state.drains)
        run.follow_missing(plan, state.missing)
        return plan

    def keep(self, run: Run) -> bool:
        """Save what the run did not find, before the mirror's serial passes it; return False if that fails."""
        found = run.not_found
        if all(one.is_proven for one in found.values()):
            return True

        def keep(state: State) -> None:
            state.missing = missing.after_run(state.missing, found, self._clock())
            run.has_kept_missing = True

        return self._records.update(keep)
