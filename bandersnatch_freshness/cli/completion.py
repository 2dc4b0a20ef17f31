"""Shell completion for the command's options and arguments."""

from __future__ import annotations

import argparse

import shtab


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return the completion script, for `eval` or for a file in the shell's completion directory."""
    _complete_files(parser)
    found: str = shtab.complete(parser, shell)
    return found


def _complete_files(parser: argparse.ArgumentParser) -> None:
    """Make --config complete file names, in every command."""
    for action in parser._actions:  # argparse has no public API for this, and shtab needs an attribute
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _complete_files(command)
        elif action.dest == "config":
            action.complete = shtab.FILE  # type: ignore[attr-defined]
