"""Terminal output of the commands, for people and for pipes: colour, width, and progress.

Sources: no-color.org for NO_COLOR, force-color.org for FORCE_COLOR.
"""

from __future__ import annotations

import os
import shutil
import sys
from typing import TYPE_CHECKING

from ..table import Styled, Table

if TYPE_CHECKING:
    from tqdm import tqdm

# Width when output is not a terminal: wide enough never to fold, so that grep and awk see whole lines.
_WIDE = 1000

# Source: ECMA-48, 8.3.117, select graphic rendition
_CODES = {"bold": "1", "dim": "2", "red": "31", "green": "32", "yellow": "33"}


def width() -> int:
    """Return how many characters a line may have: as COLUMNS says, or the terminal, or without end."""
    return shutil.get_terminal_size((_WIDE, 1)).columns


def show(*what: str | Styled | Table) -> None:
    """Print lines and tables."""
    for one in what:
        if isinstance(one, Table):
            show(*one.lines(width()))
        else:
            # At once, also where a program reads it: what a lab says, or comes before an error on the other stream.
            print(one if isinstance(one, str) else styled(*one), flush=True)  # noqa: T201


def styled(text: str, style: str) -> str:
    """Return a text in a style, such as "bold red", where standard output has colours."""
    if not (style and text and _has_colour()):
        return text
    return f"\x1b[{';'.join(_CODES[word] for word in style.split())}m{text}\x1b[0m"


def _has_colour() -> bool:
    if os.environ.get("NO_COLOR"):
        return False
    return bool(os.environ.get("FORCE_COLOR")) or (
        sys.stdout.isatty() and os.environ.get("TERM") not in ("dumb", "unknown")
    )


def progress(what: str, total: int, unit: str) -> tqdm[None]:
    """Return a progress bar on standard error, if that is a terminal, which vanishes at its end.

    How long it will yet take is told by the average so far.
    """
    from tqdm import tqdm

    # There is no standard error where it was closed.
    is_off = not (sys.stderr and sys.stderr.isatty())
    return tqdm(desc=what, total=total, unit=unit, disable=is_off, leave=False, smoothing=0, dynamic_ncols=True)
