"""Whether a run ended complete, why not, and since when the mirror has all."""

from __future__ import annotations

import pytest

from bandersnatch_freshness.core.completeness import Todo, complete_at, longest_silence, shortfall
from bandersnatch_freshness.core.history import Batch, PastRun
from bandersnatch_freshness.core.incidents import EDGE, INDEX, Incident, RunReport, Shortfall, Sighting
from bandersnatch_freshness.core.verdicts import Verdict

NOON = 1_539_691_200
MINUTE, HOUR, DAY = 60, 3600, 86400

STALE = Sighting(42, 41, Verdict.EDGE_STALE)
CAUSE = "its page: status 503"
BROKEN = Sighting(42, None, Verdict.FAILING, cause=CAUSE)
TEN = frozenset("abcdefghij")
LISTED = Batch(42, 7, NOON)


@pytest.mark.parametrize(
    ("report", "outcome", "problem", "short"),
    [
        pytest.param(RunReport(), "fresh", "", None, id="complete"),
        pytest.param(
            RunReport(stale={"b": STALE}, failing={"a": BROKEN}),
            *("errors", "", Shortfall("a (its page: status 503), b (its page is stale)", ("a", "b"))),
            id="packages",
        ),
        pytest.param(
            RunReport(failing=dict.fromkeys("abcde", BROKEN)),
            *(
                "errors",
                "",
                Shortfall(", ".join(f"{name} ({BROKEN.cause})" for name in "abc") + " and 2 more", (*"abcde",)),
            ),
            id="many",
        ),
        pytest.param(RunReport(failing={"a": BROKEN}, quarantined={"a"}), "fresh", "", None, id="in-quarantine"),
        pytest.param(RunReport(failing={"a": BROKEN}, missing={"a"}), "fresh", "", None, id="missing"),
        pytest.param(
            RunReport(failing={"a": BROKEN}),
            *(
                "errors",
                "stop-on-error ended it",
                Shortfall("stop-on-error ended it: a (its page: status 503)", ("a",)),
            ),
            id="stop-on-error",
        ),
        pytest.param(RunReport(), "failed", "the disk is full", Shortfall("the disk is full"), id="ended-early"),
        pytest.param(
            *(RunReport(), "errors", "", Shortfall("Bandersnatch reports an error that is no package's")),
            id="no-package",
        ),
    ],
)
def test_says_why_a_run_is_not_complete(report: RunReport, outcome: str, problem: str, short: Shortfall | None) -> None:
    """By the packages that hold the mirror, or by what ended the run."""
    assert shortfall(report, outcome, problem) == short


def test_without_an_index_that_is_why() -> None:
    """Whatever else a run saw."""
    report = RunReport(stale={"a": STALE})
    short = shortfall(report, "failed", "there is no index: status 503", is_of_index=True)
    assert short == Shortfall("there is no index: status 503", (INDEX,))


EDGE_STALE = {EDGE: Incident(EDGE, NOON, NOON, 1, 42, 41, Verdict.UNKNOWN)}


@pytest.mark.parametrize(
    ("report", "batch", "incidents", "listed", "at"),
    [
        pytest.param(RunReport(), LISTED, {}, 0, NOON, id="complete"),
        pytest.param(RunReport(), Batch(42, 7, NOON - HOUR), {}, 0, NOON - HOUR, id="by-an-older-todo-list"),
        pytest.param(RunReport(), Batch(42, 7), {}, 0, 1, id="a-todo-list-of-unknown-age"),
        pytest.param(RunReport(), None, {}, 0, 1, id="no-list"),
        pytest.param(RunReport(shortfall=Shortfall("x")), LISTED, {}, 0, 1, id="not-complete"),
        pytest.param(RunReport(overlaps=True), LISTED, {}, 0, 1, id="overlapping"),
        pytest.param(RunReport(index=STALE), LISTED, {}, 0, 1, id="an-old-index"),
        pytest.param(RunReport(), LISTED, EDGE_STALE, 0, 1, id="a-stale-edge"),
        pytest.param(RunReport(quarantined=set(TEN - {"a"})), LISTED, {}, 100, NOON, id="few-in-quarantine"),
        pytest.param(RunReport(quarantined=set(TEN)), LISTED, {}, 100, 1, id="too-many"),
        pytest.param(RunReport(quarantined=set(TEN)), LISTED, {}, 1000, NOON, id="of-a-large-list"),
        pytest.param(RunReport(quarantined=set(TEN), accepted={"a"}), LISTED, {}, 100, NOON, id="accepted-by-hand"),
    ],
)
def test_complete_as_of_the_index_that_was_worked_off(
    report: RunReport, batch: Batch | None, incidents: dict[str, Incident], listed: int, at: int
) -> None:
    """It does not move where that is not sure, nor with too many in quarantine."""
    assert complete_at(1, report, batch, incidents, listed) == at


def test_it_never_goes_back() -> None:
    """Whatever an old todo list says."""
    assert complete_at(NOON, RunReport(), Batch(42, 7, NOON - DAY), {}, 0) == NOON


@pytest.mark.parametrize(
    ("todo", "before", "progress"),
    [
        pytest.param(Todo(42, 7), None, True, id="the-first"),
        pytest.param(Todo(43, 7), Batch(42, 7, left=3), True, id="a-new-list"),
        pytest.param(Todo(42, 2), Batch(42, 7, left=3), True, id="shorter"),
        pytest.param(Todo(42, 3), Batch(42, 7, left=3), False, id="the-same"),
    ],
)
def test_a_todo_list_that_got_shorter_is_progress(todo: Todo, before: Batch | None, progress: bool) -> None:
    """And a new one is."""
    assert todo.is_progress(before) is progress


def started(*times: int) -> list[PastRun]:
    """Return runs that began at these times."""
    return [PastRun(time, time + 10, "fresh", 42) for time in times]


@pytest.mark.parametrize(
    ("runs", "seconds"),
    [
        pytest.param([], DAY, id="none"),
        pytest.param(started(NOON), DAY, id="one"),
        pytest.param(started(NOON, NOON + 5 * MINUTE, NOON + 10 * MINUTE), DAY, id="every-five-minutes"),
        pytest.param(started(NOON, NOON + DAY, NOON + 2 * DAY), 3 * DAY, id="nightly"),
        pytest.param(started(NOON, NOON + DAY, NOON + DAY + 60, NOON + 2 * DAY), 3 * (DAY - 60), id="one-by-hand"),
        pytest.param(started(NOON, NOON, NOON), DAY, id="a-clock-that-stands"),
    ],
)
def test_a_cron_that_has_stopped_is_known_by_its_interval(runs: list[PastRun], seconds: int) -> None:
    """Three times the usual one, and at least `critical_after`."""
    assert longest_silence(runs, DAY) == seconds
