"""Usefulness: whether the parameter and no-cache make a difference at a master. No I/O, no clock.

PyPI's edge drops the query and ignores no-cache, so that there either only asks for the same copy again. Others heed
them, and some cures need them.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Iterable, Sequence

from msgspec import Struct
from msgspec.structs import replace

from .agreement import are_three_runs
from .observations import Observation
from .variants import Variant

CACHE_BUST, NO_CACHE = "cache_bust", "no_cache"
TRAITS = (CACHE_BUST, NO_CACHE)

# For so many pages it must have made no difference; and after so long, in seconds, it is tried again.
PAGES = 20
TRIED_AFTER = 7 * 24 * 60 * 60


class Idle(Struct, frozen=True):
    """For which pages a trait made no difference, in how many runs, and when in the first and the last of these.

    Times are in seconds since 1970.
    """

    pages: tuple[str, ...]
    runs: int
    first: int
    last: int

    @property
    def is_no_use(self) -> bool:
        """Whether that is enough to leave it out."""
        return len(self.pages) >= PAGES and are_three_runs(self.runs, self.first, self.last)

    def is_left_out(self, now: int) -> bool:
        """Return whether it is left out, which also ends if the clock has jumped back."""
        return self.is_no_use and self.last <= now < self.last + TRIED_AFTER


class Usefulness:
    """What one run saw of each trait's use."""

    def __init__(self) -> None:
        """Nothing is seen yet."""
        self._same: dict[str, dict[str, None]] = {trait: {} for trait in TRAITS}
        self._newer: set[str] = set()
        self._unsure: Counter[str] = Counter()

    def saw(self, project: str, observations: Sequence[Observation]) -> None:
        """Compare the answers of one climb for a page."""
        answers = {seen.variant: seen for seen in observations}
        for trait in TRAITS:
            found = {_compare(seen, base) for seen, base in _pairs(answers, trait)}
            if "newer" in found:
                self._newer.add(trait)
            elif "unsure" in found:
                self._unsure[trait] += 1
            elif "same" in found and project.isascii():  # as every name of a project; it goes into the state
                self._same[trait][project] = None

    def after_run(self, trait: str, idle: Idle | None, now: int, *, counts: bool = True) -> Idle | None:
        """Return for which pages a trait has made no difference after the run; None where it did, and at first.

        Unless the run `counts`, as it overlapped another one, only a difference does. An answer that may only have been
        newer as it came later takes one page back.
        """
        if trait in self._newer:
            return None
        before = idle or Idle((), 0, now, now)
        names = dict.fromkeys(before.pages[self._unsure[trait] :])
        same = self._same[trait] if counts else {}
        if not same:
            return replace(before, pages=tuple(names)) if idle else None
        pages = tuple(names | same)[-PAGES:]
        return Idle(pages, before.runs + 1, min(before.first, now), now)


def useful(rungs: Sequence[Variant], left_out: Collection[str]) -> tuple[Variant, ...]:
    """Return the variants without those of these traits; one that is set for every request stays."""
    gone = [trait for trait in left_out if not getattr(rungs[0], trait)]
    return tuple(variant for variant in rungs if not any(getattr(variant, trait) for trait in gone))


def _pairs(answers: dict[Variant, Observation], trait: str) -> Iterable[tuple[Observation, Observation]]:
    """Yield each answer to a variant with a trait, with the one to the same variant without it, or without both."""
    for variant, seen in answers.items():
        if getattr(variant, trait):
            without = replace(variant, **{trait: False})
            base = answers.get(without) or answers.get(Variant(variant.accept_encoding))
            if base is not None:
                yield seen, base


def _compare(seen: Observation, base: Observation) -> str:
    """Return what an answer with a trait shows beside one without: a newer page, "unsure", the same page, or ""."""
    if seen.status != 200 or seen.serial is None:
        return ""
    if seen.serial > (base.serial or 0):
        # The nearest cache gave both: within stale-while-revalidate, whoever asks again gets the new page.
        return "unsure" if seen.is_cached and base.is_cached else "newer"
    # An answer that came past all caches may be no newer because the origin isn't.
    is_same = base.status == 200 and seen.serial == base.serial
    return "same" if is_same and not seen.came_past_caches and not _is_younger(seen, base) else ""


def _is_younger(seen: Observation, base: Observation) -> bool:
    """Return whether an answer comes straight from the origin, by its Age, and the other does not."""
    return seen.age in ("", "0") and base.age not in ("", "0")
