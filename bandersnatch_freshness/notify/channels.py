"""Channels: deliver messages through third-party services, any of which may fail or hang.

No channel's URL is ever logged: in many of Apprise's schemes every part is a secret.
"""

from __future__ import annotations

import hashlib
import json
import math
import os
import subprocess
import sys
from collections.abc import Iterable, Mapping
from concurrent.futures import ThreadPoolExecutor
from typing import Any, BinaryIO

import msgspec
from msgspec import Struct

from .sender import ALERTMANAGER, Head

# The longest that hanging services may delay a run, all of them together.
SECONDS: float = 10

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
    not delivered. A part that is bytes is JSON as it is; one of None only asks whether the URL is understood. Parts
    may be made while others are sent.
    """
    limit = SECONDS if seconds is None else seconds
    # On standard input, as anyone can read a command line.
    command = [sys.executable, "-P", "-m", f"{__package__}.sender"]
    given, giving = os.pipe()
    with open(giving, "wb") as pipe, ThreadPoolExecutor(1) as feeder:
        try:
            with open(given, "rb") as theirs:
                process = subprocess.Popen(command, stdin=theirs, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL)
        except OSError as error:
            otherwise = f"no process can be started to send it: {error.strerror}"
            return {channel: [otherwise for _ in parts] for channel, parts in sendings.items()}
        with process:
            feeding = feeder.submit(_feed, pipe, Head(math.ceil(2 * limit), [one.url for one in sendings]), sendings)
            try:
                said, _ = process.communicate(timeout=limit)
                otherwise = f"the sending process ended with {process.returncode}"
            except subprocess.TimeoutExpired:
                process.kill()
                said, _ = process.communicate()
                otherwise = f"no answer in {limit:g} seconds"
        counts = feeding.result()
    whole_lines = said[: said.rfind(b"\n") + 1].splitlines()
    problems = {(number, index): problem for number, index, problem in map(json.loads, whole_lines)}
    return {
        channel: [problems.get((number, index), otherwise) for index in range(counts[number])]
        for number, channel in enumerate(sendings)
    }


def _feed(pipe: BinaryIO, head: Head, sendings: Mapping[Channel, Iterable[Any]]) -> list[int]:
    """Write what a sender reads, and return how many parts each channel has."""
    counts = [0] * len(sendings)
    try:
        with pipe:
            pipe.write(msgspec.json.encode(head) + b"\n")
            for number, parts in enumerate(sendings.values()):
                for counts[number], part in enumerate(parts, 1):
                    text = part if isinstance(part, bytes) else msgspec.json.encode(part)
                    pipe.write(b"[%d,%b]\n" % (number, text))
    except BrokenPipeError:  # it has ended, or was killed
        return [sum(1 for _ in parts) for parts in sendings.values()]
    return counts
