"""The command `bandersnatch-freshness`. Each command imports what it needs, when called."""

from __future__ import annotations

import argparse
import importlib.metadata
import io
import os
import platform
import sys
from collections.abc import Callable, Mapping, Sequence
from typing import Any

from .. import __version__
from ..exit_codes import INTERRUPTED, CheckExit, CommonExit, ProbeExit
from .epilogs import epilog

CONFIG = "/etc/bandersnatch.conf"


def main(arguments: Sequence[str] | None = None) -> int:
    """Run a command and return its exit code."""
    parser = _parser()
    try:
        _never_fail_to_print()
        options = parser.parse_args(arguments)
    except SystemExit as ended:
        if ended.code:
            given = sys.argv[1:] if arguments is None else arguments
            command = next((one for one in given if one in _COMMANDS), "")
            sys.exit(_FAILURES.get(command, ended.code))
        raise
    if not options.command:
        parser.print_help()
        return 0
    try:
        code = _COMMANDS[options.command](options)
        sys.stdout.flush()  # or a reader that has gone away is noticed too late
        return code
    except BrokenPipeError:  # as by `| head -1`
        os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())
        return _FAILURES.get(options.command, CommonExit.FAILED)
    except KeyboardInterrupt:
        return INTERRUPTED
    except (OSError, ValueError) as error:
        print(f"bandersnatch-freshness {options.command}: {error}", file=sys.stderr)  # noqa: T201
        return _FAILURES.get(options.command, CommonExit.FAILED)


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="bandersnatch-freshness",
        description="Keep a Bandersnatch mirror of PyPI fresh when the caches in front of PyPI are not.",
        epilog="See each command's own help for examples and exit codes: bandersnatch-freshness COMMAND --help",
    )
    parser.add_argument("--version", action=_Version, nargs=0, help="print the versions of all that matters, and exit")
    parser.add_argument(
        "--print-completion",
        action=_PrintCompletion,
        choices=("bash", "zsh", "tcsh"),
        help="print what completes this command in a shell, and exit",
    )
    _add_config(parser, CONFIG)
    parser.add_argument("-q", "--quiet", action="store_true", help="for run: say nothing below WARNING on the console")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND")
    status = commands.add_parser(
        "status",
        **_taught("status"),
        help="how fresh the mirror is: serials, open incidents, last runs",
        description="Show how fresh a mirror is. Asks nothing of PyPI, and may be used while a run is under way.",
    )
    check = commands.add_parser(
        "check",
        **_taught("check"),
        help="the same as a monitoring plugin: one line with figures",
        description="Print one line for a monitoring system, with an exit code for it.",
    )
    quarantine = commands.add_parser(
        "quarantine",
        **_taught("quarantine"),
        help="what is in quarantine: see it, end it by hand",
        description="See which packages are in quarantine, and hand them back to Bandersnatch.",
    )
    actions = quarantine.add_subparsers(dest="action", metavar="ACTION", required=True)
    listing = actions.add_parser(
        "list",
        **_taught("list"),
        help="what is in quarantine, since when, and when it is asked for again",
        description="List what is in quarantine. Asks nothing of PyPI, and may be used while a run is under way.",
    )
    release = actions.add_parser(
        "release",
        **_taught("release"),
        help="hand packages back to Bandersnatch",
        description="Hand packages back to Bandersnatch: its next run asks for them as for any other, and its serial "
        "waits for them. Not while a run is under way.",
    )
    release.add_argument("packages", nargs="*", metavar="PACKAGE", help="a package that is in quarantine")
    release.add_argument("--all", action="store_true", help="all of them, as before the plugins are removed")
    run = commands.add_parser(
        "run",
        **_taught("run"),
        prefix_chars="\0",  # every option but its own help is Bandersnatch's
        add_help=False,
        usage="bandersnatch-freshness [-q] [-c FILE] run [-c FILE] [--debug] {mirror,sync,verify,delete} ...",
        help="bandersnatch mirror, sync, verify or delete, with the suite from the first request on",
        description="Run Bandersnatch's own command with the suite in place from its first request, and end with an "
        "exit code that tells how fresh the mirror is.",
    )
    run.add_argument("arguments", nargs="*", metavar="...", help="as for the command bandersnatch")
    run.set_defaults(explain=run.print_help)
    probe = commands.add_parser(
        "probe",
        **_taught("probe"),
        help="the diagnosis: which way of asking gets a fresh page, and what to set",
        description="Ask for a package's page in many ways, and say which difference between them decides whether it "
        "is fresh, and what to set. Needs no mirror: give --master where there is no bandersnatch.conf.",
    )
    probe.add_argument("packages", nargs="*", metavar="PACKAGE", help="without one, the index is probed")
    probe.add_argument("--master", metavar="URL", help="whom to ask, instead of what the configuration says")
    probe.add_argument(
        "--expect", type=int, metavar="SERIAL", help="what a fresh page has (default: what the index announces)"
    )
    forms = probe.add_mutually_exclusive_group()
    forms.add_argument("--curl", action="store_true", help="print each request as a curl command")
    forms.add_argument("--markdown", action="store_true", help="print a report to paste into an issue")
    forms.add_argument("--json", action="store_true", help="print JSON")
    for command in (status, check, quarantine, listing, release, probe):
        _add_config(command, argparse.SUPPRESS)  # or the default would undo what stands before the command
    for reporting in (status, check, listing):
        reporting.add_argument("--json", action="store_true", help="print JSON")
    lab = commands.add_parser(
        "lab",
        **_taught("lab"),
        help="a small PyPI with caches that misbehave on purpose, on loopback",
        description="Serve a small PyPI on loopback, behind an edge that misbehaves as told. "
        "Prints how to mirror it, and then what is asked of it. Ctrl-C ends it.",
    )
    lab.add_argument("--behaviour", default="healthy", metavar="NAME", help="what goes wrong (default: %(default)s)")
    lab.add_argument("--edge", default="cdn", metavar="NAME", help="what kind of edge it is (default: %(default)s)")
    lab.add_argument("--list", action="store_true", help="list the behaviours and the kinds of edge")
    lab.add_argument("--projects", type=int, default=20, metavar="N", help="how many projects (default: %(default)s)")
    lab.add_argument(
        "--delay", type=int, default=0, metavar="MS", help="how late every answer comes, in milliseconds (default: 0)"
    )
    lab.add_argument("--port", type=int, default=0, metavar="PORT", help="for http (default: a free one)")
    lab.add_argument("--https-port", type=int, default=0, metavar="PORT", help="for https (default: a free one)")
    commands.add_parser(
        "demo",
        **_taught("demo"),
        help="the story end to end: bare Bandersnatch against the suite",
        description="Mirror a lab whose edge has gone stale with bare Bandersnatch and with the suite, and compare.",
    )
    return parser


