"""Release files that are lost or altered: an audit finds them, and runs bring them back after a repair."""

from __future__ import annotations

import contextlib
import json
import os
import pty
import signal
import subprocess
import termios
from collections.abc import Callable
from pathlib import Path

import pytest
from packaging.version import Version

from bandersnatch_freshness.lab.mirrors import Mirror

from ..cli.test_status import command
from ..cli.test_terminal import COMMAND
from ..conftest import MakeMirror, StartLab
from ..eventually import eventually
from .observe import BANDERSNATCH, pages
from .test_audit import both, complete

ENDED = b"bandersnatch-freshness audit: interrupted at lab-02; with `--resume` it goes on from there\n"
HAS_METADATA = Version("8.2") <= BANDERSNATCH
HAS_COMPARE_METHOD = BANDERSNATCH.major >= 5


def audit(mirror: Mirror, *arguments: str) -> tuple[int, dict[str, str]]:
    """Audit a mirror's files; return the exit code, and what is named, by path or, of pages, by package."""
    shown = command("audit", mirror, "--files", "--list", *arguments)
    assert shown.stderr == ""
    named = [line.split("\t") for line in shown.stdout.splitlines()]
    return shown.returncode, {fields[4] if len(fields) > 4 else fields[0]: fields[1] for fields in named}


def wheel(mirror: Mirror, name: str) -> Path:
    """Return where a project's one release file is."""
    (found,) = (mirror.directory / "web/packages").glob(f"**/{name.replace('-', '_')}-*.whl")
    return found


