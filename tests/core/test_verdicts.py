"""Where a page is stale."""

from __future__ import annotations

import pytest

from bandersnatch_freshness.core.observations import NO_JSON, Observation
from bandersnatch_freshness.core.variants import LADDER, PLAIN
from bandersnatch_freshness.core.verdicts import Verdict, judge


def seen(*answers: tuple[int | None, str]) -> list[Observation]:
    """Return an observation for each serial and X-Cache, one a variant."""
    return [
        Observation(variant, 200, serial, x_cache=state)
        for variant, (serial, state) in zip(LADDER, answers, strict=False)
    ]


@pytest.mark.parametrize(
    ("answers", "newest", "verdict"),
    [
        pytest.param([(42, "HIT")], None, Verdict.FRESH, id="fresh"),
        pytest.param([(40, "HIT"), (42, "MISS")], None, Verdict.FRESH, id="cured"),
        pytest.param([(40, "HIT"), (41, "HIT")], None, Verdict.EDGE_STALE, id="copies-differ"),
        pytest.param([(40, "HIT")], 41, Verdict.EDGE_STALE, id="seen-newer-before"),
        pytest.param([(41, "HIT"), (41, "MISS")], 41, Verdict.ORIGIN_STALE, id="a-miss-agrees"),
        pytest.param([(41, "HIT"), (41, "HIT"), (41, "HIT")], None, Verdict.UNKNOWN, id="purging-broken"),
        pytest.param([(41, "MISS")], None, Verdict.UNKNOWN, id="one-way-only"),
        pytest.param([(41, ""), (41, "")], None, Verdict.UNKNOWN, id="caches-say-nothing"),
        pytest.param([(None, "MISS"), (None, "MISS")], None, Verdict.UNKNOWN, id="no-serial"),
        pytest.param([(None, "HIT"), (41, "MISS")], None, Verdict.UNKNOWN, id="one-serial-only"),
        pytest.param([], None, Verdict.UNKNOWN, id="nothing"),
    ],
)
def test_judges_by_all_answers(answers: list[tuple[int | None, str]], newest: int | None, verdict: Verdict) -> None:
    """The origin is blamed only on proof."""
    assert judge(seen(*answers), 42, newest) is verdict


def test_a_broken_body_is_no_matter_of_serials() -> None:
    """One speaks for all, as no other is read where no answer has a serial; with one that has, serials decide."""
    broken = Observation(PLAIN, 200, problem=NO_JSON)
    others = [Observation(LADDER[1], 200), Observation(LADDER[2], 503, problem="status 503")]
    assert judge([broken, *others], 42) is Verdict.FAILING
    assert judge(others, 42) is Verdict.UNKNOWN
    assert judge([broken, Observation(LADDER[1], 200, 41)], 42) is Verdict.UNKNOWN


def test_the_same_way_twice_is_not_independent() -> None:
    """Two attempts may well have met the same copy."""
    assert judge(seen((41, "MISS")) * 2, 42) is Verdict.UNKNOWN
