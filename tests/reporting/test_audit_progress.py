"""What is said of the audit in every run."""

from __future__ import annotations

import pytest

from bandersnatch_freshness.core.audit_round import AuditRound, PastRound
from bandersnatch_freshness.reporting.audit_progress import advice, progress, share

from .examples import DAY, HOUR, NOW

WEEK = 7 * DAY
BEGAN = NOW - DAY


def last(found: int = 0, missing: int = 0, took: int = WEEK) -> PastRound:
    """Return a round that ended a day ago."""
    return PastRound(BEGAN - took, BEGAN, 1000, found, missing)


@pytest.mark.parametrize(
    ("audit", "every", "said"),
    [
        pytest.param(
            AuditRound(BEGAN, 100, 1000),
            WEEK,
            ["100 of 1,000 projects compared with the index since 2018-10-15T12:00:00Z."],
            id="the-first",
        ),
        pytest.param(
            AuditRound(NOW + HOUR, 0, 1000, last=last()),
            WEEK,
            [
                "The next round begins at 2018-10-16T13:00:00Z.",
                "The last round ended 1 d ago and found nothing lost.",
            ],
            id="between-two",
        ),
        pytest.param(
            AuditRound(BEGAN, 0, 1000, last=last(found=2)),
            None,
            [
                "audit_every = never: runs compare nothing with the index any more.",
                "The last round ended 1 d ago and found 2 packages missing, older or broken.",
            ],
            id="switched-off",
        ),
    ],
)
def test_says_how_far_it_is_and_what_it_found(audit: AuditRound, every: int | None, said: list[str]) -> None:
    """Of the round under way and the one before."""
    assert list(progress(audit, every, NOW)) == said


@pytest.mark.parametrize(
    ("audit", "said"),
    [
        pytest.param(AuditRound(BEGAN, 10, 1000, missing=10), "", id="losses"),
        pytest.param(
            AuditRound(BEGAN, 20, 1000, missing=11), "11 packages missing, which is more than 1 %", id="partial"
        ),
        pytest.param(AuditRound(BEGAN, 20, 1000, missing=11, is_consented=True), "", id="consented"),
        pytest.param(AuditRound(BEGAN, 20, 1000, missing=11, is_whole=True), "", id="said-first-of-all"),
        pytest.param(AuditRound(BEGAN, last=last(missing=500)), "500 packages missing", id="partial-before"),
        pytest.param(AuditRound(NOW - 8 * DAY, 10, 1000), "audit_every = 7 d is not kept", id="late"),
        pytest.param(AuditRound(BEGAN, last=last(took=9 * DAY)), "audit_every = 7 d is not kept", id="late-before"),
    ],
)
def test_says_what_is_to_be_done(audit: AuditRound, said: str) -> None:
    """Only where something is."""
    found = " ".join(advice(audit, WEEK, NOW))
    assert found.startswith(said)
    assert bool(found) is bool(said)


def test_its_share_is_in_percent() -> None:
    """Before the first slice it is none."""
    assert (share(AuditRound(NOW)), share(AuditRound(NOW, 999, 1000)), share(AuditRound(NOW, 3, 3))) == (0, 99, 100)
