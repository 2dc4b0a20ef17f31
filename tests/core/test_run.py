"""What a run sees."""

from __future__ import annotations

import pytest

from bandersnatch_freshness.core.climb import PageResult, RecheckBudget
from bandersnatch_freshness.core.incidents import EDGE, Incident, Level, Sighting
from bandersnatch_freshness.core.missing import Missing, MissingPlan, NotFound
from bandersnatch_freshness.core.observations import Observation
from bandersnatch_freshness.core.quarantine import QuarantineEntry, QuarantinePlan
from bandersnatch_freshness.core.run import PageAction, PageDecision, PageRequirement, Run, decide
from bandersnatch_freshness.core.variants import LADDER
from bandersnatch_freshness.core.verdicts import Verdict

PLAIN, STRIP = LADDER[:2]
HOUR = 3600


def known(
    level: Level = Level.STALE,
    runs: int = 1,
    newest: int | None = None,
    verdict: Verdict = Verdict.UNKNOWN,
    seen: int = 0,
    warn_after: int = HOUR,
) -> Run:
    """Return a run that knows of an incident of foo."""
    return Run(0, {"foo": Incident("foo", 0, seen, runs, 42, 41, verdict, level, newest)}, warn_after=warn_after)


def test_all_attempts_of_a_run_are_evidence() -> None:
    """The verdict is by all of them; of each way of asking one is kept to read."""
    run = Run(0, {})
    run.saw("foo", 42, [Observation(PLAIN, 200, 40)], fresh=False)
    assert run.report.stale["foo"].verdict is Verdict.UNKNOWN
    run.saw("foo", 42, [Observation(PLAIN, 200, 41), Observation(STRIP, 200, 40)], fresh=False)
    sighting = run.report.stale["foo"]
    assert (sighting.got, sighting.verdict) == (41, Verdict.EDGE_STALE)
    assert [(one["variant"], one["serial"]) for one in sighting.evidence] == [("plain", 41), ("strip", 40)]


def test_what_was_seen_in_earlier_runs_counts() -> None:
    """A serial that the origin once had, it has still."""
    run = known(newest=41)
    run.saw("foo", 42, [Observation(PLAIN, 200, 40)], fresh=False)
    assert run.report.stale["foo"].verdict is Verdict.EDGE_STALE


def test_the_last_attempt_tells_what_became_of_a_package() -> None:
    """Stale twice and then fresh is fresh."""
    run = Run(0, {})
    gone = NotFound(42, is_proven=True)
    for fresh, not_found in ((False, None), (False, gone), (False, None), (True, None)):
        run.saw("foo", 42, [Observation(PLAIN, 200, 42 if fresh else 41)], fresh=fresh, not_found=not_found)
    assert (run.report.fresh, dict(run.report.stale), run.report.gone) == ({"foo"}, {}, set())


def test_counts_requests_and_cures() -> None:
    """What the history of runs keeps."""
    run = Run(7, {})
    run.saw("foo", 42, [Observation(PLAIN, 200, 41), Observation(STRIP, 200, 42)], fresh=True)
    run.saw("bar", 42, [Observation(PLAIN, 200, 42)], fresh=True)
    run.saw("baz", 42, [Observation(PLAIN, 200, 41)] * 7, fresh=False)
    run.report.reached = 41
    past = run.finished(9, "errors", 42)
    assert (past.started, past.finished, past.outcome, past.serial, past.target) == (7, 9, "errors", 41, 42)
    assert (past.fresh, past.stale, past.gone, past.extra_requests) == (2, 1, 0, 7)
    assert past.cured == {"strip": 1}


def test_what_earlier_runs_met_is_no_news() -> None:
    """Known once a run saw it; persistent once three did, or once the origin is known to be behind."""
    assert known().is_known("foo")
    assert not known().is_known("bar")
    assert known().is_known("bar", "foo")
    assert not known(runs=2, seen=HOUR).is_persistent("foo")
    assert not known(runs=3, seen=HOUR - 1).is_persistent("foo")
    assert known(runs=3, seen=HOUR).is_persistent("foo")
    assert known(runs=3, seen=60, warn_after=60).is_persistent("foo")
    assert not known(runs=3, seen=HOUR).is_persistent("bar")
    assert known(runs=1, verdict=Verdict.ORIGIN_STALE).is_persistent("foo")


