"""What a run sees."""

from __future__ import annotations

import pytest

from bandersnatch_freshness.core.climb import RecheckBudget
from bandersnatch_freshness.core.incidents import EDGE, Incident, Level
from bandersnatch_freshness.core.missing import NotFound
from bandersnatch_freshness.core.observations import Observation
from bandersnatch_freshness.core.quarantine import QuarantineEntry, QuarantinePlan
from bandersnatch_freshness.core.run import Run
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
