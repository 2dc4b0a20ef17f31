"""The commands `status` and `check`, on mirrors of the lab."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bandersnatch_freshness.lab.mirrors import Mirror

from .conftest import MakeMirror, StartLab


def command(name: str, mirror: Mirror, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command on a mirror."""
    line = [sys.executable, "-m", "bandersnatch_freshness", name, "-c", str(mirror.config), *arguments]
    return subprocess.run(
        line, env=mirror.environment(), cwd=mirror.config.parent, capture_output=True, text=True, check=False
    )


@pytest.mark.smoke
def test_shows_a_mirror_at_a_glance(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Serial, what is stale and why, the last runs; plain text where it is piped."""
    lab = start_lab("origin-stale", projects=5)
    mirror = make_mirror(lab, "freshness")
    lab.release(["lab-04"])
    mirror.run()
    shown = command("status", mirror)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert f"{mirror.directory}, a mirror of {lab.https_url}\n" in shown.stdout
    assert "not synced yet" in shown.stdout
    assert "1 packages to sync" in shown.stdout
    (row,) = [line.split() for line in shown.stdout.splitlines() if line.startswith("lab-04")]
    assert row[1] == "stale"
    assert row[-3:] == [str(lab.serial), str(lab.serial - 1), "origin-stale"]
    assert "errors" in shown.stdout
    assert "\x1b" not in shown.stdout


@pytest.mark.smoke
def test_json_has_it_all(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """As docs/state.md describes it."""
    lab = start_lab(projects=2)
    mirror = make_mirror(lab, "freshness")
    mirror.run()
    document = json.loads(command("status", mirror, "--json").stdout)
    assert set(document) == {
        "directory",
        "master",
        "serial",
        "serial_lag",
        "waiting",
        "problem",
        "incidents",
        "quarantine",
        "runs",
    }
    assert (document["serial"], document["serial_lag"], document["incidents"]) == (lab.serial, 0, {})
    checked = command("check", mirror, "--json")
    assert json.loads(checked.stdout)["exit_code"] == checked.returncode == 0


def test_works_without_a_state(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """And says why there is nothing to say."""
    lab = start_lab(projects=1)
    mirror = make_mirror(lab)
    shown = command("status", mirror)
    assert shown.returncode == 0
    assert "no run is remembered yet; is freshness_escalation or freshness enabled?" in shown.stdout
    checked = command("check", mirror)
    assert checked.returncode == 3
    assert checked.stdout.startswith("FRESHNESS UNKNOWN - ")


@pytest.mark.parametrize("content", ["{", '{"format": 99}'])
def test_works_with_a_state_it_can_not_read(content: str, start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """And leaves that as it is."""
    lab = start_lab(projects=1)
    mirror = make_mirror(lab, "freshness")
    mirror.run()
    path = mirror.directory / "freshness.json"
    path.write_text(content)
    shown = command("status", mirror)
    assert shown.returncode == 0
    assert f"{path}: " in shown.stdout
    assert f"serial {lab.serial}" in shown.stdout
    assert command("check", mirror).returncode == 3
    assert path.read_text() == content


def test_works_while_a_run_is_under_way(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Reading takes no lock."""
    lab = start_lab("silent", projects=1)
    mirror = make_mirror(lab, "freshness")
    arrived = lab.expect("/pypi/lab-00/json")
    process = subprocess.Popen(
        mirror.command("mirror"), env=mirror.environment(), cwd=mirror.config.parent, stderr=subprocess.DEVNULL
    )
    try:
        assert arrived.wait(30)
        assert command("status", mirror).returncode == 0
    finally:
        process.kill()
        process.wait(30)


def test_a_configuration_that_is_not_there(tmp_path: Path) -> None:
    """One line that names it: exit 1, and for a monitoring system UNKNOWN."""
    line = [sys.executable, "-m", "bandersnatch_freshness"]
    shown, checked = (
        subprocess.run([*line, name, "-c", str(tmp_path / "none.conf")], capture_output=True, text=True, check=False)
        for name in ("status", "check")
    )
    assert (shown.returncode, checked.returncode) == (1, 3)
    assert shown.stderr.count("\n") == checked.stdout.count("\n") == 1
    assert "none.conf" in shown.stderr
    assert "none.conf" in checked.stdout


def test_a_configuration_that_can_not_be_followed(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """The line that a run would end with."""
    mirror = make_mirror(start_lab(projects=1), "freshness", options={"warn_after": "soon"})
    shown = command("status", mirror)
    assert shown.returncode == 1
    assert f"{mirror.config}: [freshness] warn_after = soon: not a duration; allowed: such as 90s" in shown.stderr
