"""A process that has imported everything, and forks one child for each run of Bandersnatch.

Reads a run from each line of its input, an object in JSON, and answers with one line: the child's exit code, or
minus the signal that ended it. Time is faked and pauses are skipped, all else is real. Every run is a process of
its own, but costs no start of Python's.

A run may have faults of the mirror's machine: `kill_at`, the number of its file operations at which it is killed;
`kill_in`, a part of a path, where it is killed when it opens one to write; `full`, a directory whose disk has no room.
"""

from __future__ import annotations

import asyncio
import contextlib
import errno
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
import bandersnatch.main
import bandersnatch.mirror

import bandersnatch_freshness.cli
import bandersnatch_freshness.cli.run
import bandersnatch_freshness.cli.status
import bandersnatch_freshness.notify.channels

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
    for name in (
        "bandersnatch_freshness.notify.notifier",
        "bandersnatch_freshness.reporting.metrics",
        "bandersnatch_freshness.reporting.publisher",
        "bandersnatch_freshness.reporting.status_page",
        "encodings.idna",
        "concurrent.futures.thread",
    ):
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


class Reaper:
    """Kills the process when it opens a file to write."""

    def __init__(self, part: str) -> None:
        """`part` is in the file's path."""
        self._part = part

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        """Hear of an event that Python audits."""
        if event == "open" and self._part in str(args[0]) and int(args[2] or 0) & (os.O_WRONLY | os.O_RDWR):
            os.kill(os.getpid(), signal.SIGKILL)


class FullDisk:
    """Refuses new files, and new content: what is there can only be written over where it lies."""

    def __init__(self, directory: str) -> None:
        """All below this directory is on it."""
        self._directory = directory
        self._statvfs = os.statvfs
        os.statvfs = self.statvfs

    def __call__(self, event: str, args: tuple[Any, ...]) -> None:
        """Hear of an event that Python audits."""
        if event not in ("open", "os.mkdir") or not str(args[0]).startswith(self._directory):
            return
        flags, is_there = 0 if event == "os.mkdir" else int(args[2] or 0), os.path.exists(args[0])
        is_made = not is_there and (event == "os.mkdir" or flags & os.O_CREAT)
        is_replaced = flags & (os.O_TRUNC | os.O_APPEND) and not str(args[0]).endswith("lock")
        if is_made or is_replaced:
            raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), str(args[0]))

    def statvfs(self, path: Any) -> os.statvfs_result:
        """Take the place of `os.statvfs`."""
        found = self._statvfs(path)
        if not str(path).startswith(self._directory):
            return found
        return os.statvfs_result((*found[:3], 0, 0, *found[5:]))


async def no_pause(delay: float, result: Any = None) -> Any:
    """Take the place of `asyncio.sleep`."""
    return result


def run(order: dict[str, Any]) -> object:
    """Run a command, and return its exit code."""
    now = float(order["now"])
    time.time = lambda: now
    asyncio.sleep = no_pause
    time.sleep = lambda _: None
    os.fsync = lambda fd: None  # no power fails
    if order.get("kill_at"):
        sys.addaudithook(Mortal(order["kill_at"]))
    if order.get("kill_in"):
        sys.addaudithook(Reaper(order["kill_in"]))
    if order.get("full"):
        sys.addaudithook(FullDisk(order["full"]))
    bandersnatch_freshness.notify.channels.SECONDS = 120  # a busy machine has its time
    name, *arguments = order["command"]
    if name == "bandersnatch-freshness":
        asyncio.set_event_loop(asyncio.new_event_loop())  # storage plugins want one
        return bandersnatch_freshness.cli.main(["--config", order["config"], *arguments])
    if name == "bandersnatch":
        sys.argv = [name, "--config", order["config"], *arguments]
        return bandersnatch.main.main()
    logging.basicConfig(level=logging.INFO, format="%(levelname)s %(name)s %(message)s", stream=sys.stderr)
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
