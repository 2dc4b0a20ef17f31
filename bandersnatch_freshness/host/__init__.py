"""The host: every touch on Bandersnatch's insides, and nothing else.

Bandersnatch comes in two generations: `asynchronous`, which asks through aiohttp, and
`threaded`, which asked through requests. Each module says what is relied on there, and on
which versions that was tried; what a run goes through in both is in `running`.
"""

from __future__ import annotations

import argparse
import configparser
import contextlib
import functools
import importlib.metadata
import importlib.util
import logging
import sys
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from types import MappingProxyType
from typing import Any, NamedTuple, NoReturn

import bandersnatch.configuration
import bandersnatch.log
import bandersnatch.utils

from .. import settings as options
from ..core.observations import printable
from ..core.serials import parse_serial
from . import running
from .mirror_files import MirrorFiles
from .running import clock, process

__all__ = ["USER_AGENT", "Upstream", "check_names", "clock", "config_file", "files", "run", "start", "upstream"]

log = logging.getLogger("bandersnatch.freshness")

USER_AGENT: str = getattr(bandersnatch.utils, "USER_AGENT", "bandersnatch")

# What this Bandersnatch lacks to be of a generation that is known; empty where it is.
_unknown = ""

try:
    # Storage backends came with aiohttp, in 4.0.
    if importlib.util.find_spec("bandersnatch.storage"):
        from . import aiohttp_host as asynchronous

        process.host_adapter = asynchronous
    else:
        from . import requests_host as threaded

        process.host_adapter = threaded
except ImportError as _error:
    _unknown = _error.name or str(_error)


class Upstream(NamedTuple):
    """Whom a mirror asks (the URL may hold a password), by which proxy, and with which plugins and options of ours.

    `serial` is the mirror's own, None before its first sync.
    """

    master: str
    proxy: str = ""
    enabled: str = ""
    section: Mapping[str, str] = MappingProxyType({})
    serial: int | None = None


def start(configuration: Any) -> None:
    """Put the suite in place for a configuration; harmless and quick when repeated.

    Raises:
        SystemExit: where the configuration can't be followed; one logged line says why.
    """
    # A log-config that doesn't name it switches a logger off that exists already, as with `run`.
    log.disabled = False
    enabled = configuration.get("plugins", "enabled", fallback="")
    section = _section(configuration)
    if (enabled, section) == process.configured_from:
        return
    try:
        settings = options.read_settings(options.enabled_plugins(enabled), section)
    except options.OptionError as error:
        stop(error)
    process.configured_from, process.configuration = (enabled, section), configuration
    if process.settings is None:
        missing = process.host_adapter.missing_seam() if process.host_adapter else _unknown
        if missing or not process.host_adapter:
            log.warning("Bandersnatch %s lacks %s: the freshness plugins step aside", _version(), missing)
            return
        process.host_adapter.hook()
    process.settings = settings


def check_names(configuration: Any) -> None:
    """End the run where a plugin name that starts like ours is none of ours.

    Raises:
        SystemExit: likewise.
    """
    try:
        options.enabled_plugins(configuration.get("plugins", "enabled", fallback=""))
    except options.OptionError as error:
        stop(error)


def stop(error: options.OptionError) -> NoReturn:
    """End the run with one line that names the file and what is wrong in it."""
    log.error("%s: %s", config_file(), error)
    # In `verify` this ends a task of asyncio's, which prints what nobody waits for.
    logging.getLogger("asyncio").addFilter(
        lambda record: not (record.exc_info and isinstance(record.exc_info[1], SystemExit))
    )
    sys.exit(2)  # as Bandersnatch itself for a configuration it can't read


def files(config_file: str) -> MirrorFiles:
    """Return the files of a mirror.

    Raises:
        OSError: where the configuration can't be read.
        ValueError: where it can't be followed; names the file.
    """
    # Bandersnatch 4.4 complains on standard error of storage plugins that nobody asked for.
    logging.getLogger("bandersnatch").addHandler(logging.NullHandler())
    configuration = _read_configuration(config_file)
    if process.host_adapter is None:
        raise ValueError(f"Bandersnatch {_version()} is none that is known here, it lacks {_unknown}")
    try:
        section = _section(configuration)
        enabled = options.enabled_plugins(configuration.get("plugins", "enabled", fallback=""))
        options.read_settings(enabled, section)
        return running.files_of(configuration, options.read_tracking(enabled, section))
    except options.OptionError as error:
        raise ValueError(f"{config_file}: {error}") from error
    except configparser.Error as error:
        raise ValueError(f"{config_file}: {_in_words(error)}") from None


