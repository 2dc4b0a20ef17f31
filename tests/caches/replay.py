"""Replay every incident on every cache, print what came of it, and write that into docs/incidents.md.

    python -m tests.caches.replay

Needs Debian's varnish, nginx-light and squid; starts and stops them itself, on loopback.
"""

from __future__ import annotations

import re
import subprocess
import sys
import tempfile
from collections.abc import Iterable, Sequence
from concurrent.futures import ThreadPoolExecutor
from importlib.metadata import version
from pathlib import Path

from .incidents import CACHE_TITLES, INCIDENTS, Ending, Played, Player, Replay, applicable
from .processes import PATH, missing_packages

DOCS = Path(__file__).parents[2] / "docs" / "incidents.md"

# More at once would say more of this machine's cores than of the runs.
_AT_ONCE = 2

_BEGIN, _END = "<!-- made by `make incidents` -->\n", "<!-- the end of what it made -->\n"


def main() -> int:
    """Replay all; return 1 if a server is not installed, or the suite does not get everything fresh."""
    if missing := missing_packages():
        print(f"Not installed: apt-get install {' '.join(missing)}", file=sys.stderr)
        return 1
    with tempfile.TemporaryDirectory(prefix="freshness-replay-") as directory:
        player = Player(Path(directory))
        with ThreadPoolExecutor(_AT_ONCE) as pool:
            replays = []
            for replay in pool.map(lambda pair: player.play(*pair), applicable()):
                replays.append(replay)
                print(*_row(replay), sep=" | ", flush=True)
    not_fresh = [one for one in replays if one.suite.ending is not Ending.FRESH]
    for one in not_fresh:
        print(f"{one.incident} on {one.cache}: {one.suite.ending.value}", file=sys.stderr)
        print(one.suite.output, file=sys.stderr)
    if not_fresh:
        return 1
    before, _, rest = DOCS.read_text().partition(_BEGIN)
    DOCS.write_text(f"{before}{_BEGIN}\n{section(replays)}\n{_END}{rest.partition(_END)[2]}")
    return 0


def section(replays: Sequence[Replay]) -> str:
    """Return what the docs say of replays, in Markdown."""
    return f"{_versions()}\n{_table(replays)}"


def _table(replays: Iterable[Replay]) -> str:
    head = ("incident", "cache", "bare Bandersnatch", "with `freshness`")
    rows = [head, ("---",) * len(head), *map(_row, replays)]
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _row(replay: Replay) -> tuple[str, ...]:
    title = f"`{replay.incident}`, {_linked(INCIDENTS[replay.incident].incident)}"
    return title, CACHE_TITLES[replay.cache], _cell(replay.bare), _cell(replay.suite)


def _linked(incident: str) -> str:
    return re.sub(r"([\w-]+/[\w-]+)#(\d+)", r"[\g<0>](https://github.com/\1/issues/\2)", incident)


def _cell(played: Played) -> str:
    runs = f", {played.runs} runs" if played.runs > 1 else ""
    mark = f"**{played.ending.value}**" if played.ending is Ending.FRESH else played.ending.value
    return f"{mark}: {played.requests} requests, {played.seconds:.1f} s{runs}"


def endings_in_docs() -> dict[tuple[str, str], tuple[str, str]]:
    """Return the endings that the docs have, by incident and cache."""
    caches = {title: cache for cache, title in CACHE_TITLES.items()}
    table = re.findall(
        r"^\| `([\w-]+)`, .*? \| (.+?) \| \**([\w ]+)\**: .+? \| \**([\w ]+)\**: ", DOCS.read_text(), re.M
    )
    return {(incident, caches[title]): (bare, suite) for incident, title, bare, suite in table}


def _versions() -> str:
    asked = {"Varnish": ("varnishd", "-V"), "nginx": ("nginx", "-v"), "Squid": ("squid", "-v")}
    found = []
    for name, command in asked.items():
        said = subprocess.run(command, capture_output=True, text=True, env={"PATH": PATH}, check=True)
        number = re.search(r"\d+\.\d+(\.\d+)?", said.stdout + said.stderr)
        found.append(f"{name} {number[0] if number else '?'}")
    python = ".".join(map(str, sys.version_info[:2]))
    return f"Bandersnatch {version('bandersnatch')} on Python {python}; {', '.join(found)}.\n"


if __name__ == "__main__":
    sys.exit(main())
