"""The parser of `bandersnatch-freshness`. Each command imports what it needs only when it is called."""

from __future__ import annotations

import argparse
import importlib
import importlib.metadata
import io
import os
import platform
import re
import sys
from collections.abc import Sequence
from typing import Any, NoReturn

from .. import __version__, option_values
from ..exit_codes import INTERRUPTED, AuditExit, CheckExit, CommonExit, ProbeExit, UsageError
from ..extras import Extra
from ..formatting import meant
from .epilogs import epilog, more

CONFIG = "/etc/bandersnatch.conf"

_OF_BANDERSNATCH = ("mirror", "sync", "verify", "delete")


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    parser = _parser()
    try:
        _never_fail_to_print()
        options = parser.parse_args(arguments)
    except BrokenPipeError:  # of --print-completion
        return _hung_up(CommonExit.FAILED)
    except _UsageError as error:
        given = sys.argv[1:] if arguments is None else arguments
        command = next((one for one in given if one in _COMMANDS), "")
        if command == "check":  # of which a monitoring system reads the first line of standard output
            print(f"FRESHNESS UNKNOWN - {' '.join(str(error).split())}")  # noqa: T201
        else:
            error.parser.print_usage(sys.stderr)
            print(f"{error.parser.prog}: error: {error}", file=sys.stderr)  # noqa: T201
        sys.exit(_FAILURES.get(command, CommonExit.USAGE))
    if not options.command:
        parser.print_help()
        return CommonExit.USAGE if options.config != CONFIG else CommonExit.DONE  # `-c check` lacks the file
    try:
        code: int = importlib.import_module(f".{options.command}", __package__).main(options)
        sys.stdout.flush()  # otherwise a closed pipe is noticed too late
        return code
    except BrokenPipeError:
        return _hung_up(_FAILURES.get(options.command, CommonExit.FAILED))
    except KeyboardInterrupt:
        return INTERRUPTED
    except (OSError, ValueError) as error:
        if isinstance(error, PermissionError):
            from .ownership import told

            error = ValueError(told(error))
        print(f"bandersnatch-freshness {options.command}: {error}", file=sys.stderr)  # noqa: T201
        code = CommonExit.USAGE if isinstance(error, UsageError) else CommonExit.FAILED
        return _FAILURES.get(options.command, code)


def _hung_up(code: int) -> int:
    """Print to nobody from now on, as nobody reads it any more, as by `| head -1`; return the exit code."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
    return code


class _UsageError(Exception):
    """The command line can't be followed; the text says why."""

    def __init__(self, parser: argparse.ArgumentParser, message: str) -> None:
        super().__init__(message)
        self.parser = parser


class _Parser(argparse.ArgumentParser):
    """Says what was probably meant by a command or an option that is none."""

    def parse_known_args(self, args: Any = None, namespace: Any = None) -> Any:
        """Parse, and refuse what is not known here: argparse would do so with the usage of all commands."""
        options, unknown = super().parse_known_args(args, namespace)
        if unknown:
            self.error(f"unrecognized arguments: {' '.join(unknown)}{meant(unknown[0], self._option_string_actions)}")
        return options, unknown

    def error(self, message: str) -> NoReturn:
        """Raise a usage error."""
        if slip := re.search(r"invalid choice: '([^']*)' \(choose from (.*)\)", message):
            hint = f"; that is Bandersnatch's own: bandersnatch-freshness run {slip[1]}"
            message += hint if slip[1] in _OF_BANDERSNATCH else meant(slip[1], re.findall(r"[\w-]+", slip[2]))
        raise _UsageError(self, message)


