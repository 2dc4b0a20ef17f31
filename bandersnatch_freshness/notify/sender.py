"""The sender: a separate process that sends everything, so that it can be killed at any time.

A run must be safe from two things: Apprise sends in threads that Python waits for at exit, and
HTTP clients log the URLs that they request, secrets included. `notify` starts this process and
writes to its standard input, as JSON, after how many `seconds` it ends itself, in case nobody is waiting for it any
more because the run was killed, and the `channels`, each with its `url` and `parts`. It reads
one JSON line for each part: the index of the channel, the index of the part, and the problem
(empty if there was none). A part that is null is not sent: it asks whether the URL is understood.
"""

from __future__ import annotations

import json
import logging
import os
import signal
import sys
import threading
from collections.abc import Mapping, Sequence
from typing import Any
from urllib.parse import unquote, urlsplit

ALERTMANAGER = ("alertmanager", "alertmanagers")

# How long Alertmanager may take for each step.
STEP_SECONDS = 20

NOT_UNDERSTOOD = "not a URL that Apprise understands"


class DeliveryError(Exception):
    """A message did not arrive; the text says why, without secrets."""


def send(url: str, part: Any) -> None:
    """Send one message through Apprise, or alerts to Alertmanager.

    Raises:
        DeliveryError: if it was not accepted.
    """
    if url.partition(":")[0] in ALERTMANAGER:
        send_to_alertmanager(url, part)
    else:
        send_by_apprise(url, part)


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


def send_to_alertmanager(url: str, alerts: Sequence[Mapping[str, Any]]) -> None:
    """Post alerts to version 2 of Alertmanager's API.

    Raises:
        DeliveryError: if it did not accept them.
    """
    import requests

    parts = urlsplit(url)
    scheme = "https" if parts.scheme == "alertmanagers" else "http"
    host = parts.netloc.rpartition("@")[2]
    auth = (unquote(parts.username), unquote(parts.password or "")) if parts.username else None
    try:
        answer = requests.post(
            f"{scheme}://{host}{parts.path.rstrip('/')}/api/v2/alerts",
            json=alerts,
            auth=auth,
            timeout=STEP_SECONDS,
            allow_redirects=False,  # a redirected POST becomes a GET, whose success proves nothing
        )
    except requests.RequestException as error:
        raise DeliveryError(type(error).__name__) from error
    if not 200 <= answer.status_code < 300:
        raise DeliveryError(f"status {answer.status_code}")


def _send_all(output: int, number: int, url: str, parts: Sequence[Any]) -> None:
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
    # A plugin may print whatever it wants, which goes to standard error from here on.
    output = os.dup(1)
    os.dup2(2, 1)
    logging.disable()
    given = json.load(sys.stdin)
    signal.alarm(given["seconds"])
    threads = [
        threading.Thread(target=_send_all, args=(output, number, channel["url"], channel["parts"]))
        for number, channel in enumerate(given["channels"])
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
