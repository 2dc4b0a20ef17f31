"""A program that runs `bandersnatch mirror` again and again, at times it is told.

Reads seconds since 1970 from standard input, one a line, and prints a line when a run has
ended: years of cron in a minute. Time is faked and pauses are skipped, all else is real.
"""

from __future__ import annotations

import asyncio
import inspect
import logging
import sys
import time
from collections.abc import Awaitable
from pathlib import Path
from typing import Any

import bandersnatch.configuration
import bandersnatch.mirror


async def no_pause(delay: float, result: Any = None) -> Any:
    """Take the place of `asyncio.sleep`."""
    return result


async def finished(run: Awaitable[Any]) -> Any:
    """Await a run of those Bandersnatches that are asynchronous."""
    return await run


def main() -> None:
    """Run once for each line."""
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s", stream=sys.stderr)
    loaded = bandersnatch.configuration.BandersnatchConfig(Path(sys.argv[1]))
    config = getattr(loaded, "config", loaded)
    asyncio.sleep = no_pause
    time.sleep = lambda _: None
    for line in sys.stdin:
        now = int(line)
        time.time = lambda: now  # noqa: B023 - the run is over before the next
        try:
            ended = bandersnatch.mirror.mirror(config)
            if inspect.isawaitable(ended):
                ended = asyncio.run(finished(ended))
        except SystemExit as error:
            ended = error.code
        except Exception:  # noqa: BLE001 - the command ends with a traceback
            ended = "by an error"
        print(f"ended {ended}", flush=True)  # noqa: T201


main()
