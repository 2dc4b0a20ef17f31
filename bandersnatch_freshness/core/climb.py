"""The climb: which variants to request a page in, and when an answer is fresh. No I/O, no clock, no log.

A transport sends the next variant and reports what it saw; every decision is made here.
"""

from __future__ import annotations

from collections.abc import Collection, Mapping, Sequence
from typing import Generic, TypeVar

from msgspec import Struct, field
from msgspec.structs import replace

from .observations import (
    BREAKS_OFF,
    NO_JSON,
    SERIAL_HEADER,
    Observation,
    is_document,
    observe,
    parse_serial,
    serial_in_body,
)
from .usefulness import useful
from .variants import Variant

# After this many fresh answers on a higher rung, try the first rung again: a single stale
# page must not stop the whole run from sending plain requests. Each failed trial makes the
# next one rarer, so an edge that is stale throughout costs next to nothing.
TRIAL_AFTER = 25
TRIAL_BACKOFF = 4

# Extra requests that one run may spend in vain: this many, plus this share of all answers.
# Beyond that the problem is not with single pages, and climbing on would only load PyPI.
VAIN_REQUESTS = 1000
VAIN_SHARE = 0.1

# After so many 404s in a row that another variant confirms, the run takes further ones as they are: thousands of
# projects are listed that are gone for good, and what is not proven is asked for again later anyway.
CONFIRMED_404S = 20

# So many pages that are known to be stale are asked for in vain in a way that cured others, and then no more.
FOLLOWED_IN_VAIN = 10

_Response = TypeVar("_Response")


class RecheckBudget(Struct, frozen=True):
    """How to recheck a page that is known to be stale or missing: in at most `ways` variants.

    The first one is rung number `first`; None is where the ladder starts. `known` is the highest serial that any answer
    has had so far: an answer with a higher one is news and worth a full climb, and so is an error; a 404 is none where
    the page `is_missing`.
    """

    ways: int
    first: int | None
    known: int | None
    is_missing: bool = False

    def is_enough(self, observations: Sequence[Observation]) -> bool:
        """Return whether these observations make further requests pointless."""
        return len(observations) >= self.ways and all(
            (seen.serial or 0) <= (self.known or 0) and seen.status == (404 if self.is_missing else 200)
            for seen in observations
        )


class PageResult(Struct, Generic[_Response]):
    """The result of requesting one page, in as many variants as it took.

    With a `response`, the page is fresh. With an `error`, the caller handles it as it would
    without the suite; that is a 404 if it `is_missing`. With neither, every variant got a stale page.
    """

    observations: Sequence[Observation] = field(default_factory=list)
    response: _Response | None = None
    error: Exception | None = None
    is_missing: bool = False
    is_proven_gone: bool = False


class Climb:
    """One page's way up the ladder.

    `way` is the variant to send next, None when the climb is over. `error` is the answer whose
    error the caller handles.
    """

    def __init__(
        self,
        url: str,
        required_serial: int,
        ways: Sequence[Variant],
        budget: RecheckBudget | None = None,
        *,
        by_body: bool = False,
        reads: bool = True,
        is_known: bool = False,
        is_limited: bool = False,
        doubts_404: bool = True,
        believes_404: bool = True,
    ) -> None:
        """`ways` are the variants to send, in order, at least one.

        `by_body`: the serial in the body must be that high too. `reads`: an answer without a serial in its header may
        be read for one. `is_known`: this run has already seen that no variant gets a newer page, so that one request is
        enough; `is_limited`: only one may be sent. `doubts_404`: one that is not proven is asked for in another
        variant. `believes_404`: as no proxy is configured, which may keep a 404 without a word, one that came past all
        caches proves that there is no page.
        """
        self.url = url
        self.required_serial = required_serial
        self.budget = budget
        self.observations: list[Observation] = []
        self.is_fresh = False
        self.is_proven_gone = False
        self.error: Observation | None = None
        self.way: Variant | None = ways[0]
        self._left = ways[1:]
        self._by_body = by_body
        self._reads = reads
        self._is_known = is_known
        self._is_limited = is_limited
        self._doubts_404 = doubts_404
        self._believes_404 = believes_404

    @property
    def is_missing(self) -> bool:
        """Whether nothing but a 404 is to be had."""
        return self.error is not None and self.error.status == 404

    @property
    def has_nothing(self) -> bool:
        """Whether no answer so far is known to be a page of some serial."""
        return all(seen.serial is None for seen in self.observations)

    @property
    def was_revalidated(self) -> bool:
        """Whether the page may have been old only once, as a cache asked anew for it meanwhile (RFC 5861, section 3).

        That goes for caches in tiers, as PyPI's are: https://github.com/pypi/infra, `terraform/warehouse/vcl/main.vcl`.
        """
        *old, cure = self.observations
        return (cure.is_cached or cure.variant.is_a_copy) and all(
            one.status == 200 and one.serial is not None and one.is_cached and "," in one.x_cache for one in old
        )

    def look(self, way: Variant, status: int, headers: Mapping[str, str]) -> Observation:
        """Return what an answer's headers (a case-insensitive mapping) show.

        Nearly every page is fresh at once. Only its serial is read then, as nobody needs evidence.
        """
        if status == 200 and not self.observations:
            serial = parse_serial(headers.get(SERIAL_HEADER))
            if serial is not None and serial >= self.required_serial:
                return Observation(way, status, serial)
        return observe(way, status, headers)

    def wants_body(self, seen: Observation) -> bool:
        """Return whether an answer must be read before it is judged.

        The first one if its header has no valid serial. One that is fresh by its header, if its body counts; and if it
        is a later one, which is no cure before it is known to be whole.
        """
        if seen.status != 200:
            return False
        is_first = not self.observations
        if seen.serial is None:
            return is_first and self._reads
        return seen.serial >= self.required_serial > 0 and (self._by_body or not is_first)

    def read(self, seen: Observation, body: bytes | None) -> Observation:
        """Return the observation with what its body says; None is a body that broke off.

        A body's serial stands in for that of a header that has none, and outranks a higher one: a header alone can
        come with an older page.
        """
        if body is None:
            return replace(seen, serial=None, problem=BREAKS_OFF)
        serial = serial_in_body(body)
        if serial is not None:
            is_lower = seen.serial is None or serial < seen.serial
            return replace(seen, serial=serial, problem="") if is_lower else seen
        is_of_json = self.url.partition("?")[0].rstrip("/").endswith("/json")
        if is_of_json and not is_document(body):
            return replace(seen, serial=None, problem=NO_JSON)
        return seen

    def accepts(self, seen: Observation) -> bool:
        """Return whether an answer is a page of at least the required serial."""
        return seen.status == 200 and seen.serial is not None and seen.serial >= self.required_serial

    def skip(self, seen: Observation) -> None:
        """Record an answer that is no evidence, and choose the next variant."""
        self.observations.append(seen)
        self.way = self._next() if self._left and not self.is_missing else None

    def saw(self, seen: Observation) -> None:
        """Record what the current variant's request showed, and choose the next variant."""
        is_first, status = not self.observations, seen.status
        self.observations.append(seen)
        failed = status is None or status >= 400
        self.is_fresh = not failed and seen.serial is not None and seen.serial >= self.required_serial
        if seen.is_proven_gone and self._believes_404:
            self.error = seen  # whatever old page a cache may have
            self.is_proven_gone = True
        elif not failed:
            self.error = None  # a page exists, if only an old one: another copy's 404 is just as old
        elif is_first:
            self.error = seen
        is_over = self.is_fresh or not self._left or self._is_limited or seen.is_refusal or self.is_proven_gone
        if is_over or status is None:
            goes_on = False  # after a broken connection or a timeout, other variants do no better
        elif self.budget is not None and self.budget.is_enough(self.observations):
            goes_on = False
        elif is_first and failed:
            # A cached one loses a new package for good, so it is asked for in one other way.
            goes_on = status == 404 and self.required_serial > 0 and self._doubts_404
        else:
            goes_on = not self._is_known and not self.is_missing
        self.way = self._next() if goes_on else None

    def _next(self) -> Variant:
        """Take the next variant; after a 404 that which differs most, as it is the only one."""
        left = self._left
        if self.is_missing:  # past the caches, or the copy that hardly anyone asks for
            left = [one for one in left if one.cache_bust] or [one for one in left if one.no_cache] or left[::-1]
        way = left[0]
        self._left = [one for one in self._left if one != way]
        return way