def test_where_the_whole_edge_is_stale_waiting_is_no_use_for_any_page() -> None:
    """It is one incident, and stands for all of them."""
    edge = Incident(EDGE, 0, HOUR, 3, 42, 41, Verdict.UNKNOWN, Level.WARNING)
    run = Run(0, {EDGE: edge})
    assert run.is_persistent("foo")
    assert run.is_known("foo")


def following(verdict: Verdict = Verdict.ORIGIN_STALE, synced: int | None = None, copy: int = 0) -> Run:
    """Return a run that asks for foo, which is in quarantine, in one way, and for bar in all."""
    incident = Incident("foo", 0, 0, 3, 42, 41, verdict, newest=41, evidence=({"variant": "strip", "serial": 41},))
    run = Run(0, {"foo": incident})
    entries = {
        "foo": QuarantineEntry(42, 0, 0, 5, synced),
        "bar": QuarantineEntry(50, 0, 0),
        "held": QuarantineEntry(1, 0, 0),
    }
    run.follow(QuarantinePlan(entries, ask={"foo": 1, "bar": None}, hold=frozenset({"held"})), {"foo": copy})
    return run


def test_what_is_in_quarantine_is_asked_for_as_planned() -> None:
    """Beginning another way each time, until there is news."""
    assert following().rechecks == {"foo": RecheckBudget(1, 5, 41), "bar": None}


def test_one_way_of_asking_unproves_nothing() -> None:
    """The verdict of earlier runs stands while the serial is the same, and so does the evidence."""
    run = following()
    run.saw("foo", 42, [Observation(PLAIN, 200, 41)], fresh=False)
    assert run.report.stale["foo"].verdict is Verdict.ORIGIN_STALE
    assert [one["variant"] for one in run.report.stale["foo"].evidence] == ["plain", "strip"]
    run.saw("foo", 42, [Observation(PLAIN, 200, 40)] * 2, fresh=False)
    assert run.report.stale["foo"].got == 41
    run = following()
    run.saw("foo", 42, [Observation(PLAIN, 200, 40)], fresh=False)
    assert run.report.stale["foo"].verdict is Verdict.EDGE_STALE
    assert [one["variant"] for one in run.report.stale["foo"].evidence] == ["plain"]


def test_what_proved_a_verdict_is_kept_as_long_as_the_verdict() -> None:
    """Also where the same way of asking then gets the same page from a cache, which proves nothing."""
    run = following()
    run.saw("foo", 42, [Observation(STRIP, 200, 41, x_cache="HIT")], fresh=False)
    assert [one.get("x_cache") for one in run.report.stale["foo"].evidence] == [None]


@pytest.mark.parametrize(
    ("run", "serial"),
    [
        pytest.param(following(), 41, id="all-there-is"),
        pytest.param(following(synced=40), 41, id="newer-than-before"),
        pytest.param(following(synced=41), None, id="synced-already"),
        pytest.param(following(copy=41), None, id="the-mirror-has-it"),
        pytest.param(following(Verdict.UNKNOWN), 41, id="whoever-holds-it"),
    ],
)
def test_an_older_page_is_worth_syncing_once(run: Run, serial: int | None) -> None:
    """Where the origin has no newer one."""
    run.saw("foo", 42, [Observation(PLAIN, 200, 41)], fresh=False)
    run.saw("baz", 42, [Observation(PLAIN, 200, 41)], fresh=False)
    older = run.older_page("foo")
    assert (older and (older.serial, older.variant)) == (serial and (serial, PLAIN))
    assert run.older_page("baz") is None


def test_what_is_in_quarantine_may_fail() -> None:
    """Whatever fails, its page or a release file; it is synced once Bandersnatch has all of it."""
    run = following()
    assert [run.excuses(name) for name in ("foo", "bar", "held", "baz")] == [True, True, False, False]
    run.saw("foo", 42, [Observation(PLAIN, 200, 42)], fresh=True)
    assert run.excuses("foo")
    assert run.synced == {}
    assert run.processed("foo")
    assert run.synced == {"foo": 42}
    run.saw("baz", 42, [Observation(PLAIN, 200, 42)], fresh=True)
    assert not run.processed("baz")
    assert run.synced == {"foo": 42}


def test_only_what_was_announced_proves_a_serial() -> None:
    """The mirror's own must not pass what was released below an older page's, where the announced one is nonsense."""
    for got, proven in ((41, 0), (42, 42), (43, 42)):
        run = following()
        run.takes("foo", got)
        assert run.processed("foo")
        assert run.proven_serial("foo") == proven


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