def upstream(config_file: str) -> Upstream:
    """Return whom a mirror asks, and how.

    Raises:
        OSError, ValueError: as `files`.
    """
    found = files(config_file)
    configuration = _read_configuration(config_file)
    serial = None
    with contextlib.suppress(OSError):
        serial = parse_serial((found.store("status").read() or b"").decode("ascii", "replace"))
    return Upstream(
        configuration.get("mirror", "master"),
        configuration.get("mirror", "proxy", fallback="") or "",
        configuration.get("plugins", "enabled", fallback=""),
        _section(configuration),
        serial,
    )


def run(arguments: Sequence[str], *, quiet: bool = False) -> bool | None:
    """Run the command `bandersnatch` with the suite in place from its first request.

    Where `quiet`, Bandersnatch's own handler for the console shows nothing below WARNING; what
    a log-config sets up is left as it is. Returns whether nothing but stale pages has failed;
    None where there was nothing to do, as for its help.
    """
    has_begun = False

    def start_first(configuration: Any) -> None:
        nonlocal has_begun
        has_begun = True
        start(configuration)
        if not options.enabled_plugins(configuration.get("plugins", "enabled", fallback="")):
            log.warning("%s: [plugins] enabled has no freshness plugin: as plain bandersnatch", config_file())

    if process.host_adapter is None:
        raise ValueError(f"Bandersnatch {_version()} is none that is known here, it lacks {_unknown}")
    sys.argv = ["bandersnatch", *arguments]
    if quiet:
        bandersnatch.log.setup_logging = _quietened(bandersnatch.log.setup_logging)
    try:
        code = process.host_adapter.run(start_first)
    except SystemExit as ended:
        code = ended.code
    if not has_begun and not code:
        return None
    return not code and not process.has_failed


def _quietened(setup_logging: Callable[[Any], logging.Handler]) -> Callable[[Any], logging.Handler]:
    """Return a `setup_logging` whose handler, the console's, shows nothing below WARNING."""

    @functools.wraps(setup_logging)
    def quietened(args: Any) -> logging.Handler:
        handler = setup_logging(args)
        handler.setLevel(logging.WARNING)
        return handler

    return quietened


def _section(configuration: Any) -> Mapping[str, str]:
    if not configuration.has_section(options.SECTION):
        return {}
    inherited = configuration.defaults()
    # What [DEFAULT] has for other sections is no slip in ours. Raw: a "%" is no interpolation.
    return {
        name: value
        for name, value in configuration.items(options.SECTION, raw=True)
        if name in options.OPTIONS or name not in inherited
    }


def config_file() -> str:
    """Return the configuration file of the command line that is being followed."""
    singleton = bandersnatch.configuration.BandersnatchConfig()
    known = getattr(singleton, "config_file", None)
    if known:
        return str(known)
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=True, exit_on_error=False)
    parser.add_argument("-c", "--config", default="/etc/bandersnatch.conf")
    return str(parser.parse_known_args()[0].config)


def _read_configuration(config_file: str) -> Any:
    with open(config_file):  # its own error names the file
        pass
    try:
        loaded = bandersnatch.configuration.BandersnatchConfig(Path(config_file))
    except configparser.Error as error:
        raise ValueError(f"{config_file}: {_in_words(error)}") from None
    return getattr(loaded, "config", loaded)


def _in_words(error: configparser.Error) -> str:
    """Say what is wrong with a configuration; the error's own text has some of it, such as a password."""
    section, option = (printable(str(getattr(error, name, None) or "")) for name in ("section", "option"))
    first, *_ = getattr(error, "errors", None) or [(getattr(error, "lineno", None), "")]
    line = first[0]
    where = [f"[{section}] {option}".strip()] if section else []
    where += [f"line {line}"] if line else []
    what = {
        configparser.MissingSectionHeaderError: "no [section] above it",
        configparser.ParsingError: "neither a [section] nor `option = value`",
        configparser.DuplicateOptionError: "the option is there twice",
        configparser.DuplicateSectionError: "the section is there twice",
        configparser.NoOptionError: "the option is missing",
        configparser.NoSectionError: "the section is missing",
    }.get(type(error), "a % that is to stand for itself is written %%")
    return f"{', '.join(where)}: {what}"


def _version() -> str:
    return importlib.metadata.version("bandersnatch")
