"""The host: every fact about Bandersnatch, and everything that is hooked there; `seams` is the table of it."""

from __future__ import annotations

import configparser
import contextlib
import importlib.metadata
import importlib.util
import logging
import sys
from collections.abc import Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import TYPE_CHECKING, Any

import bandersnatch.utils
from msgspec import Struct

from ..core.causes import cause_of, is_of_request
from ..core.observations import parse_serial
from ..fail_open import fail_open
from ..formatting import without_logins
from ..settings import OptionError, with_underscores, written
from ..slips import slips_of_mirror, unread_metrics
from ..state.records import QUARANTINE_FILE
from . import configuration as _configuration
from .configuration import config_file
from .handing_back import UnderWayError, accept, count_left, hand_back, hand_back_all
from .layout import STATUS
from .mirror_files import MirrorFiles
from .protocols import HostAdapter
from .seams import lacking
from .suite import Suite, clock, files_of

if TYPE_CHECKING:
    from .auditing import Auditor

__all__ = [
    "USER_AGENT",
    "UnderWayError",
    "Upstream",
    "accept",
    "auditor",
    "check_names",
    "clock",
    "config_file",
    "configured",
    "files",
    "hand_back",
    "run",
    "start",
    "suite",
    "upstream",
]

log = logging.getLogger("bandersnatch.freshness")

USER_AGENT: str = getattr(bandersnatch.utils, "USER_AGENT", "bandersnatch")


class Upstream(Struct, frozen=True):
    """Whom a mirror asks (the URL may hold a password), by which proxy, and with which plugins and options of ours.

    `serial` is the mirror's own, None before its first sync.
    """

    master: str
    proxy: str = ""
    enabled: str = ""
    section: Mapping[str, str] = MappingProxyType({})
    serial: int | None = None


class Configured(Struct, frozen=True):
    """What a configuration switches on: plugins, the options that it has, as written, and what is probably a slip."""

    plugins: tuple[str, ...]
    options: Mapping[str, str]
    slips: Sequence[str]


class _UnknownBandersnatchError(ValueError):
    """This Bandersnatch is of no known kind; `lacking` is what it would need to be of one."""

    def __init__(self, lacking: str) -> None:
        super().__init__(f"Bandersnatch {_version()} is of no known kind, it lacks {lacking}")
        self.lacking = lacking


class RefusedError(Exception):
    """Bandersnatch does not run, as its command line or its configuration can't be followed; the text says why."""


class _Started:
    """The suite of this process, made when it is first asked for, and what it was started from."""

    suite: Suite | None = None
    configured_from: object = None


def suite() -> Suite:
    """Return the suite of this process.

    Raises:
        ValueError: if this Bandersnatch is of no known kind.
    """
    if _Started.suite is None:
        try:
            _Started.suite = _adapter().suite
        except ImportError as error:
            raise _UnknownBandersnatchError(error.name or str(error)) from error
    return _Started.suite


def _adapter() -> Any:
    # Storage backends came with aiohttp, in 4.0.
    if importlib.util.find_spec("bandersnatch.storage"):
        from .aiohttp_host import AiohttpHost

        return AiohttpHost()
    from .requests_host import RequestsHost

    return RequestsHost()


def start(configuration: Any) -> None:
    """Put the suite in place for a configuration; harmless and quick when repeated.

    Raises:
        SystemExit: if the configuration can't be followed; one logged line says why.
    """
    # A log-config that doesn't name it switches a logger off that exists already, as with `run`.
    log.disabled = False
    configured_from = _configuration.enabled(configuration), _configuration.section(configuration)
    if configured_from == _Started.configured_from:
        return
    try:
        settings = _configuration.read_settings(configuration)
    except OptionError as error:
        _configuration.stop(error)
    _Started.configured_from = configured_from
    if slips := _configuration.near_misses(configuration):
        log.warning("%s: %s", config_file(), "; ".join(slips))
    here: Suite | None = None
    try:
        here = suite()
    except _UnknownBandersnatchError as error:
        missing: str | None = error.lacking
    else:
        missing = here.enable(settings, configuration)
    if missing:
        said = fail_open("", _leave_quarantine, here, configuration)
        log.warning(
            "Bandersnatch %s lacks %s: the freshness plugins step aside%s", _version(), missing, said and f"; {said}"
        )


def _leave_quarantine(here: Suite | None, configuration: Any) -> str:
    """Hand back what is in quarantine, which nobody minds from now on; return what to say about that."""
    if here is None:  # nor is it known where this Bandersnatch keeps its todo list
        copy = Path(configuration.get("mirror", "directory")) / QUARANTINE_FILE
        return f"what {copy} names is not handed back" if copy.is_file() and copy.stat().st_size else ""
    found = files_of(here.adapter, configuration, _configuration.read_tracking(configuration))
    return count_left(found) if _configuration.may_be_sync() else hand_back_all(found, clock)


def check_names(configuration: Any) -> None:
    """End the run if the name of an enabled plugin starts like ours and is unknown.

    Raises:
        SystemExit: likewise.
    """
    try:
        _configuration.enabled_plugins(configuration)
    except OptionError as error:
        _configuration.stop(error)


