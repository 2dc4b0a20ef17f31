"""Auditing a mirror: all that the comparison takes, from the index to the mirror's files, and the repair.

Reads only, but for the repair, and a run may be under way: what is found is looked at again before it is called so.
"""

from __future__ import annotations

import contextlib
from collections.abc import Callable, Collection, Iterable
from types import SimpleNamespace
from typing import TYPE_CHECKING, Any

import bandersnatch.filter
import bandersnatch.mirror
import filelock
from msgspec import Struct
from msgspec.structs import replace
from packaging.utils import canonicalize_name

from ..audit.announced import Announced, Filter, NoIndexError, read
from ..audit.comparison import Finding, Kind, Known, Tally, Terms, compare, is_current, seconds_to_sync
from ..core import quarantine
from ..core.audit_round import AuditRound
from ..core.index import ANY_SERIAL, how_fewer
from ..core.observations import parse_serial
from ..core.scope import same_master
from ..state.document import State, StateError
from . import todo
from .configuration import read_settings
from .layout import STATUS, TODO
from .mirror_files import MirrorFiles
from .own_copies import configured_copies
from .protocols import HostAdapter

if TYPE_CHECKING:
    from ..audit.file_findings import FileTally
    from .file_audit import FileAudit

# How often it is told how far an audit is: each so many projects.
STEP = 1000


class RepairError(ValueError):
    """Nothing was repaired; the text says why."""


class Explained(Struct, frozen=True):
    """A project, and all that tells what it was found to be.

    `places` has where each copy is, its serial as in `Copies`, and when it was written, in seconds since 1970.
    """

    finding: Finding
    places: tuple[tuple[str, int | None, int | None], ...]
    required: int | None
    is_on_todo: bool
    is_missing: bool
    is_dropped: bool


class Repair(Struct, frozen=True):
    """How many projects went into quarantine, to be synced by the next runs, and how many seconds these will take."""

    packages: int
    seconds: int | None


