"""Python's garbage collections around a run, bare Bandersnatch beside the suite."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

from bandersnatch_freshness.lab.mirrors import Mirror

from ..conftest import MakeMirror, StartLab


def test_what_a_run_leaves_unfinished_is_cleaned_up_as_ever(
    start_lab: StartLab, make_mirror: MakeMirror, tmp_path: Path
) -> None:
    """By Python's last garbage collection, which passes over all that is there to stay where a run gets to its end."""
    at_exit = "print('frozen:', gc.get_freeze_count() > 0)"
    lab = start_lab(projects=1)
    assert "frozen: True\n" in _printed(make_mirror(lab, "freshness"), at_exit, tmp_path)
    fails = make_mirror(lab, "freshness", mirror={"master": "https://127.0.0.1:1"})
    assert "frozen: False\n" in _printed(fails, at_exit, tmp_path)


def test_a_mirror_is_let_go_as_soon_as_without_the_suite(
    start_lab: StartLab, make_mirror: MakeMirror, tmp_path: Path
) -> None:
    """Else all that it has of each package would be looked through by Python's last garbage collections."""
    at_exit = (
        "import bandersnatch.mirror; gc.unfreeze(); "
        "print('kept:', sum(isinstance(one, bandersnatch.mirror.Mirror) for one in gc.get_objects()))"
    )
    lab = start_lab(projects=1)
    kept = [
        re.search(r"^kept: \d+$", _printed(make_mirror(lab, *plugins), at_exit, tmp_path), re.M)
        for plugins in ((), ("freshness",))
    ]
    assert all(kept)
    bare, suite = (found[0] for found in kept if found)
    assert suite == bare


def _printed(mirror: Mirror, at_exit: str, place: Path) -> str:
    """Run `mirror`, with some Python at its exit, and return what it printed."""
    (place / "sitecustomize.py").write_text(f"import atexit, gc\n@atexit.register\ndef end():\n    {at_exit}\n")
    environment = {**mirror.environment(), "PYTHONPATH": str(place)}
    command = mirror.command("mirror")
    return subprocess.run(command, env=environment, cwd=mirror.config.parent, stdout=subprocess.PIPE, text=True).stdout
