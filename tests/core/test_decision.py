"""What becomes of a page, and what a run knows of it then."""

from __future__ import annotations

import pytest

from bandersnatch_freshness.core.climb import PageResult, RecheckBudget
from bandersnatch_freshness.core.decision import PageAction, PageDecision, PageRequirement, decide
from bandersnatch_freshness.core.incidents import EDGE, Incident, Sighting
from bandersnatch_freshness.core.missing import Missing, MissingPlan
from bandersnatch_freshness.core.observations import Observation
from bandersnatch_freshness.core.quarantine import QuarantineEntry, QuarantinePlan
from bandersnatch_freshness.core.run import Run
from bandersnatch_freshness.core.verdicts import Verdict

from .test_run import HOUR, PLAIN, STRIP, following, known

PLAIN_OLD = Observation(PLAIN, 200, 41)


def required(requested: int = 42, floor: int = 0, announced: int = 0) -> PageRequirement:
    """Return what is required of foo."""
    return PageRequirement("foo", requested, floor, announced, max(requested, floor, announced), None)


FRESH = PageResult([Observation(PLAIN, 200, 42)], response="a page")
STALE = PageResult[str]([PLAIN_OLD])
FAILED = PageResult[str]([Observation(PLAIN)], error=OSError("reset"))
GONE = PageResult[str]([Observation(PLAIN, 404)], error=OSError("404"), is_missing=True, is_proven_gone=True)
MISSING = PageResult[str]([Observation(PLAIN, 404)] * 2, error=OSError("404"), is_missing=True)


@pytest.mark.parametrize(
    ("run", "requirement", "result", "decision"),
    [
        pytest.param(Run(0, {}), required(), FRESH, PageDecision(PageAction.TAKE), id="fresh"),
        pytest.param(Run(0, {}), required(), STALE, PageDecision(PageAction.STALE), id="stale"),
        pytest.param(Run(0, {}), required(), FAILED, PageDecision(PageAction.FAIL), id="another-error"),
        pytest.param(Run(0, {}), required(), GONE, PageDecision(PageAction.FAIL), id="gone"),
        pytest.param(None, required(), STALE, PageDecision(PageAction.STALE), id="no-run"),
        pytest.param(
            Run(0, {"foo": Incident("foo", 0, HOUR, 3, 42, 41, Verdict.UNKNOWN)}),
            required(),
            STALE,
            PageDecision(PageAction.GIVE_UP),
            id="was-stale-in-many-runs",
        ),
        pytest.param(None, required(0, 41), STALE, PageDecision(PageAction.KEEP_OWN), id="the-own-page-is-newest"),
        pytest.param(
            None, required(0, 41, 43), STALE, PageDecision(PageAction.KEEP_OWN, 41), id="one-as-new-as-the-own-will-do"
        ),
        pytest.param(following(), required(), FAILED, PageDecision(PageAction.WAIT), id="excused"),
        pytest.param(following(), required(), GONE, PageDecision(PageAction.FAIL), id="gone-is-no-excuse"),
        pytest.param(following(), required(), STALE, PageDecision(PageAction.WAIT, 41, PLAIN), id="the-newest"),
    ],
)
def test_decides_what_becomes_of_a_page(
    run: Run | None, requirement: PageRequirement, result: PageResult[str], decision: PageDecision
) -> None:
    """All of it at once; a transport only carries it out."""
    assert decide(run, requirement, result) == decision


def test_what_is_decided_on_is_recorded() -> None:
    """An error takes back nothing that is known of the page."""
    run = Run(0, {})
    decide(run, required(), FAILED)
    assert run.report.failing == {"foo": Sighting(42, None, Verdict.FAILING, cause="its page: OSError")}
    decide(run, required(), STALE)
    assert (run.report.stale["foo"].got, run.report.failing) == (41, {})
    decide(run, required(), FAILED)
    assert (run.report.stale["foo"].got, run.report.failing) == (41, {})
    decide(run, required(), MISSING)
    assert (run.report.sightings, run.report.gone) == ({}, set())
    assert not run.not_found["foo"].is_proven
    decide(run, required(), GONE)
    assert (run.report.stale, run.report.gone) == ({}, {"foo"})
    assert run.not_found["foo"].is_proven
    decide(run, required(), FRESH)
    assert (run.report.gone, run.report.fresh, run.not_found) == (set(), {"foo"}, {})


def asking_for_missing() -> Run:
    """Return a run that asks again for foo, which is missing."""
    run = Run(0, {})
    run.follow_missing(MissingPlan({"foo": 42}, set()), {"foo": Missing(42, 0, 0)})
    return run


@pytest.mark.parametrize("result", [STALE, FAILED])
def test_what_is_missing_holds_up_nothing(result: PageResult[str]) -> None:
    """Whatever comes of asking again: it is on record."""
    run = asking_for_missing()
    assert decide(run, required(), result).action is PageAction.WAIT
    assert run.excuses("foo")
    assert decide(run, required(), MISSING).action is PageAction.FAIL  # with a 404, which Bandersnatch lets pass


