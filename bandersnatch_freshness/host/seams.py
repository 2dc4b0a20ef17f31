"""The seams: every place in Bandersnatch that the suite relies on, in one table.

Hooking, the check at start, docs/seams.md and the tests loop over `SEAMS`. A seam's owner and
attribute are names below `bandersnatch`; that of a logger is its name.
"""

from __future__ import annotations

import enum
import importlib
import inspect
import logging
from collections.abc import Iterator
from contextlib import ExitStack
from typing import Any

from msgspec import Struct

AIOHTTP = "aiohttp"
REQUESTS = "requests"

_AIOHTTP_RELEASES = "4.4, 5.3, 6.8, 7.1, 8.2"
_REQUESTS_RELEASES = "3.6"


class Kind(enum.Enum):
    """What a seam is."""

    CALLABLE = "function or method"
    CLASS = "class"
    VALUE = "attribute"
    INSTANCE = "attribute of each instance"
    LOGGER = "logger"


class Stage(enum.Enum):
    """When a seam is hooked."""

    START = "when a plugin is enabled"
    COMMAND = "by `bandersnatch-freshness run`"
    NEVER = "never: it is only used"


class Seam(Struct, frozen=True):
    """One place in Bandersnatch.

    `client` is the HTTP client of the Bandersnatch that has it; `parameters` are those that its
    signature must have; one that `is_optional` may be missing. `wrapped_by` names the method of the
    host adapter that makes what takes its place. `tried` are the releases that it was tried on.
    """

    client: str
    owner: str
    attribute: str
    kind: Kind
    relied_on: str
    parameters: tuple[str, ...] = ()
    is_optional: bool = False
    stage: Stage = Stage.NEVER
    wrapped_by: str = ""
    tried: str = _AIOHTTP_RELEASES

    def __str__(self) -> str:
        """Return its full name."""
        return self.owner if self.kind is Kind.LOGGER else f"bandersnatch.{self.owner}.{self.attribute}"

    def lacking(self) -> str | None:
        """Return what of it is not there, None if all is; of instances and loggers that is not known."""
        if self.kind in (Kind.INSTANCE, Kind.LOGGER):
            return None
        try:
            found = getattr(self.resolve(), self.attribute)
            known = inspect.signature(found).parameters if self.parameters else ()
        except (ImportError, AttributeError):
            return str(self)
        return next((f"the {name} of {self}" for name in self.parameters if name not in known), None)

    def resolve(self) -> Any:
        """Return its owner: a module, a class or a logger.

        Raises:
            ImportError, AttributeError: if it is not there.
        """
        if self.kind is Kind.LOGGER:
            return logging.getLogger(self.owner)
        module, *names = self.owner.split(".")
        owner: Any = importlib.import_module(f"bandersnatch.{module}")
        for name in names:
            owner = getattr(owner, name)
        return owner


def _both(owner: str, attribute: str, kind: Kind, relied_on: str, **more: Any) -> Iterator[Seam]:
    yield Seam(AIOHTTP, owner, attribute, kind, relied_on, **more)
    yield Seam(REQUESTS, owner, attribute, kind, relied_on, **more, tried=_REQUESTS_RELEASES)


def _aiohttp(owner: str, attribute: str, kind: Kind, relied_on: str, **more: Any) -> Seam:
    return Seam(AIOHTTP, owner, attribute, kind, relied_on, **more)


def _requests(owner: str, attribute: str, kind: Kind, relied_on: str, **more: Any) -> Seam:
    return Seam(REQUESTS, owner, attribute, kind, relied_on, **more, tried=_REQUESTS_RELEASES)