def files(config_file: str) -> MirrorFiles:
    """Return the files of a mirror.

    Raises:
        OSError: if the configuration can't be read.
        ValueError: if it can't be followed; names the file.
    """
    configuration = _read(config_file)
    adapter: HostAdapter = suite().adapter
    try:
        return files_of(adapter, configuration, _configuration.read_tracking(configuration))
    except OptionError as error:
        raise ValueError(f"{config_file}: {error}") from error
    except configparser.Error as error:
        raise ValueError(f"{config_file}: {_configuration.problem_of(error)}") from None
    except ValueError as error:  # of a storage backend, which names neither the file nor the option
        said = [without_logins(str(error)), *slips_of_mirror(configuration)]
        raise ValueError(f"{config_file}: {'; '.join(said)}") from None


def _read(config_file: str) -> Any:
    # Bandersnatch 4.4 complains on standard error of storage plugins that nobody asked for, 3.6 of a section's name.
    logging.getLogger("bandersnatch").addHandler(logging.NullHandler())
    return _configuration.read_configuration(config_file)


def configured(config_file: str) -> Configured:
    """Return what a configuration switches on.

    Raises:
        OSError, ValueError: as `files`.
    """
    configuration = _read(config_file)
    try:
        _configuration.read_settings(configuration)
        plugins = _configuration.enabled_plugins(configuration)
    except OptionError as error:
        raise ValueError(f"{config_file}: {error}") from error
    options = written(_configuration.section(configuration))
    slips = _configuration.near_misses(configuration)
    slips += [*slips_of_mirror(configuration), *unread_metrics(options)]
    return Configured(plugins, options, slips)


def auditor(config_file: str) -> Auditor:
    """Return what audits a mirror.

    Raises:
        OSError, ValueError: as `files`.
    """
    found = files(config_file)
    from .auditing import Auditor  # which only an audit needs

    return Auditor(found, _configuration.read_configuration(config_file), suite().adapter, clock)


def upstream(config_file: str) -> Upstream:
    """Return whom a mirror asks, and how.

    Raises:
        OSError, ValueError: as `files`.
    """
    found = files(config_file)
    configuration = _configuration.read_configuration(config_file)
    serial = None
    with contextlib.suppress(OSError):
        serial = parse_serial((found.store(STATUS).read() or b"").decode("ascii", "replace"))
    return Upstream(
        configuration.get("mirror", "master"),
        configuration.get("mirror", "proxy", fallback="") or "",
        _configuration.enabled(configuration),
        with_underscores(_configuration.section(configuration)),
        serial,
    )


def run(arguments: Sequence[str], *, quiet: bool = False, needs_configuration: bool = True) -> bool | None:
    """Run the command `bandersnatch` with the suite in place from its first request.

    If `quiet`, Bandersnatch's own handler for the console shows nothing below WARNING; what a
    log-config sets up is left as it is. If it `needs_configuration`, there must be one. Returns whether nothing but
    stale pages has failed; None if there was nothing to do, as for its help.

    Raises:
        RefusedError: if the command line or the configuration can't be followed; its text is empty where that has
            been said.
    """
    has_begun = False

    def start_first(configuration: Any) -> None:
        nonlocal has_begun
        start(configuration)
        has_begun = True
        if not _configuration.enabled_plugins(configuration):
            log.warning("%s: [plugins] enabled has no freshness plugin: as plain bandersnatch", config_file())

    adapter = suite().adapter
    missing = lacking(adapter.client, command=True)
    if missing:
        raise ValueError(f"Bandersnatch {_version()} lacks {missing}, which `run` needs: use the command bandersnatch")
    sys.argv = ["bandersnatch", *arguments]
    if needs_configuration:
        try:  # else Bandersnatch would write one, of a mirror of all of PyPI
            _configuration.check_is_there(_configuration.named_file())
        except ValueError as error:
            raise RefusedError(str(error)) from None
    try:
        code = adapter.run_command(start_first, quiet=quiet)
    except SystemExit as ended:
        code = ended.code
        if code == _configuration.REFUSED:
            raise RefusedError from None
    except Exception as error:
        if not has_begun:
            log.debug("Bandersnatch does not start", exc_info=True)
            raise RefusedError(f"{_configuration.named_file()}: {_configuration.why_refused(error)}") from error
        if "mirror" in arguments and suite().settings is not None and not suite().has_begun:
            suite().end_early(error)
            if _configuration.may_refuse(error):
                log.debug("Bandersnatch does not begin", exc_info=True)
                raise RefusedError(_why_not_begun(error)) from error
        if not suite().tells:
            raise
        # An incident of the mirror itself, which is told once it persists.
        has_text = not is_of_request(error)
        log.log(suite().end_level, "Bandersnatch ended with an error: %s", cause_of(error), exc_info=has_text)
        return False
    if not has_begun:
        if code:
            raise RefusedError
        return None
    return not code and not suite().has_failed


def _why_not_begun(error: Exception) -> str:
    """Return why Bandersnatch begins no run by a configuration, in a line."""
    try:
        files(config_file())
    except (OSError, ValueError) as why:
        return str(why)
    slips = slips_of_mirror(_configuration.read_configuration(config_file()))
    return f"{config_file()}: {'; '.join([_configuration.why_refused(error), *slips])}"


def _version() -> str:
    return importlib.metadata.version("bandersnatch")
