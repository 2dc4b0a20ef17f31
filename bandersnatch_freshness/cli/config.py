"""The command `bandersnatch-freshness config`: what a configuration switches on."""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection

from rich.markup import escape
from rich.table import Table

from .. import host
from ..exit_codes import CommonExit
from ..settings import OPTIONS
from . import terminal


def main(options: argparse.Namespace) -> int:
    """Show it; return 0.

    Raises:
        OSError, ValueError: if the configuration can't be read or followed.
    """
    found = host.configured(options.config)
    if options.json:
        values = {name: found.options.get(name) for name in OPTIONS}
        document = {"plugins": found.plugins, "options": values, "slips": found.slips}
        print(json.dumps(document, indent=2))  # noqa: T201
        return CommonExit.DONE
    console = terminal.console()
    enabled = ", ".join(found.plugins) or "none: Bandersnatch runs as without the suite"
    console.print(f"[bold]{escape(options.config)}[/]\nplugins: {enabled}\n", soft_wrap=True)
    table = Table(box=None, header_style="bold", padding=(0, 2, 0, 0))
    for column in ("option", "value", ""):
        table.add_column(column, overflow="fold")
    for name, option in OPTIONS.items():
        value = found.options.get(name)
        default = _default(option.default.replace("`", ""), found.plugins) or "empty"
        table.add_row(name, escape(default if value is None else value), "default" if value is None else "")
    console.print(table)
    for slip in found.slips:
        console.print(f"\nProbably a slip: {escape(slip)}", style="yellow", soft_wrap=True)
    return CommonExit.DONE


def _default(text: str, plugins: Collection[str]) -> str:
    """Return the default that holds with these plugins, of "a with x or y, else b"."""
    for part in text.split(", else "):
        value, _, needed = part.partition(" with ")
        if not needed or not set(needed.split(" or ")).isdisjoint(plugins):
            return value
    return text
