"""For processes with this directory on their path: does what `tests.staged` has put into their environment."""

from __future__ import annotations

import asyncio
import os
import shutil
import signal
import time
from collections.abc import Callable
from typing import Any

ahead = int(os.environ.get("AHEAD", "0"))
left = int(os.environ.get("KILL_AT", "0"))
after = os.environ.get("KILL_AFTER", "")


async def no_pause(delay: float, result: Any = None) -> Any:
    """Take the place of `asyncio.sleep`."""
    return result


def mortal(operation: Callable[..., Any]) -> Callable[..., Any]:
    """Return an operation before which the process may die."""

    def wrapped(*args: Any, **kwargs: Any) -> Any:
        global after, left
        if not after:
            left -= 1
            if left == 0:
                os.kill(os.getpid(), signal.SIGKILL)
        elif any(os.path.basename(str(arg)) == after for arg in args):
            after = ""
        return operation(*args, **kwargs)

    return wrapped


if ahead:
    real_time = time.time
    time.time = lambda: real_time() + ahead
if "KILL_AT" in os.environ:
    asyncio.sleep = no_pause
    time.sleep = lambda _: None
if left:
    for owner, names in ((os, ("replace", "rename", "unlink", "fsync", "mkdir")), (shutil, ("copyfile",))):
        for name in names:
            setattr(owner, name, mortal(getattr(owner, name)))
