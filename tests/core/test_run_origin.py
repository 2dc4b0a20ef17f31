"""A run that may ask the origin itself."""

from __future__ import annotations

from typing import Any

from msgspec.structs import replace

from bandersnatch_freshness.core.climb import PageResult, RecheckBudget
from bandersnatch_freshness.core.decision import PageRequirement
from bandersnatch_freshness.core.incidents import EDGE, Incident
from bandersnatch_freshness.core.observations import HIGHEST_SERIAL, Evidence, Observation
from bandersnatch_freshness.core.origin import OriginPlan, OriginTurns
from bandersnatch_freshness.core.quarantine import QuarantineEntry, QuarantinePlan
from bandersnatch_freshness.core.run import Run
from bandersnatch_freshness.core.variants import ORIGIN
from bandersnatch_freshness.core.verdicts import Verdict

from .test_run import HOUR, PLAIN, STRIP


def asking(**more: Any) -> tuple[Run, PageRequirement]:
    """Return a run that may ask the origin for foo, which it found stale in a cache, and what it required."""
    run = Run(0, {"foo": Incident("foo", 0, 0, 3, 42, 41, Verdict.UNKNOWN)})
    entries = {"foo": QuarantineEntry(42, 0, 0)}
    run.follow(QuarantinePlan(entries, ask={"foo": None}), {"foo": 40})
    run.origin = OriginTurns(OriginPlan(frozenset({"foo"})))
    run.saw("foo", 42, [Observation(PLAIN, 200, 41, x_cache="MISS, HIT", **more)])
    return run, PageRequirement("foo", 42, 40, 0, 42, None)


def test_the_origin_is_asked_once() -> None:
    """And not for what is not in the plan, nor where a way is left."""
    run, requirement = asking()
    assert run.may_ask_origin("foo", ["plain"])
    assert not run.may_ask_origin("foo", ["plain", "strip"])
    assert not run.may_ask_origin("bar", [])
    run.asked_origin(requirement, PageResult([Observation(ORIGIN, 200, 42)], object()))
    assert not run.may_ask_origin("foo", ["plain"])
    assert (run.report.fresh, run.report.by_origin, dict(run.report.stale)) == ({"foo"}, {"foo"}, {})
    assert run.processed("foo")
    past = run.finished(1, "fresh", 42)
    assert (past.extra_requests, past.cured, run.requests) == (1, {"origin": 1}, {"plain": 1, "origin": 1})


def test_what_the_origin_has_is_evidence() -> None:
    """The same old serial, past all caches, proves that it is behind; that page is not asked for again."""
    run, requirement = asking()
    run.asked_origin(requirement, PageResult([Observation(ORIGIN, 200, 41, x_cache="MISS, MISS")]))
    sighting = run.report.stale["foo"]
    assert (sighting.verdict, [one["variant"] for one in sighting.evidence]) == (
        Verdict.ORIGIN_STALE,
        ["plain", "origin"],
    )
    assert not run.may_ask_origin("foo", ["plain"])


def test_an_older_page_of_the_origins_is_not_asked_for_again() -> None:
    """The newest that a cache has is."""
    run, requirement = asking()
    run.asked_origin(replace(requirement, required_serial=43), PageResult([Observation(ORIGIN, 200, 42)]))
    older = run.older_page("foo")
    assert older
    assert older.variant == PLAIN


def test_after_a_refusal_no_other_is_asked_for() -> None:
    """In this run."""
    run, requirement = asking()
    run.origin = OriginTurns(OriginPlan(frozenset({"foo", "bar"})))
    run.saw("bar", 42, [Observation(PLAIN, 200, 41, x_cache="MISS, HIT")])
    assert run.may_ask_origin("bar", ["plain"])
    run.asked_origin(requirement, PageResult([Observation(ORIGIN, 405)]))
    assert not run.may_ask_origin("bar", ["plain"])


def test_what_the_origin_may_be_asked_for_is_asked_for_in_all_ways_first() -> None:
    """However rarely it is climbed for otherwise, in quarantine or as one of the whole edge's; once."""
    just = Incident("foo", -HOUR, 60, 9, 42, 41, Verdict.UNKNOWN, newest=41, climbed=59)
    run = Run(60, {"foo": just, EDGE: replace(just, subject=EDGE, climbed=59)})
    run.follow(QuarantinePlan({"foo": QuarantineEntry(42, 0, 0)}, ask={"foo": None}), {})
    assert run.budget("foo", 42) == RecheckBudget(1, None, 41)
    assert run.budget("bar", 42) == RecheckBudget(1, None, HIGHEST_SERIAL)
    run.origin = OriginTurns(OriginPlan(frozenset({"foo"}), of_edge=1, newest=42))
    assert (run.budget("foo", 42), run.budget("bar", 42)) == (None, None)
    assert run.budget("baz", 42) is not None
    run.saw("bar", 42, [Observation(PLAIN, 200, 42)], fresh=True)
    assert run.budget("baz", 42) is None
    run.fails("baz", 42, "status 503")
    assert run.budget("qux", 42) is None
    run.saw("qux", 42, [Observation(PLAIN, 200, 41), Observation(STRIP, 200, 41)])
    assert not run.may_ask_origin("qux", ["plain", "strip"])
    assert run.budget("qux", 42) is not None
    assert run.origin.over == {"qux"}


def test_only_what_this_run_has_asked_for_in_all_ways_counts() -> None:
    """Not what an earlier one did: a copy may be fresh by now."""
    run, _ = asking()
    seen: Evidence = {"variant": "strip", "status": 200, "serial": 41, "x_cache": "HIT"}
    run._known = {"foo": replace(run._known["foo"], evidence=(seen,), verdict=Verdict.EDGE_STALE)}
    run.saw("foo", 42, [Observation(PLAIN, 200, 41, x_cache="MISS, HIT")])
    assert {one["variant"] for one in run.report.stale["foo"].evidence} == {"plain", "strip"}
    assert not run.may_ask_origin("foo", ["plain", "strip"])
    run.saw("foo", 42, [Observation(STRIP, 200, 41)])
    assert run.may_ask_origin("foo", ["plain", "strip"])
