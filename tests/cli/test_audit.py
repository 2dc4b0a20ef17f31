"""The command `audit`: what it prints of a mirror of the lab."""

from __future__ import annotations

import json
import shutil

import pytest

from bandersnatch_freshness.lab.mirrors import Mirror
from bandersnatch_freshness.lab.server import Lab

from ..conftest import MakeMirror, StartLab
from ..docs.test_schemas import assert_refused, validate
from .test_status import command


@pytest.fixture
def lab(start_lab: StartLab) -> Lab:
    """Return a lab of three projects."""
    return start_lab(projects=3)


@pytest.fixture
def mirror(lab: Lab, make_mirror: MakeMirror) -> Mirror:
    """Return a mirror of it."""
    made = make_mirror(lab, "freshness")
    assert made.run().returncode == 0
    return made


def test_one_look_and_one_request(lab: Lab, mirror: Mirror) -> None:
    """A summary and a sentence; what is piped is plain, and nothing is on standard error."""
    lab.forget()
    shown = command("audit", mirror)
    assert (shown.returncode, shown.stderr) == (0, "")
    assert shown.stdout.splitlines()[:2] == [
        f"{mirror.directory}, a mirror of {lab.https_url}",
        f"serial {lab.serial}, compared with the index of serial {lab.serial}",
    ]
    assert shown.stdout.endswith(f"The mirror has everything that was announced up to serial {lab.serial}.\n")
    (asked,) = lab.requests
    assert (asked.path, asked.header("Accept")) == ("/simple/", "application/vnd.pypi.simple.v1+json")
    assert "gzip" in (asked.header("Accept-Encoding") or "")
    assert "bandersnatch" in (asked.header("User-Agent") or "").lower()


def test_what_is_missing_and_what_to_do(lab: Lab, mirror: Mirror) -> None:
    """A row for each, with every place; a repair says how many."""
    shutil.rmtree(mirror.directory / "web/simple/lab-01")
    lab.release(["lab-02"])
    shown = command("audit", mirror)
    assert shown.returncode == 1
    (row,) = [line.split() for line in shown.stdout.splitlines() if line.startswith("lab-01")]
    assert row[:4] == ["lab-01", "missing", str(lab.serial - 2), "none"]
    assert "to be synced  1" in shown.stdout
    assert shown.stdout.endswith("1 package missing or older: with `audit --repair` the next runs sync them.\n")
    repaired = command("audit", mirror, "--repair")
    assert repaired.returncode == 1
    said = "1 package went into quarantine, due at once: the next runs sync them.\n"
    assert repaired.stdout.endswith(f"{said}From now on runs sync whatever else they find missing.\n")
    again = command("audit", mirror)
    assert again.returncode == 0
    assert again.stdout.endswith("but for 1 package in quarantine and 1 package that the next run syncs.\n")


def test_files_that_are_lost_are_named_too(lab: Lab, mirror: Mirror) -> None:
    """A row for each, a line for scripts, and what to do; a repair says how many packages."""
    (wheel,) = (mirror.directory / "web/packages").glob("**/lab_01-1.0-*.whl")
    path, size = str(wheel.relative_to(mirror.directory / "web")), wheel.stat().st_size
    wheel.write_bytes(b"cut off")
    shown = command("audit", mirror, "--files")
    assert shown.returncode == 1
    (row,) = [line.split() for line in shown.stdout.splitlines() if line.startswith("lab-01")]
    assert row == ["lab-01", "wrong", "size", "7", str(size), path]
    assert f"everything that was announced up to serial {lab.serial}.\n" in shown.stdout
    assert shown.stdout.endswith(
        "1 package with files that are not right: with `--files --repair` the next runs fetch them.\n"
    )
    assert command("audit", mirror, "--files", "--list").stdout == f"lab-01\twrong size\t7\t{size}\t{path}\n"
    document = json.loads(command("audit", mirror, "--files", "--hash", "--json").stdout)
    validate("audit", document)
    assert_refused("audit", document)
    repaired = command("audit", mirror, "--files", "--repair").stdout
    assert repaired.endswith("1 package went into quarantine, due at once: the next runs sync them.\n")


def test_one_package_is_explained(lab: Lab, mirror: Mirror) -> None:
    """By any spelling: each place, its serial and its time."""
    (mirror.directory / "web/simple/lab-01/index.html").unlink()
    shown = command("audit", mirror, "Lab.01", "lab-00")
    assert shown.returncode == 1
    assert "lab-01: places disagree\n" in shown.stdout or "lab-01: missing\n" in shown.stdout
    assert "lab-00: current\n" in shown.stdout
    (row,) = [
        line.split() for line in shown.stdout.splitlines() if line.startswith(f"{mirror.directory}/web/json/lab-01")
    ]
    assert row[1:3] == ["serial", str(lab.serial - 1)]
    assert row[3].endswith("Z")


def test_scripts_get_lines_and_json(lab: Lab, mirror: Mirror) -> None:
    """Nothing where nothing is found; JSON as its schema says."""
    assert command("audit", mirror, "--list").stdout == ""
    shutil.rmtree(mirror.directory / "web/simple/lab-01")
    assert command("audit", mirror, "--list").stdout == f"lab-01\tmissing\t{lab.serial - 1}\t{lab.serial - 1}\n"
    for name, arguments in (("audit", ()), ("audit-packages", ("lab-00", "lab-01"))):
        document = json.loads(command("audit", mirror, "--json", *arguments).stdout)
        validate(name, document)
        assert_refused(name, document)


@pytest.mark.parametrize(
    ("arguments", "reason"),
    [
        (("--repair", "lab-00"), "--repair, --list and --files go without a PACKAGE"),
        (("--files", "lab-00"), "--repair, --list and --files go without a PACKAGE"),
        (("--hash",), "--hash and --resume go with --files"),
        (("--resume",), "--hash and --resume go with --files"),
        (("nope",), "nope: neither announced nor here"),
        (("--nonsense",), "unrecognized arguments"),
    ],
)
def test_what_it_can_not_do_is_no_answer(arguments: tuple[str, ...], reason: str, mirror: Mirror) -> None:
    """Exit code 3, as nothing else."""
    shown = command("audit", mirror, *arguments)
    assert (shown.returncode, shown.stdout) == (3, "")
    assert reason in shown.stderr


def test_one_unknown_name_hides_no_other(mirror: Mirror) -> None:
    """What is known is explained, and the exit code is that of no answer."""
    shown = command("audit", mirror, "lab-00", "nope", "nor-this")
    assert shown.returncode == 3
    assert shown.stdout.startswith("lab-00: ")
    assert shown.stderr == "bandersnatch-freshness audit: nope, nor-this: neither announced nor here\n"


def test_a_repair_without_a_quarantine_is_refused(lab: Lab, mirror: Mirror) -> None:
    """Before anything is asked."""
    mirror.configure("plugins", enabled="freshness_encoding")
    lab.forget()
    shown = command("audit", mirror, "--repair")
    assert shown.returncode == 3
    assert "enable freshness or freshness_quarantine" in shown.stderr
    assert lab.requests == []
