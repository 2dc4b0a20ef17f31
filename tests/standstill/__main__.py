"""Play every way in which a mirror can stand still, and write what is said of it into docs/standing-still.md.

python -m tests.standstill          every way: some minutes
python -m tests.standstill days     the lines that cron mails over ten days: an hour
"""

from __future__ import annotations

import sys
import tempfile
from collections.abc import Callable, Iterable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import TypeVar

from . import page
from .days import CAUSES, count
from .play import play
from .ways import DAY, MINUTE, WAYS

_AT_ONCE = 2

_TEN_DAYS = range(0, 10 * DAY, 5 * MINUTE)

_T = TypeVar("_T")


def main() -> int:
    """Do what is asked for."""
    if sys.argv[1:] == ["days"]:
        counts = _each(lambda name, directory: count(name, directory, _TEN_DAYS), CAUSES)
        page.write(page.days(counts, {name: WAYS[name].title for name in CAUSES}), page.DAYS_MADE)
        return 0
    plays = _each(lambda name, directory: play(WAYS[name], directory), sys.argv[1:] or WAYS)
    page.write(page.ways(plays, page.written()), page.WAYS_MADE)
    return 0


def _each(do: Callable[[str, Path], _T], names: Iterable[str]) -> list[_T]:
    def one(name: str) -> _T:
        with tempfile.TemporaryDirectory(prefix="freshness-standstill-") as directory:
            done = do(name, Path(directory))
        print(name, done, flush=True)
        return done

    with ThreadPoolExecutor(_AT_ONCE) as pool:
        return list(pool.map(one, names))


if __name__ == "__main__":
    sys.exit(main())
