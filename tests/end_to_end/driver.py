"""A program that runs `bandersnatch mirror` again and again, at times it is told.

Reads seconds since 1970 from standard input, one a line, and prints a line when a run has
ended: years of cron in a minute. Time is faked and pauses are skipped, all else is real.
"""

from __future__ import annotations

import asyncio
import logging
import sys
import time
from pathlib import Path
from typing import Any

import bandersnatch.configuration
import bandersnatch.mirror


async def no_pause(delay: float, result: Any = None) -> Any:
    """Take the place of `asyncio.sleep`."""
    return result


def main() -> None:
    """Run once for each line."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s", stream=sys.stderr)
    loaded = bandersnatch.configuration.BandersnatchConfig(Path(sys.argv[1]))
    config = getattr(loaded, "config", loaded)
    asyncio.sleep = no_pause
    for line in sys.stdin:
        now = int(line)
        time.time = lambda: now  # noqa: B023 - the run is over before the next
        try:
            ended = asyncio.run(bandersnatch.mirror.mirror(config))
        except SystemExit as error:
            ended = error.code
        print(f"ended {ended}", flush=True)  # noqa: T201


main()
