"""Incidents open, worsen and end."""

from __future__ import annotations

import pytest

from bandersnatch_freshness.core.incidents import (
    EDGE,
    INDEX,
    MIRROR,
    Change,
    Ending,
    Incident,
    Level,
    RunReport,
    Shortfall,
    Sighting,
    Thresholds,
    advance,
)
from bandersnatch_freshness.core.verdicts import Verdict

MINUTE, HOUR, DAY = 60, 3600, 86400
NOON = 1_539_691_200
THRESHOLDS = Thresholds(HOUR, DAY)
SIGHTING = Sighting(42, 41, Verdict.EDGE_STALE, ({"variant": "plain", "serial": 41},))


def stale(*names: str, **more: object) -> RunReport:
    """Return the report of a run that found these packages stale."""
    return RunReport(stale=dict.fromkeys(names or ("foo",), SIGHTING), **more)  # type: ignore[arg-type]


class Mirror:
    """The incidents of one mirror, run after run."""

    def __init__(self) -> None:
        """Start with none."""
        self.incidents: dict[str, Incident] = {}
        self.thresholds = THRESHOLDS

    def run(self, report: RunReport, now: int) -> list[Change]:
        """Advance by one run."""
        self.incidents, changes = advance(self.incidents, report, now, self.thresholds)
        return changes

    def levels(self, times: list[int]) -> list[Level]:
        """Return the level of foo after each run that finds it stale."""
        found = []
        for time in times:
            self.run(stale(), time)
            found.append(self.incidents["foo"].level)
        return found


S, W, C = Level.STALE, Level.WARNING, Level.CRITICAL


@pytest.mark.parametrize(
    ("times", "levels"),
    [
        pytest.param([0, 5 * MINUTE, HOUR - 1, HOUR], [S, S, S, W], id="on-the-dot"),
        pytest.param([0, HOUR, 2 * HOUR], [S, S, W], id="not-before-the-third-run"),
        pytest.param([0, 6 * HOUR, 6 * HOUR + 1], [S, S, W], id="two-runs-six-hours-apart"),
        pytest.param([0, 6 * HOUR + 1], [S, W], id="two-runs-more-than-six-hours-apart"),
        pytest.param([0, DAY, 2 * DAY], [S, C, C], id="runs-a-day-apart"),
        pytest.param([0, 5, HOUR, DAY - 1, DAY], [S, S, W, W, C], id="warning-then-critical"),
        pytest.param([0, 5, HOUR, -DAY, -DAY + 5], [S, S, W, W, W], id="clock-jumps-back"),
        pytest.param([DAY * 365, 0, 5, HOUR], [S, S, S, W], id="opened-by-a-clock-ahead"),
    ],
)
def test_worsens_with_age_and_runs(times: list[int], levels: list[Level]) -> None:
    """By warn_after and critical_after, once three runs saw it."""
    assert Mirror().levels([NOON + time for time in times]) == levels


def test_worsens_in_quarantine_also_in_runs_that_do_not_ask_for_it() -> None:
    """It is asked for ever more rarely, and is no less stale for that."""
    mirror = Mirror()
    mirror.thresholds = Thresholds(2 * HOUR, DAY)
    assert mirror.levels([NOON, NOON + 5, NOON + HOUR]) == [S, S, S]
    unasked = RunReport(quarantined={"foo"})
    assert mirror.run(unasked, NOON + 2 * HOUR - 1) == []
    (warning,) = mirror.run(unasked, NOON + 2 * HOUR)
    assert (warning.incident.level, warning.incident.in_quarantine, warning.ending) == (W, True, None)
    assert mirror.run(unasked, NOON + DAY - 1) == []
    (critical,) = mirror.run(unasked, NOON + DAY)
    assert critical.incident.level is C
    assert mirror.incidents["foo"] == critical.incident
    assert critical.incident.runs == 3


def test_runs_that_saw_it_within_minutes_are_no_three_runs() -> None:
    """Its age alone doesn't make it worse: one copy in a cache may have served them all."""
    mirror = Mirror()
    mirror.levels([NOON, NOON + 5, NOON + 10])
    assert mirror.run(RunReport(quarantined={"foo"}), NOON + DAY) == []
    mirror.thresholds = Thresholds(10, DAY)
    assert [one.incident.level for one in mirror.run(RunReport(quarantined={"foo"}), NOON + HOUR)] == [W]


def test_a_change_of_level_is_a_change_once() -> None:
    """Two in the life of an incident that lasts: a warning, then critical."""
    mirror = Mirror()
    changes = [change for minute in range(0, 2 * 24 * 60, 5) for change in mirror.run(stale(), NOON + minute * MINUTE)]
    assert [(change.incident.level, change.ending) for change in changes] == [(W, None), (C, None)]
    assert [change.incident.age(change.incident.seen) for change in changes] == [HOUR, DAY]


