"""The configuration of Bandersnatch: which file it is, what of it is the suite's, and what is wrong with it."""

from __future__ import annotations

import argparse
import configparser
import logging
import logging.config
import sys
import traceback
import urllib.request
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, NoReturn

import bandersnatch.configuration

from .. import settings, slips
from ..extras import Extra
from ..formatting import printable, reason, without_logins
from ..settings import OptionError, Settings, TrackingSettings
from .layout import OWN_DIRECTORIES, OWN_FILES

log = logging.getLogger("bandersnatch.freshness")

_PROBLEMS: Mapping[type[configparser.Error], str] = {
    configparser.MissingSectionHeaderError: "no [section] above it",
    configparser.ParsingError: "neither a [section] nor `option = value`",
    configparser.DuplicateOptionError: "the option is there twice",
    configparser.DuplicateSectionError: "the section is there twice",
    configparser.NoOptionError: "the option is missing",
    configparser.NoSectionError: "the section is missing",
}


class NoConfigurationError(ValueError):
    """There is no configuration to be read where one should be; the text says where, and how to name another."""


def read_configuration(config_file: str) -> Any:
    """Return the parsed configuration of a file.

    Raises:
        NoConfigurationError: if it can't be read.
        ValueError: if it can't be parsed; names the file.
    """
    check_is_there(config_file)
    try:
        loaded = bandersnatch.configuration.BandersnatchConfig(Path(config_file))
    except configparser.Error as error:
        raise ValueError(f"{config_file}: {problem_of(error)}") from None
    except UnicodeDecodeError:
        raise ValueError(f"{config_file}: no text in UTF-8") from None
    return getattr(loaded, "config", loaded)


def check_is_there(config_file: str) -> None:
    """Make sure that there is such a file.

    Raises:
        NoConfigurationError: if it can't be read.
    """
    try:
        with open(config_file):
            pass
    except OSError as error:
        what = reason(error).lower().replace(" or directory", "").replace("is a dir", "a dir")
        raise NoConfigurationError(f"-c {config_file}: {what}; allowed: a bandersnatch.conf") from None


def config_file() -> str:
    """Return the configuration file of the command line that is being followed."""
    singleton = bandersnatch.configuration.BandersnatchConfig()
    known = getattr(singleton, "config_file", None)
    return str(known) if known else named_file()


def named_file() -> str:
    """Return the configuration file that the command line names, or Bandersnatch's own place for it."""
    parser = argparse.ArgumentParser(add_help=False, allow_abbrev=True, exit_on_error=False)
    parser.add_argument("-c", "--config", default="/etc/bandersnatch.conf")
    return str(parser.parse_known_args()[0].config)


# As Bandersnatch itself for a configuration that it can't read; and as argparse for a command line.
REFUSED = 2


def stop(error: OptionError) -> NoReturn:
    """End the run with one line that names the file and what is wrong in it."""
    log.error("%s: %s", config_file(), error)
    # In `verify` this ends a task of asyncio's, which prints what nobody waits for.
    logging.getLogger("asyncio").addFilter(
        lambda record: not (record.exc_info and isinstance(record.exc_info[1], SystemExit))
    )
    sys.exit(REFUSED)


def may_be_sync() -> bool:
    """Return whether the command line may be one of `bandersnatch sync`, which writes over the todo list."""
    return "sync" in sys.argv[1:]


def has_proxy(configured: object) -> bool:
    """Return whether requests go through a proxy: a `configured` one, or one that the environment names."""
    return bool(configured) or bool(urllib.request.getproxies().keys() - {"no"})  # the hosts without one


def enabled_plugins(configuration: Any) -> tuple[str, ...]:
    """Return which of the suite's plugins are enabled.

    Raises:
        OptionError: if a name starts like one of ours and is none.
    """
    return settings.enabled_plugins(enabled(configuration))


def enabled(configuration: Any) -> str:
    """Return the value of `[plugins] enabled`."""
    found: str = configuration.get("plugins", "enabled", fallback="")
    return found


