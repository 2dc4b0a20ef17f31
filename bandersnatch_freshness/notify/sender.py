"""The sender: a separate process that sends everything, so that it can be killed at any time.

A run must be safe from two things: Apprise sends in threads that Python waits for at exit, and
HTTP clients log the URLs that they request, secrets included. `notify` starts this process and
writes JSON lines to its standard input, a `Head` and then what goes to the URLs, part by part:
the index of the URL, and the part. It reads one JSON line for each part: the index of the URL,
the index of the part, and the problem (empty if there was none). A part that is null is not
sent: it asks whether the URL is understood.
"""

from __future__ import annotations

import functools
import json
import logging
import os
import signal
import threading
import urllib.request
from collections.abc import Iterable, Mapping
from queue import SimpleQueue
from typing import Any
from urllib.error import HTTPError, URLError
from urllib.parse import urlsplit

import msgspec
from msgspec import Raw, Struct

from .opener import opener, without_login

ALERTMANAGER = ("alertmanager", "alertmanagers")

# How long Alertmanager may take for each step.
STEP_SECONDS = 20

# This process lives for a few seconds.
_opener = functools.cache(opener)

NOT_UNDERSTOOD = "not a URL that Apprise understands"


class Head(Struct):
    """What a sender is told first: after how many seconds it ends itself, as its run may be killed, and the URLs."""

    seconds: int
    urls: list[str]


class DeliveryError(Exception):
    """A message did not arrive; the text says why, without secrets."""


def send(url: str, part: Raw) -> None:
    """Send one message through Apprise, or one body of alerts to Alertmanager.

    Raises:
        DeliveryError: if it was not accepted.
    """
    if url.partition(":")[0] in ALERTMANAGER:
        send_to_alertmanager(url, bytes(part))
    else:
        send_by_apprise(url, msgspec.json.decode(part))


def send_by_apprise(url: str, message: Mapping[str, Any] | None) -> None:
    """Send a message (`level`, `title`, `body`) through one of Apprise's services; None only checks the URL.

    Raises:
        DeliveryError: if Apprise does not understand the URL, or the message was not accepted.
    """
    import apprise

    service = apprise.Apprise()
    if not service.add(url):
        raise DeliveryError(NOT_UNDERSTOOD)
    if message is None:
        return
    kinds = {"critical": apprise.NotifyType.FAILURE, "warning": apprise.NotifyType.WARNING}
    taken = service.notify(
        title=message["title"],
        body=message["body"],
        notify_type=kinds.get(message["level"], apprise.NotifyType.SUCCESS),
        body_format=apprise.NotifyFormat.TEXT,
    )
    if not taken:
        raise DeliveryError("the service did not take it")


def send_to_alertmanager(url: str, alerts: bytes) -> None:
    """Post alerts, as a JSON array, to version 2 of Alertmanager's API.

    Raises:
        DeliveryError: if it did not accept them.
    """
    parts, login = without_login(urlsplit(url))
    scheme = "https" if parts.scheme == "alertmanagers" else "http"
    where = f"{scheme}://{parts.netloc}{parts.path.rstrip('/')}/api/v2/alerts"
    headers = {"Content-Type": "application/json", **login}
    request = urllib.request.Request(where, alerts, headers)  # noqa: S310 - one of the two
    try:
        with _opener().open(request, timeout=STEP_SECONDS) as answer:
            answer.read()
    except HTTPError as error:
        with error:
            raise DeliveryError(f"status {error.code}") from error
    except URLError as error:
        raise DeliveryError(type(error.reason).__name__) from error


def _send_all(output: int, number: int, url: str, parts: Iterable[Raw]) -> None:
    for index, part in enumerate(parts):
        problem = ""
        try:
            send(url, part)
        except DeliveryError as error:
            problem = str(error)
        except Exception as error:  # noqa: BLE001 - from a library; its text may contain secrets
            problem = type(error).__name__
        # One write, so that lines from channels in different threads don't mix.
        os.write(output, f"{json.dumps([number, index, problem])}\n".encode())


def main() -> None:
    """Send through all channels at once."""
    # A plugin, or what it starts, may print and read whatever it wants: to standard error, and nothing.
    output, lines = os.dup(1), os.fdopen(os.dup(0), "rb")
    os.dup2(2, 1)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    logging.disable()
    head = msgspec.json.decode(lines.readline(), type=Head)
    signal.alarm(head.seconds)
    queues: list[SimpleQueue[Raw | None]] = [SimpleQueue() for _ in head.urls]
    threads = [
        threading.Thread(target=_send_all, args=(output, number, url, iter(queues[number].get, None)))
        for number, url in enumerate(head.urls)
    ]
    for thread in threads:
        thread.start()
    try:
        for line in lines:
            number, part = msgspec.json.decode(line, type=tuple[int, Raw])
            queues[number].put(part)
    finally:
        for queue in queues:
            queue.put(None)
    for thread in threads:  # Apprise starts more, which Python doesn't allow once this one has ended
        thread.join()


if __name__ == "__main__":
    main()
