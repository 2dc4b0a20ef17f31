"""The climber from run to run: what a day of an incident costs."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable

import pytest
from msgspec.structs import replace

from bandersnatch_freshness.core import quarantine
from bandersnatch_freshness.core.climb import PageResult
from bandersnatch_freshness.core.decision import PageAction, PageRequirement, decide
from bandersnatch_freshness.core.incidents import EDGE, Thresholds, advance
from bandersnatch_freshness.core.observations import Observation
from bandersnatch_freshness.core.run import Run
from bandersnatch_freshness.core.variants import LADDER, PLAIN, AcceptEncoding, Variant
from bandersnatch_freshness.state.remembered import State
from bandersnatch_freshness.transports.climber import AdaptiveClimber

MASTER = "https://pypi.example"
MINUTE, HOUR, DAY = 60, 3600, 86400
DEFLATE = Variant(AcceptEncoding.DEFLATE)

Edge = Callable[[str, Variant], Observation]


def ignoring(_: str, way: Variant) -> Observation:
    """Answer as PyPI's edge with purging broken: every copy is old, whatever is asked for."""
    return Observation(way, 200, 41, x_cache="HIT, HIT")


def heeding(_: str, way: Variant) -> Observation:
    """Answer as an edge that heeds the query, where the origin itself is behind."""
    return Observation(way, 200, 41, x_cache="MISS" if way.cache_bust else "HIT")


class Mirror:
    """A mirror whose runs are simulated: of its packages, some are stale."""

    def __init__(self, packages: int, edge: Edge, others: int = 0) -> None:
        """`edge` answers for a package in a variant, all of which want serial 42; so many `others` are always fresh."""
        self.others = {f"q{number}" for number in range(others)}
        self.names = [f"p{number}" for number in range(packages)]
        self.edge = edge
        self.state = State(MASTER)
        self.fresh: set[str] = set()
        self.climber = AdaptiveClimber(MASTER, LADDER, "cb")

    def run(self, now: int) -> int:
        """Run once; return how many requests went beyond one for a package."""
        state = self.state
        self.climber = AdaptiveClimber(MASTER, LADDER, "cb")
        self.climber.leave_out(state.left_out(now))
        run = Run(now, state.incidents)
        run.ways = len(self.climber.ladder.rungs)
        left = [name for name in self.names if name not in self.fresh]
        held = dict.fromkeys(state.quarantine.keys() | state.incidents.keys() - {EDGE}, 42)
        plan = quarantine.plan(state.quarantine, state.incidents, held, len(self.others), now, 6 * HOUR)
        run.follow(plan, {})
        run.report.batch = len(left) + len(self.others)
        run.report.fresh |= self.others
        asked = [name for name in left if name not in plan.hold]
        self.ways: Counter[Variant] = Counter()
        requests = sum(self._ask(run, name) for name in asked)
        self.fresh |= run.report.fresh
        state.quarantine = quarantine.after_run(plan.quarantine, run.rechecks.keys(), set(), {}, now)
        state.quarantine = {name: one for name, one in state.quarantine.items() if name not in self.fresh}
        run.report.quarantined = set(state.quarantine)
        state.note_use(run.usefulness, now, counts=True)
        state.incidents, _ = advance(state.incidents, run.report, now, Thresholds(HOUR, DAY))
        return requests - len(asked)

    def _ask(self, run: Run, name: str) -> int:
        requests = 0
        for _ in range(3):
            climb = self.climber.climb(f"{MASTER}/pypi/{name}/json", 42, run.budget(name, 42))
            while (way := climb.way) is not None:
                requests += 1
                self.ways[way] += 1
                climb.saw(self.edge(name, way))
            self.climber.learn(climb)
            requirement = PageRequirement(name, 42, 0, 0, 42, None)
            result = PageResult(climb.observations, "page" if climb.is_fresh else None)
            if decide(run, requirement, result).action is not PageAction.STALE:
                break
        return requests


@pytest.mark.parametrize(
    ("edge", "others"),
    [pytest.param(ignoring, 0, id="the-whole-edge"), pytest.param(heeding, 3000, id="less-than-half")],
)
def test_a_day_with_2000_pages_that_nothing_cures(edge: Edge, others: int) -> None:
    """After two hours fewer than 100 extra requests a run, whether all are one incident or each has its own.

    That they go into quarantine changes nothing of it: after six hours, or after a day where the whole edge is stale.
    """
    mirror = Mirror(2000, edge, others)
    times = [*range(0, 2 * HOUR, 5 * MINUTE), *range(2 * HOUR, 27 * HOUR, HOUR)]
    extra = {now: mirror.run(now) for now in times}
    assert extra[0] > 1000
    assert max(found for now, found in extra.items() if now >= 2 * HOUR) < 100
    assert len(mirror.state.quarantine) == 2000
    assert mirror.state.left_out(times[-1]) == ({"cache_bust", "no_cache"} if edge is ignoring else {"no_cache"})


def test_what_one_copy_cures_later_comes_at_once() -> None:
    """A sample finds the way, and all others follow in the same run."""
    mirror = Mirror(200, ignoring)
    for now in range(0, 3 * HOUR, 5 * MINUTE):
        mirror.run(now)
    mirror.edge = lambda name, way: replace(ignoring(name, way), serial=41 + (way == DEFLATE))
    extra = [mirror.run(now) for now in range(3 * HOUR, 3 * HOUR + 20 * MINUTE, 5 * MINUTE)]
    assert mirror.fresh == set(mirror.names)
    assert sum(extra) < 20


def test_the_copy_that_bare_bandersnatch_asks_for_is_never_passed_over() -> None:
    """Each run asks for it, though another way has just cured a few; and that costs next to nothing."""
    mirror = Mirror(200, ignoring)
    for now in range(0, 3 * HOUR, 5 * MINUTE):
        mirror.run(now)
    curable = {"p0", "p1"}
    mirror.edge = lambda name, way: replace(ignoring(name, way), serial=41 + (way == DEFLATE and name in curable))
    extra = [mirror.run(now) for now in range(3 * HOUR, 4 * HOUR, 5 * MINUTE)]
    assert mirror.fresh == curable
    assert max(extra) < 100
    mirror.edge = lambda name, way: replace(ignoring(name, way), serial=41 + (way == PLAIN))
    mirror.run(4 * HOUR)
    assert mirror.fresh == set(mirror.names)
