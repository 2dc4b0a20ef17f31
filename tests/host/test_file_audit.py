"""Auditing a mirror's release files, while others change them, and from where it was interrupted."""

from __future__ import annotations

import hashlib
import json
import os
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import filelock
import pytest

from bandersnatch_freshness.audit.comparison import Tally
from bandersnatch_freshness.audit.file_findings import FileKind, FileTally
from bandersnatch_freshness.audit.files import ReleaseFile
from bandersnatch_freshness.host.auditing import Auditor, Repair
from bandersnatch_freshness.host.file_audit import FileAudit
from bandersnatch_freshness.host.own_copies import DOCUMENT, HTML
from bandersnatch_freshness.host.release_files import NoFilesError, ReleaseFiles, Seen
from bandersnatch_freshness.state.document import load

from .test_auditing import NOW, auditor

CONTENT = b"a wheel"
NAMES = ("bar", "baz", "foo")


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """Return the directory of a mirror at serial 50, with two files of each of three projects."""
    (tmp_path / "status").write_text("50\n")
    for name in NAMES:
        write(tmp_path, name, "1", "2")
    return tmp_path


def write(mirror: Path, name: str, *versions: str) -> None:
    """Write a project's page, its document and its files."""
    urls = [f"/packages/{name}/{name}-{version}.whl" for version in versions]
    digest = hashlib.sha256(CONTENT).hexdigest()
    page = mirror / "web/simple" / name / "index.html"
    document = mirror / "web/json" / name
    for path in (page, document, *(mirror / f"web{url}" for url in urls)):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(CONTENT)
    links = (f'<a href="../..{url}#sha256={digest}">{name}</a>' for url in urls)
    page.write_text("\n".join([*links, "<!--SERIAL 40-->"]))
    releases = {"1": [{"url": f"https://f.example{url}", "size": len(CONTENT)} for url in urls]}
    document.write_text(json.dumps({"last_serial": 40, "releases": releases}))


def wheel(mirror: Path, name: str, version: str = "1") -> Path:
    """Return where a file is."""
    return mirror / f"web/packages/{name}/{name}-{version}.whl"


def made(mirror: Path) -> Auditor:
    """Return what audits it; it has pages in HTML, and documents."""
    found = auditor(mirror)
    found.copies.places = (HTML, DOCUMENT)
    return found


def file_audit(auditor: Auditor, *, hashes: bool = False) -> FileAudit:
    """Return what audits its files."""
    audit = auditor.file_audit(hashes=hashes)
    assert audit is not None
    return audit


def audit(mirror: Path, *, hashes: bool = False, resume: bool = False) -> FileTally:
    """Audit all files of a mirror."""
    return file_audit(made(mirror), hashes=hashes).audit(NAMES, resume=resume)


def named(tally: FileTally) -> dict[str, FileKind]:
    """Return what is named, by the file's name."""
    return {one.path.rpartition("/")[2]: one.kind for one in tally.named}


def at(mocker: Any, name: str, happens: Callable[[], None]) -> None:
    """Have something happen once, when a file is about to be looked at."""
    look, left = ReleaseFiles.look, [happens]

    def before(files: ReleaseFiles, file: ReleaseFile) -> Seen:
        if file.path.endswith(name) and left:
            left.pop()()
        return look(files, file)

    mocker.patch.object(ReleaseFiles, "look", before)


def interrupt() -> None:
    """End what is under way, as Ctrl-C does."""
    raise KeyboardInterrupt


def test_each_file_is_looked_at(mirror: Path) -> None:
    """There, of its size, and, where that is asked for, right by its checksum; nothing is changed by that."""
    wheel(mirror, "bar").unlink()
    wheel(mirror, "baz").write_bytes(CONTENT[:3])
    wheel(mirror, "foo").write_bytes(b"A wheel")
    found = {"bar-1.whl": FileKind.MISSING, "baz-1.whl": FileKind.SIZE, "foo-1.whl": FileKind.CHECKSUM}
    before = {path: path.stat().st_mtime_ns for path in mirror.rglob("*") if path.is_file()}
    tally = audit(mirror, hashes=True)
    assert named(tally) == found
    assert (tally.counts[FileKind.RIGHT], tally.read, tally.is_complete) == (3, 4 * len(CONTENT), False)
    tally = audit(mirror)
    assert named(tally) == {name: kind for name, kind in found.items() if kind is not FileKind.CHECKSUM}
    assert (tally.counts[FileKind.RIGHT], tally.read, tally.unsized) == (4, 0, 0)
    after = {path: path.stat().st_mtime_ns for path in mirror.rglob("*") if path.is_file()}
    assert {path: time for path, time in after.items() if path.suffix != ".lock"} == before


