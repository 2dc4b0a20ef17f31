"""The climber: what both transports share. It drives the ladder for one master, and logs what came of it."""

from __future__ import annotations

import logging
import threading
from collections.abc import Sequence

from ..core.climb import Climb, Ladder, RecheckBudget, is_gone
from ..core.log_fields import GOT_SERIAL, PROJECT, REQUIRED_SERIAL, VARIANT
from ..core.observations import Observation, serial_in_body
from ..core.scope import Scope
from ..core.variants import Variant
from ..fail_open import log_error
from .cache_bust import CacheBust

log = logging.getLogger("bandersnatch.freshness")

# The longest that other workers wait for the first answer of a run.
SCOUT_SECONDS = 2

# How many pages that stay stale a run logs at INFO; more are at DEBUG.
STALE_PAGES_LOGGED = 10


class RequestFailedError(Exception):
    """Carries what the HTTP client raised, to keep it apart from errors of our own; never seen outside."""

    def __init__(self, error: Exception) -> None:
        """`error` is the client's."""
        super().__init__(error)
        self.error = error


class AdaptiveClimber:
    """What the answers of one run have taught about one master. Threads may share it."""

    def __init__(self, master: str, rungs: Sequence[Variant], cache_bust_parameter: str) -> None:
        """`master`: the URL whose metadata is the suite's business; `rungs`: the variants to ask in."""
        self.scope = Scope(master)
        self.cache_bust = CacheBust(cache_bust_parameter)
        self.ladder = Ladder(rungs)
        self._given_up: set[str] = set()
        self._gone: set[str] = set()
        self._logged: set[str] = set()
        self._stale_pages = 0
        self._is_broken = False
        # Guards all of these but `cache_bust`, which has its own.
        self._lock = threading.RLock()

    def covers(self, method: str, url: str) -> bool:
        """Return whether a request is the suite's business."""
        return not self._is_broken and self.scope.covers(method, url)

    def step_aside(self) -> None:
        """Leave every later request as it is, because of the error that is being handled."""
        log_error()
        self._is_broken = True

    def climb(self, url: str, required_serial: int, budget: RecheckBudget | None = None) -> Climb:
        """Begin to ask for a page that must carry at least the required serial."""
        with self._lock:
            is_known = url in self._given_up or self.ladder.exhausted
            is_gone = url in self._gone
            ways = self.ladder.climb(budget)
        return Climb(url, required_serial, ways, budget, is_known=is_known, is_gone=is_gone)

    def read_body(self, seen: Observation, body: bytes) -> Observation:
        """Return what an answer without a serial header shows, its body included."""
        serial = serial_in_body(body)
        if serial is None:
            return seen
        self.log_once(f"Judging pages by the last_serial in their body where the header is no help: {seen}")
        return seen._replace(serial=serial, problem="")

    def learn(self, climb: Climb) -> None:
        """Learn from a climb that is over, and log its result."""
        with self._lock:
            seen, extra = climb.observations, len(climb.observations) - 1
            if climb.is_fresh and climb.budget is None:
                self.ladder.fresh_at(seen[-1].variant, extra)
            if extra > 0:  # unlike nearly every page
                self._learn(climb, extra)

    def _learn(self, climb: Climb, extra: int) -> None:
        seen, title = climb.observations, self.scope.title(climb.url)
        ways = ", ".join(map(str, seen))
        fields: dict[str, object] = {PROJECT: title, REQUIRED_SERIAL: climb.required_serial}
        if climb.is_fresh:
            fields |= {GOT_SERIAL: seen[-1].serial, VARIANT: seen[-1].variant.name}
            log.info("%s was stale, cured by %s: %s", title, seen[-1].variant.name, ways, extra=fields)
            return
        self._given_up.add(climb.url)
        if climb.error is not None and is_gone(seen):
            self._gone.add(climb.url)
            log.info("%s is not found, asked for in %d ways: gone, it seems", title, len(seen), extra=fields)
            return
        self.ladder.in_vain(extra)
        self._stale_pages += 1
        level = logging.INFO if self._stale_pages <= STALE_PAGES_LOGGED else logging.DEBUG
        serials = [one.serial for one in seen if one.serial is not None]
        if serials:
            fields[GOT_SERIAL] = max(serials)
        log.log(level, "%s is stale, no way gets serial %d: %s", title, climb.required_serial, ways, extra=fields)
        if level == logging.DEBUG:
            self.log_once("More pages are stale in every variant: each is logged at DEBUG only")
        if self.ladder.exhausted:
            self.log_once("Many pages are stale in every variant: asking for further ones just once")

    def log_once(self, line: str) -> None:
        """Log a line, unless it was logged before."""
        with self._lock:
            is_new = line not in self._logged
            self._logged.add(line)
        if is_new:
            log.info(line)
