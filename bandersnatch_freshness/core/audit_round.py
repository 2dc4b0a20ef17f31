"""The audit in every run: a round through all that the index lists, a slice a run. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import islice
from math import ceil
from types import MappingProxyType

from msgspec import Struct
from msgspec.structs import replace

from .completeness import usual_interval
from .history import PastRun

# A run gives at most so many seconds to its slice, at most this share of what the last run took, and asks for at most
# so many packages that were found lost.
SECONDS, SHARE, FINDINGS = 0.5, 0.02, 20
LEAST_SECONDS = 1  # what a run counts as that took less

# With more than this share of the listing missing, and more than one package, a mirror was made partial by hand: what
# it lacks is reported, and synced only with consent.
MISSING_SHARE = 0.01

# A round that takes longer than this share of `audit_every` is late.
LATE_SHARE = 1.1


def is_partial(missing: int, listed: int) -> bool:
    """Return whether so many missing of so many listed are too many to be losses."""
    return missing > max(1, listed * MISSING_SHARE)


class PastRound(Struct, frozen=True):
    """A round that is over: of so many `listed`, so many were `found` lost, some of these `missing`.

    Times are in seconds since 1970.
    """

    began: int
    ended: int
    listed: int
    found: int
    missing: int


class AuditRound(Struct, frozen=True):
    """The round under way: the first `seen` of the `listed` projects have been compared since it `began`.

    So many were `found` lost, some of these `missing`. Those of the missing that no run asks for yet are `held`, with
    their serials. `is_consented` is whether what is missing is to be synced, however much it is; `is_whole`, whether a
    round has found that nothing was missing but what may be a loss. `last` is the round before. Times are in seconds
    since 1970.
    """

    began: int
    seen: int = 0
    listed: int = 0
    found: int = 0
    missing: int = 0
    held: Mapping[str, int] = MappingProxyType({})
    is_consented: bool = False
    is_whole: bool = False
    last: PastRound | None = None

    @property
    def lost(self) -> int:
        """How many packages are missing of a mirror that had them once, too many to be synced without consent."""
        if not self.is_whole or self.is_consented:
            return 0
        rounds = [(self.missing, self.listed), *([(self.last.missing, self.last.listed)] if self.last else [])]
        return max((missing for missing, listed in rounds if is_partial(missing, listed)), default=0)

    def start(self, listed: int) -> int:
        """Return where the next slice begins, of so many `listed`; a listing that is shorter now may have moved."""
        return min(listed, max(0, self.seen - max(0, self.listed - listed)))

    def goal(self, listed: int, now: int, every: int, runs: Sequence[PastRun]) -> int:
        """Return how many projects are to be compared by the end of a run, of so many `listed`.

        So many that all are by the time that the round is `every` seconds old, though the next run begin after that.
        """
        age = now - self.began + min(every, usual_interval(runs) or 0)
        return max(self.start(listed), min(listed, ceil(listed * age / every)))

    def is_late(self, now: int, every: int) -> bool:
        """Return whether this round, or the last one, takes longer than `every` seconds."""
        return max(now - self.began, self.last.ended - self.last.began if self.last else 0) > every * LATE_SHARE

    def may_sync(self, *, is_filtered: bool) -> bool:
        """Return whether what is missing is to be synced: not without consent where filters may have kept it out."""
        if self.is_consented:
            return True
        last = self.last
        is_loss = last is not None and not is_partial(last.missing, last.listed)
        return is_loss and not is_filtered and not is_partial(self.missing, self.listed)

    def after_slice(
        self,
        seen: int,
        listed: int,
        lost: Mapping[str, int],
        missing: Mapping[str, int],
        now: int,
        every: int,
        *,
        is_filtered: bool,
    ) -> tuple[AuditRound, dict[str, int]]:
        """Return the round after a slice that got to `seen`, and which packages to sync, with their serials.

        The slice found so many `lost` of which there is an older page, or a broken one, and so many `missing`.
        """
        after = replace(
            self,
            seen=seen,
            listed=listed,
            found=self.found + len(lost) + len(missing),
            missing=self.missing + len(missing),
            held={**self.held, **missing},
        )
        if seen >= listed:
            after = after._over(now, every)
        if not after.may_sync(is_filtered=is_filtered):
            is_too_much = is_filtered or is_partial(after.missing, listed)
            return replace(after, held={} if is_too_much else after.held), dict(lost)
        sync = {**lost, **dict(islice(after.held.items(), max(0, FINDINGS - len(lost))))}
        return replace(after, held={name: serial for name, serial in after.held.items() if name not in sync}), sync

    def _over(self, now: int, every: int) -> AuditRound:
        last = PastRound(self.began, now, self.listed, self.found, self.missing)
        # The next one begins where this one was to end.
        began = self.began + every if now < self.began + 2 * every else now
        is_whole = self.is_whole or not is_partial(self.missing, self.listed)
        return replace(self, began=began, seen=0, found=0, missing=0, is_whole=is_whole, last=last)


def resumed(before: AuditRound | None, now: int, every: int) -> AuditRound:
    """Return the round that a run goes on with; a new one where there is none, or its clock was ahead of `now`."""
    if before is None:
        return AuditRound(now)
    return before if before.began <= now + every else replace(before, began=now)


def seconds_for(runs: Sequence[PastRun]) -> float:
    """Return how many seconds a run may give to its slice, by what the last one took that got to its end."""
    took = next((run.finished - run.started for run in reversed(runs) if run.is_whole), 0)
    return min(SECONDS, SHARE * max(LEAST_SECONDS, took))
