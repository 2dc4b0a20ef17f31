"""Channels: deliver messages through third-party services, any of which may fail or hang.

No channel's URL is ever logged: in many of Apprise's schemes every part is a secret.
"""

from __future__ import annotations

import hashlib
import json
import math
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

import msgspec
from msgspec import Struct

from .sender import ALERTMANAGER, Given, Outgoing

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


def deliver(sendings: Mapping[Channel, Sequence[Any]], seconds: float | None = None) -> dict[Channel, list[str]]:
    """Send the parts of each channel, all channels at once, and return the problem of each part, empty if it arrived.

    If the time runs out (`SECONDS`, or as given), the sending process is killed, and what is still unsent counts as
    not delivered. A part that is bytes is JSON as it is; one of None only asks whether the URL is understood.
    """
    limit = SECONDS if seconds is None else seconds
    channels = [Outgoing(channel.url, [_as_json(part) for part in parts]) for channel, parts in sendings.items()]
    # On standard input, as anyone can read a command line.
    command = [sys.executable, "-P", "-m", f"{__package__}.sender"]
    given = msgspec.json.encode(Given(math.ceil(2 * limit), channels))
    try:
        ended = subprocess.run(
            command, input=given, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, timeout=limit, check=False
        )
        said, otherwise = ended.stdout, f"the sending process ended with {ended.returncode}"
    except subprocess.TimeoutExpired as late:
        said, otherwise = late.stdout or b"", f"no answer in {limit:g} seconds"
    except OSError as error:
        said, otherwise = b"", f"no process can be started to send it: {error.strerror}"
    whole_lines = said[: said.rfind(b"\n") + 1].splitlines()
    problems = {(number, index): problem for number, index, problem in map(json.loads, whole_lines)}
    return {
        channel: [problems.get((number, index), otherwise) for index in range(len(parts))]
        for number, (channel, parts) in enumerate(sendings.items())
    }


def _as_json(part: Any) -> msgspec.Raw:
    return msgspec.Raw(part if isinstance(part, bytes) else msgspec.json.encode(part))
