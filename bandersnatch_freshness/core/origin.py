"""The origin: which pages may be asked for past all caches, how often, and which answers count.

No I/O, no clock, no log.

No cache keeps an answer to OPTIONS (RFC 9110, section 9.3.7). PyPI's edge passes such requests on (pypi/infra at
6b72241, `terraform/warehouse/vcl/main.vcl`), and Warehouse answers with the page itself (pypi/warehouse at 6b62157,
`warehouse/csrf.py`). That is how they are configured, and no promise.
"""

from __future__ import annotations

import heapq
import re
from collections.abc import Collection, Iterable, Mapping, Set
from types import MappingProxyType

import msgspec
from msgspec import Struct
from msgspec.structs import replace

from .incidents import EDGE, Incident
from .observations import Observation, is_of_cache, observe
from .quarantine import QuarantineEntry, is_old_enough
from .scope import same_master
from .variants import ORIGIN
from .verdicts import Verdict

# The master that Bandersnatch has by default, from 3.6 to 8.2 (its default.conf or defaults.conf). Only this one is
# asked without the operator's word, so often in 24 hours.
PYPI = "https://pypi.org"
BY_DEFAULT = 100

A_RUN = 20
# The first request of a run waits for a random time up to this, each further one for this after the one before.
FIRST_WITHIN_SECONDS = 10
SECONDS_APART = 1

DAY = 24 * 60 * 60
_FIRST_BACK_OFF = 6 * 60 * 60
# A page that has had no turn for so long begins anew.
_FORGOTTEN = 2 * DAY


def most_a_day(wanted: int | None, master: str) -> int:
    """Return how many pages a master may be asked for in 24 hours; where nothing is `wanted`, only PyPI is."""
    if wanted is None:
        return BY_DEFAULT if same_master(master, PYPI) else 0
    return wanted


class Turn(Struct, frozen=True):
    """When it was a page's turn last, in seconds since 1970, and how often it was."""

    last: int
    times: int

    def next(self) -> int:
        """Return when it is its turn again: after 6 hours, then 12, then 24."""
        return self.last + min(DAY, _FIRST_BACK_OFF << min(self.times - 1, 2))

    def is_due(self, now: int) -> bool:
        """Return whether it is its turn again, which is also true if the clock has jumped back."""
        return not self.last <= now < self.next()


class Allowance(Struct, frozen=True):
    """How many pages a master's origin was `asked` for in the 24 hours from `since` on, and how many it `cured`.

    `refused` is when it refused last. `pages` are those that it did not cure, with their turns. Times are seconds since
    1970, 0 for never.
    """

    since: int = 0
    asked: int = 0
    cured: int = 0
    refused: int = 0
    pages: Mapping[str, Turn] = MappingProxyType({})

    def left(self, most: int, now: int) -> int:
        """Return how many more may be asked for, if these are the `most` a day."""
        if self.is_refused(now):
            return 0
        return max(0, most - (self.asked if self._lasts(now) else 0))

    def is_refused(self, now: int) -> bool:
        """Return whether it has refused within the last day."""
        return self.refused <= now < self.refused + DAY

    def resting(self, now: int) -> frozenset[str]:
        """Return the pages whose turn it is not again yet."""
        return frozenset(name for name, turn in self.pages.items() if not turn.is_due(now))

    def take(self, count: int, now: int) -> Allowance:
        """Return what is left for later runs if one is about to ask for so many."""
        if self._lasts(now):
            return replace(self, asked=self.asked + count)
        return replace(self, since=now, asked=count, cured=0)

    def settle(self, turns: OriginTurns, over: Set[str], now: int) -> Allowance:
        """Return what is left after a run, in which it was `over` with these packages: they are fresh, or gone.

        A fresh page that came to nothing, as one of its files can't be had, has had its turn.
        """
        kept = {name: turn for name, turn in self.pages.items() if turn.last <= now < turn.last + _FORGOTTEN}
        kept |= {
            name: Turn(now, kept[name].times + 1 if name in kept else 1) for name in turns.over | turns.fresh - over
        }
        return Allowance(
            self.since,
            max(0, self.asked - turns.plan.most + len(turns.asked)),
            self.cured + len(turns.fresh & over),
            now if turns.refusal else self.refused,
            {name: turn for name, turn in kept.items() if name not in over},
        )

    def _lasts(self, now: int) -> bool:
        return self.since <= now < self.since + DAY


class OriginPlan(Struct, frozen=True):
    """What one run may ask the origin for: these packages, and so many of the whole edge's.

    The latter are the first that it finds stale, up to the serial `newest`, but none that are `resting`.
    """

    names: frozenset[str] = frozenset()
    of_edge: int = 0
    newest: int = 0
    resting: frozenset[str] = frozenset()

    @property
    def most(self) -> int:
        """How many that are at most."""
        return len(self.names) + self.of_edge


NO_REQUESTS = OriginPlan()


