"""Missing packages: announced, and their page is a 404. No I/O, no clock.

A 404 that came past all caches proves that a package is gone. Any other may be a cache's: the package is kept on
record and asked for again, ever more rarely, and believed to be gone when it was a 404 each time, for a week, or when
the index lists it no more.
"""

from __future__ import annotations

from collections.abc import Collection, Iterator, Mapping, Set

from msgspec import Struct
from msgspec.structs import replace

from .agreement import HOUR, are_most_back

DAY = 24 * HOUR
BELIEVED_AFTER = 7 * DAY
FORGOTTEN_AFTER = 30 * DAY

# So often a 404 must have come, however long it is since the first: a clock may be wrong, and a run may be rare.
LEAST_ASKS = 5

# So many are asked for again within an hour, or this share of them, if that is more.
ASKS_PER_HOUR = 10
SHARE_PER_HOUR = 0.01


class NotFound(Struct, frozen=True):
    """A 404 that a run got for a package announced with `serial`.

    `keeps_files`: the mirror has files of it that Bandersnatch is to delete, and this was the first proof.
    """

    serial: int
    is_proven: bool
    keeps_files: bool = False


class Missing(Struct, frozen=True, gc=False):  # there may be 100,000, none of them in a cycle
    """A package that was announced with `serial`, and is a 404 since `since`.

    It was asked for `asks` times, last at `last_asked`. If it `is_proven`, `since` is the time of the proof. `unlisted`
    is since when no index has listed it (0: it is listed). Times are in seconds since 1970. `keeps_files`: the mirror's
    files of it go with a second proof.
    """

    serial: int
    since: int
    last_asked: int
    asks: int = 1
    is_proven: bool = False
    unlisted: int = 0
    keeps_files: bool = False

    @property
    def is_gone(self) -> bool:
        """Whether it is believed to be gone."""
        return self.is_proven or (self.asks >= LEAST_ASKS and self.last_asked - self.since >= BELIEVED_AFTER)

    def is_due(self, now: int) -> bool:
        """Return whether to ask for it again: for the second proof, or after about as long as it has been missing."""
        if self.is_gone and not self.keeps_files:
            return False
        pause = HOUR if self.is_gone else max(HOUR, min(DAY, self.last_asked - self.since))
        return not self.last_asked <= now < self.last_asked + pause  # also true if the clock has jumped back

    def is_proven_again(self, found: NotFound, now: int) -> bool:
        """Return whether another 404 is a second proof, an hour after the first."""
        first = self.since if self.is_proven else self.last_asked
        is_proof = self.is_gone and (found.is_proven or not self.is_proven)
        return found.serial == self.serial and is_proof and now - first >= HOUR


class MissingPlan(Struct, frozen=True):
    """What a run does about missing packages: those to `ask` for again, with their serials, and those to `hold` off."""

    ask: Mapping[str, int]
    hold: Set[str]


def plan(
    missing: Mapping[str, Missing],
    listed: Mapping[str, int],
    in_quarantine: Collection[str],
    now: int,
    *,
    drains: bool = False,
) -> MissingPlan:
    """Return the plan for a run that has these packages on its list, by their serials; if it `drains`, all are due.

    One with another serial than is remembered is news, and asked for as any other. What is `in_quarantine` too is
    asked for from there.
    """
    apart = {name: one for name, one in missing.items() if name not in in_quarantine}
    news = {name for name, one in apart.items() if listed.get(name, one.serial) != one.serial}
    asked = sum(one.asks > 1 and now - HOUR < one.last_asked <= now for one in apart.values())
    due = sorted(
        (one.last_asked, name)
        for name, one in apart.items()
        if name not in news and (one.is_due(now) or (drains and not one.is_gone))
    )
    most = len(due) if drains else max(0, _most(apart) - asked)
    ask = {name: apart[name].serial for _, name in due[:most]}
    return MissingPlan(ask, {name for name in listed if name in apart and name not in news and name not in ask})


def is_over(asked: Set[str], back: Set[str], owed: int) -> bool:
    """Return whether the trouble seems to be over, as most of what a run asked for again of so many is `back`."""
    return are_most_back(asked, back, min(owed, ASKS_PER_HOUR))


def _most(missing: Mapping[str, Missing]) -> int:
    return max(ASKS_PER_HOUR, int(sum(not one.is_gone for one in missing.values()) * SHARE_PER_HOUR))


def after_listing(missing: Mapping[str, Missing], listed: Collection[str], now: int) -> dict[str, Missing]:
    """Return them after an index that lists these; what two indexes an hour apart don't list is proven to be gone."""
    after = {}
    for name, one in missing.items():
        unlisted = 0 if name in listed else min(one.unlisted, now) or now
        if one.is_gone or unlisted == one.unlisted == 0:
            after[name] = one
        elif unlisted and now - unlisted >= HOUR:
            after[name] = replace(one, is_proven=True, since=now, unlisted=unlisted)
        else:
            after[name] = replace(one, unlisted=unlisted)
    return after


def after_run(
    missing: Mapping[str, Missing],
    found: Mapping[str, NotFound],
    now: int,
    *,
    seen: Collection[str] = (),
    failed: Collection[str] = (),
) -> dict[str, Missing]:
    """Return them after a run that got a 404 for some packages, has `seen` pages of others, or `failed` to tell."""
    after = {
        name: one
        for name, one in missing.items()
        if name not in seen and not (one.is_gone and now - one.last_asked >= FORGOTTEN_AFTER)
    }
    for name in after.keys() & failed:  # its week begins anew
        after[name] = replace(after[name], since=now, last_asked=now, asks=1)
    for name, one in found.items():
        before = after.get(name)
        if before is None or one.serial != before.serial or now - before.last_asked >= FORGOTTEN_AFTER:
            after[name] = Missing(one.serial, now, now, is_proven=one.is_proven, keeps_files=one.keeps_files)
            continue
        since = now if one.is_proven and not before.is_proven else min(before.since, now)
        after[name] = replace(
            before,
            since=since,
            last_asked=now,
            asks=before.asks + 1,
            is_proven=before.is_proven or one.is_proven,
            keeps_files=one.keeps_files,
        )
    return after


def still_owed(missing: Mapping[str, Missing]) -> Iterator[tuple[str, int]]:
    """Return the packages that may yet be had, each with its serial."""
    return ((name, one.serial) for name, one in missing.items() if not one.is_gone)