SEAMS: tuple[Seam, ...] = (
    *_both("master", "StalePage", Kind.CLASS, "what `Master.get` raises for a page that is too old"),
    _aiohttp(
        *("master.Master", "session", Kind.INSTANCE),
        "holds the HTTP client, set in `__aenter__`; everything is asked for through it, and looked up at each use",
        stage=Stage.START,
        wrapped_by="session_seam",
    ),
    _requests(
        *("master.Master", "session", Kind.INSTANCE),
        "holds the `requests.Session`, opened when the master is built; several threads ask through it",
    ),
    _aiohttp(
        *("master.Master", "get", Kind.CALLABLE),
        "an asynchronous generator that yields one answer; in 4.4 and 5.3 it sends a PURGE first, which PyPI has "
        "refused since 2022 (pypa/bandersnatch#1220)",
        parameters=("required_serial", "path"),
        stage=Stage.START,
        wrapped_by="checked_get",
    ),
    _requests(
        *("master.Master", "get", Kind.CALLABLE),
        "returns an answer, or raises `StalePage` after a PURGE; a page without a serial header ends in a KeyError, "
        "a malformed one in a ValueError",
        parameters=("required_serial", "path"),
        stage=Stage.START,
        wrapped_by="checked_get",
    ),
    *_both(
        *("master.Master", "all_packages", Kind.CALLABLE),
        "returns the serials of all projects by name",
        stage=Stage.START,
        wrapped_by="judged_changes",
    ),
    *_both(
        *("master.Master", "changed_packages", Kind.CALLABLE),
        "returns the serials of the projects that changed since a serial, by name",
        parameters=("last_serial",),
        stage=Stage.START,
        wrapped_by="judged_changes",
    ),
    _aiohttp(
        *("master.Master", "fetch_simple_index", Kind.CALLABLE),
        "returns the simple index, parsed; since 6.8",
        is_optional=True,
        stage=Stage.START,
        wrapped_by="judged_index",
    ),
    _aiohttp(
        *("master.Master", "url_fetch", Kind.CALLABLE),
        "writes a JSON document for `verify` and `delete`: beside the mirror's own, with `.new` added to its name",
        parameters=("url", "file_path"),
        stage=Stage.START,
        wrapped_by="guarded_fetch",
    ),
    _aiohttp(
        *("master.Master", "rpc", Kind.CALLABLE),
        "calls a method of XML-RPC; up to 7.1",
        parameters=("method_name",),
        is_optional=True,
    ),
    _requests("master.Master", "rpc", Kind.CALLABLE, "returns a proxy of XML-RPC, with a session of its own"),
    _aiohttp(
        *("master", "XmlRpcError", Kind.CLASS),
        "what `all_packages` raises for an empty list; up to 7.1",
        is_optional=True,
    ),
    _aiohttp(
        *("errors", "StaleMetadata", Kind.CLASS),
        "ends the attempts of `Package.update_metadata` at once; after a `StalePage` it pauses and asks twice more",
        parameters=("package_name", "attempts"),
    ),
    _aiohttp(
        *("mirror.BandersnatchMirror", "synchronize", Kind.CALLABLE),
        "is one run; after it `synced_serial`, `target_serial` and `errors` say what it came to",
        parameters=("specific_packages",),
        stage=Stage.START,
        wrapped_by="remembered",
    ),
    _requests(
        *("mirror.Mirror", "synchronize", Kind.CALLABLE),
        "is one run, likewise",
        stage=Stage.START,
        wrapped_by="remembered",
    ),
    _aiohttp(
        *("mirror.BandersnatchMirror", "determine_packages_to_sync", Kind.CALLABLE),
        "asks for the index; `packages_to_sync`, `target_serial`, `need_wrapup` and `need_index_sync`, which it sets, "
        "decide on the run",
        stage=Stage.START,
        wrapped_by="guarded_index",
    ),
    _requests(
        *("mirror.Mirror", "determine_packages_to_sync", Kind.CALLABLE),
        "asks for the list of changes, likewise",
        stage=Stage.START,
        wrapped_by="guarded_index",
    ),
    _aiohttp(
        *("mirror.BandersnatchMirror", "_filter_packages", Kind.CALLABLE),
        "is called once in a run of all packages, when `packages_to_sync` (serials by name, not normalized) and "
        "`target_serial` are known, and nothing was asked for yet",
        stage=Stage.START,
        wrapped_by="quarantining",
    ),
    _requests(
        *("mirror.Mirror", "_filter_packages", Kind.CALLABLE),
        "is called once in a run, likewise",
        stage=Stage.START,
        wrapped_by="quarantining",
    ),
    _aiohttp(
        *("mirror.BandersnatchMirror", "on_error", Kind.CALLABLE),
        "gets a package's failure, after which the serial stays where it is; drops ValueError and TypeError "
        "without a line",
        parameters=("exception",),
        stage=Stage.START,
        wrapped_by="package_on_error",
    ),
    _aiohttp(
        *("mirror.BandersnatchMirror", "process_package", Kind.CALLABLE),
        "is called with a package whose page was accepted",
        parameters=("package",),
        stage=Stage.START,
        wrapped_by="noting_success",
    ),
    _requests(
        *("mirror.Mirror", "record_finished_package", Kind.CALLABLE),
        "is called with a package whose page was taken",
        parameters=("name",),
        stage=Stage.START,
        wrapped_by="noting_success",
    ),
    _requests(
        *("mirror.Mirror", "errors", Kind.VALUE),
        "is set while the failure of a package is handled",
        stage=Stage.START,
        wrapped_by="errors_seam",
    ),
    _aiohttp(
        *("mirror.BandersnatchMirror", "wrapup_successful_sync", Kind.CALLABLE),
        "ends a run: deletes the todo list and lets the serial advance, unless there are `errors`",
        stage=Stage.START,
        wrapped_by="keeping_missing",
    ),
    _requests(
        *("mirror.Mirror", "wrapup_successful_sync", Kind.CALLABLE),
        "ends a run, likewise",
        stage=Stage.START,
        wrapped_by="unless_refused",
    ),
    _aiohttp(
        *("mirror.BandersnatchMirror", "on_package_not_found", Kind.CALLABLE),
        "is called with a package whose page is a 404; takes it off the todo list with `cleanup_todo`, and deletes its "
        "files with `delete_missing_packages`; since 8.2",
        parameters=("package",),
        is_optional=True,
        stage=Stage.START,
        wrapped_by="believed_gone",
    ),
    _requests(
        *("package.Package", "sync", Kind.CALLABLE),
        "asks so many times for a page that is stale, with pauses; logs every failure and sets `errors` of the mirror",
        parameters=("attempts",),
        stage=Stage.START,
        wrapped_by="without_pauses",
    ),
    _aiohttp(
        *("verify", "on_error", Kind.CALLABLE),
        "gets the failure of a package in `verify`; drops ValueError and TypeError without a line",
        parameters=("exception",),
        stage=Stage.START,
        wrapped_by="verify_on_error",
    ),
    _requests(
        *("verify", "url_fetch", Kind.CALLABLE),
        "writes a JSON document for `verify`, through an aiohttp session for each; what it doesn't write, "
        "`verify --delete` deletes",
        parameters=("url", "file_path"),
        stage=Stage.START,
        wrapped_by="guarded_fetch",
    ),
    _requests("verify", "ASYNC_USER_AGENT", Kind.VALUE, "is the User-Agent of `verify`"),
    _aiohttp(
        *("storage", "storage_backend_plugins", Kind.CALLABLE),
        "returns the storage backend of a configuration",
        parameters=("backend", "config"),
    ),
    *_both(
        *("bandersnatch.package", "", Kind.LOGGER),
        "says that a package is stale, in lines that are the same from 3.6 to 8.2",
        stage=Stage.START,
        wrapped_by="quiet_filter",
    ),
    _aiohttp(
        *("bandersnatch.mirror", "", Kind.LOGGER),
        "says with a traceback that a package is stale",
        stage=Stage.START,
        wrapped_by="quiet_filter",
    ),
    _aiohttp(
        *("main", "async_main", Kind.CALLABLE),
        "is given the configuration before anything is asked for",
        parameters=("args", "config"),
        stage=Stage.COMMAND,
        wrapped_by="started_main",
    ),
    _requests(
        *("mirror", "mirror", Kind.CALLABLE),
        "is the command `mirror`; loads the plugins before it builds the master",
        stage=Stage.COMMAND,
        wrapped_by="started_command",
    ),
    _requests(
        *("verify", "metadata_verify", Kind.CALLABLE),
        "is the command `verify`; loads the plugins late",
        stage=Stage.COMMAND,
        wrapped_by="started_command",
    ),
    _requests(
        *("delete", "delete_packages", Kind.CALLABLE),
        "is the command `delete`; loads no plugins",
        stage=Stage.COMMAND,
        wrapped_by="started_command",
    ),
    *_both(
        *("log", "setup_logging", Kind.CALLABLE),
        "returns the handler of the console",
        is_optional=True,
        stage=Stage.COMMAND,
        wrapped_by="quiet_console",
    ),
    *_both(
        *("configuration", "BandersnatchConfig", Kind.CLASS),
        "reads a configuration; a singleton that knows its file's name up to 5.3",
    ),
)


