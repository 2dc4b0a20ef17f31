"""What is said of a file that the user of a command may not read."""

from __future__ import annotations

import errno
import os
from pathlib import Path

import pytest

from bandersnatch_freshness.cli.ownership import told

needs_root = pytest.mark.skipif(os.geteuid() != 0, reason="only root gives files away")


def denied(path: Path | None) -> str:
    """Return what is said of it."""
    return told(PermissionError(errno.EACCES, "Permission denied", path and str(path)))


@needs_root
def test_its_owner_may(tmp_path: Path) -> None:
    """By name, or by number where there is no such user."""
    path = tmp_path / "freshness.json"
    path.touch()
    for user, name in ((1, "daemon"), (54321, "54321")):
        os.chown(tmp_path, user, -1)
        os.chown(path, user, -1)
        assert denied(path) == f"{path}: permission denied: run this as {name}"


@needs_root
def test_a_run_as_root_left_it(tmp_path: Path) -> None:
    """Then root may, but that would leave more of the kind."""
    path = tmp_path / "freshness.json"
    path.touch()
    os.chown(tmp_path, 1, -1)
    said = denied(path)
    assert said.endswith(f": it is root's, as after a run as root: `chown daemon {path}`, and run this as daemon")


def test_nobody_knows_whose_it_is(tmp_path: Path) -> None:
    """As in a directory that may not be looked into."""
    path = tmp_path / "no" / "status"
    assert denied(path) == f"{path}: permission denied: run this as the owner of {path}"
    assert denied(None).endswith("run this as the mirror's user")


@needs_root
def test_root_is_to_make_a_directory_that_is_not_there_for_who_needs_it(tmp_path: Path) -> None:
    """Whoever follows "run this as root" has a mirror that nobody else can use."""
    path = tmp_path / "mirror"
    os.chown(tmp_path, 0, -1)
    assert denied(path) == f"{path}: permission denied: have root make room for it: `install -d -o root {path}`"
    for name in ("web", ".lock", "freshness.json"):  # of which not all are directories
        assert denied(tmp_path / name).endswith(f": have root make room for it: `chown -R root {tmp_path}`")