def test_without_a_size_it_is_only_there(mirror: Path) -> None:
    """Which is counted, so that nobody takes it for more."""
    (mirror / "web/json/foo").write_text("{")
    wheel(mirror, "foo").write_bytes(b"")
    tally = audit(mirror)
    assert (named(tally), tally.unsized) == ({}, 2)
    tally = audit(mirror, hashes=True)
    assert (named(tally), tally.unsized) == ({"foo-1.whl": FileKind.CHECKSUM}, 0)


def test_what_can_not_be_read_is_no_loss(mirror: Path) -> None:
    """A directory, a pipe or a loop of links in a file's place: no repair would mend it, and nothing waits for it."""
    for name in NAMES:
        wheel(mirror, name).unlink()
    wheel(mirror, "bar").mkdir()
    os.mkfifo(wheel(mirror, "baz"))
    wheel(mirror, "foo").symlink_to(wheel(mirror, "foo"))
    tally = audit(mirror, hashes=True)
    assert set(named(tally).values()) == {FileKind.UNREADABLE}
    assert len(tally.named) == 3
    assert tally.lost == set()
    assert not tally.is_complete


def test_a_page_that_is_damaged_is_said(mirror: Path) -> None:
    """Though its end is whole, by which the comparison goes; the next sync writes it anew."""
    page = mirror / "web/simple/foo/index.html"
    page.write_text(page.read_text().replace("<a href", "<a hrex", 1))
    tally = audit(mirror)
    assert [(one.kind, one.path) for one in tally.named] == [(FileKind.PAGE, "simple/foo/index.html")]
    assert tally.lost == {"foo"}


def test_a_page_that_the_disk_does_not_give_is_said(mirror: Path) -> None:
    """Another page of the project tells its files, where there is one; here is none."""
    page = mirror / "web/simple/foo/index.html"
    page.unlink()
    page.mkdir()
    tally = audit(mirror)
    assert [(one.kind, one.path) for one in tally.named] == [(FileKind.UNREADABLE, "simple/foo/index.html")]
    assert tally.lost == set()


def test_a_path_that_leaves_the_mirror_is_not_looked_at(mirror: Path) -> None:
    """Nor is what it is said to be repaired."""
    page = mirror / "web/simple/foo/index.html"
    page.write_text(page.read_text().replace("/packages/foo/foo-1.whl", "/packages/../../status"))
    tally = audit(mirror, hashes=True)
    assert [(one.kind, one.path) for one in tally.named] == [(FileKind.REFUSED, "../../packages/../../status")]
    assert tally.lost == set()


@pytest.mark.parametrize("left", ["nothing", "an empty directory"])
def test_a_disk_that_is_not_mounted_is_no_loss(left: str, mirror: Path) -> None:
    """A repair would download all of it."""
    packages = mirror / "web/packages"
    shutil.rmtree(packages)
    if left != "nothing":
        packages.mkdir()
    with pytest.raises(NoFilesError, match="web/packages is empty: is its disk mounted"):
        audit(mirror)


def test_what_a_run_has_replaced_meanwhile_is_right(mirror: Path, mocker: Any) -> None:
    """It is looked at again in the end; and what the page lists no more is not missed."""
    wheel(mirror, "bar").unlink()
    wheel(mirror, "baz").unlink()

    def replace() -> None:
        write(mirror, "bar", "1", "2")
        write(mirror, "baz", "2")

    at(mocker, "foo-2.whl", replace)
    tally = audit(mirror)
    assert (named(tally), tally.counts[FileKind.RIGHT]) == ({}, 5)
    assert tally.is_complete


@pytest.mark.parametrize(
    ("file", "content", "kind"),
    [
        ("todo", "50\nFoo 40\n", FileKind.TO_SYNC),
        ("freshness.quarantine", "foo 40\n", FileKind.QUARANTINED),
        ("status", "39\n", FileKind.TO_SYNC),
    ],
)
def test_what_the_next_run_brings_is_no_finding(file: str, content: str, kind: FileKind, mirror: Path) -> None:
    """On the todo list, in quarantine, or above the mirror's serial."""
    wheel(mirror, "foo").unlink()
    (mirror / file).write_text(content)
    tally = audit(mirror)
    assert named(tally) == {"foo-1.whl": kind}
    assert tally.is_complete