def seams_of(client: str) -> tuple[Seam, ...]:
    """Return the seams of a Bandersnatch that asks through this HTTP client."""
    return tuple(seam for seam in SEAMS if seam.client == client)


def lacking(client: str, *, command: bool = False) -> str | None:
    """Return the first thing that Bandersnatch lacks of what the suite needs, None if it has all.

    With `command`, of what only `bandersnatch-freshness run` needs.
    """
    needed = (seam for seam in seams_of(client) if not seam.is_optional and (seam.stage is Stage.COMMAND) is command)
    return next(filter(None, (seam.lacking() for seam in needed)), None)


class Hooks:
    """What is hooked, and can be taken back."""

    def __init__(self, adapter: Any) -> None:
        """`adapter` has `client` and the methods that the seams name."""
        self._adapter = adapter
        self._undo = ExitStack()

    def hook(self, stage: Stage) -> None:
        """Hook every seam of this stage that is there."""
        for seam in seams_of(self._adapter.client):
            if seam.stage is stage and not (seam.is_optional and seam.lacking()):
                self._hook(seam)

    def unhook(self) -> None:
        """Leave Bandersnatch as it was before anything was hooked."""
        self._undo.close()

    def _hook(self, seam: Seam) -> None:
        wrap, owner, name = getattr(self._adapter, seam.wrapped_by), seam.resolve(), seam.attribute
        if seam.kind is Kind.LOGGER:
            added = wrap()
            owner.addFilter(added)
            self._undo.callback(owner.removeFilter, added)
            return
        if name in vars(owner):
            self._undo.callback(setattr, owner, name, vars(owner)[name])
        else:  # a class inherits it, or only its instances have it
            self._undo.callback(delattr, owner, name)
        setattr(owner, name, wrap(getattr(owner, name, None)))
