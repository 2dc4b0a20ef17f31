"""Taking packages out of the quarantine by hand."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Callable

import filelock
import pytest

from bandersnatch_freshness.lab.behaviours import Behaviour
from bandersnatch_freshness.lab.server import Lab

from ..cli.test_status import command
from ..conftest import MakeMirror
from ..staged import ahead, mortal
from .cron import DAY, HOUR, MINUTE, cron, state
from .observe import BANDERSNATCH, is_fresh
from .quarantining import STUCK, freeze, freeze_and_free, in_quarantine, others, synced


@pytest.mark.smoke
def test_released_it_is_bandersnatchs_again(start_stale: Callable[..., Lab], make_mirror: MakeMirror) -> None:
    """Also where the suite is then gone: on the todo list, in its format, and synced when the page is fresh."""
    lab = start_stale(STUCK)
    mirror = make_mirror(lab, "freshness_quarantine")
    freeze_and_free(mirror)
    required_serial = in_quarantine(mirror)["lab-00"]["required"]
    shown = command("quarantine", mirror, "list")
    assert "lab-00" in shown.stdout
    listed = json.loads(command("quarantine", mirror, "list", "--json").stdout)
    assert listed["lab-00"].items() >= {"required": required_serial, "got": required_serial - 3, "asks": 2}.items()
    released = command("quarantine", mirror, "release", "lab-00", "Lab.00")
    assert (released.returncode, released.stderr) == (0, "")
    assert released.stdout == "Handed back to Bandersnatch, for its next run: lab-00\n"
    assert (mirror.directory / "todo").read_text() == f"{lab.serial}\nlab-00 {required_serial}"
    assert in_quarantine(mirror) == {}
    mirror.configure("plugins", enabled="")
    mirror.run()
    assert not synced(mirror, lab, "lab-00")
    lab.heal()
    lab.release(others(lab))
    mirror.run()
    mirror.run()
    assert is_fresh(mirror, lab)
    assert not (mirror.directory / "todo").exists()


def test_without_a_state_the_second_copy_tells(start_stale: Callable[..., Lab], make_mirror: MakeMirror) -> None:
    """What is in quarantine is listed and released all the same."""
    lab = start_stale()
    mirror = make_mirror(lab, "freshness_quarantine")
    freeze_and_free(mirror)
    (mirror.directory / "freshness.json").unlink()
    assert "lab-00" in command("quarantine", mirror, "list").stdout
    released = command("quarantine", mirror, "release", "--all")
    assert released.returncode == 0
    assert "lab-00 " in (mirror.directory / "todo").read_text()


@pytest.mark.skipif(BANDERSNATCH.major < 5, reason="up to 4.4 its serial is written in place, as the last thing")
def test_the_state_is_written_before_the_serial_moves(start_stale: Callable[..., Lab], make_mirror: MakeMirror) -> None:
    """A run that quarantines, and is killed as soon as Bandersnatch has written its serial, has lost nothing."""
    lab = start_stale()
    mirror = make_mirror(lab, "freshness")
    with cron(mirror) as runs:
        freeze(runs)
    run = mirror.run(environment={**ahead(DAY), **mortal(1, after="status")})
    assert run.returncode == -9
    assert mirror.serial == lab.serial
    assert in_quarantine(mirror).keys() == {"lab-00"}


def test_released_it_has_its_time_again(start_stale: Callable[..., Lab], make_mirror: MakeMirror) -> None:
    """With the suite still there, the package is in quarantine anew after `quarantine_after`."""
    lab = start_stale()
    mirror = make_mirror(lab, "freshness", options={"quarantine_after": "1d"})
    with cron(mirror) as runs:
        freeze(runs)
        runs.run(DAY, DAY + MINUTE)
    assert command("quarantine", mirror, "release", "Lab.00").returncode == 0
    lab.release(others(lab))
    before = mirror.serial
    with cron(mirror) as runs:
        runs.run(DAY + HOUR, DAY + 2 * HOUR)
    assert mirror.serial == before
    assert in_quarantine(mirror) == {}
    assert state(mirror)["incidents"]["lab-00"]["since"] == "2025-10-16T12:00:00Z"


def test_what_can_not_be_released(start_stale: Callable[..., Lab], make_mirror: MakeMirror) -> None:
    """One line says why, and nothing has changed."""
    lab = start_stale()
    mirror = make_mirror(lab, "freshness_quarantine")

    def refused(*names: str, code: int = 1) -> str:
        shown = command("quarantine", mirror, "release", *names)
        assert (shown.returncode, shown.stdout) == (code, "")
        assert shown.stderr.count("\n") == 1
        return shown.stderr

    mirror.directory.mkdir()
    assert "freshness.json: no run is remembered yet" in refused("lab-00")
    assert command("quarantine", mirror, "list").returncode == 1
    freeze_and_free(mirror)
    before = in_quarantine(mirror)
    assert "not in quarantine: foo, bar; nothing was done\n" in refused("lab-00", "foo", "bar")
    assert "name the packages to release, or give --all" in refused(code=2)
    assert "name the packages to release, or give --all" in refused("lab-00", "--all", code=2)
    with filelock.FileLock(mirror.directory / ".lock"):
        assert f"{mirror.directory}: a run of Bandersnatch is under way" in refused("lab-00")
    (mirror.directory / "todo").write_text("what\n")
    assert "todo: not a todo list of Bandersnatch" in refused("lab-00")
    (mirror.directory / "todo").unlink()
    assert in_quarantine(mirror) == before
    assert not (mirror.directory / "todo").exists()


def test_not_while_a_run_is_under_way(start_stale: Callable[..., Lab], make_mirror: MakeMirror) -> None:
    """Bandersnatch's own lock is free by then, but the todo list would be written over."""
    lab = start_stale()
    mirror = make_mirror(lab, "freshness_quarantine", mirror={"timeout": "60"})
    freeze_and_free(mirror)
    lab.behave(Behaviour("silent", fault="silent"))
    lab.release(others(lab))
    arrived = lab.expect("/pypi/lab-01/json")
    process = subprocess.Popen(
        mirror.command("mirror"), env=mirror.environment(), cwd=mirror.config.parent, stderr=subprocess.DEVNULL
    )
    try:
        assert arrived.wait(30)
        assert "a run of Bandersnatch is under way" in command("quarantine", mirror, "release", "--all").stderr
        assert command("quarantine", mirror, "list").returncode == 0
    finally:
        process.kill()
        process.wait(30)
    assert command("quarantine", mirror, "release", "--all").returncode == 0
