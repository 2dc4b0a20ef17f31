"""Looking at release files: gently, and in whatever holds them."""

from __future__ import annotations

import hashlib
import os
import shutil
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bandersnatch_freshness.audit.file_findings import FileKind
from bandersnatch_freshness.audit.files import Digest, ReleaseFile
from bandersnatch_freshness.host.own_copies import HTML, OwnCopies
from bandersnatch_freshness.host.release_files import CHUNK, NICENESS, ReleaseFiles, Seen
from bandersnatch_freshness.host.requests_host import Disk


def files(mirror: Path, storage: Any) -> ReleaseFiles:
    """Return the release files of a mirror, by checksum too."""
    copies = OwnCopies(storage, f"{mirror}/web", [HTML], hashed=False)
    return ReleaseFiles(storage, str(mirror), copies, "", hashes=True)


@pytest.mark.skipif(not hasattr(os, "posix_fadvise"), reason="has no page cache to be told of")
def test_what_is_read_leaves_the_page_cache(tmp_path: Path, mocker: Any) -> None:
    """Chunk by chunk, as one file may be larger than the memory."""
    content = b"x" * (2 * CHUNK + 5)
    (tmp_path / "web/packages").mkdir(parents=True)
    (tmp_path / "web/packages/a").write_bytes(content)
    advise = mocker.patch("os.posix_fadvise")
    file = ReleaseFile("packages/a", None, Digest("sha256", hashlib.sha256(content).hexdigest()))
    assert files(tmp_path, Disk()).look(file) == Seen(FileKind.RIGHT, len(content), len(content))
    advised = [call.args[1:] for call in advise.call_args_list]
    assert advised == [(at, size, os.POSIX_FADV_DONTNEED) for at, size in ((0, CHUNK), (CHUNK, CHUNK), (2 * CHUNK, 5))]


def test_an_audit_gives_way() -> None:
    """At the processor, and at the disk where there is a tool for that."""
    lines = [
        "import os, subprocess",
        "from bandersnatch_freshness.host.release_files import be_gentle",
        "be_gentle()",
        "print(os.nice(0), flush=True)",
    ]
    if shutil.which("ionice"):
        lines.append("subprocess.run(['ionice', '-p', str(os.getpid())])")
    shown = subprocess.run([sys.executable, "-c", "\n".join(lines)], capture_output=True, text=True, check=True).stdout
    assert shown.split() == [str(min(os.nice(0) + NICENESS, 19)), *["idle"] * bool(shutil.which("ionice"))]


class Gone:
    """An object that is not there, or a store that does not say."""

    def __init__(self, answers: bool | None) -> None:
        """It is there, or not, or (None) there is no answer."""
        self._answers = answers

    def stat(self) -> Any:
        """Fail as boto3 does, by no OSError."""
        raise LookupError("An error occurred when calling HeadObject")

    def exists(self) -> bool:
        """Return whether it is there."""
        if self._answers is None:
            raise LookupError("no answer")
        return self._answers


@pytest.mark.parametrize(
    ("answers", "kind"), [(False, FileKind.MISSING), (True, FileKind.UNREADABLE), (None, FileKind.UNREADABLE)]
)
def test_an_object_store_that_does_not_answer_has_lost_nothing(
    answers: bool | None, kind: FileKind, tmp_path: Path
) -> None:
    """Only one that says so has; what it was asked is counted."""
    found = files(tmp_path, SimpleNamespace(PATH_BACKEND=lambda path: Gone(answers)))
    assert found.look(ReleaseFile("packages/a")) == Seen(kind)
    assert found.requests == 2
