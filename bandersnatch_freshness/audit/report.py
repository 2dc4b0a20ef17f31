"""An audit's report: a summary and a table for a terminal, lines for scripts, JSON. No I/O."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from msgspec import Struct

from ..exit_codes import AuditExit
from ..formatting import duration, printable
from ..table import Table
from .comparison import Finding, Kind, Tally
from .file_findings import FileTally

SHOWN = 50

_STYLES: Mapping[Kind, str] = {Kind.UNANNOUNCED: "bold red", Kind.QUARANTINED: "", Kind.NEWER: "yellow"}
_MEANINGS: Mapping[Kind, str] = {
    Kind.UNANNOUNCED: "deleted or taken down upstream, and still served here",
    Kind.MISSING: "there is no page",
    Kind.OLDER: "the page is older than announced",
    Kind.UNREADABLE: "a page is cut off, or can't be read",
    Kind.DISAGREEING: "one page of a project is older than another, or is missing",
    Kind.NEWER: "the page is newer than the index says, which is from later",
    Kind.QUARANTINED: "asked for again by each run",
    Kind.GONE: "there is no release left, by proof",
    Kind.FILTERED: "there is no page; a metadata filter may be why",
    Kind.TO_SYNC: "released since the last run, or on the todo list",
    Kind.CURRENT: "",
}


class AuditReport(Struct, frozen=True):
    """What an audit came to.

    `serial` is the mirror's, None if it has none; `index` the index's. `places` are the names of the places that have
    a copy of each project. `repaired` is how many projects went into quarantine, None where no repair was asked for,
    and `seconds` how long runs take to sync them, None if that is not known. `problem` is why the state may not be all.
    `files` is what was found of release files, None where these were not audited, and `about_files` a sentence on that.
    """

    directory: str
    master: str
    serial: int | None
    index: int
    places: tuple[str, ...]
    tally: Tally
    repaired: int | None = None
    seconds: int | None = None
    problem: str = ""
    files: FileTally | None = None
    about_files: str = ""

    @property
    def outcome(self) -> AuditExit:
        """What it came to. A mirror without a serial is not complete, whatever it has."""
        is_complete = self.is_announced_here and (self.files is None or self.files.is_complete)
        return AuditExit.COMPLETE if is_complete else AuditExit.FINDINGS

    @property
    def is_announced_here(self) -> bool:
        """Whether the mirror has all pages that were announced, but for what is on record."""
        return self.tally.is_complete and self.serial is not None

    def summary(self) -> Table:
        """Return how many projects were found to be what."""
        table = Table(("", "", ""), right=[1])
        for kind in reversed(Kind):
            if count := self.tally.counts[kind]:
                table.add(kind.value, f"{count:,}", _MEANINGS[kind], style=_style(kind))
        return table

    def findings(self) -> Table | None:
        """Return those that are named, what matters most first; None if there is none."""
        named = list(_sorted(self.tally))
        if not named:
            return None
        table = Table(("package", "finding", "announced", *self.places))
        for one in named[:SHOWN]:
            copies = ("none" if serial is None else str(serial or "unreadable") for serial in one.copies)
            announced = "no" if one.announced is None else str(one.announced or "any")
            table.add(printable(one.project), one.kind.value, announced, *copies, style=_style(one.kind))
        if len(named) > SHOWN:
            table.caption = f"and {len(named) - SHOWN:,} more; all of them with --list or --json"
        return table

    def conclusion(self) -> Iterator[str]:
        """Yield what it means, and what to do, in sentences."""
        counts = self.tally.counts
        lost = sum(counts[kind] for kind in Kind if kind.is_lost)
        if self.problem:
            yield f"What is remembered may not be all: {self.problem}"
        if self.serial is None:
            yield "The mirror has no serial: its first sync, or one that begins anew, is not over."
        elif self.index < self.serial:
            yield (
                f"The index is older than the mirror, which is at serial {self.serial}: what was released in between "
                "is not compared."
            )
        if self.is_announced_here:
            ways = ((Kind.QUARANTINED, "in quarantine"), (Kind.TO_SYNC, "that the next run syncs"))
            but = " and ".join(f"{_packages(counts[kind])} {what}" for kind, what in ways if counts[kind])
            except_for = f", but for {but}" if but else ""
            yield f"The mirror has everything that was announced up to serial {self.serial}{except_for}."
        if unannounced := counts[Kind.UNANNOUNCED]:
            yield (
                f"{_packages(unannounced)} deleted or taken down upstream, perhaps as malware, and still served here: "
                "look, and remove what is to go by `bandersnatch delete`."
            )
        if self.files:
            yield from self.files.conclusion()
        if self.about_files:
            yield self.about_files
        wrong = len(self.files.lost) if self.files else 0
        if self.repaired:
            took = "" if self.seconds is None else f", which takes about {duration(self.seconds)}"
            yield f"{_packages(self.repaired)} went into quarantine, due at once: the next runs sync them{took}."
        elif self.repaired is not None:
            yield "Nothing went into quarantine: nothing is lost, or it is there already."
        elif lost:
            yield f"{_packages(lost)} missing or older: with `audit --repair` the next runs sync them."
        if self.repaired is not None and counts[Kind.MISSING]:
            yield "From now on runs sync whatever else they find missing."
        if wrong and self.repaired is None:
            yield f"{_packages(wrong)} with files that are not right: with `--files --repair` the next runs fetch them."

    def lines(self) -> Iterator[str]:
        """Yield a line for each that is named: the package, the finding, its oldest serial, the announced one.

        Those of files have sizes in place of serials, and the path.
        """
        for one in _sorted(self.tally):
            serials = ("" if serial is None else str(serial) for serial in (one.own, one.announced))
            yield "\t".join((printable(one.project), one.kind.value, *serials))
        if self.files:
            yield from self.files.lines()

    def as_json(self) -> dict[str, Any]:
        """Return the report as plain data; schema: docs/schemas/audit.json."""
        return {
            "directory": self.directory,
            "master": self.master,
            "serial": self.serial,
            "index": self.index,
            "outcome": self.outcome.name.lower(),
            "problem": self.problem,
            "counts": {kind.value: self.tally.counts[kind] for kind in Kind},
            "repaired": self.repaired,
            "findings": [finding_as_json(one, self.places) for one in _sorted(self.tally)],
            "files": self.files.as_json() if self.files else None,
        }


def finding_as_json(one: Finding, places: tuple[str, ...]) -> dict[str, Any]:
    """Return a finding as plain data."""
    return {
        "project": one.project,
        "finding": one.kind.value,
        "announced": one.announced,
        "own": one.own,
        "places": dict(zip(places, one.copies, strict=True)),
    }


def _sorted(tally: Tally) -> list[Finding]:
    """Return what is named, what matters most first."""
    rank = {kind: number for number, kind in enumerate(Kind)}
    return sorted(tally.named, key=lambda one: (rank[one.kind], one.project))


def _style(kind: Kind) -> str:
    return _STYLES.get(kind, "yellow" if kind.is_lost else "")


def _packages(count: int) -> str:
    return "1 package" if count == 1 else f"{count:,} packages"