def test_an_interrupted_one_goes_on_at_that_file(mirror: Path, mocker: Any) -> None:
    """With what it had found; what was right before is not looked at again."""
    wheel(mirror, "bar", "2").unlink()
    at(mocker, "foo-2.whl", interrupt)
    interrupted = file_audit(made(mirror))
    with pytest.raises(KeyboardInterrupt):
        interrupted.audit(NAMES)
    assert (mirror / "freshness.files").stat().st_mode & 0o777 == 0o600
    wheel(mirror, "foo", "1").unlink()
    seen: list[int] = []
    looked: list[str] = []
    look = ReleaseFiles.look

    def note(files: ReleaseFiles, file: ReleaseFile) -> Seen:
        looked.append(Path(file.path).name)
        return look(files, file)

    mocker.patch.object(ReleaseFiles, "look", note)
    tally = file_audit(made(mirror)).audit(NAMES, seen.append, resume=True)
    assert looked == ["foo-2.whl", "bar-2.whl"]
    assert (named(tally), tally.counts[FileKind.RIGHT]) == ({"bar-2.whl": FileKind.MISSING}, 5)
    assert (tally.is_resumed, sum(seen)) == (True, 3)
    assert not (mirror / "freshness.files").exists()


@pytest.mark.parametrize(
    "spoil",
    [
        lambda kept: None,  # it was not by checksum
        lambda kept: kept.write_text(kept.read_text().replace('"hash":false', '"hash":true').replace(":1,", ":2,")),
        lambda kept: kept.write_text("{"),
        lambda kept: kept.unlink(),
    ],
)
def test_what_can_not_be_gone_on_with_begins_anew(spoil: Callable[[Path], object], mirror: Path, mocker: Any) -> None:
    """One of another kind, of a later release, a damaged one, or none."""
    at(mocker, "foo-2.whl", interrupt)
    with pytest.raises(KeyboardInterrupt):
        audit(mirror)
    wheel(mirror, "bar").unlink()
    spoil(mirror / "freshness.files")
    tally = audit(mirror, hashes=True, resume=True)
    assert named(tally) == {"bar-1.whl": FileKind.MISSING}
    assert not tally.is_resumed


def test_without_being_told_it_begins_anew(mirror: Path, mocker: Any) -> None:
    """What was right a month ago may not be so today."""
    at(mocker, "foo-2.whl", interrupt)
    with pytest.raises(KeyboardInterrupt):
        audit(mirror)
    wheel(mirror, "bar").unlink()
    assert named(audit(mirror)) == {"bar-1.whl": FileKind.MISSING}


def test_a_killed_one_loses_a_minute(mirror: Path, mocker: Any) -> None:
    """It is written now and then how far it is."""
    found = made(mirror)
    times = iter(range(NOW, NOW + 10**6, 61))
    found._clock = lambda: next(times)
    kept: list[str] = []
    at(mocker, "foo-1.whl", lambda: kept.append((mirror / "freshness.files").read_text()))
    file_audit(found).audit(NAMES)
    assert json.loads(kept[0])["path"] == "packages/baz/baz-2.whl"


def test_two_at_once_would_write_over_each_other(mirror: Path) -> None:
    """So the second one is refused."""
    with filelock.FileLock(mirror / ".freshness.files.lock"), pytest.raises(ValueError, match="is under way"):
        audit(mirror)


def test_where_nothing_can_be_written_it_looks_all_the_same(mirror: Path, mocker: Any) -> None:
    """And says why it could not be gone on with."""
    (mirror / ".freshness.files.lock").mkdir()
    (mirror / ".freshness.files.new").mkdir()
    wheel(mirror, "bar").unlink()
    tried = file_audit(made(mirror))
    assert named(tried.audit(NAMES)) == {"bar-1.whl": FileKind.MISSING}
    assert "freshness.files" in tried.problem


@pytest.mark.parametrize(("method", "is_marked"), [("hash", False), ("stat", True)])
def test_a_repair_deletes_nothing(method: str, is_marked: bool, mirror: Path) -> None:
    """Packages go into quarantine at the serial they have; Bandersnatch looks again at what has the right time."""
    wheel(mirror, "bar").unlink()
    wheel(mirror, "foo").write_bytes(b"A wheel")
    os.utime(wheel(mirror, "foo"), (1_000_000, 1_000_000))
    found = made(mirror)
    found._configuration["mirror"]["compare-method"] = method
    wheel(mirror, "foo", "2").write_bytes(b"A wheel")
    tally = file_audit(found, hashes=True).audit(NAMES)
    wheel(mirror, "foo", "2").unlink()  # as a run does before it fetches it
    assert found.repair(Tally(), tally) == Repair(2, None)
    state = load((mirror / "freshness.json").read_text())
    assert {name: one.required_serial for name, one in state.quarantine.items()} == {"bar": 40, "foo": 40}
    assert wheel(mirror, "foo").read_bytes() == b"A wheel"
    assert (wheel(mirror, "foo").stat().st_mtime != 1_000_000) is is_marked


def test_a_mirror_that_keeps_none_has_none(mirror: Path) -> None:
    """By Bandersnatch's own option."""
    found = made(mirror)
    found._configuration["mirror"]["release-files"] = "false"
    assert found.file_audit(hashes=False) is None
