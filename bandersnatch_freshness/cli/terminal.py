"""Terminal output of the commands, for people and for pipes.

Rich decides on colour, from NO_COLOR, FORCE_COLOR and TERM.
"""

from __future__ import annotations

import os
import sys
from typing import Any

from rich.console import Console

# Width when output is not a terminal: wide enough never to wrap, so that grep and awk see whole lines.
_WIDE = 1000


def console(**more: Any) -> Console:
    """Return a console on standard output (or standard error, with `stderr=True`), as wide as the terminal."""
    stream = sys.stderr if more.get("stderr") else sys.stdout
    has_width = stream.isatty() or "COLUMNS" in os.environ
    return Console(highlight=False, emoji=False, width=None if has_width else _WIDE, **more)
