"""The audit of release files, page by page in the order of names, which goes on where an earlier one was interrupted.

Reads only, but for a small file that says how far it is; a run may be under way: what is found is looked at again in
the end, before it is called so.
"""

from __future__ import annotations

import contextlib
from bisect import bisect_left
from collections.abc import Callable, Iterator, Sequence
from typing import TYPE_CHECKING

import filelock
import msgspec
from msgspec.structs import replace

from ..audit.file_findings import FileFinding, FileKind, FileTally
from ..audit.files import METADATA_ENDING, Page, ReleaseFile
from .release_files import ReleaseFiles

if TYPE_CHECKING:
    from .auditing import Auditor

# Next to Bandersnatch's `status`. It is there while an audit of files is under way, or was interrupted.
FILES_FILE = "freshness.files"

# So often it is written how far it is, in seconds: one that is killed loses no more than that.
SAVE_EVERY = 60

VERSION = 1


class Progress(msgspec.Struct):
    """How far an audit is: all up to this file of this project was looked at, and found to be so.

    `found` has the paths of those files of a project that were not right, to be looked at again. `begun` is in seconds
    since 1970.
    """

    begun: int
    hash: bool
    version: int = VERSION
    project: str = ""
    path: str = ""
    right: int = 0
    elsewhere: int = 0
    unsized: int = 0
    read: int = 0
    requests: int = 0
    found: dict[str, list[str]] = {}


class FileAudit:
    """Audits the release files of one mirror."""

    def __init__(self, auditor: Auditor, files: ReleaseFiles, clock: Callable[[], int], *, hashes: bool) -> None:
        """`clock` returns seconds since 1970."""
        self._auditor = auditor
        self._files = files
        self._clock = clock
        self._hashes = hashes
        self._store = auditor.files.store(FILES_FILE)
        self._saved = clock()
        self._requests_before = 0
        self.progress = Progress(self._saved, hashes)
        # Why this one can't be gone on with when it is interrupted; empty if it can.
        self.problem = ""

    def audit(
        self, projects: Sequence[str], advance: Callable[[int], None] = lambda _: None, *, resume: bool = False
    ) -> FileTally:
        """Look at the files that the pages of these projects list, which are sorted, and return what was found.

        `advance` is called with how many projects have been looked at since. With `resume` it goes on where one was
        interrupted, if there is such a one of the same kind.

        Raises:
            NoFilesError: if there is no release file at all.
            ValueError: if another one is under way.
        """
        with self._alone():
            is_resumed = resume and self._take_up()
            try:
                self._look_at_all(projects, advance)
            except BaseException:
                self._save()
                raise
            tally = self._look_again()
            tally.is_resumed = is_resumed
            with contextlib.suppress(OSError):
                self._store.path.unlink()
            return tally

    @contextlib.contextmanager
    def _alone(self) -> Iterator[None]:
        with contextlib.ExitStack() as stack:
            try:
                stack.enter_context(self._store.lock(0))
            except filelock.Timeout:
                raise ValueError(f"another `audit --files` of {self._auditor.files.directory} is under way") from None
            except OSError as error:
                self.problem = f"{self._store.path}: {error}"
            yield

    def _take_up(self) -> bool:
        """Go on where an audit was interrupted; return whether there was one."""
        try:
            found = msgspec.json.decode(self._store.read() or b"", type=Progress)
        except (OSError, msgspec.MsgspecError, ValueError):
            return False
        if (found.version, found.hash) != (VERSION, self._hashes):
            return False
        self.progress, self._requests_before = found, found.requests
        return True

    def _look_at_all(self, projects: Sequence[str], advance: Callable[[int], None]) -> None:
        begin = bisect_left(projects, self.progress.project)
        advance(begin)
        for project in projects[begin:]:
            self._look_at(project)
            advance(1)

    def _look_at(self, project: str) -> None:
        at = self.progress
        page, wrong = self._files.page(project)
        is_begun = at.project == project
        if not is_begun:
            at.project, at.path = project, ""
            at.elsewhere += page.elsewhere
        if wrong or page.refused:
            at.found.setdefault(project, [])
        for file in _after(page, at.path) if is_begun else page.files:
            seen = self._files.look(file)
            at.read += seen.read
            if seen.kind is FileKind.RIGHT:
                self._count_right(file)
            else:
                at.found.setdefault(project, []).append(file.path)
            at.path = file.path
            if not 0 <= self._clock() - self._saved < SAVE_EVERY:
                self._save()

    def _count_right(self, file: ReleaseFile) -> None:
        self.progress.right += 1
        is_sized = file.size is not None or file.path.endswith(METADATA_ENDING)
        self.progress.unsized += not is_sized and not (self._hashes and file.digest)

    def _save(self) -> None:
        self._saved = self._clock()
        self.progress.requests = self._requests_before + self._files.requests
        try:
            self._store.write([msgspec.json.encode(self.progress).decode()])
        except OSError as error:
            self.problem = f"{self._store.path}: {error}"

    def _look_again(self) -> FileTally:
        """Look again at what was not right: a run may have replaced it since, or be about to."""
        at = self.progress
        tally = FileTally(at.begun, at.hash)
        self._auditor.look(at.found)
        for project, paths in at.found.items():
            for finding in self._found(project, frozenset(paths)):
                if finding.kind is FileKind.RIGHT:
                    at.right += 1
                else:
                    tally.add(self._explained(finding))
        tally.counts[FileKind.RIGHT], tally.counts[FileKind.ELSEWHERE] = at.right, at.elsewhere
        tally.unsized, tally.read = at.unsized, at.read
        tally.requests = self._requests_before + self._files.requests
        return tally

    def _found(self, project: str, paths: frozenset[str]) -> Iterator[FileFinding]:
        page, wrong = self._files.page(project)
        for path, kind in wrong.items():
            yield FileFinding(project, kind, path)
        for url in page.refused:
            yield FileFinding(project, FileKind.REFUSED, url)
        for file in page.files:
            if file.path in paths:
                seen = self._files.look(file)
                yield FileFinding(project, seen.kind, file.path, seen.size, file.size)

    def _explained(self, finding: FileFinding) -> FileFinding:
        """Return a finding in the light of what is on record: what the next run brings anyway is none."""
        known, project = self._auditor.known, finding.project
        if not finding.kind.is_lost:
            return finding
        if project in known.quarantine:
            return replace(finding, kind=FileKind.QUARANTINED)
        is_synced = known.will_sync(project, self._auditor.copies.newest(project))
        return replace(finding, kind=FileKind.TO_SYNC) if is_synced else finding


def _after(page: Page, path: str) -> tuple[ReleaseFile, ...]:
    """Return the files that a page lists after one; all of them if it lists that no more."""
    paths = [one.path for one in page.files]
    return page.files[paths.index(path) + 1 :] if path in paths else page.files
