"""The demo tells the story, and says so where it goes otherwise."""

from __future__ import annotations

import re

import pytest

from bandersnatch_freshness.cli import demo
from bandersnatch_freshness.cli import parser as cli

from ..end_to_end.observe import BANDERSNATCH
from ..staged import without_pauses


@pytest.mark.mirror
def test_shows_the_cure(capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch) -> None:
    """Bare misses every release, the suite none, and pip sees the difference."""
    for name, value in without_pauses().items():
        monkeypatch.setenv(name, value)
    assert cli.main(["demo"]) == 0
    rows = [re.split("  +", line.strip()) for line in capsys.readouterr().out.splitlines()]
    table = {row[0]: row[1:] for row in rows if len(row) == 3}
    assert table["packages fresh"] == ["0 of 20", "20 of 20"]
    assert table["packages given up as stale"] == ["20", "0"]
    # with the index and its redirect, where Bandersnatch asks for it
    assert table["metadata requests"][1] == ("23" if BANDERSNATCH.major >= 7 else "21")
    assert table["pip install lab-00 gets"] == ["1.0", "2.0"]


@pytest.mark.mirror
def test_fails_where_there_is_nothing_to_cure(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    """On a healthy edge the claim is false, and the exit code says so."""
    monkeypatch.setattr(demo, "BEHAVIOUR", "healthy")
    monkeypatch.setattr(demo, "PROJECTS", 2)
    assert cli.main(["demo"]) == 1
    assert "The demo did not go as expected." in capsys.readouterr().out
