"""The command `run`, through the real `bandersnatch`."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from bandersnatch_freshness.lab.behaviours import Behaviour

from ..cli.test_status import command
from ..conftest import MakeMirror, StartLab
from .cron import HOUR, MINUTE, cron
from .observe import (
    BANDERSNATCH,
    is_fresh,
)


@pytest.mark.smoke
def test_run_tells_by_its_exit_code(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """0 where nothing is critical, 1 where Bandersnatch itself failed, 2 with critical incidents."""
    lab = start_lab(projects=3)
    mirror = make_mirror(lab, "freshness")
    run = command("run", mirror, "mirror")
    assert run.returncode == 0
    assert "Syncing" in run.stderr
    assert is_fresh(mirror, lab)
    lab.behave(Behaviour("one fails", fault="error", every=1000))
    lab.release(["lab-00"])
    assert command("run", mirror, "mirror").returncode == 0
    with cron(mirror) as runs:
        runs.run(0, MINUTE, HOUR)
    assert command("run", mirror, "mirror").returncode == 2
    assert command("run", mirror, "delete", "lab-01").returncode == 2
    assert mirror.versions("lab-01") == []
    assert command("run", mirror, "mirorr").returncode == 64
    assert command("run", mirror, "--nosuch", "mirror").returncode == 64
    mirror.configure("freshness", warn_after="soon")
    refused = command("run", mirror, "mirror")
    assert refused.returncode == 64
    assert "warn_after = soon: not a duration" in refused.stderr


def test_run_passes_on_what_it_is_given(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Options, help and version are Bandersnatch's; a configuration may stand on either side."""
    lab = start_lab(projects=1)
    mirror = make_mirror(lab, "freshness")
    program = [sys.executable, "-m", "bandersnatch_freshness"]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = mirror.environment()
        return subprocess.run([*program, *arguments], capture_output=True, text=True, env=environment, check=False)

    config = str(mirror.config)
    for arguments in (["-c", config, "run", "mirror"], ["run", "-c", config, "mirror"]):
        done = run(*arguments)
        assert (done.returncode, "DEBUG" in done.stderr) == (0, False)
    assert "DEBUG" in run("run", f"--config={config}", "--debug", "mirror").stderr
    assert "--force-check" in run("run", "mirror", "--help").stdout
    assert run("run", "--version").stdout.strip().endswith(str(BANDERSNATCH))
    assert "Bandersnatch's own command" in run("run", "--help").stdout


def test_run_without_a_plugin_is_bandersnatch(start_lab: StartLab, make_mirror: MakeMirror, tmp_path: Path) -> None:
    """And says so; of a configuration that is not there, Bandersnatch does."""
    lab = start_lab(projects=1)
    mirror = make_mirror(lab)
    run = command("run", mirror, "mirror")
    assert run.returncode == 0
    assert "[plugins] enabled has no freshness plugin: as plain bandersnatch" in run.stderr
    assert is_fresh(mirror, lab)
    mirror.config.unlink()
    assert command("run", mirror, "mirror").returncode == 64
