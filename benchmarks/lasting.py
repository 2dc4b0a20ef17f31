"""What pages cost that stay stale whatever is asked: over a simulated day of runs, and very many of them in one."""

from __future__ import annotations

import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

from bandersnatch_freshness.core.incidents import EDGE, Incident, Level
from bandersnatch_freshness.core.verdicts import Verdict
from bandersnatch_freshness.lab.behaviours import ALL_COPIES, BEHAVIOURS, Behaviour
from bandersnatch_freshness.lab.mirrors import Mirror
from bandersnatch_freshness.lab.server import Lab
from bandersnatch_freshness.state.document import State, dump
from tests.end_to_end.cron import NOON
from tests.zygote import Zygote

from .environments import SUITE
from .mirrors import Measured
from .rows import Row, exactly
from .sizes import Size

HOUR = 60 * 60
DAY = 24 * HOUR

NOTHING_CURES = Behaviour("purging is broken", stuck=ALL_COPIES)

# Of a run that meets what an earlier one has met.
MOST_LINES = 50


def stale_day(size: Size, place: Path) -> Iterator[Row]:
    """Runs over a day; all of bare Bandersnatch's are alike, so that one stands for them."""
    times = range(0, DAY, size.stale_every)
    with Lab(size.stale) as lab, Zygote(lab.ca_file) as zygote:
        suite = _Played(lab, zygote, place / "suite", "freshness")
        bare = _Played(lab, zygote, place / "bare")
        for one in (suite, bare):
            one.run(-HOUR)
        lab.behave(NOTHING_CURES)
        lab.release()
        requests, lines = zip(*(suite.run(at) for at in times), strict=True)
        bare_requests, bare_lines = bare.run(0)
    what = f"{size.stale:,} pages that nothing cures, a day of {len(times)} runs"
    yield exactly(what, "requests", len(times) * bare_requests, sum(requests))
    yield exactly(what, "lines", len(times) * bare_lines, sum(lines))
    most = max(lines[1:])
    shown = f"{most} after the first, of {lines[0]}"
    yield Row(
        what, "lines in a run", str(bare_lines), shown, str(most), most, MOST_LINES, f"≤ {MOST_LINES}", most, MOST_LINES
    )


class _Played:
    """A mirror whose runs are at simulated times."""

    def __init__(self, lab: Lab, zygote: Zygote, directory: Path, *plugins: str) -> None:
        self._lab, self._zygote, self._log = lab, zygote, directory / "log"
        self._mirror = Mirror(directory, lab, plugins, None, {"timeout": "60", "global-timeout": "3600"})

    def run(self, at: int) -> tuple[int, int]:
        """Run at a time, in seconds after noon; return how many requests that took, and how many lines it printed."""
        self._lab.forget()
        self._log.write_text("")
        self._zygote.run(["bandersnatch", "mirror"], self._mirror.config, self._log, NOON + at)
        return len(self._lab.requests), len(self._log.read_text().splitlines())


def many_stale(size: Size, place: Path) -> Iterator[Row]:
    """A run that asks for very many pages, all stale, by real requests. Bare would pause for each, and ask again."""
    with Lab(size.many_stale, replace(BEHAVIOURS["origin-stale"], every=1)) as lab:
        since = lab.serial
        lab.release()
        mirror = Measured(place / "many", lab, SUITE, "freshness")
        mirror.mirror.directory.mkdir(exist_ok=True)
        now = int(time.time())
        known = Incident(EDGE, now - 2 * HOUR, now, 9, 0, 0, Verdict.ORIGIN_STALE, Level.WARNING, count=size.many_stale)
        state = dump(State(lab.https_url, {EDGE: known}), now)
        (mirror.mirror.directory / "freshness.json").write_text("".join(state))
        cost = mirror.again(since)
        lines = mirror.lines()
    what = f"{size.many_stale:,} pages that are old at the origin, in one run"
    each = cost.requests / size.many_stale
    yield Row(what, "wall", "", f"{cost.wall:.1f} s", f"{1000 * cost.wall / size.many_stale:.1f} ms each")
    yield Row(what, "memory", "", f"{cost.memory / 2**20:.0f} MiB", "")
    yield Row(what, "requests", "", str(cost.requests), f"{each:.3f} each", each, 1.02, "≤ 1.02 each", each, 1.05)
    yield Row(what, "lines", "", str(lines), str(lines), lines, MOST_LINES, f"≤ {MOST_LINES}", lines, MOST_LINES)
