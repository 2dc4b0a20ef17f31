"""Channels: deliver messages through third-party services, any of which may fail or hang.

No channel's URL is ever logged: in many of Apprise's schemes every part is a secret.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import selectors
import subprocess
import sys
import time
from collections import deque
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import msgspec
from msgspec import Struct

from .sender import ALERTMANAGER, Head

# The longest that hanging services may delay a run, all of them together.
SECONDS: float = 10

# How many parts may be made while none can be sent, as at first, when the sending process starts.
_AHEAD = 20

# The longest that Apprise may take to load and to look at URLs, once.
CHECK_SECONDS: float = 60


class Channel(Struct, frozen=True):
    """One line of `notify`, or the heartbeat, which is number 0."""

    url: str
    number: int

    def __str__(self) -> str:
        """Return a name without its secrets."""
        where = f"notify line {self.number}" if self.number else "heartbeat"
        return f"{where} ({self.scheme})"

    @property
    def scheme(self) -> str:
        """What the URL begins with, which names the service."""
        return self.url.partition(":")[0]

    @property
    def key(self) -> str:
        """The channel's key in the state, from which its secrets can't be recovered."""
        return hashlib.sha256(self.url.encode()).hexdigest()[:12]

    @property
    def is_alertmanager(self) -> bool:
        """Whether this is an Alertmanager, which expects every open incident in every run."""
        return self.scheme in ALERTMANAGER


def deliver(sendings: Mapping[Channel, Iterable[Any]], seconds: float | None = None) -> dict[Channel, list[str]]:
    """Send the parts of each channel, all channels at once, and return the problem of each part, empty if it arrived.

    If the time runs out (`SECONDS`, or as given), the sending process is killed, and what is still unsent counts as
    not delivered. A part that is bytes is JSON as it is, in one line; one of None only asks whether the URL is
    understood. Parts may be made while others are sent.
    """
    limit = SECONDS if seconds is None else seconds
    deadline = time.monotonic() + limit
    counts = [0] * len(sendings)

    def lines() -> Iterator[bytes]:
        yield msgspec.json.encode(Head(math.ceil(2 * limit), [one.url for one in sendings])) + b"\n"
        for number, parts in enumerate(sendings.values()):
            for part in parts:
                counts[number] += 1
                yield b"[%d,%b]\n" % (number, part if isinstance(part, bytes) else msgspec.json.encode(part))

    left, said = lines(), bytearray()
    # On standard input, as anyone can read a command line.
    command, pipe = [sys.executable, "-P", "-m", f"{__package__}.sender"], subprocess.PIPE
    try:
        process = subprocess.Popen(command, bufsize=0, stdin=pipe, stdout=pipe, stderr=subprocess.DEVNULL)
    except OSError as error:
        otherwise = f"no process can be started to send it: {error.strerror}"
    else:
        with process:
            try:
                _exchange(process.stdin, process.stdout, left, said, deadline)
                otherwise = f"the sending process ended with {process.wait(max(0, deadline - time.monotonic()))}"
            except (TimeoutError, subprocess.TimeoutExpired):
                otherwise = f"no answer in {limit:g} seconds"
            finally:
                process.kill()
    deque(left, maxlen=0)  # what was not even written is counted
    whole_lines = said[: said.rfind(b"\n") + 1].splitlines()
    problems = {(number, index): problem for number, index, problem in map(json.loads, whole_lines)}
    return {
        channel: [problems.get((number, index), otherwise) for index in range(counts[number])]
        for number, channel in enumerate(sendings)
    }


def _exchange(stdin: Any, stdout: Any, lines: Iterator[bytes], said: bytearray, deadline: float) -> None:
    """Write lines to a process, as many as it reads, and note what it has said, until it says no more.

    There is no thread for it, as what Python calls at its exit can't start one.

    Raises:
        TimeoutError: if that is not before the deadline, by the monotonic clock.
    """
    os.set_blocking(stdin.fileno(), False)
    unwritten, ahead, is_over = memoryview(b""), deque[bytes](), False
    with selectors.DefaultSelector() as selector:
        selector.register(stdin, selectors.EVENT_WRITE)
        selector.register(stdout, selectors.EVENT_READ)
        while selector.get_map():
            is_free = not is_over and len(ahead) < _AHEAD
            wait = 0 if is_free else max(0, deadline - time.monotonic())
            ready = [key.fileobj for key, _ in selector.select(wait)]
            if time.monotonic() >= deadline:
                raise TimeoutError
            if stdout in ready:
                more = stdout.read(1 << 16)
                said += more
                if not more:
                    selector.unregister(stdout)
            if stdin in ready:
                unwritten = unwritten or memoryview(ahead.popleft() if ahead else next(lines, b""))
                is_over = not unwritten
                try:
                    unwritten = unwritten[stdin.write(unwritten) or 0 :]
                except BrokenPipeError:  # it has ended
                    is_over = True
                if is_over:
                    selector.unregister(stdin)
                    stdin.close()
            elif is_free:
                ahead.append(next(lines, b""))
