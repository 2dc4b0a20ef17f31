"""What is in quarantine when nobody minds it any more: Bandersnatch gets it back, and nothing is lost."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable

import pytest

from bandersnatch_freshness.lab.mirrors import FinishedRun, Mirror
from bandersnatch_freshness.lab.server import Lab

from ..cli.test_status import command
from ..conftest import MakeMirror
from .observe import BANDERSNATCH, is_fresh, lines, needs_sync
from .quarantining import STUCK, freeze_and_free, in_quarantine, others, second_copy, synced

# What Bandersnatch itself can do without, in `mirror`.
SPARE = "on_error" if BANDERSNATCH.major > 3 else "ASYNC_USER_AGENT"
WITHOUT_A_SEAM = f"""
import sys
import bandersnatch.verify
del bandersnatch.verify.{SPARE}
from bandersnatch.main import main
sys.exit(main())
"""
SAID = "handed 1 package back from quarantine to Bandersnatch's todo list, as `bandersnatch-freshness quarantine rele"


def run_until_fresh(mirror: Mirror, lab: Lab, run: Callable[[], FinishedRun]) -> list[str]:
    """Run while the package in quarantine is stale, and when it is healed; return the suite's lines on handing back."""
    serial = mirror.serial
    lab.release(others(lab))
    runs = [run(), run()]
    assert not synced(mirror, lab, "lab-00")
    assert mirror.serial == serial  # which waits for it
    lab.heal()
    runs += [run(), run(), run()]
    assert is_fresh(mirror, lab)
    assert in_quarantine(mirror) == {}
    assert second_copy(mirror) == ""
    return [line for finished in runs for line in lines(finished, "back from quarantine")]


@pytest.mark.parametrize(
    "plugin", ["freshness_encoding", "freshness_cache_bust", "freshness_guard", "freshness_escalation"]
)
def test_plugins_without_quarantine_lose_nothing(
    plugin: str, start_stale: Callable[..., Lab], make_mirror: MakeMirror
) -> None:
    """Whichever is left: one WARNING, and the serial waits for the package, which is synced when its page is fresh."""
    lab = start_stale(STUCK, projects=2, kind="pypi")
    mirror = make_mirror(lab, "freshness_quarantine", options={"index_max_age": "9999d"})
    freeze_and_free(mirror)
    mirror.configure("plugins", enabled=plugin)
    (line,) = run_until_fresh(mirror, lab, mirror.run)
    assert f"WARNING: No enabled plugin minds the quarantine: {SAID}" in line


def test_stepping_aside_loses_nothing(start_stale: Callable[..., Lab], make_mirror: MakeMirror) -> None:
    """In a Bandersnatch that lacks a seam, which the same line says."""
    lab = start_stale(STUCK, projects=2, kind="pypi")
    mirror = make_mirror(lab, "freshness_quarantine")
    freeze_and_free(mirror)

    def run() -> FinishedRun:
        return run_without_a_seam(mirror, "mirror")

    (line,) = run_until_fresh(mirror, lab, run)
    assert f"lacks bandersnatch.verify.{SPARE}: the freshness plugins step aside; {SAID}" in line


@needs_sync
def test_sync_hands_nothing_back(start_stale: Callable[..., Lab], make_mirror: MakeMirror) -> None:
    """As it writes over the todo list."""
    lab = start_stale(STUCK, projects=2, kind="pypi")
    mirror = make_mirror(lab, "freshness_quarantine")
    freeze_and_free(mirror)
    (line,) = lines(run_without_a_seam(mirror, "sync", "lab-01"), "the freshness plugins step aside")
    assert "step aside; the next `bandersnatch mirror` hands 1 package back from quarantine" in line
    mirror.configure("plugins", enabled="freshness_encoding")
    assert lines(mirror.run("sync", "lab-01"), "quarantine") == []
    assert in_quarantine(mirror).keys() == {"lab-00"}


def test_run_hands_back_without_any_plugin(start_stale: Callable[..., Lab], make_mirror: MakeMirror) -> None:
    """That command has the suite in place whatever is enabled."""
    lab = start_stale(STUCK, projects=2, kind="pypi")
    mirror = make_mirror(lab, "freshness_quarantine")
    freeze_and_free(mirror)
    mirror.configure("plugins", enabled="")
    lab.heal()
    assert f"No enabled plugin minds the quarantine: {SAID}" in command("run", mirror, "mirror").stderr
    assert synced(mirror, lab, "lab-00")


def test_uninstalled_it_is_as_if_it_had_never_been(start_stale: Callable[..., Lab], make_mirror: MakeMirror) -> None:
    """As docs/how-to/removing.md has it: all is released, and Bandersnatch, bare, gets it."""
    lab = start_stale(STUCK, projects=2, kind="pypi")
    mirror = make_mirror(lab, "freshness_quarantine")
    freeze_and_free(mirror)
    assert command("quarantine", mirror, "release", "--all").returncode == 0
    mirror.configure("plugins", enabled="")
    for left in (*mirror.directory.glob("freshness.*"), *mirror.directory.glob(".freshness.*")):
        left.unlink()
    lab.release(others(lab))
    mirror.run()
    assert not synced(mirror, lab, "lab-00")
    lab.heal()
    mirror.run()
    mirror.run()
    assert is_fresh(mirror, lab)
    assert not list(mirror.directory.glob("**/*freshness*"))


def run_without_a_seam(mirror: Mirror, *arguments: str) -> FinishedRun:
    """Run a Bandersnatch that lacks something that the suite relies on."""
    line = [sys.executable, "-c", WITHOUT_A_SEAM, *mirror.command(*arguments)[1:]]
    done = subprocess.run(
        line,
        cwd=mirror.config.parent,
        env=mirror.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        timeout=120,
        check=False,
    )
    return FinishedRun(done.returncode, done.stdout, 0)