def test_what_is_known_to_be_missing_is_asked_for_once() -> None:
    """In another variant each time, also where it was not planned, as in a full check; a newer serial is news."""
    run = Run(0, {})
    run.follow_missing(MissingPlan({}, set()), {"foo": Missing(42, 0, 0, 3)})
    assert run.budget("foo", 42) == RecheckBudget(1, 3, None, is_missing=True)
    assert run.budget("foo", 43) is run.budget("bar", 42) is None


def test_what_is_missing_leaves_once_it_is_synced() -> None:
    """Not before: its files may fail yet."""
    run = asking_for_missing()
    decide(run, required(), FRESH)
    assert run.missing_seen() == {"foo": 42}
    assert run.missing_after({"foo": Missing(42, 0, 0)}, 60).keys() == {"foo"}
    assert run.processed("foo")
    assert (run.missing_seen(), run.missing_after({"foo": Missing(42, 0, 0)}, 60)) == ({}, {})


def test_what_was_saved_before_the_serial_moved_is_not_counted_twice() -> None:
    """A run saves what it did not find, and then ends."""
    run = asking_for_missing()
    decide(run, required(), MISSING)
    once = run.missing_after({"foo": Missing(42, 0, 0)}, 60)
    assert once["foo"].asks == 2
    run.has_kept_missing = True
    assert run.missing_after(once, 60) == once


@pytest.mark.parametrize(
    ("before", "result", "has_files", "believed"),
    [
        pytest.param({}, GONE, False, True, id="proven"),
        pytest.param({}, MISSING, False, False, id="not-proven"),
        pytest.param({}, GONE, True, False, id="files-need-two"),
        pytest.param({"foo": Missing(42, 0, 0, is_proven=True)}, GONE, True, True, id="twice"),
        pytest.param({"foo": Missing(42, 0, 0, is_proven=True)}, MISSING, True, False, id="once-and-not-proven"),
        pytest.param({"foo": Missing(42, 3000, 3000, is_proven=True)}, GONE, True, False, id="twice-at-once"),
        pytest.param({"foo": Missing(42, 0, 0)}, GONE, True, False, id="first-proof"),
        pytest.param({"foo": Missing(41, 0, 0, is_proven=True)}, GONE, True, False, id="another-serial"),
    ],
)
def test_a_404_is_acted_on_where_it_is_believed(
    before: dict[str, Missing], result: PageResult[str], *, has_files: bool, believed: bool
) -> None:
    """To delete files takes two proofs, an hour apart."""
    run = Run(0, {})
    run.follow_missing(MissingPlan({}, set()), before)
    decide(run, required(), result)
    assert run.believes_gone("foo", 3600, has_files=has_files) is believed
    assert run.not_found["foo"].keeps_files is (has_files and not believed)


def test_what_is_known_is_climbed_for_rarely() -> None:
    """And that is remembered, of each package and of the whole edge; not what was asked for once."""
    run = known(runs=9, seen=HOUR, newest=41)
    run.saw("foo", 42, [Observation(PLAIN, 200, 41)] * 2)
    run.saw("bar", 42, [Observation(PLAIN, 200, 41)] * 2)
    run.saw("baz", 42, [Observation(PLAIN, 200, 41)])
    run.saw("new", 42, [Observation(PLAIN, 200, 41), Observation(STRIP, 200, 42)], fresh=True)
    assert run.report.climbed == {"foo", "bar", EDGE}
    just = Incident("foo", 0, 10 * HOUR, 9, 42, 41, Verdict.UNKNOWN, newest=41, climbed=10 * HOUR)
    run = Run(10 * HOUR + 60, {"foo": just})
    assert run.budget("foo", 42) == RecheckBudget(1, None, 41)
    run.saw("foo", 42, [Observation(STRIP, 200, 41), Observation(PLAIN, 200, 41)])
    assert run.report.climbed == set()
    assert run.budget("bar", 42) is None
    assert Run(20 * HOUR, {"foo": just}).budget("foo", 42) is None


def test_what_goes_into_quarantine_is_known() -> None:
    """So it is asked for as rarely; what has a newer release there is climbed for."""
    for asks, budget in ((0, RecheckBudget(1, None, 41)), (3, None)):
        run = Run(60, {"foo": Incident("foo", -HOUR, 60, 9, 42, 41, Verdict.UNKNOWN, newest=41, climbed=59)})
        run.follow(QuarantinePlan({"foo": QuarantineEntry(42, 0, 0, asks)}, ask={"foo": None}), {})
        assert run.budget("foo", 42) == budget


def test_an_error_ends_a_sample() -> None:
    """So that others are asked for."""
    run = Run(10 * HOUR, {EDGE: Incident(EDGE, 0, 10 * HOUR, 9, 42, 41, Verdict.UNKNOWN)})
    for number in range(10):
        requirement = PageRequirement(f"p{number}", 42, 0, 0, 42, run.budget(f"p{number}", 42))
        assert requirement.budget is None
        decide(run, requirement, PageResult([Observation(PLAIN, 503)], error=OSError()))
    assert run.budget("p10", 42) is not None
    assert run.report.failing.keys() == {f"p{number}" for number in range(10)}
