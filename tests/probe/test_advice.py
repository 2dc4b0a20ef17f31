"""The advice: lines that can be pasted."""

from __future__ import annotations

from collections.abc import Mapping

import pytest

from bandersnatch_freshness.core.variants import LADDER, PLAIN, AcceptEncoding, Variant
from bandersnatch_freshness.probe.advice import lines

STRIP = Variant(AcceptEncoding.ABSENT)
BUST = Variant(AcceptEncoding.ABSENT, cache_bust=True)


@pytest.mark.parametrize(
    ("fresh", "enabled", "section", "expected"),
    [
        pytest.param([PLAIN, STRIP], "", {}, "", id="plain-is-fresh"),
        pytest.param([], "", {}, "", id="nothing-is"),
        pytest.param([STRIP], "", {}, "[plugins]\nenabled =\n    freshness", id="to-be-enabled"),
        pytest.param([STRIP], "freshness", {}, "", id="enabled"),
        pytest.param([STRIP], "freshness_encoding", {}, "", id="strips-already"),
        pytest.param(
            [STRIP],
            "\nblocklist_project\n",
            {},
            "[plugins]\nenabled =\n    blocklist_project\n    freshness",
            id="kept",
        ),
        pytest.param(
            [PLAIN],
            "freshness_encoding",
            {},
            "[plugins]\nenabled =\n    freshness_encoding\n    freshness\n"
            "[freshness]\naccept_encoding = auto\ncache_bust = auto",
            id="stripping-is-the-fault",
        ),
        pytest.param(
            [BUST],
            "freshness",
            {"accept_encoding": "keep", "cache_bust": "never"},
            "[plugins]\nenabled =\n    freshness\n[freshness]\naccept_encoding = auto\ncache_bust = auto",
            id="fixed-too-much",
        ),
    ],
)
def test_lines(fresh: list[Variant], enabled: str, section: Mapping[str, str], expected: str) -> None:
    """Only what is not set already."""
    assert lines(fresh, enabled, section) == expected


def test_where_only_the_origin_has_it() -> None:
    """The plugin that asks it is to be enabled, and nothing else."""
    assert lines([], "", {}, by_origin=True) == "[plugins]\nenabled =\n    freshness"
    assert "\n    freshness" in lines([], "freshness_encoding", {}, by_origin=True)
    assert lines([], "freshness", {}, by_origin=True) == ""


def test_the_advice_does_it() -> None:
    """Whichever variant is the only fresh one, what is set then asks in it."""
    for variant in LADDER[1:]:
        assert lines([variant], "freshness", {}) == ""
        assert "freshness" in lines([variant], "", {})
