"""The ladder in use: where to start asking, what to try next, when to stop climbing."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .observations import Observation
from .variants import Variant

# After this many fresh answers away from the first rung, ask there again: a single stale
# page must not keep the whole run from asking plainly. Each trial that fails makes the
# next one rarer, so that an edge that is stale throughout costs next to nothing.
TRIAL_AFTER = 25
TRIAL_BACKOFF = 4

# Extra requests that may be spent in vain in one run: so many at least, and this share
# of all answers. Past that the trouble is not one of single pages, and climbing on would
# only load PyPI.
VAIN_REQUESTS = 1000
VAIN_SHARE = 0.1


class RecheckBudget(NamedTuple):
    """How to ask for a page that is known to be stale: in so many `ways`, while that is so.

    The first of them is the rung number `first`. An answer with a higher serial than `known`,
    the highest that it ever had, is news and worth a climb, and so is one that is no page.
    """

    ways: int
    first: int
    known: int | None

    def is_enough(self, observations: Sequence[Observation]) -> bool:
        """Tell whether nothing more is to be learned than these observations say."""
        return len(observations) >= self.ways and all(
            (seen.serial or 0) <= (self.known or 0) and seen.status == 200 for seen in observations
        )


class Ladder:
    """What the answers of one run taught about the variants. Does no I/O."""

    def __init__(self, rungs: Sequence[Variant]) -> None:
        """`rungs`: the variants in the order of trying, at least one."""
        self.rungs = tuple(rungs)
        self.start = self.rungs[0]
        self._answers = 0
        self._vain = 0
        self._until_trial = self._trial_after = TRIAL_AFTER

    @property
    def exhausted(self) -> bool:
        """Whether the budget for requests in vain is used up."""
        return self._vain > VAIN_REQUESTS + VAIN_SHARE * self._answers

    def climb(self, budget: RecheckBudget | None = None) -> tuple[Variant, ...]:
        """Return the variants for one page, in the order to try them."""
        if budget is not None:
            turn = budget.first % len(self.rungs)
            return self.rungs[turn:] + self.rungs[:turn]
        first = self.start
        if first is self.rungs[0]:  # as for nearly every page
            return self.rungs
        if self._until_trial <= 0:
            first = self.rungs[0]
            self._until_trial = self._trial_after = self._trial_after * TRIAL_BACKOFF
        return tuple(dict.fromkeys((first, self.start, *self.rungs)))

    def fresh_at(self, variant: Variant, extra_requests: int) -> None:
        """Learn that this variant got a fresh answer, after so many extra requests.

        Later pages start there. A fresh answer to a request that was under way while
        others learned something newer changes nothing.
        """
        self._answers += 1
        if variant == self.rungs[0]:
            self.start = self.rungs[0]
            self._trial_after = TRIAL_AFTER
        elif extra_requests:
            self.start = variant
            self._until_trial = self._trial_after
        else:
            self._until_trial -= 1

    def in_vain(self, extra_requests: int) -> None:
        """Learn that no variant got a fresh answer, after so many extra requests."""
        self._answers += 1
        self._vain += extra_requests