class Auditor:
    """Audits one mirror, as its configuration has it."""

    def __init__(self, files: MirrorFiles, configuration: Any, adapter: HostAdapter, clock: Callable[[], int]) -> None:
        """`clock` returns seconds since 1970."""
        self.files = files
        self.state, self.problem = State(files.master), ""
        self.known = Known()
        self._configuration = configuration
        self._adapter = adapter
        self._clock = clock
        self._is_filtered = _has_metadata_filters()
        self.copies = configured_copies(files.storage, files.directory, configuration, adapter)

    def announced(self) -> Announced:
        """Return what the index announces, by one request.

        Raises:
            NoIndexError: if it is none to compare with.
        """
        found = read(self._adapter.fetch_index(self._configuration), _project_filter())
        self.look()
        seen = self.state.index if same_master(self.state.master, self.files.master) else None
        fewer = how_fewer(found.listed, seen.projects if seen else 0, lambda: sum(1 for _ in self.copies.names()))
        if fewer:
            raise NoIndexError(fewer)
        return found

    def look(self, projects: Collection[str] = ()) -> None:
        """Look at what the mirror knows at this moment; of its todo list, at these projects.

        In this order, so that nothing is missed that moves meanwhile: from the serial or the todo list into the state,
        and from there to the todo list.
        """
        serial = parse_serial((self.files.store(STATUS).read() or b"").decode("ascii", "replace").strip())
        before = self._todo(projects)
        found = self.files.look(self._clock())
        self.state, self.problem = found.state, found.problem
        after = self._todo(projects)
        target = max((one.target for one in (before, after) if one.target is not None), default=None)
        listed = before.listed | after.listed
        self.known = Known(serial or None, target, listed, self.state.quarantine.keys(), self.state.missing)

    def _todo(self, projects: Collection[str]) -> todo.Listed:
        content = self.files.store(TODO).read()
        return todo.find(content.decode("utf-8", "replace"), projects) if content else todo.Listed()

    def audit(self, announced: Announced, advance: Callable[[int], None] = lambda _: None) -> Tally:
        """Compare all that is announced with the mirror's own copies, and empty `announced.projects` by that.

        `advance` is called with how many projects have been looked at since.
        """
        left, tally, seen = announced.projects, Tally(), 0
        unannounced: list[str] = []
        for name in self.copies.names():
            serial = left.get(name)
            if serial is None:
                if name not in announced.dropped:
                    unannounced.append(name)
            elif is_current(serial, self.copies.read(name)):
                del left[name]
                seen += 1
                if seen % STEP == 0:
                    advance(STEP)
        advance(seen % STEP)
        tally.counts[Kind.CURRENT] += seen
        # All else is looked at again: a run may have synced it meanwhile.
        self.look(left)
        for name in unannounced:
            self._add(tally, self.compare(name, None, announced.serial))
        while left:
            some = min(STEP, len(left))
            for _ in range(some):
                self._add(tally, self.compare(*left.popitem(), announced.serial))
            advance(some)
        return tally

    @staticmethod
    def _add(tally: Tally, finding: Finding) -> None:
        if finding.announced is not None or finding.kind.is_finding:
            tally.add(finding)

    def compare(self, project: str, announced: int | None, index: int) -> Finding:
        """Compare one project, by what the mirror knows since it last looked; `index` is the serial of the index."""
        terms = Terms(index, self.copies.pages, self._is_filtered)
        return compare(project, announced, self.copies.read(project), self.known, terms)

    def explain(self, announced: Announced, projects: Iterable[str]) -> tuple[list[Explained], list[str]]:
        """Return all that tells what each of these projects is found to be, and those that are not known at all."""
        names = [canonicalize_name(name) for name in projects]
        self.look(names)
        explained = {name: self._explain(announced, name) for name in names}
        return [one for one in explained.values() if one], [name for name, one in explained.items() if not one]

    def _explain(self, announced: Announced, name: str) -> Explained | None:
        """Return that of one project, None if it is neither announced nor here."""
        finding = self.compare(name, announced.projects.get(name), announced.serial)
        if finding.announced is None and name not in announced.dropped and not any(finding.copies):
            return None
        entry = self.state.quarantine.get(name)
        return Explained(
            finding,
            tuple(zip(self.copies.paths(name), finding.copies, self.copies.times(name), strict=True)),
            entry.required_serial if entry else None,
            name in self.known.todo,
            name in self.state.missing,
            name in announced.dropped,
        )

    def file_audit(self, *, hashes: bool) -> FileAudit | None:
        """Return what audits the release files, None if the mirror keeps none; with `hashes`, by checksum too."""
        from .file_audit import FileAudit  # which no run needs
        from .release_files import ReleaseFiles

        section = self._configuration["mirror"]
        if not section.getboolean("release-files", fallback=True):
            return None
        root_uri = section.get("root_uri", fallback="") or ""
        files = ReleaseFiles(self.files.storage, self.files.directory, self.copies, root_uri, hashes=hashes)
        return FileAudit(self, files, self._clock, hashes=hashes)

    def check_repair(self) -> None:
        """Check that runs mind what a repair puts into quarantine.

        Raises:
            RepairError: if they don't.
        """
        if not read_settings(self._configuration).quarantines:
            raise RepairError(
                "--repair: no enabled plugin minds the quarantine; enable freshness or freshness_quarantine"
            )

    def repair(self, tally: Tally, files: FileTally | None = None) -> Repair:
        """Put what is lost into quarantine, all of it due, so that the next runs sync it; a run may be under way.

        Of files too, where they were audited. None is deleted: Bandersnatch replaces what is wrong as it syncs a page.

        Bandersnatch's own lock guards a run's start alone, and a run writes its todo list anew for each package: the
        state is where nothing is lost.

        Raises:
            RepairError: if that can't be; says why.
        """
        self.check_repair()
        records = self.files.records(self._clock)
        try:
            if files:
                self._mark_altered(files)
            with records.lock():
                state = records.state
                before = len(state.quarantine)
                lost = tally.lost(state.missing)
                for name in files.lost - lost.keys() - state.missing.keys() if files else ():
                    lost[name] = self.copies.newest(name) or ANY_SERIAL
                state.quarantine = quarantine.with_lost(state.quarantine, lost, self._clock())
                added = len(state.quarantine) - before
                consents = bool(tally.counts[Kind.MISSING])
                if consents:  # so runs sync what else they find missing
                    audit = state.audit or AuditRound(self._clock())
                    state.audit = replace(audit, is_consented=True)
                if added or consents:
                    state.drains = state.drains or bool(added)
                    records.write()
        except (OSError, StateError, filelock.Timeout) as error:
            raise RepairError(f"{records.store.path}: {error}") from error
        return Repair(added, seconds_to_sync(added, state.runs))

    def _mark_altered(self, files: FileTally) -> None:
        from .release_files import mark_altered

        # An object has its upload time and its checksum in its own metadata, which whatever replaces it does not keep.
        method = self._configuration["mirror"].get("compare-method", fallback="hash")
        if method == "stat" and self.copies.is_on_disk:
            for path in files.altered:
                with contextlib.suppress(FileNotFoundError):  # a run replaces it at this moment
                    mark_altered(self.files.directory, path)


def _project_filter() -> Filter | None:
    """Return the mirror's own filters as Bandersnatch applies them to a listing, None where it has none."""
    loaded = _loaded_filters()
    plugins = loaded.filter_project_plugins()
    if not plugins:
        return None

    def drop(projects: dict[str, int]) -> None:
        bandersnatch.mirror.Mirror._filter_packages(SimpleNamespace(packages_to_sync=projects, filters=loaded))

    return drop


def _has_metadata_filters() -> bool:
    """Return whether filters may keep a page from being written, by what it says; Bandersnatch 3.6 has none."""
    find = getattr(_loaded_filters(), "filter_metadata_plugins", None)
    return bool(find and find())


def _loaded_filters() -> Any:
    """Return what has the filters that are enabled; of the suite's own plugins, none is loaded by that."""
    loaded = getattr(bandersnatch.filter, "LoadedFilters", None)
    return loaded() if loaded else bandersnatch.filter