@pytest.mark.parametrize(
    ("report", "ending"),
    [
        pytest.param(RunReport(fresh={"foo"}), Ending.FRESH, id="fresh"),
        pytest.param(RunReport(gone={"foo"}), Ending.GONE, id="gone"),
        pytest.param(RunReport(reached=42), Ending.SETTLED, id="synced-by-a-run-that-was-killed"),
        pytest.param(RunReport(reached=41), None, id="still-to-be-synced"),
        pytest.param(RunReport(fresh={"bar"}), None, id="another-one-fresh"),
    ],
)
def test_ends_when_it_is_over_and_not_before(report: RunReport, ending: Ending | None) -> None:
    """Also when the run that cured it never told."""
    mirror = Mirror()
    mirror.run(stale(), NOON)
    changes = mirror.run(report, NOON + 5 * MINUTE)
    assert [change.ending for change in changes] == ([ending] if ending else [])
    assert ("foo" in mirror.incidents) is (ending is None)


def test_remembers_the_newest_serial_that_was_seen() -> None:
    """As evidence that a lower one comes from a cache."""
    mirror = Mirror()
    for got in (40, 41, None, 39):
        mirror.run(RunReport(stale={"foo": Sighting(42, got, Verdict.UNKNOWN)}), NOON)
    assert mirror.incidents["foo"].newest == 41
    assert mirror.incidents["foo"].got == 39


MANY = [f"p{number}" for number in range(10)]


def test_most_packages_stale_is_one_incident() -> None:
    """With a count and examples; packages that were stale before keep theirs."""
    mirror = Mirror()
    mirror.run(stale("p1"), NOON)
    mirror.run(stale(*MANY, fresh={"a", "b"}), NOON + MINUTE)
    assert set(mirror.incidents) == {"p1", EDGE}
    edge = mirror.incidents[EDGE]
    assert (edge.count, edge.examples, edge.verdict) == (10, ("p0", "p1", "p2", "p3", "p4"), Verdict.EDGE_STALE)


@pytest.mark.parametrize(
    ("report", "systemic"),
    [
        pytest.param(stale(*MANY), True, id="all"),
        pytest.param(stale(*MANY[1:]), False, id="few"),
        pytest.param(stale(*MANY, fresh=set(map(str, range(11)))), False, id="less-than-half"),
        pytest.param(stale(*MANY, fresh=set(map(str, range(10)))), True, id="half"),
        pytest.param(stale(*MANY, batch=21), False, id="all-that-is-left"),
        pytest.param(stale(*MANY, batch=20), True, id="half-of-the-batch"),
        pytest.param(stale(*MANY, quarantined={"p0"}), False, id="known-and-in-quarantine"),
    ],
)
def test_systemic_means_much_and_many(report: RunReport, systemic: bool) -> None:
    """Half of what there is to sync, and at least ten."""
    assert bool(report.systemic()) is systemic


@pytest.mark.parametrize(
    ("report", "over"),
    [
        pytest.param(RunReport(fresh={"a"}), True, id="answers-are-fresh"),
        pytest.param(stale("a", fresh={"b", "c"}), True, id="one-is-still-stale"),
        pytest.param(RunReport(reached=42), True, id="nothing-left-to-ask"),
        pytest.param(RunReport(), False, id="nothing-asked"),
    ],
)
def test_the_edges_incident_ends_too(report: RunReport, over: bool) -> None:
    """What is then still stale gets an incident of its own."""
    mirror = Mirror()
    mirror.run(stale(*MANY), NOON)
    changes = mirror.run(report, NOON + MINUTE)
    assert [change.ending for change in changes] == ([Ending.EDGE] if over else [])
    assert (EDGE in mirror.incidents) is not over
    assert set(report.stale) <= set(mirror.incidents)


def test_an_overlapping_run_moves_no_age() -> None:
    """Not even of what is in quarantine, and not asked for."""
    mirror = Mirror()
    mirror.thresholds = Thresholds(2 * HOUR, DAY)
    mirror.levels([NOON, NOON + 5, NOON + HOUR])
    for report in (RunReport(quarantined={"foo"}, overlaps=True), stale(overlaps=True)):
        assert mirror.run(report, NOON + DAY) == []
    assert (mirror.incidents["foo"].level, mirror.incidents["foo"].runs) == (S, 3)
    mirror.run(stale(*MANY), NOON)
    mirror.run(RunReport(fresh={"a"}, overlaps=True), NOON)
    assert EDGE in mirror.incidents