def _parser() -> argparse.ArgumentParser:
    parser = _Parser(
        prog="bandersnatch-freshness",
        description="Keep a Bandersnatch mirror of PyPI fresh when the caches in front of PyPI are not.",
        epilog="examples and exit codes of each command:\n  bandersnatch-freshness COMMAND --help",
        formatter_class=_TeachingFormatter,
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print all relevant versions, and exit")
    parser.add_argument(
        "--print-completion",
        action=_PrintCompletion,
        choices=("bash", "zsh", "tcsh"),
        help="print a shell's completion script for this command, and exit",
    )
    _add_config(parser, CONFIG)
    parser.add_argument(
        "-q", "--quiet", action="store_true", help="for run: print only WARNING and above on the console"
    )
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    status = commands.add_parser(
        "status",
        **_taught("status"),
        help="how fresh the mirror is: serials, open incidents, last runs",
        description="Show how fresh a mirror is. Makes no requests to PyPI, and may be used during a run.",
    )
    check = commands.add_parser(
        "check",
        **_taught("check"),
        help="the same for a monitoring system, here or from outside: one line with figures",
        description="Print one line for a monitoring system, and end with the exit code that it expects. With --url, "
        "check what users of a mirror get, from any host and without a configuration.",
    )
    check.add_argument(
        "--url",
        nargs="+",
        action="extend",
        metavar="URL",
        help="a mirror, as pip has it, or its status page; several are one fleet, and the worst decides",
    )
    for names, level in ((("-w", "--warning"), "WARNING"), (("--critical",), "CRITICAL")):
        check.add_argument(
            *names,
            type=_duration,
            metavar="DURATION",
            help=f"how old what the mirror has may be before that is {level}, such as 2h (default: as configured)",
        )
    check.add_argument("-v", "--verbose", action="count", help="changes nothing: what is known is one line")
    check.add_argument("-V", "--version", action=_Version, nargs=0, help="print all relevant versions, and exit")
    check.add_argument(
        "-t",
        "--timeout",
        type=_seconds,
        default=10,
        metavar="SECONDS",
        help="with --url: how long it may take in all (default: %(default)s)",
    )
    quarantine = commands.add_parser(
        "quarantine",
        **_taught("quarantine"),
        help="list what is in quarantine, release or accept it by hand",
        description="List the packages in quarantine, hand them back to Bandersnatch, or accept them as they are.",
    )
    actions = quarantine.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser(
        "list",
        **_taught("list"),
        help="what is in quarantine, since when, and when each package is tried again",
        description="List what is in quarantine. Makes no requests to PyPI, and may be used during a run.",
    )
    release = actions.add_parser(
        "release",
        **_taught("release"),
        help="hand packages back to Bandersnatch",
        description="Hand packages back to Bandersnatch: its next run syncs them like any other, and the mirror's "
        "serial waits for them again. Refused during a run.",
    )
    release.add_argument("packages", nargs="*", metavar="PACKAGE", help="a package that is in quarantine")
    release.add_argument("--all", action="store_true", help="all of them, for example before removing the plugins")
    accept = actions.add_parser(
        "accept",
        **_taught("accept"),
        help="tell nobody any more of packages that can't be mended",
        description="Accept packages in quarantine as they are: check, status page and notifications leave them out "
        "until their serials change. They are asked for again as before. Refused during a run.",
    )
    accept.add_argument("packages", nargs="+", metavar="PACKAGE", help="a package that is in quarantine")
    configured = commands.add_parser(
        "config",
        **_taught("config"),
        help="what the configuration switches on, option by option, and what in it is probably a slip",
        description="Show which plugins are enabled, every option with the value that it has, and what is probably a "
        "slip. Makes no requests, and may be used during a run.",
    )
    notify = commands.add_parser(
        "notify",
        **_taught("notify"),
        help="send a test by every notification channel, and say what came of each",
        description="Send a test message by every channel that [freshness] notify names, and say what came of each.",
    )
    notify.add_argument(
        "--heartbeat", action="store_true", help="tell the heartbeat's receiver too, that a run has succeeded"
    )
    run = commands.add_parser(
        "run",
        **_taught("run"),
        prefix_chars="\0",  # every option except its own help is Bandersnatch's
        add_help=False,
        usage="bandersnatch-freshness [-q] [-c FILE] run [-c FILE] [--debug] {mirror,sync,verify,delete} ...",
        help="bandersnatch mirror, sync, verify or delete, with the suite active from the first request",
        description="Run Bandersnatch's own command with the suite active from the first request, and end with an "
        "exit code that says whether the mirror is fresh.",
    )
    run.add_argument("arguments", nargs="*", metavar="...", help="as for the command bandersnatch")
    run.set_defaults(explain=run.print_help)
    probe = commands.add_parser(
        "probe",
        **_taught("probe"),
        help="the diagnosis: which way of asking gets a fresh page, and what to set",
        description="Ask for a package's page in many ways; say which difference decides whether it is fresh, and "
        "what to set. Needs no mirror: without a bandersnatch.conf, give --master.",
    )
    probe.add_argument("packages", nargs="*", metavar="PACKAGE", help="without one, the index is probed")
    probe.add_argument("--master", metavar="URL", help="the server to ask (default: the configured master)")
    probe.add_argument(
        "--expect", type=int, metavar="SERIAL", help="a fresh page's serial (default: what the index announces)"
    )
    forms = probe.add_mutually_exclusive_group()
    forms.add_argument("--all", action="store_true", help="print each request, also where all ways agree")
    forms.add_argument("--curl", action="store_true", help="print each request as a curl command")
    forms.add_argument("--markdown", action="store_true", help="print a report to paste into an issue")
    forms.add_argument("--json", action="store_true", help="print JSON")
    audit = commands.add_parser(
        "audit",
        **_taught("audit"),
        help="is the mirror complete? Its own pages against the index",
        description="Compare what the index announces with the mirror's own pages, by their serials; name what is "
        "missing, older, or not announced any more. Makes one request, and may be used during a run.",
    )
    audit.add_argument(
        "packages", nargs="*", metavar="PACKAGE", help="explain these: what each place has, and since when"
    )
    audit.add_argument(
        "--repair", action="store_true", help="put what is missing or older into quarantine: the next runs sync it"
    )
    audit.add_argument(
        "--files", action="store_true", help="look at each release file that a page lists too: there, of its size?"
    )
    audit.add_argument("--hash", action="store_true", help="with --files: by checksum too, which reads all of them")
    audit.add_argument("--resume", action="store_true", help="with --files: go on where one was interrupted")
    shown = audit.add_mutually_exclusive_group()
    shown.add_argument("--list", action="store_true", help="print a line for each finding, its fields parted by tabs")
    shown.add_argument("--json", action="store_true", help="print JSON")
    for command in (status, check, quarantine, listing, release, accept, configured, notify, probe, audit):
        _add_config(command, argparse.SUPPRESS)  # a default would override an option given before the command
    for reporting in (status, check, listing, configured, notify):
        reporting.add_argument("--json", action="store_true", help="print JSON")
    lab = commands.add_parser(
        "lab",
        **_taught("lab"),
        help="a small PyPI with caches that misbehave on purpose, on loopback",
        description="Serve a small PyPI on loopback, behind an edge that misbehaves as told. "
        "Prints how to mirror it, and then every request that it gets. Ctrl-C ends it.",
    )
    lab.add_argument("--behaviour", default="healthy", metavar="NAME", help="what goes wrong (default: %(default)s)")
    lab.add_argument("--edge", default="cdn", metavar="NAME", help="what kind of edge it is (default: %(default)s)")
    lab.add_argument("--list", action="store_true", help="list the behaviours and the kinds of edge")
    lab.add_argument("--projects", type=int, default=20, metavar="N", help="how many projects (default: %(default)s)")
    lab.add_argument(
        "--delay", type=int, default=0, metavar="MS", help="delay of every answer, in milliseconds (default: 0)"
    )
    lab.add_argument(
        "--speed",
        type=float,
        default=60,
        metavar="N",
        help="how many times as fast as real the lifetimes of the edge `pypi` pass (default: %(default)s)",
    )
    lab.add_argument("--port", type=int, default=0, metavar="PORT", help="for http (default: a free one)")
    lab.add_argument("--https-port", type=int, default=0, metavar="PORT", help="for https (default: a free one)")
    commands.add_parser(
        "demo",
        **_taught("demo"),
        help="problem and cure, end to end: bare Bandersnatch against the suite",
        description="Mirror a lab whose edge has gone stale with bare Bandersnatch and with the suite, and compare.",
    )
    return parser


def _never_fail_to_print() -> None:
    """Replace characters that the output's encoding lacks (as in a cron job without a locale) instead of raising."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Print the versions. The host's comes from its metadata: importing it takes long and may fail."""
        try:
            host = f"Bandersnatch {importlib.metadata.version('bandersnatch')}"
        except importlib.metadata.PackageNotFoundError:
            host = "no Bandersnatch in this environment"
        print(f"{parser.prog} {__version__} ({host}, Python {platform.python_version()})")  # noqa: T201
        parser.exit()


class _PrintCompletion(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, _: object, shell: object, *__: object) -> None:
        """Print the script. shtab is an extra, and imported here because nothing else needs it."""
        if not Extra.COMPLETION.is_installed:
            parser.exit(CommonExit.FAILED, f"{parser.prog}: {Extra.COMPLETION.lacking}\n")
        from . import completion

        print(completion.script(parser, str(shell)), flush=True)  # noqa: T201
        parser.exit()


class _TeachingFormatter(argparse.HelpFormatter):
    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Keep the line breaks of an epilog, and say where there is more to read."""
        if "\n" not in text:
            return super()._fill_text(text, width, indent)
        return "\n".join(indent + line for line in (text + more()).splitlines())


def _duration(text: str) -> int:
    """Return seconds.

    Raises:
        argparse.ArgumentTypeError: if it is no duration.
    """
    try:
        return option_values.duration(text)
    except option_values.BadValueError as error:
        raise argparse.ArgumentTypeError(f"{text!r} is {error}; allowed: such as 90s, 30m, 6h, 1d") from None


def _seconds(text: str) -> float:
    """Return seconds.

    Raises:
        argparse.ArgumentTypeError: if it is no such time.
    """
    try:
        found = float(text)
    except ValueError:
        found = 0
    if not 0 < found <= 3600:
        raise argparse.ArgumentTypeError(f"{text!r} is no time; allowed: seconds, up to 3600")
    return found


def _taught(command: str) -> dict[str, Any]:
    """Return the parser arguments that end a command's help with its examples and exit codes."""
    return {"epilog": epilog(command), "formatter_class": _TeachingFormatter}


def _add_config(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument("-c", "--config", default=default, metavar="FILE", help=f"(default: {CONFIG})")


# Each has a module of its own, with a `main` that takes the options and returns the exit code.
_COMMANDS = ("status", "check", "quarantine", "config", "notify", "run", "probe", "audit", "lab", "demo")

# Exit codes for usage errors and failures, of commands in which the usual 1 and 2 mean something else.
_FAILURES = {
    "check": CheckExit.UNKNOWN,
    "probe": ProbeExit.UNDETERMINED,
    "audit": AuditExit.UNDETERMINED,
}
