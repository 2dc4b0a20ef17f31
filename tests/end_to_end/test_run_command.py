"""The command `run`, through the real `bandersnatch`."""

from __future__ import annotations

import os
import pty
import subprocess
import sys
from pathlib import Path

import pytest
import trustme

from bandersnatch_freshness.lab.behaviours import Behaviour

from ..cli.test_status import command
from ..conftest import MakeMirror, StartLab
from .cron import HOUR, MINUTE, cron
from .observe import (
    BANDERSNATCH,
    is_fresh,
)

later = pytest.mark.skipif(
    BANDERSNATCH.major < 4, reason="Bandersnatch 3.6 begins with as many workers, on any storage"
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


def test_who_starts_a_run_by_hand_is_told_why_it_fails(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Each time, in a line on a terminal; what is known is said once only in what cron mails."""
    mirror = make_mirror(start_lab(projects=1), "freshness", mirror={"master": "https://127.0.0.1:9"})
    lines = []
    for by_hand in (True, False, True):
        near, far = pty.openpty()
        program = [sys.executable, "-m", "bandersnatch_freshness", "-c", str(mirror.config), "run", "mirror"]
        stderr = far if by_hand else subprocess.DEVNULL
        ended = subprocess.run(program, env=mirror.environment(), stderr=stderr, check=False)
        os.close(far)
        lines.append(os.read(near, 2**16).decode().splitlines()[-1] if by_hand else "")
        os.close(near)
        assert ended.returncode == 1
    assert lines[0].startswith("bandersnatch-freshness run: the mirror has been incomplete for ")
    assert lines[0].endswith(": there is no index: no connection; more by `bandersnatch-freshness status`")
    assert lines[2].startswith("bandersnatch-freshness run: the mirror has been incomplete for ")


# Python's own place for what is to be done as it starts. What a user other than root may not do, root may.
_NOT_PERMITTED = """
import os, shutil
def refusing(move):
    def moving(source, target, **more):
        if str(target).endswith("last-modified"):
            raise PermissionError(13, "Permission denied", str(target))
        return move(source, target, **more)
    return moving
shutil.move, os.rename, os.replace = map(refusing, (shutil.move, os.rename, os.replace))
"""


def test_an_error_that_ends_a_run_is_said_once(
    start_lab: StartLab, make_mirror: MakeMirror, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As a file of root's that can't be written: the first time, with its traceback; bare says it each time."""
    (tmp_path / "sitecustomize.py").write_text(_NOT_PERMITTED)
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    lab = start_lab(projects=1)
    suite, bare = make_mirror(lab, "freshness"), make_mirror(lab)
    runs = [command("run", suite, "mirror") for _ in range(2)]
    assert [(run.returncode, "Traceback" in run.stderr) for run in runs] == [(1, True), (1, False)]
    assert "Permission denied" in runs[0].stderr
    assert all("Traceback" in bare.run().output for _ in range(2))
    assert "no permission to write" in command("status", suite).stdout


def test_a_master_that_is_not_trusted(start_lab: StartLab, make_mirror: MakeMirror, tmp_path: Path) -> None:
    """As whose certificate is of nobody known: told as that, not as a disk; bare has it in its traceback."""
    others = tmp_path / "others.pem"
    trustme.CA().cert_pem.write_to_path(str(others))
    untrusting = dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), str(others))
    lab = start_lab(projects=1)
    suite, bare = make_mirror(lab, "freshness"), make_mirror(lab)
    assert "CERTIFICATE_VERIFY_FAILED" in bare.run(environment=untrusting).output
    suite.run(environment=untrusting)
    shown = command("status", suite).stdout
    assert ": TLS: " in shown
    assert "To do: see why this host does not trust the master" in shown
    for mirror in (bare, suite):
        mirror.run()
        assert is_fresh(mirror, lab)


def test_what_fails_after_a_run_is_said_each_time(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """As a list of what it mirrored that can't be written: nothing remembers that. Bare says it too."""
    lab = start_lab(projects=1)
    suite, bare = (
        make_mirror(lab, *plugins, mirror={"diff-file": "/proc/mirrored"}) for plugins in (["freshness"], [])
    )
    for _ in range(2):
        run = command("run", suite, "mirror")
        assert (run.returncode, "Traceback" in run.stderr) == (1, True)
        assert "Traceback" in bare.run().output
    assert is_fresh(suite, lab)


def test_other_commands_are_not_refused_for_what_they_meet(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """As a document that is no text, in a `verify`."""
    lab = start_lab(projects=1)
    mirror = make_mirror(lab, "freshness")
    mirror.run()
    (mirror.directory / "web" / "json" / "lab-00").write_bytes(b"\xff")
    verify = command("run", mirror, "verify")
    assert verify.returncode != 64
    assert str(mirror.config) not in verify.stderr.splitlines()[-1]


@pytest.mark.parametrize(
    ("option", "value", "said"),
    [
        pytest.param("workers", "0", "[mirror] workers = 0: not a whole number from 1 on", marks=later),
        ("workers", "many", "[mirror] workers = many: not a whole number from 1 on"),
        ("json", "maybe", "[mirror] json = maybe: neither `true` nor `false`"),
        pytest.param("storage-backend", "s4", "[mirror] storage-backend = s4: no such storage backend", marks=later),
        ("master", "http://user:secret@127.0.0.1:9", "Master URL http://127.0.0.1:9 is not https scheme"),
    ],
)
def test_a_configuration_that_bandersnatch_can_not_follow(
    option: str, value: str, said: str, start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """One line that names the file and the option, 64, and no word of the master's; whatever `bandersnatch` says."""
    mirror = make_mirror(start_lab(projects=1), "freshness", mirror={option: value})
    run = command("run", mirror, "mirror")
    assert (run.returncode, "Traceback" in run.stderr) == (64, False)
    (line,) = [one for one in run.stderr.splitlines() if one.startswith("bandersnatch-freshness run: ")]
    assert line.startswith(f"bandersnatch-freshness run: {mirror.config}: ")
    assert said in line
    assert "secret" not in line


def test_a_configuration_without_a_directory(tmp_path: Path) -> None:
    """The same, where there is nothing to remember it in."""
    config = tmp_path / "bandersnatch.conf"
    config.write_text("[mirror]\nmaster = https://127.0.0.1:9\n[plugins]\nenabled =\n    freshness\n")
    line = [sys.executable, "-m", "bandersnatch_freshness", "-c", str(config), "run", "mirror"]
    run = subprocess.run(line, capture_output=True, text=True, check=False)
    assert (run.returncode, "Traceback" in run.stderr) == (64, False)
    assert f"bandersnatch-freshness run: {config}: [mirror] directory: the option is missing\n" in run.stderr