def test_an_edge_that_stays_stale_gives_each_package_an_incident_of_its_age() -> None:
    """Once it is critical, so that they can go into quarantine; which is said of the edge alone."""
    mirror = Mirror()
    for time in (NOON, NOON + HOUR, NOON + DAY):
        mirror.run(stale(*MANY), time)
    assert (set(mirror.incidents), mirror.incidents[EDGE].level) == ({EDGE}, C)
    assert mirror.run(stale(*MANY), NOON + DAY + HOUR) == []
    p0 = mirror.incidents["p0"]
    assert (p0.since, p0.runs, p0.level, p0.newest, p0.examples) == (NOON, 4, S, 41, ())


def test_what_came_past_all_caches_says_nothing_of_the_edge() -> None:
    """Its incident does not end by that; and when the mirror has all, it is not said to serve fresh pages again."""
    mirror = Mirror()
    mirror.run(stale(*MANY), NOON)
    half = set(MANY[:8])
    assert mirror.run(stale(*MANY[8:], fresh=half, by_origin=half), NOON + HOUR) == []
    assert EDGE in mirror.incidents
    rest = set(MANY[8:])
    changes = mirror.run(RunReport(fresh=rest, by_origin=rest, reached=99), NOON + 2 * HOUR)
    assert {change.incident.subject: change.ending for change in changes}[EDGE] is Ending.SETTLED
    assert stale(*MANY, fresh=set(map(str, range(11))), by_origin={"0"}).systemic()


def test_an_edge_that_lasts_worsens_though_few_are_left() -> None:
    """Else what is left would never go into quarantine, and the mirror would stand still for good."""
    mirror = Mirror()
    for time in (NOON, NOON + HOUR, NOON + 2 * HOUR):
        mirror.run(stale(*MANY), time)
    (change,) = mirror.run(stale(*MANY[:3], batch=10), NOON + DAY)
    assert (change.incident.subject, change.incident.level) == (EDGE, C)
    assert mirror.run(stale(*MANY[:3], batch=10), NOON + DAY + MINUTE) == []
    mirror.run(stale(*MANY[:3], batch=10, overlaps=True), NOON + DAY + MINUTE)
    assert mirror.incidents[EDGE].level is C


def test_an_edge_is_not_fresh_because_its_packages_are_in_quarantine() -> None:
    """Its incident ends when most of them have left; what stays worsens by itself."""
    mirror = Mirror()
    for time in (NOON, NOON + HOUR, NOON + DAY, NOON + DAY + HOUR):
        mirror.run(stale(*MANY, "p10"), time)
    aside = {"p10", *MANY}
    assert mirror.run(RunReport(quarantined=set(aside), fresh={"a"}, reached=99), NOON + 2 * DAY) == []
    changes = mirror.run(stale("p0", quarantined=aside, fresh={"a"}, reached=99), NOON + 2 * DAY)
    assert changes == []
    assert set(mirror.incidents) == {EDGE, *aside}
    fresh = aside - {"p0"}
    changes = mirror.run(stale("p0", quarantined={"p0"}, fresh=fresh, reached=99), NOON + 2 * DAY + HOUR)
    assert {change.incident.subject for change in changes if change.ending} == {EDGE, *fresh}
    (change,) = mirror.run(stale("p0", quarantined={"p0"}, reached=99), NOON + 2 * DAY + 2 * HOUR)
    assert (change.incident.subject, change.incident.level) == ("p0", C)


def failing(*names: str, cause: str = "its page: status 503", **more: object) -> RunReport:
    """Return the report of a run in which these packages failed with a cause, and held the mirror."""
    seen = Sighting(42, None, Verdict.FAILING, cause=cause)
    return RunReport(failing=dict.fromkeys(names, seen), shortfall=Shortfall("packages", names), **more)  # type: ignore[arg-type]


def without_index(**more: object) -> RunReport:
    """Return the report of a run that had no index."""
    return RunReport(shortfall=Shortfall("there is no index: status 503", (INDEX,)), **more)  # type: ignore[arg-type]


