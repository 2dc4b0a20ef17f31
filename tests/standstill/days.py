"""How many lines cron mails a day for a cause that lasts: of runs of the suite, and of bare Bandersnatch."""

from __future__ import annotations

from collections.abc import Iterable
from pathlib import Path
from typing import NamedTuple

from .play import begin, machine
from .ways import DAY, HOUR, WAYS

# The causes that it is counted for, by the names of their ways.
CAUSES = ("page-503", "page-stale", "edge-stale", "index-html", "nobody-answers", "disk-full")


class Counted(NamedTuple):
    """The lines printed in each day, the runs that printed any, and the lines of one run of bare Bandersnatch."""

    name: str
    a_day: tuple[int, ...]
    loud_runs: int
    bare: int


def count(name: str, directory: Path, times: Iterable[int]) -> Counted:
    """Count over runs at these times, in seconds after the cause began; something is released every hour."""
    way, lines, loud, released, bare = WAYS[name], [0], 0, 0, 0
    with machine(way, directory) as (lab, made):
        begin(lab, way)
        for at in times:
            if at >= released + HOUR:
                lab.forget()
                released = at
                lab.release(lab.names[-1:])
            lines += [0] * (at // DAY + 1 - len(lines))
            printed = made.run(at, is_broken=True)
            lines[at // DAY] += len(printed)
            loud += bool(printed)
        bare = made.run_bare(max(times), is_broken=True)
    return Counted(name, tuple(lines), loud, bare)
