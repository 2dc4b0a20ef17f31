"""The climber, shared by both transports: starts climbs, learns from them and logs the results."""

from __future__ import annotations

import logging
import random
import threading
import time
from collections.abc import Collection, Iterable, Mapping, Sequence

from msgspec import Struct
from msgspec.structs import replace

from .. import __version__
from ..core import origin
from ..core.climb import Climb, Ladder, RecheckBudget
from ..core.log_fields import GOT_SERIAL, PROJECT, REQUIRED_SERIAL, VARIANT
from ..core.observations import Observation, observe
from ..core.refusals import Refusal, read_refusal
from ..core.scope import Scope
from ..core.variants import Variant
from ..fail_open import log_error
from ..formatting import timestamp
from .cache_bust import CacheBust

log = logging.getLogger("bandersnatch.freshness")

# The longest that other workers wait for the first answer of a run, in seconds.
SCOUT_SECONDS = 2

# A run logs this many pages that stay stale at INFO, the others at DEBUG.
STALE_PAGES_LOGGED = 10


# Added to the User-Agent of requests to the origin itself, which pass caches on purpose: whoever minds can tell.
ORIGIN_AGENT = f"bandersnatch-freshness/{__version__}"


class RequestFailedError(Exception):
    """Wraps what the HTTP client raised, to tell it from our own errors; never leaves the transports."""

    def __init__(self, error: Exception) -> None:
        """`error`: what the client raised."""
        super().__init__(error)
        self.error = error


class _Line(Struct, frozen=True):
    text: str
    fields: dict[str, object]


