"""Completion: what has a shell complete the command's options and arguments."""

from __future__ import annotations

import argparse

import shtab


def script(parser: argparse.ArgumentParser, shell: str) -> str:
    """Return what `eval` in this shell, or a file of its completions, makes work."""
    _complete_files(parser)
    found: str = shtab.complete(parser, shell)
    return found


def _complete_files(parser: argparse.ArgumentParser) -> None:
    """Have --config completed by files, in each command."""
    for action in parser._actions:  # argparse has no public name for it, and shtab asks for an attribute
        if isinstance(action, argparse._SubParsersAction):
            for command in action.choices.values():
                _complete_files(command)
        elif action.dest == "config":
            action.complete = shtab.FILE  # type: ignore[attr-defined]
