"""What release files are found to be, and how that is told. No I/O."""

from __future__ import annotations

import enum
from collections import Counter
from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct, field

from ..formatting import LONGEST_VALUE, printable, timestamp
from ..table import Table


class FileKind(enum.Enum):
    """What a release file is found to be."""

    MISSING = "file missing"
    SIZE = "wrong size"
    CHECKSUM = "wrong checksum"
    PAGE = "page unreadable"
    UNREADABLE = "file unreadable"
    REFUSED = "path refused"
    QUARANTINED = "package in quarantine"
    TO_SYNC = "package to be synced"
    ELSEWHERE = "elsewhere"
    RIGHT = "right"

    @property
    def is_lost(self) -> bool:
        """Whether the next sync of its package brings it."""
        return self in (FileKind.MISSING, FileKind.SIZE, FileKind.CHECKSUM, FileKind.PAGE)

    @property
    def is_finding(self) -> bool:
        """Whether it is not as its page says, and nothing that is on record explains it."""
        return self.is_lost or self in (FileKind.UNREADABLE, FileKind.REFUSED)

    @property
    def is_named(self) -> bool:
        """Whether each is named; of the others there may be millions."""
        return self not in (FileKind.ELSEWHERE, FileKind.RIGHT)


MEANINGS: Mapping[FileKind, str] = {
    FileKind.MISSING: "a page lists it, and it is not there",
    FileKind.SIZE: "it is cut off, or another file",
    FileKind.CHECKSUM: "of the right size, and not what was released",
    FileKind.PAGE: "nothing tells which files its project has",
    FileKind.UNREADABLE: "is it the disk, or who may read it?",
    FileKind.REFUSED: "a page lists what is outside of web/packages",
    FileKind.QUARANTINED: "not right, and asked for again by each run",
    FileKind.TO_SYNC: "not right, and on the way",
    FileKind.ELSEWHERE: "a page links to another host's",
    FileKind.RIGHT: "",
}


class FileFinding(Struct, frozen=True):
    """A file of a project that was found to be something; its path is one below the mirror's `web`, or a URL's.

    Sizes are in bytes: `size` that on disk, None if there is none, and `expected` by the page, None if it has none.
    """

    project: str
    kind: FileKind
    path: str
    size: int | None = None
    expected: int | None = None


class FileTally(Struct):
    """What an audit has found of release files so far.

    `unsized` are there, but no page tells their size, and their checksums were not looked at. `read` is how many bytes
    of files were read for checksums, `requests` how often an object store was asked; `begun` is when it began, in
    seconds since 1970, and `is_resumed` whether it was interrupted since.
    """

    begun: int
    is_by_hash: bool
    is_resumed: bool = False
    counts: Counter[FileKind] = field(default_factory=Counter)
    unsized: int = 0
    read: int = 0
    requests: int = 0
    named: list[FileFinding] = field(default_factory=list)

    def add(self, finding: FileFinding) -> None:
        """Count a finding, and name it where that is worth it."""
        self.counts[finding.kind] += 1
        if finding.kind.is_named:
            self.named.append(finding)

    @property
    def is_complete(self) -> bool:
        """Whether all files are as the pages say, but for what is on record."""
        return not any(count and kind.is_finding for kind, count in self.counts.items())

    @property
    def lost(self) -> set[str]:
        """The projects that a sync would bring files of."""
        return {one.project for one in self.named if one.kind.is_lost}

    @property
    def altered(self) -> list[str]:
        """The paths of the files that are wrong by their checksums alone."""
        return [one.path for one in self.named if one.kind is FileKind.CHECKSUM]

    def summary(self) -> Table:
        """Return how many files were found to be what."""
        table = Table(("", "", ""), right=[1])
        for kind in reversed(FileKind):
            if count := self.counts[kind]:
                table.add(f"files {kind.value}" * (not kind.is_named) or kind.value, f"{count:,}", MEANINGS[kind])
        return table

    def findings(self, shown: int) -> Table | None:
        """Return those that are named, at most so many, what matters most first; None if there is none."""
        if not self.named:
            return None
        table = Table(("package", "finding", "size", "listed", "file"))
        for one in self.sorted()[:shown]:
            sizes = ("" if size is None else f"{size}" for size in (one.size, one.expected))
            row = printable(one.project), one.kind.value, *sizes, printable(one.path, _LONGEST_PATH)
            table.add(*row, style="yellow" if one.kind.is_finding else "")
        if len(self.named) > shown:
            table.caption = f"and {len(self.named) - shown:,} more; all of them with --list or --json"
        return table

    def conclusion(self) -> Iterator[str]:
        """Yield what it means, in sentences."""
        looked = sum(self.counts.values()) - self.counts[FileKind.ELSEWHERE]
        by = "by size and checksum" if self.is_by_hash else "by size"
        if looked and self.is_complete:
            but = ", but for those of packages in quarantine" * bool(self.counts[FileKind.QUARANTINED])
            yield f"The {looked:,} files that its pages list are here, and right {by}{but}."
        if self.unsized:
            yield f"Of {_files(self.unsized)} no page tells the size: whether they are right, `--hash` tells."
        if elsewhere := self.counts[FileKind.ELSEWHERE]:
            yield f"{_files(elsewhere)} lie elsewhere by the pages' links, and were not looked for."
        if self.requests:
            yield f"The object store was asked {self.requests:,} times for pages and files."
        if self.is_resumed:
            since = timestamp(self.begun)
            yield f"It was interrupted since it began at {since}; what was right before was not looked at again."
        if unreadable := self.counts[FileKind.UNREADABLE]:
            yield f"{_files(unreadable)} could not be read: nothing is repaired of that."

    def lines(self) -> Iterator[str]:
        """Yield a line for each that is named: the package, the finding, the size here, the listed one, the path."""
        for one in self.sorted():
            sizes = ("" if size is None else str(size) for size in (one.size, one.expected))
            yield "\t".join((printable(one.project), one.kind.value, *sizes, printable(one.path, _LONGEST_PATH)))

    def as_json(self) -> dict[str, Any]:
        """Return it as plain data; schema: docs/schemas/audit.json."""
        return {
            "hash": self.is_by_hash,
            "counts": {kind.value: self.counts[kind] for kind in FileKind},
            "unsized": self.unsized,
            "read": self.read,
            "requests": self.requests,
            "findings": [
                {
                    "project": one.project,
                    "finding": one.kind.value,
                    "path": printable(one.path, _LONGEST_PATH),
                    "size": one.size,
                    "listed": one.expected,
                }
                for one in self.sorted()
            ],
        }

    def sorted(self) -> list[FileFinding]:
        """Return what is named, what matters most first."""
        rank = {kind: number for number, kind in enumerate(FileKind)}
        return sorted(self.named, key=lambda one: (rank[one.kind], one.project, one.path))


# A path is no longer on any disk; a URL that was refused may be.
_LONGEST_PATH = 40 * LONGEST_VALUE


def _files(count: int) -> str:
    return "1 file" if count == 1 else f"{count:,} files"
