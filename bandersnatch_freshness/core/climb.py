"""The climb: asking for one page in one way after the other, until an answer is fresh.

Every decision of both transports is made here, and every line about it worded. No I/O:
a transport asks in the way that is next, and tells what it saw.
"""

from __future__ import annotations

import logging
import threading
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from .. import fail_open as failing
from ..transports.cache_bust import CacheBust
from .ladder import Ladder, RecheckBudget
from .log_fields import log_fields
from .observations import SERIAL_HEADER, Observation, observe
from .scope import Scope
from .serials import parse_serial, serial_in_body
from .variants import Variant

log = logging.getLogger("bandersnatch.freshness")

# Of more pages than this that no way cures, a run says that there are more.
_STALE_PAGES_SAID = 10

_Response = TypeVar("_Response")


@dataclass
class PageResult(Generic[_Response]):
    """What came of asking for one page, in as many ways as it took.

    With a `response` the page is fresh. With an `error` the caller is to handle it as
    ever. With neither, every way got a stale page.
    """

    observations: Sequence[Observation] = field(default_factory=list)
    response: _Response | None = None
    error: Exception | None = None

    @property
    def gone(self) -> bool:
        """Whether the page is not found, and no other way of asking got a page, or an answer that leaves it open."""
        return self.error is not None and is_gone(self.observations)


def is_gone(seen: Sequence[Observation]) -> bool:
    """Tell whether answers, none of them fresh, say that a page is not found."""
    return bool(seen) and seen[0].status == 404 and not any(_is_trouble(one) or one.status == 200 for one in seen)


class Climb:
    """One page's way up the ladder."""

    def __init__(
        self,
        url: str,
        required_serial: int,
        ways: Sequence[Variant],
        budget: RecheckBudget | None = None,
        *,
        is_known: bool = False,
        is_gone: bool = False,
    ) -> None:
        """`ways` are those to ask in, one after the other.

        Where it `is_known` that no way gets an old page anew, or `is_gone` what is not found,
        one of them is enough.
        """
        self.url = url
        self.required_serial = required_serial
        self.budget = budget
        self.observations: list[Observation] = []
        self.is_fresh = False
        # The answer whose error is the caller's to handle.
        self.error: Observation | None = None
        self._ways = ways
        self._is_known = is_known
        self._is_gone = is_gone
        self._is_over = False

    @property
    def way(self) -> Variant | None:
        """How to ask next; None where nothing more is to be asked."""
        return None if self._is_over else self._ways[len(self.observations)]

    def look(self, way: Variant, status: int, headers: Mapping[str, str]) -> Observation:
        """Read an answer's headers (a case-insensitive mapping): all that is evidence, or the serial of a fresh page.

        Nearly every page is fresh at once, and of that nobody asks for evidence.
        """
        if status == 200 and not self.observations:
            serial = parse_serial(headers.get(SERIAL_HEADER))
            if serial is not None and serial >= self.required_serial:
                return Observation(way, status, serial)
        return observe(way, status, headers)

    def saw(self, seen: Observation) -> None:
        """Take down what the way that was next has got."""
        self.observations.append(seen)
        failed = _failed(seen)
        self.is_fresh = not failed and seen.serial is not None and seen.serial >= self.required_serial
        if not failed:
            self.error = None  # there is a page, if an old one: a 404 of another copy is as old
        elif len(self.observations) == 1 or (self.error is not None and _is_trouble(seen)):
            self.error = seen  # whether it is there remains to be seen
        self._is_over = self.is_fresh or not self._goes_on(seen) or len(self.observations) == len(self._ways)

    def _goes_on(self, seen: Observation) -> bool:
        if seen.status is None:
            return False  # after a broken connection or a time-out other ways fare no better
        if self.budget is not None and self.budget.is_enough(self.observations):
            return False
        if len(self.observations) > 1:
            return True
        if seen.status == 404:
            # A cached 404 loses a new package for good, so nothing keeps us from looking.
            return self.required_serial > 0 and not self._is_gone
        return not _failed(seen) and not self._is_known


