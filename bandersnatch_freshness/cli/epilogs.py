"""Epilogs: the examples and exit codes at the end of each command's help."""

from __future__ import annotations

import textwrap
from collections.abc import Mapping

from ..documentation import COMMANDS, RUNBOOK, where
from ..exit_codes import BY_COMMAND, CommonExit

COLUMNS = 78

PROGRAM = "bandersnatch-freshness"

EXAMPLES: Mapping[str, tuple[str, ...]] = {
    "status": ("status", "-c /srv/mirror.conf status --json"),
    "check": ("check", "check --url https://mirror.example", "check --url https://a.example https://b.example"),
    "quarantine": ("quarantine list", "quarantine release --all"),
    "list": ("quarantine list --json",),
    "accept": ("quarantine accept requests",),
    "release": ("quarantine release requests", "quarantine release --all"),
    "config": ("config", "-c /srv/mirror.conf config --json"),
    "notify": ("notify", "notify --heartbeat --json"),
    "run": ("run mirror", "--quiet run mirror        (for cron: silent unless someone must act)"),
    "probe": ("probe requests", "probe --master https://pypi.example requests --markdown"),
    "audit": ("audit", "audit --repair", "audit requests", "audit --list | cut -f 1", "audit --files --hash --resume"),
    "lab": ("lab --list", "lab --behaviour gzip-stale"),
    "demo": ("demo",),
}


def epilog(command: str) -> str:
    """Return a command's epilog, in lines of at most 78 columns."""
    lines = ["examples:", *(f"  {PROGRAM} {example}" for example in EXAMPLES[command]), "", "exit codes:"]
    for code in BY_COMMAND.get(command, CommonExit):
        lines += textwrap.wrap(f"{code.value}  {code.when}", COLUMNS, initial_indent="  ", subsequent_indent="     ")
    return "\n".join(lines)


def more() -> str:
    """Return where there is more to read. It takes a look at what is installed, so it is left until help is shown."""
    return f"\n\nmore:\n  {where(COMMANDS)}\n  {where(RUNBOOK)} (the mirror is stale now)"
