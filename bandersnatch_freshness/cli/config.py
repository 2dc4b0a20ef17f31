"""The command `bandersnatch-freshness config`: what a configuration switches on."""

from __future__ import annotations

import argparse
import json
from collections.abc import Collection

from .. import host
from ..exit_codes import CommonExit
from ..settings import OPTIONS
from ..table import Table
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
        terminal.show(json.dumps(document, indent=2))
        return CommonExit.DONE
    enabled = ", ".join(found.plugins) or "none: Bandersnatch runs as without the suite"
    terminal.show((options.config, "bold"), f"plugins: {enabled}\n")
    table = Table(("option", "value", ""))
    for name, option in OPTIONS.items():
        value = found.options.get(name)
        default = _default(option.default.replace("`", ""), found.plugins) or "empty"
        table.add(name, default if value is None else value, "default" if value is None else "")
    terminal.show(table)
    for slip in found.slips:
        terminal.show("", (f"Probably a slip: {slip}", "yellow"))
    return CommonExit.DONE


def _default(text: str, plugins: Collection[str]) -> str:
    """Return the default that holds with these plugins, of "a with x or y, else b"."""
    for part in text.split(", else "):
        value, _, needed = part.partition(" with ")
        if not needed or not set(needed.split(" or ")).isdisjoint(plugins):
            return value
    return text