def _failed(seen: Observation) -> bool:
    return seen.status is None or seen.status >= 400


def _is_trouble(seen: Observation) -> bool:
    """Tell whether an answer says nothing of the page: a time-out, an overloaded server."""
    return seen.status is None or seen.status == 429 or seen.status >= 500


class AdaptiveClimber:
    """What the answers of one run have taught about one master. Threads may share it."""

    def __init__(self, master: str, rungs: Sequence[Variant], cache_bust_parameter: str) -> None:
        """`master`: the URL whose metadata is the suite's business; `rungs`: the ways to ask."""
        self.scope = Scope(master)
        self.cache_bust = CacheBust(cache_bust_parameter)
        self.ladder = Ladder(rungs)
        self._given_up: set[str] = set()
        self._gone: set[str] = set()
        self._told: set[str] = set()
        self._stale_pages = 0
        self._broken = False
        # Guards all of these but `cache_bust`, which has its own.
        self._lock = threading.RLock()

    def covers(self, method: str, url: str) -> bool:
        """Tell whether a request is the suite's business."""
        return not self._broken and self.scope.covers(method, url)

    def step_aside(self) -> None:
        """Leave every later request as it is, because of the error being handled."""
        failing.say()
        self._broken = True

    def climb(self, url: str, required_serial: int, budget: RecheckBudget | None = None) -> Climb:
        """Begin to ask for a page that must carry at least the required serial."""
        with self._lock:
            is_known = url in self._given_up or self.ladder.exhausted
            is_gone = url in self._gone
            ways = self.ladder.climb(budget)
        return Climb(url, required_serial, ways, budget, is_known=is_known, is_gone=is_gone)

    def read_body(self, seen: Observation, body: bytes) -> Observation:
        """Return what an answer showed, its body included."""
        serial = serial_in_body(body)
        if serial is None:
            return seen
        self.say_once(f"Judging pages by the last_serial in their body where the header is no help: {seen}")
        return seen._replace(serial=serial, problem="")

    def learn(self, climb: Climb) -> None:
        """Learn from a climb that is over, and say what came of it."""
        with self._lock:
            self._learn(climb)

    def _learn(self, climb: Climb) -> None:
        seen, extra = climb.observations, len(climb.observations) - 1
        if climb.is_fresh and climb.budget is None:
            self.ladder.fresh_at(seen[-1].variant, extra)
        if extra < 1:
            return  # as nearly every page
        title, ways = self.scope.title(climb.url), ", ".join(map(str, seen))
        if climb.is_fresh:
            cured = log_fields(
                project=title,
                required_serial=climb.required_serial,
                got_serial=seen[-1].serial,
                variant=str(seen[-1].variant),
            )
            log.info("%s was stale, cured by %s: %s", title, seen[-1].variant, ways, extra=cured)
            return
        self._given_up.add(climb.url)
        if climb.error is not None and is_gone(seen):
            self._gone.add(climb.url)
            gone = log_fields(project=title, required_serial=climb.required_serial)
            log.info("%s is not found, asked for in %d ways: gone, it seems", title, len(seen), extra=gone)
            return
        self.ladder.in_vain(extra)
        self._stale_pages += 1
        level = logging.INFO if self._stale_pages <= _STALE_PAGES_SAID else logging.DEBUG
        best = max((one.serial for one in seen if one.serial is not None), default=None)
        stale = log_fields(project=title, required_serial=climb.required_serial, got_serial=best)
        log.log(level, "%s is stale, no way gets serial %d: %s", title, climb.required_serial, ways, extra=stale)
        if level == logging.DEBUG:
            self.say_once("More pages are stale however they are asked for: each is said at DEBUG only")
        if self.ladder.exhausted:
            self.say_once("Many pages are stale however they are asked for: asking for further ones just once")

    def say_once(self, line: str) -> None:
        """Log a line that was not logged before."""
        with self._lock:
            is_new = line not in self._told
            self._told.add(line)
        if is_new:
            log.info(line)