def section(configuration: Any) -> Mapping[str, str]:
    """Return the options of `[freshness]` as they are written.

    What [DEFAULT] has for other sections is no slip in ours, and a "%" no interpolation.
    """
    if not configuration.has_section(settings.SECTION):
        return {}
    inherited = configuration.defaults()
    written = dict(configuration.items(settings.SECTION, raw=True))
    own = {name: value for name, value in written.items() if name not in inherited}
    spelled = {name.replace("-", "_") for name in own}
    # An option of ours may be inherited, unless the section has it itself, in whichever spelling.
    return own | {
        name: value
        for name, value in written.items()
        if name.replace("-", "_") in settings.OPTIONS and (name in own or name.replace("-", "_") not in spelled)
    }


def read_settings(configuration: Any) -> Settings:
    """Return what the configuration asks for.

    Raises:
        OptionError: if it can't be followed.
    """
    written = section(configuration)
    found = settings.read_settings(enabled_plugins(configuration), written)
    mirror = Path(configuration.get("mirror", "directory", fallback=""))
    refused = OWN_FILES, OWN_DIRECTORIES, lambda place: (mirror / place).is_dir()
    settings.refuse_paths(settings.with_underscores(written), *refused)
    if found.tracking and found.tracking.notify:
        _refuse_what_is_not_installed(found.tracking.notify)
    return found


def read_tracking(configuration: Any) -> TrackingSettings:
    """Return the tracking settings, whether or not tracking is enabled.

    Raises:
        OptionError: if it can't be followed.
    """
    read_settings(configuration)
    found = settings.read_tracking(enabled_plugins(configuration), section(configuration))
    if found.notify:
        _refuse_what_is_not_installed(found.notify)
    return found


def _refuse_what_is_not_installed(notify: Sequence[str]) -> None:
    from ..notify.channels import Channel  # which few configurations need

    for number, url in enumerate(notify, 1):
        if not Channel(url, number).is_alertmanager and not Extra.NOTIFY.is_installed:
            allowed = f"alertmanager://host:port; or Apprise's, after {Extra.NOTIFY.command}"
            raise settings.refused_channel(number, url, "Apprise is not installed", allowed)


def problem_of(error: configparser.Error) -> str:
    """Return what is wrong with a configuration; the error's own text quotes some of it, such as a password."""
    section, option = (printable(str(getattr(error, name, None) or "")) for name in ("section", "option"))
    first, *_ = getattr(error, "errors", None) or [(getattr(error, "lineno", None), "")]
    line = first[0]
    where = [f"[{section}] {option}".strip()] if section else []
    where += [f"line {line}"] if line else []
    what = _PROBLEMS.get(type(error), "a % that is to stand for itself is written %%")
    return f"{', '.join(where)}: {what}"


def may_refuse(error: Exception) -> bool:
    """Return whether an error that keeps Bandersnatch from beginning may be about its configuration.

    Where there is no such storage backend, that is one from StopIteration.
    """
    of_values = (ValueError, KeyError, configparser.Error)
    return isinstance(error, of_values) or isinstance(error.__cause__, StopIteration)


def why_refused(error: Exception) -> str:
    """Return why Bandersnatch doesn't start, or begins no run, by a configuration, in a line."""
    if isinstance(error, configparser.Error):
        return problem_of(error)
    files = (frame.filename for frame in traceback.extract_tb(error.__traceback__))
    if logging.config.__file__ in files:
        # As before Python 3.12, where there is no such file.
        what = "no such file, or it lacks a section: " if isinstance(error, KeyError) else ""
        return printable(f"log-config: {what}{type(error).__name__}: {error}")
    return printable(without_logins(f"{type(error).__name__}: {error}"))


def near_misses(configuration: Any) -> list[str]:
    """Return what in a configuration is probably a slip, each in words."""
    inherited = configuration.defaults()
    others = {
        name: [option for option in configuration[name] if option not in inherited]
        for name in ("plugins", "mirror")
        if configuration.has_section(name)
    }
    return slips.near_misses(enabled(configuration), configuration.sections(), section(configuration), others)
