"""Terminal: how the commands print, for people and into pipes.

Colour is rich's business, by NO_COLOR, FORCE_COLOR and TERM.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from rich.console import Console

# Of what is no terminal: nothing is folded there, for grep and awk to find it in one line.
_WIDE = 1000


def console(**more: Any) -> Console:
    """Return a console on standard output, unless told otherwise, as wide as what it prints to."""
    stream = sys.stderr if more.get("stderr") else sys.stdout
    is_told = stream.isatty() or "COLUMNS" in os.environ
    return Console(highlight=False, emoji=False, width=None if is_told else _WIDE, **more)
