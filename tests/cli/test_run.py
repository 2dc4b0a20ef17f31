"""The command `run`, where it has nothing to run."""

from __future__ import annotations

import pytest

from bandersnatch_freshness.cli import main


def test_without_a_command_it_is_an_error(capsys: pytest.CaptureFixture[str]) -> None:
    """A cron job that lost its last word must not look like a success."""
    assert main(["run"]) == 64
    out, err = capsys.readouterr()
    assert (out, err.count("\n")) == ("", 1)
    assert "mirror, sync, verify or delete" in err


def test_options_alone_are_no_command(capsys: pytest.CaptureFixture[str]) -> None:
    """As of a cron job that lost its last word."""
    assert main(["run", "--debug"]) == 64
    assert "which command of Bandersnatch?" in capsys.readouterr().err


@pytest.mark.parametrize("option", ["-h", "--help"])
def test_its_help_is_none(option: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Nothing was to be run."""
    assert main(["run", option]) == 0
    assert "exit codes:" in capsys.readouterr().out
