"""The runbook: what `status` may say is in its table."""

from __future__ import annotations

from pathlib import Path

import pytest

from bandersnatch_freshness.core import causes, wording
from bandersnatch_freshness.core.verdicts import Verdict

NOW = (Path(__file__).parents[2] / "docs" / "how-to" / "now.md").read_text()

SAID = [value for name, value in vars(causes).items() if name.isupper() and isinstance(value, str) and name[0] != "_"]
MEANT = [wording.meaning(verdict) for verdict in Verdict if verdict not in (Verdict.FRESH, Verdict.FAILING)]


@pytest.mark.parametrize("words", [*SAID, *MEANT])
def test_each_cause_is_there(words: str) -> None:
    """In its own words."""
    assert words in NOW


def test_there_are_causes() -> None:
    """None is missed for another way of writing them."""
    assert len(SAID) >= 11
    assert len(MEANT) == 3