def alter(path: Path) -> None:
    """Change a file, but neither its size nor its time, as a failing disk does."""
    status, content = path.stat(), bytearray(path.read_bytes())
    content[len(content) // 2] ^= 1
    path.write_bytes(content)
    os.utime(path, ns=(status.st_atime_ns, status.st_mtime_ns))


def damage(mirror: Mirror) -> dict[str, str]:
    """Delete a file, cut another one off, and alter a third; return what is to be found."""
    deleted, cut, altered = (wheel(mirror, f"lab-0{number}") for number in range(3))
    deleted.unlink()
    cut.write_bytes(cut.read_bytes()[:100])
    alter(altered)
    kinds = {deleted: "file missing", cut: "wrong size", altered: "wrong checksum"}
    return {str(path.relative_to(mirror.directory / "web")): kind for path, kind in kinds.items()}


def contents(mirror: Mirror) -> dict[str, bytes]:
    """Return all release files."""
    packages = mirror.directory / "web/packages"
    return {str(path.relative_to(packages)): path.read_bytes() for path in packages.rglob("*") if path.is_file()}


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({}, id="default", marks=pytest.mark.smoke),
        pytest.param(
            {"compare-method": "stat"},
            id="stat",
            marks=pytest.mark.skipif(not HAS_COMPARE_METHOD, reason="new in 5.0"),
        ),
    ],
)
def test_what_is_lost_of_release_files_comes_back(
    given: dict[str, str], start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """By a repair and one run, which asks for those three packages alone; no run of bare's brings any of it."""
    lab = start_lab(projects=5)
    bare, mirror = both(lab, make_mirror, mirror=given)
    before = contents(mirror)
    assert audit(mirror, "--hash") == (0, {})
    found = damage(mirror)
    assert damage(bare) == found
    assert audit(mirror, "--hash", "--repair") == (1, found)
    assert audit(mirror, "--hash") == (0, dict.fromkeys(found, "package in quarantine"))
    lab.forget()
    assert mirror.run().returncode == 0
    assert pages(lab) == {"lab-00": 1, "lab-01": 1, "lab-02": 1}
    assert audit(mirror, "--hash") == (0, {})
    assert contents(mirror) == before
    assert bare.run().returncode == 0
    assert audit(bare, "--hash") == (1, found)


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"hash-index": "true"}, id="hash-index"),
        pytest.param({"root_uri": "https://files.example/"}, id="root_uri"),
        pytest.param({"digest_name": "md5"}, id="md5"),
        pytest.param({"simple-format": "HTML", "json": "false"}, id="html-alone"),
    ],
)
def test_files_are_found_wherever_this_mirror_lists_them(
    given: dict[str, str], start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """A fourth one is right, by the checksum that its page has; where no page has sizes, that alone tells."""
    mirror = complete(start_lab(projects=4), make_mirror, mirror=given)
    found = damage(mirror)
    if given.get("json") == "false":
        found = {path: "wrong checksum" if kind == "wrong size" else kind for path, kind in found.items()}
    assert audit(mirror, "--hash") == (1, found)


def test_a_mirror_without_files_has_none_to_look_for(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """It says so, and is as complete as its pages are; files that pages link to elsewhere are not looked for."""
    given = {"release-files": "false", "root_uri": "https://files.example"}
    mirror = complete(start_lab(projects=2), make_mirror, mirror=given)
    shown = command("audit", mirror, "--files")
    if BANDERSNATCH.major < 5:
        pytest.skip("has no such option")
    assert shown.returncode == 0
    assert "the mirror keeps none, by `release-files = false`" in shown.stdout
    mirror.configure(**{"release-files": "true", "root_uri": ""})
    shown = command("audit", mirror, "--files")
    assert shown.returncode == 0
    assert "2 files lie elsewhere by the pages' links, and were not looked for." in shown.stdout


def test_what_filters_drop_is_not_missed(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """The mirror's own page is the truth."""
    lab = start_lab(projects=2)
    lab.release(["lab-00"])
    mirror = make_mirror(lab, "freshness")
    word = "blocklist" if BANDERSNATCH.major >= 4 else "blacklist"
    mirror.configure("plugins", enabled=f"freshness\n{word}_release")
    mirror.configure(word, packages=f"lab-00=={lab.versions('lab-00')[0]}")
    assert mirror.run().returncode == 0
    assert len(list((mirror.directory / "web/packages").rglob("*.whl"))) == 2
    assert audit(mirror, "--hash") == (0, {})


@pytest.mark.skipif(not HAS_METADATA, reason="new in 8.2")
def test_core_metadata_is_a_file_too(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """The pages tell pip that it is there (PEP 658)."""
    mirror = complete(start_lab(projects=2), make_mirror)
    metadata = wheel(mirror, "lab-01").with_name(f"{wheel(mirror, 'lab-01').name}.metadata")
    metadata.unlink()
    path = str(metadata.relative_to(mirror.directory / "web"))
    assert audit(mirror, "--repair") == (1, {path: "file missing"})
    mirror.run()
    assert metadata.exists()
    assert audit(mirror) == (0, {})


def ended(start_lab: StartLab, make_mirror: MakeMirror, *, is_terminal: bool) -> tuple[Mirror, bytes]:
    """Return a mirror whose audit was ended at the third of four packages, and what its standard error was by then.

    As by `timeout`, in the midst of a file that takes long.
    """
    mirror = complete(start_lab(projects=4), make_mirror, mirror={"simple-format": "HTML", "json": "false"})
    wheel(mirror, "lab-00").unlink()
    endless = wheel(mirror, "lab-02")
    content = endless.read_bytes()
    os.truncate(endless, 2**40)

    def end(process: subprocess.Popen[bytes]) -> None:
        eventually(lambda: is_open(process.pid, endless), seconds=120)
        process.send_signal(signal.SIGTERM)

    code, output, shown = go_on(mirror, end, is_terminal=is_terminal)
    assert (code, output) == (130, b"")
    endless.write_bytes(content)
    return mirror, shown


def go_on(
    mirror: Mirror, meanwhile: Callable[[subprocess.Popen[bytes]], None] = lambda _: None, *, is_terminal: bool
) -> tuple[int, bytes, bytes]:
    """Audit, or go on with that; return the exit code, what it printed, and its standard error.

    On a terminal, each step of the bar is there.
    """
    ours, theirs = pty.openpty() if is_terminal else os.pipe()
    if is_terminal:
        termios.tcsetwinsize(theirs, (24, 100))
    process = subprocess.Popen(
        [*COMMAND, "audit", "-c", str(mirror.config), "--files", "--hash", "--resume", "--json"],
        env=mirror.environment() | {"TQDM_MININTERVAL": "0"},
        stdout=subprocess.PIPE,
        stderr=theirs,
    )
    try:
        meanwhile(process)
        output, _ = process.communicate(timeout=60)
        return process.returncode, output, os.read(ours, 65536).replace(b"\r\n", b"\n")
    finally:
        process.kill()
        process.wait(30)
        os.close(theirs)
        os.close(ours)


@pytest.mark.smoke
def test_one_that_is_ended_is_gone_on_with(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """What was found by then is told in the end."""
    mirror, errors = ended(start_lab, make_mirror, is_terminal=False)
    assert errors == ENDED
    kept = mirror.directory / "freshness.files"
    assert kept.stat().st_mode & 0o777 == 0o600
    assert json.loads(kept.read_text())["project"] == "lab-02"
    wheel(mirror, "lab-01").unlink()  # which this one does not look at again
    shown = command("audit", mirror, "--files", "--hash", "--resume", "--json")
    found = json.loads(shown.stdout)["files"]
    assert shown.returncode == 1
    assert [(one["project"], one["finding"]) for one in found["findings"]] == [("lab-00", "file missing")]
    assert found["counts"]["right"] == 3 + 4 * HAS_METADATA
    assert not kept.exists()


def test_one_that_is_ended_says_so_after_its_bar(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Which is gone by then, so that the line is one."""
    _, shown = ended(start_lab, make_mirror, is_terminal=True)
    bar, _, told = shown.rpartition(b"\r")
    assert b"| 2/4 [" in bar
    assert told == ENDED


def test_the_time_left_of_one_that_goes_on_is_told_by_its_own(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """What was looked at before took none of it."""
    mirror, _ = ended(start_lab, make_mirror, is_terminal=False)
    code, _, shown = go_on(mirror, is_terminal=True)
    assert code == 1
    assert b"| 2/4 [00:00<?, ? packages/s]" in shown
    assert b"| 4/4 [00:00<00:00, " in shown


def is_open(process: int, path: Path) -> bool:
    """Return whether a process has a file open."""
    handles = Path(f"/proc/{process}/fd")
    with contextlib.suppress(FileNotFoundError):
        return any(handle.resolve() == path.resolve() for handle in handles.iterdir())
    return False
