"""The states that releases have written, each with something of everything: a later one reads them."""

from __future__ import annotations

import json
from collections import Counter
from pathlib import Path

import pytest
from msgspec.structs import replace

from bandersnatch_freshness.core.audit_round import AuditRound, PastRound
from bandersnatch_freshness.core.ceiling import Ceiling
from bandersnatch_freshness.core.history import Batch, Hour, PastRun
from bandersnatch_freshness.core.incidents import Incident, Level
from bandersnatch_freshness.core.index import Doubt, Index
from bandersnatch_freshness.core.index_age import Look, Mark
from bandersnatch_freshness.core.missing import Missing
from bandersnatch_freshness.core.observations import Evidence
from bandersnatch_freshness.core.origin import Allowance, Turn
from bandersnatch_freshness.core.quarantine import QuarantineEntry
from bandersnatch_freshness.core.refusals import Refusal
from bandersnatch_freshness.core.usefulness import Idle
from bandersnatch_freshness.core.verdicts import Verdict
from bandersnatch_freshness.state.document import ChannelRecord, NotificationRecord, State, Totals, dump, load
from bandersnatch_freshness.state.remembered import OtherMaster

NOON = 1_539_691_200
RUN = PastRun(NOON, NOON + 7, "errors", 41, 42, fresh=5, stale=1, gone=2, extra_requests=7, cured={"strip": 3})
PLAIN: Evidence = {"variant": "plain", "status": 200, "serial": 41, "x_cache": "HIT"}
TOLD = NotificationRecord(Level.WARNING, Verdict.EDGE_STALE, NOON, NOON + 60, delivered=True, ever=True)
INCIDENTS = {
    "*": Incident(
        *("*", NOON, NOON + 300, 5, 42, 41, Verdict.UNKNOWN, Level.CRITICAL, 41), count=12, examples=("a", "b")
    ),
    "foo": Incident(
        *("foo", NOON, NOON + 300, 2, 42, None, Verdict.EDGE_STALE, Level.WARNING, 41),
        evidence=(PLAIN, {"variant": "strip", "problem": "a timeout"}),
        in_quarantine=True,
        released=NOON + 60,
    ),
}
# As its sections and options were by then; what had no serial in quarantine waits for one.
FIRST = State(
    "https://master.example/",
    INCIDENTS,
    [RUN],
    {"1f": {"foo": TOLD, "*": replace(TOLD, level=Level.CRITICAL, delivered=False)}},
    {
        "foo": QuarantineEntry(42, NOON, NOON + 60, 3),
        "bar": QuarantineEntry(40, NOON, NOON, 0, 39),
        "old": QuarantineEntry(0, NOON, NOON, 1, waiting=True),
    },
    Batch(42, 7),
    Index(42, NOON, 9, 41),
    another_master=True,
    history=[Hour(NOON, 1, 2, 3, 4)],
    totals=Totals(Counter(errors=1), Counter(plain=9, strip=1), 4, 5),
)
FAILING = Incident(
    *("bar", NOON, NOON + 300, 2, 42, None, Verdict.FAILING, Level.STALE),
    cause="its page: status 503",
    in_quarantine=True,
    climbed=NOON,
    is_explained=True,
)
STABLE = State(
    "https://master.example",
    {**INCIDENTS, "bar": FAILING},
    [RUN],
    FIRST.notified,
    {**FIRST.quarantine, "kept": QuarantineEntry(41, NOON, NOON, 2, is_accepted=True)},
    Batch(42, 7, NOON),
    Index(42, NOON, 9, 41, (Mark(41, NOON - 600), Mark(42, NOON)), Look(NOON, 2)),
    True,
    FIRST.history,
    NOON - 300,
    True,
    NOON - 60,
    {"metrics_file": NOON},
    FIRST.totals,
    Doubt("smaller", 42, 1, NOON, NOON + 9, 2),
    Ceiling(50, NOON, NOON - 9, 60, 2, True),
    Refusal(NOON, NOON + 3600),
    Idle(("foo", "bar"), 3, NOON, NOON + 60),
    Idle(("foo",), 1, NOON, NOON),
    Mark(43, NOON),
    Allowance(NOON, 3, 1, NOON + 9, {"foo": Turn(NOON, 2)}),
    AuditRound(NOON, 5, 9, 2, 1, {"foo": 42}, True, True, PastRound(NOON - 99, NOON - 9, 9, 1, 0)),
    {"foo": 42},
    [
        OtherMaster(
            "https://other.example",
            NOON,
            {"foo": replace(INCIDENTS["foo"], in_quarantine=False)},
            {"1f": {"foo": TOLD}},
            Batch(9, 1),
        )
    ],
    {"gone": Missing(40, NOON, NOON + 60, 2, True, NOON, True)},
    {"1f": ChannelRecord(is_understood=True), "2f": ChannelRecord(failing=NOON, said=NOON + 60)},
)


@pytest.mark.parametrize(("release", "state"), [("0.1.0", FIRST), ("1.0.0", STABLE)])
def test_what_a_release_wrote_is_read(release: str, state: State) -> None:
    """All of it, as that release would have."""
    assert load(Path(__file__).with_name(f"release-{release}.json").read_bytes()) == state


def test_the_newest_has_something_of_everything() -> None:
    """Or what is new would be held to nothing."""
    document = json.loads("".join(dump(STABLE, NOON)))
    assert [name for name, value in document.items() if value in (None, [], {}, "", 0, False)] == []
    assert {name for name in State.__struct_fields__ if getattr(STABLE, name) == getattr(State(""), name)} == set()