class Ladder:
    """What the answers of one run have shown about the variants."""

    def __init__(self, rungs: Sequence[Variant]) -> None:
        """`rungs`: the variants in the order to try them, at least one."""
        self._all = self.rungs = tuple(rungs)
        self.start = self.rungs[0]
        # Whether the budget for requests in vain is used up, and whether the server wants no more of these.
        self.exhausted = False
        self.is_refused = False
        # Whether a 404 that is not proven is worth another request.
        self.doubts_404 = True
        self._answers = 0
        self._vain = 0
        self._confirmed_404s = 0
        self._followed_in_vain = 0
        self._until_trial = self._trial_after = TRIAL_AFTER

    def leave_out(self, traits: Collection[str]) -> None:
        """Leave out the variants of traits that are no use, and no others."""
        self.rungs = useful(self._all, traits)
        if self.start not in self.rungs:
            self.start = self.rungs[0]

    def asks_once(self, budget: RecheckBudget) -> RecheckBudget:
        """Return the budget; for a page that is to be asked for where the ladder starts, with the number of ways.

        It is asked for once. Where others were just cured in another way, it is asked for in that way and then in the
        first, which bare Bandersnatch would use; unless that has helped too few.
        """
        if budget.first is not None:
            return budget
        if self.start == self.rungs[0] or self._followed_in_vain >= FOLLOWED_IN_VAIN:
            return replace(budget, first=0)
        return replace(budget, ways=2)

    def doubted_404(self, *, was_right: bool) -> None:
        """Record whether another variant got a page where the first one got a 404."""
        self._confirmed_404s = 0 if was_right else self._confirmed_404s + 1
        self.doubts_404 = self._confirmed_404s < CONFIRMED_404S

    def order(self, budget: RecheckBudget | None = None) -> tuple[Variant, ...]:
        """Return the variants for one page, in the order to try them."""
        if budget is not None:
            if budget.first is None:
                return tuple(dict.fromkeys((self.start, *self.rungs)))
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
        """Record that this variant got a fresh answer, at the cost of `extra_requests` extra requests.

        Later pages start there. A fresh answer to a request that was already under way when
        others learned something newer changes nothing.
        """
        self._answers += 1
        if self.exhausted:
            self.exhausted = self._vain > VAIN_REQUESTS + VAIN_SHARE * self._answers
        if variant == self.rungs[0]:
            self.start = self.rungs[0]
            self._trial_after = TRIAL_AFTER
        elif extra_requests:
            self.start = variant
            self._until_trial = self._trial_after
        else:
            self._until_trial -= 1

    def in_vain(self, extra_requests: int, budget: RecheckBudget | None = None) -> None:
        """Record that no variant got a fresh answer, at the cost of `extra_requests` extra requests."""
        if budget is not None and budget.first is None:
            self._followed_in_vain += 1
        self._answers += 1
        self._vain += extra_requests
        self.exhausted = self._vain > VAIN_REQUESTS + VAIN_SHARE * self._answers