def choose(
    quarantine: Mapping[str, QuarantineEntry],
    incidents: Mapping[str, Incident],
    announced: Mapping[str, int],
    allowance: Allowance,
    most: int,
    now: int,
    quarantine_after: int,
    warn_after: int,
) -> OriginPlan:
    """Return at most `most` packages that the origin may be asked for, those first that are unchanged for longest.

    Ages are in seconds. `announced` are the serials of packages that the run can ask for, of those with an incident or
    in `quarantine`. While the whole edge is stale, its packages are as old as that. Whether caches hold the old pages
    is only known once the run has asked for them.
    """
    most, resting = min(most, A_RUN), allowance.resting(now)
    may = []
    for name, serial in announced.items():
        incident, entry = incidents.get(name), quarantine.get(name)
        if (
            incident is not None
            and name not in resting
            and not (entry and entry.waiting)
            and is_old_enough(incident, now, quarantine_after, warn_after)
            and incident.verdict not in (Verdict.ORIGIN_STALE, Verdict.FAILING)
            and (not incident.evidence or any(map(is_of_cache, incident.evidence)))
        ):
            may.append((entry.required_serial if entry else serial, name))
    names = frozenset(name for _, name in heapq.nsmallest(most, may))
    edge = incidents.get(EDGE)
    if (
        edge is None
        or edge.verdict in (Verdict.ORIGIN_STALE, Verdict.FAILING)
        or not is_old_enough(edge, now, quarantine_after, warn_after)
    ):
        return OriginPlan(names)
    return OriginPlan(names, most - len(names), edge.required_serial, resting)


class OriginTurns:
    """What one run asks the origin for, and what came of it."""

    def __init__(self, plan: OriginPlan = NO_REQUESTS) -> None:
        """`plan` is what it may ask for."""
        self.plan = plan
        self.asked: set[str] = set()
        self.fresh: set[str] = set()
        # Those that had their turn and are not fresh: by the origin, or as no cache holds the old page.
        self.over: set[str] = set()
        self.refusal: Observation | None = None
        # Those of the whole edge's that have a turn.
        self._of_edge: set[str] = set()

    def has_turn(self, project: str, serial: int) -> bool:
        """Return whether to ask for a page in all ways, as the origin may be asked for it next."""
        if self._is_over(project):
            return False
        plan = self.plan
        if project in plan.names or project in self._of_edge:
            return True
        if len(self._of_edge) >= plan.of_edge or serial > plan.newest or project in plan.resting:
            return False
        self._of_edge.add(project)
        return True

    def give_back(self, project: str) -> None:
        """Leave its turn to another page, as this one is not stale."""
        if project not in self.asked:
            self._of_edge.discard(project)

    def may_ask(self, project: str, verdict: Verdict, seen: Iterable[Observation], ways: Collection[str]) -> bool:
        """Return whether to ask for a page that is stale: in every one of these ways, and one is a cache's, as it says.

        `seen` are the run's answers. If all ways were tried and that is not so, the page has had its turn.
        """
        if self._is_over(project) or (project not in self.plan.names and project not in self._of_edge):
            return False
        tried = {one.variant.name: one for one in seen}
        if not tried.keys() >= set(ways):
            return False
        stale = all(tried[way].status == 200 for way in ways)
        if stale and verdict is not Verdict.ORIGIN_STALE and any(is_of_cache(one.evidence()) for one in tried.values()):
            return True
        self.over.add(project)
        return False

    def saw(self, project: str, seen: Observation, *, fresh: bool) -> None:
        """Record what the origin answered."""
        self.asked.add(project)
        if fresh:
            self.fresh.add(project)
            return
        self.over.add(project)
        if is_refused(seen):
            self.refusal = seen

    def _is_over(self, project: str) -> bool:
        return project in self.asked or project in self.over or self.refusal is not None


def is_refused(seen: Observation) -> bool:
    """Return whether the origin, or whoever is in front of it, is not to be asked like this again for a day."""
    return seen.status in (403, 405, 429) or (seen.status or 0) >= 500


def look(status: int, headers: Mapping[str, str]) -> Observation:
    """Return what an answer's headers (a case-insensitive mapping) show: a `problem` if it can't be the page."""
    seen = observe(ORIGIN, status, headers)
    if status != 200:
        return _unusable(seen, f"status {status}")
    if not re.match(r"application/json\s*(;|$)", headers.get("Content-Type") or "", re.I):
        return _unusable(seen, "no JSON")
    return seen if seen.serial is not None else _unusable(seen, seen.problem or "no serial")


def is_fresh(seen: Observation, required_serial: int) -> bool:
    """Return whether an answer is the page, and new enough, by all that was looked at."""
    return not seen.problem and seen.serial is not None and seen.serial >= required_serial


def read(seen: Observation, body: bytes, project: str) -> Observation:
    """Return the observation with what the body shows, which is to be the whole page of this project."""
    try:
        page = _PAGE.decode(body)
    except (msgspec.MsgspecError, ValueError, RecursionError):  # msgspec's own is no ValueError before 0.19
        return _unusable(seen, "no page of a project")
    if _normalized(page.info.name) != _normalized(project):
        return _unusable(seen, "the page of another project")
    if page.last_serial != seen.serial:
        return _unusable(seen, "another serial in its body")
    return seen


def _unusable(seen: Observation, problem: str) -> Observation:
    """Return an observation that says nothing about the page's serial."""
    return replace(seen, serial=None, problem=problem)


def _normalized(name: str) -> str:
    return re.sub(r"[-_.]+", "-", name).lower()  # PEP 503


class _Info(msgspec.Struct, gc=False):
    name: str


class _Page(msgspec.Struct, gc=False):
    """What must be there; the releases are checked, but don't become objects."""

    info: _Info
    last_serial: int
    releases: dict[str, msgspec.Raw]


_PAGE = msgspec.json.Decoder(_Page)