QUARTERS = range(0, DAY + 1, HOUR // 4)


def test_a_failing_package_is_an_incident_with_its_cause() -> None:
    """It worsens and ends as a stale one does."""
    mirror = Mirror()
    said = [change for quarter in QUARTERS for change in mirror.run(failing("foo"), NOON + quarter)]
    assert [(one.incident.subject, one.incident.level) for one in said] == [("foo", W), ("foo", C)]
    assert said[0].incident.verdict is Verdict.FAILING
    assert said[0].incident.cause == "its page: status 503"
    ended = mirror.run(RunReport(fresh={"foo"}), NOON + DAY + MINUTE)
    assert [(change.incident.subject, change.ending) for change in ended] == [("foo", Ending.FRESH)]
    assert mirror.incidents == {}


def test_what_another_incident_explains_is_said_once() -> None:
    """The mirror has an incident of its own; that of the package speaks."""
    mirror = Mirror()
    mirror.run(failing("foo"), NOON)
    assert mirror.incidents[MIRROR].is_explained
    assert mirror.incidents[MIRROR].examples == ("foo",)
    assert mirror.incidents[MIRROR].cause == "packages"


def test_a_mirror_that_is_never_complete_for_many_reasons_speaks() -> None:
    """In each run another package fails: none of them is old enough to be told."""
    mirror = Mirror()
    said = []
    for number in QUARTERS:
        said += mirror.run(failing(f"p{number}", fresh={f"p{number - HOUR // 4}"}), NOON + number)
    worsened = [(one.incident.subject, one.incident.level) for one in said if not one.ending]
    assert worsened == [(MIRROR, W), (MIRROR, C)]


def test_without_an_index_the_mirror_speaks_and_the_index_does_not() -> None:
    """That of the index comes later, and is the same news."""
    mirror = Mirror()
    said = []
    for quarter in QUARTERS:
        index = Sighting(43, None, Verdict.UNKNOWN) if quarter >= 6 * HOUR else None
        said += mirror.run(without_index(index=index), NOON + quarter)
    assert [(one.incident.subject, one.incident.level) for one in said] == [(MIRROR, W), (MIRROR, C)]
    assert mirror.incidents[INDEX].is_explained
    ended = mirror.run(RunReport(index_is_right=True), NOON + 2 * DAY)
    assert [(change.incident.subject, change.ending) for change in ended] == [(MIRROR, Ending.COMPLETE)]


def test_a_run_that_overlaps_makes_no_other_incident_speak() -> None:
    """What the mirror's says of the index is not said of that as well."""
    mirror = Mirror()
    index = Sighting(43, None, Verdict.UNKNOWN)
    for quarter in range(0, 2 * HOUR, HOUR // 4):
        mirror.run(without_index(index=index), NOON + quarter)
    assert mirror.run(without_index(index=index, overlaps=True), NOON + 2 * HOUR) == []
    assert mirror.incidents[INDEX].is_explained
    mirror.run(RunReport(index=index), NOON + 3 * HOUR)
    assert not mirror.incidents[INDEX].is_explained, "a run was complete, by an index that is old"


def test_progress_is_no_incident() -> None:
    """A first sync that is ended every hour; but one that is there stays until a run is complete."""
    mirror = Mirror()
    ended = RunReport(shortfall=Shortfall("it was ended"), has_progress=True)
    assert mirror.run(ended, NOON) == []
    assert mirror.incidents == {}
    mirror.run(RunReport(shortfall=Shortfall("it was ended")), NOON + MINUTE)
    before = mirror.incidents[MIRROR]
    mirror.run(ended, NOON + HOUR)
    assert mirror.incidents == {MIRROR: before}
    mirror.run(RunReport(), NOON + 2 * HOUR)
    assert mirror.incidents == {}


def test_a_run_that_overlaps_says_nothing_of_the_mirror() -> None:
    """Neither that it is complete, nor that it isn't."""
    mirror = Mirror()
    mirror.run(without_index(overlaps=True), NOON)
    assert MIRROR not in mirror.incidents
    mirror.run(without_index(), NOON)
    mirror.run(RunReport(overlaps=True), NOON + MINUTE)
    assert mirror.incidents[MIRROR].runs == 1


def test_an_outage_that_hits_everything_is_one_incident() -> None:
    """Of the whole edge, with its cause; what fails with another one has its own."""
    mirror = Mirror()
    report = failing(*MANY)
    report.failing["odd"] = Sighting(42, None, Verdict.FAILING, cause="a release file: a wrong checksum")
    mirror.run(report, NOON)
    assert mirror.incidents[EDGE].cause == "its page: status 503"
    assert mirror.incidents[EDGE].count == len(MANY)
    assert mirror.incidents[MIRROR].is_explained
    assert mirror.incidents.keys() & {"odd", *MANY} == set()
    again = failing("odd", fresh=set(MANY))
    mirror.run(again, NOON + MINUTE)
    assert mirror.incidents.keys() == {"odd", MIRROR}


@pytest.mark.parametrize(
    ("verdict", "synced", "level"),
    [
        pytest.param(Verdict.ORIGIN_STALE, 41, W, id="as-the-origin-has-it"),
        pytest.param(Verdict.ORIGIN_STALE, 40, C, id="older-than-the-origin-s"),
        pytest.param(Verdict.EDGE_STALE, 41, C, id="as-a-cache-has-it"),
    ],
)
def test_what_is_as_new_as_the_origin_s_is_a_warning_at_most(verdict: Verdict, synced: int, level: Level) -> None:
    """Nobody who runs a mirror can do anything about it."""
    mirror = Mirror()
    seen = Sighting(42, 41, verdict)
    for quarter in QUARTERS:
        mirror.run(RunReport(stale={"foo": seen}, quarantined={"foo"}, synced={"foo": synced}), NOON + quarter)
    assert mirror.incidents["foo"].level is level