class AdaptiveClimber:
    """What the answers of one master have taught so far, in a run or a `verify`. Thread-safe."""

    def __init__(self, master: str, rungs: Sequence[Variant], cache_bust_parameter: str) -> None:
        """`master`: the URL whose metadata requests are dressed; `rungs`: the variants to use."""
        self.scope = Scope(master)
        self.cache_bust = CacheBust(cache_bust_parameter)
        self.ladder = Ladder(rungs)
        # Whether a 404 that came past all caches is believed at once: not behind a proxy, which may keep one silently.
        self.believes_404 = True
        # Whether the origin was asked for something past all caches, and is to be asked for no more in this run.
        self.has_asked_origin = self.is_origin_over = False
        # What a server that refused a request wants, if it says so.
        self.refusal: Refusal | None = None
        # Pages that are not to be had in any variant, each with what to say of it if it still isn't later in the run.
        self._given_up: dict[str, _Line | None] = {}
        self._unread: set[str] = set()
        self._logged: set[str] = set()
        self._stale_pages = 0
        self._is_broken = False
        # Guards everything above except `cache_bust`, which has its own lock.
        self._lock = threading.RLock()

    def covers(self, method: str, url: str) -> bool:
        """Return whether a request is for metadata on this master, and the suite is still active."""
        return not self._is_broken and self.scope.covers(method, url)

    def step_aside(self) -> None:
        """Log the error being handled, and leave all later requests unchanged."""
        log_error()
        self._is_broken = True

    def climb(
        self, url: str, required_serial: int, budget: RecheckBudget | None = None, *, by_body: bool = False
    ) -> Climb:
        """Start the climb for a page that must carry at least the required serial; `by_body`: in its body too."""
        ladder = self.ladder
        with self._lock:
            budget = None if budget is None else ladder.asks_once(budget)
            ways = ladder.order(budget)
            if ladder.is_refused:
                ways = ladder.rungs[:1] if budget else ways[:1]
            return Climb(
                url,
                required_serial,
                ways,
                budget,
                by_body=by_body,
                reads=url not in self._unread,
                is_known=url in self._given_up,
                is_limited=ladder.exhausted or ladder.is_refused,
                doubts_404=ladder.doubts_404,
                believes_404=self.believes_404,
            )

    def leave_out(self, traits: Collection[str]) -> None:
        """Leave out the variants of traits that are no use at this master."""
        with self._lock:
            self.ladder.leave_out(traits)

    def once(self, variant: Variant | None) -> RecheckBudget | None:
        """Return the budget to ask for a page once more, in the variant that got it; None if that is not known."""
        return None if variant is None else RecheckBudget(1, self.ladder.rungs.index(variant), None)

    def read_body(self, climb: Climb, seen: Observation, headers: Mapping[str, str], body: bytes | None) -> Observation:
        """Return the observation with what its body says; None is a body that broke off."""
        read = climb.read(seen, body)
        if read is seen:
            return seen
        if seen.serial is None:
            self.log_once(f"Judging pages by the last_serial in their body if the header has no valid serial: {seen}")
            return read
        # Of an answer that was fresh by its header, nothing else was looked at.
        return replace(observe(seen.variant, 200, headers), serial=read.serial, problem=read.problem)

    def leave_unread(self, climb: Climb, seen: Observation, problem: str) -> Observation:
        """Return the observation of a page whose body is over a limit: in this run it is not read again."""
        self._unread.add(climb.url)
        return replace(seen, problem=problem)

    def learn(self, climb: Climb) -> None:
        """Learn from a finished climb, and log its result."""
        with self._lock:
            seen, extra = climb.observations, len(climb.observations) - 1
            if not climb.is_fresh:
                self.heed(seen)
            if climb.is_fresh and climb.budget is None:
                self.ladder.fresh_at(seen[-1].variant, extra)
            if extra > 0:  # rare: nearly every page is fresh at once
                self._learn(climb, extra)
            elif not climb.is_fresh and climb.url in self._given_up:
                self._say_stale(climb.url)

    def heed(self, observations: Iterable[Observation]) -> None:
        """End all extra asking in this run where an answer says that the server wants fewer requests."""
        for one in observations:
            if one.is_refusal:
                self._refuse(read_refusal(one.retry_after, one.date, int(time.time())))

    def _refuse(self, refusal: Refusal | None) -> None:
        with self._lock:
            if refusal and (self.refusal is None or refusal.until > self.refusal.until):
                self.refusal = refusal
            was_refused, self.ladder.is_refused = self.ladder.is_refused, True
        if not was_refused:
            later = f", nor in any that begins before {timestamp(refusal.until)}" if refusal else ""
            log.info(
                "The server wants fewer requests: nothing is asked for in other ways in the rest of this run%s", later
            )

    def begin_refused(self, refusal: Refusal) -> None:
        """Ask for nothing in other ways in this run, as a server told an earlier one."""
        self.ladder.is_refused = True
        log.info(
            "The server wants fewer requests until %s: nothing is asked for in other ways in this run",
            timestamp(refusal.until),
        )

    @property
    def all_ways(self) -> list[str] | None:
        """The names of all ways to ask for a page, None where none but the first is to be used."""
        if self.ladder.is_refused or self._is_broken:
            return None
        return [one.name for one in self.ladder.rungs]

    def origin_pause(self) -> float:
        """Return how many seconds to wait before the origin itself is asked."""
        is_first, self.has_asked_origin = not self.has_asked_origin, True
        return random.uniform(0, origin.FIRST_WITHIN_SECONDS) if is_first else origin.SECONDS_APART  # noqa: S311

    def saw_origin(self, url: str, seen: Observation, *, fresh: bool) -> None:
        """Log what the origin itself answered; if that was a refusal, or no answer, ask it for nothing more."""
        self.is_origin_over = self.is_origin_over or seen.status is None or origin.is_refused(seen)
        if seen.is_refusal and seen.status != 403:  # which may be about the method alone
            self.heed([seen])
        title = self.scope.title(url)
        log.debug("%s: %s, which is %s", title, seen, "fresh" if fresh else "not taken", extra={PROJECT: title})

    def _learn(self, climb: Climb, extra: int) -> None:
        seen, title = climb.observations, self.scope.title(climb.url)
        if seen[0].status == 404:
            self.ladder.doubted_404(was_right=not climb.is_missing)
        ways = ", ".join(map(str, seen))
        fields: dict[str, object] = {PROJECT: title, REQUIRED_SERIAL: climb.required_serial}
        if climb.is_fresh:
            fields |= {GOT_SERIAL: seen[-1].serial, VARIANT: seen[-1].variant.name}
            level = logging.DEBUG if climb.was_revalidated else logging.INFO
            log.log(level, "%s was stale, cured by %s: %s", title, seen[-1].variant.name, ways, extra=fields)
            return
        self.ladder.in_vain(extra, climb.budget)
        serials = [one.serial for one in seen if one.serial is not None]
        if serials:
            fields[GOT_SERIAL] = max(serials)
        found = f"is stale, no way gets serial {climb.required_serial}"
        if climb.is_missing:
            found = "is gone" if climb.is_proven_gone else "is not found, which is not proven"
        line = self._given_up[climb.url] = _Line(f"{title} {found}: {ways}", fields)
        if climb.is_missing:
            self._say_stale(climb.url)
        else:  # it may be fresh when it is asked for again, as within stale-while-revalidate
            log.debug("%s", line.text, extra=line.fields)
        if self.ladder.exhausted:
            self.log_once("Many pages are not to be had in any variant: asking for further ones only once")

    def _say_stale(self, url: str) -> None:
        """Log that a page is not to be had, once."""
        line, self._given_up[url] = self._given_up[url], None
        if line is None:
            return
        self._stale_pages += 1
        level = logging.INFO if self._stale_pages <= STALE_PAGES_LOGGED else logging.DEBUG
        log.log(level, "%s", line.text, extra=line.fields)
        if level == logging.DEBUG:
            self.log_once("More pages are not to be had in any variant: each is logged at DEBUG only")

    def log_once(self, line: str) -> None:
        """Log a line at INFO, unless this climber has logged it before."""
        with self._lock:
            is_new = line not in self._logged
            self._logged.add(line)
        if is_new:
            log.info(line)
