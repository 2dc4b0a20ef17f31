"""A process that has imported everything, and forks one child for each run of Bandersnatch.

Reads a run from each line of its input, an object in JSON, and answers with one line: the child's exit code, or
minus the signal that ended it. Time is faked and pauses are skipped, all else is real. Every run is a process of
its own, but costs no start of Python's.
"""

from __future__ import annotations

import asyncio
import contextlib
import gc
import importlib
import importlib.metadata
import inspect
import json
import logging
import os
import signal
import sys
import time
import traceback
from pathlib import Path
from typing import Any

import bandersnatch.configuration
import bandersnatch.filter
import bandersnatch.mirror

import bandersnatch_freshness.cli
import bandersnatch_freshness.cli.status

# Of what changes files: what is opened to be read is not.
_WRITES = {"os.rename", "os.remove", "os.mkdir", "os.rmdir", "os.truncate", "os.link", "os.symlink", "shutil.copyfile"}


def import_all() -> None:
    """Import what a run would, and look for plugins once: none are installed meanwhile."""
    found = importlib.metadata.entry_points()
    for group in found.groups:
        if group.startswith("bandersnatch"):
            for one in found.select(group=group):
                if "s3" not in one.name and "swift" not in one.name:
                    one.load()
    for name in ("bandersnatch.filter", "bandersnatch.storage"):
        with contextlib.suppress(ImportError):
            module = importlib.import_module(name)
            if hasattr(module, "entry_points"):
                module.entry_points = lambda: found  # type: ignore[attr-defined]
    pkg_resources = sys.modules.get("pkg_resources")  # by which 3.6 finds them
    if pkg_resources:
        pkg_resources.EntryPoint.require = lambda *_: None  # what they need is here: half a second a run
    for name in ("aiohttp_host", "requests_host"):
        with contextlib.suppress(ImportError):
            importlib.import_module(f"bandersnatch_freshness.host.{name}")
    for name in ("bandersnatch_freshness.notify.notifier", "encodings.idna", "concurrent.futures.thread"):
        importlib.import_module(name)


class Mortal:
    """Kills the process at its n-th file operation that writes."""

    def __init__(self, left: int) -> None:
        """`left` is n."""
        self.left = left

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        """Hear of an event that Python audits."""
        if event in _WRITES or (event == "open" and isinstance(args[2], int) and args[2] & (os.O_WRONLY | os.O_RDWR)):
            self.left -= 1
            if self.left == 0:
                os.kill(os.getpid(), signal.SIGKILL)


async def no_pause(delay: float, result: Any = None) -> Any:
    """Take the place of `asyncio.sleep`."""
    return result


def run(order: dict[str, Any]) -> object:
    """Run `bandersnatch mirror`, or the command `check`, and return its exit code."""
    now = float(order["now"])
    time.time = lambda: now
    asyncio.sleep = no_pause
    time.sleep = lambda _: None
    os.fsync = lambda fd: None  # no power fails
    if order["kill_at"]:
        sys.addaudithook(Mortal(order["kill_at"]))
    if order["command"] == "check":
        return bandersnatch_freshness.cli.main(["check", "--config", order["config"]])
    loaded = bandersnatch.configuration.BandersnatchConfig(Path(order["config"]))
    ended = bandersnatch.mirror.mirror(getattr(loaded, "config", loaded))
    if inspect.isawaitable(ended):
        return asyncio.run(_finished(ended))
    return ended


async def _finished(ended: Any) -> Any:
    return await ended


def child(order: dict[str, Any]) -> int:
    """Be one run; return the exit code."""
    log = os.open(order["log"], os.O_WRONLY | os.O_CREAT | os.O_APPEND)
    os.dup2(log, 1)
    os.dup2(log, 2)
    os.chdir(Path(order["config"]).parent)
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s", stream=sys.stderr)
    try:
        code = run(order)
    except SystemExit as error:
        code = error.code
    except BaseException:  # noqa: BLE001 - by which Bandersnatch ends
        traceback.print_exc()
        code = 1
    sys.stdout.flush()
    sys.stderr.flush()
    return code if isinstance(code, int) else int(code is not None)


def main() -> None:
    """Fork for each line."""
    import_all()
    gc.collect()
    gc.freeze()
    gc.disable()  # a run is too short for it
    for line in sys.stdin:
        order = json.loads(line)
        process = os.fork()
        if not process:
            code = 70
            try:
                code = child(order)
            finally:
                os._exit(code)
        _, status = os.waitpid(process, 0)
        print(os.waitstatus_to_exitcode(status), flush=True)  # noqa: T201


main()
