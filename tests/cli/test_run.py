"""The command `run`, where it has nothing to run."""

from __future__ import annotations

import re
import subprocess
import sys
from pathlib import Path

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


@pytest.mark.parametrize(
    ("text", "why"),
    [
        pytest.param(None, "no such file; allowed: a bandersnatch.conf", id="not-there"),
        pytest.param(
            "[mirror]\nmaster http://x\n[plugins\n", ": neither a [section] nor `option = value`", id="no-text"
        ),
        pytest.param("[mirror]\nlog-config = /nowhere\n", "log-config: ", id="no-log-config"),
    ],
)
def test_a_configuration_that_can_not_be_followed_is_one_line(text: str | None, why: str, tmp_path: Path) -> None:
    """No traceback, and Bandersnatch writes none in its place."""
    config = tmp_path / "bandersnatch.conf"
    if text is not None:
        config.write_text(text)
    ended = subprocess.run(
        [sys.executable, "-m", "bandersnatch_freshness", "run", "-c", config, "mirror"],
        capture_output=True,
        text=True,
        timeout=60,
    )
    (line,) = [line for line in ended.stderr.splitlines() if not re.match(r"\d{4}-", line)]
    assert (ended.returncode, ended.stdout) == (64, "")
    assert line.startswith("bandersnatch-freshness run: ")
    assert why in line
    assert config.exists() is (text is not None)