def _never_fail_to_print() -> None:
    """Have what an output's encoding lacks, as in a cron job without a locale, replaced instead of raising."""
    for stream in (sys.stdout, sys.stderr):
        if isinstance(stream, io.TextIOWrapper):
            stream.reconfigure(errors="replace")


class _Version(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, *_: object) -> None:
        """Name the host without importing it, which takes long and may fail."""
        try:
            host = f"Bandersnatch {importlib.metadata.version('bandersnatch')}"
        except importlib.metadata.PackageNotFoundError:
            host = "no Bandersnatch in this environment"
        print(f"{parser.prog} {__version__} ({host}, Python {platform.python_version()})")  # noqa: T201
        parser.exit()


class _PrintCompletion(argparse.Action):
    def __call__(self, parser: argparse.ArgumentParser, _: object, shell: object, *__: object) -> None:
        """Print it by shtab, which nothing else needs."""
        from . import completion

        print(completion.script(parser, str(shell)))  # noqa: T201
        parser.exit()


class _TeachingFormatter(argparse.HelpFormatter):
    def _fill_text(self, text: str, width: int, indent: str) -> str:
        """Leave the lines of an epilog as they are."""
        if "\n" not in text:
            return super()._fill_text(text, width, indent)
        return "\n".join(indent + line for line in text.splitlines())


def _taught(command: str) -> dict[str, Any]:
    """Return what has a command's help end with examples and exit codes, as they are written."""
    return {"epilog": epilog(command), "formatter_class": _TeachingFormatter}


def _add_config(parser: argparse.ArgumentParser, default: str) -> None:
    parser.add_argument("-c", "--config", default=default, metavar="FILE", help=f"(default: {CONFIG})")


def _lab(options: argparse.Namespace) -> int:
    from . import lab as command

    return command.main(options)


def _demo(_: argparse.Namespace) -> int:
    from . import demo

    return demo.main()


def _status(options: argparse.Namespace) -> int:
    from . import status

    return status.status(options)


def _check(options: argparse.Namespace) -> int:
    from . import status

    return status.check(options)


def _probe(options: argparse.Namespace) -> int:
    from . import probe as command

    return command.main(options)


def _run(options: argparse.Namespace) -> int:
    from . import run as run_command

    return run_command.main(options)


def _quarantine(options: argparse.Namespace) -> int:
    from . import quarantine as quarantine_command

    return quarantine_command.main(options)


_COMMANDS: Mapping[str, Callable[[argparse.Namespace], int]] = {
    "status": _status,
    "check": _check,
    "quarantine": _quarantine,
    "run": _run,
    "probe": _probe,
    "lab": _lab,
    "demo": _demo,
}

# Exit codes where a command can't be followed, of those whose other ones mean something.
_FAILURES = {"check": CheckExit.UNKNOWN, "probe": ProbeExit.UNDETERMINED}
