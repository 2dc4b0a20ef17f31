"""The sender: a process of its own in which everything is sent, so that it can be ended at any time.

Apprise sends in threads that Python waits for at its exit, and HTTP clients log what they
ask for, secrets of the URL included: neither is to happen to a run. Started by `notify`,
which writes a JSON list of channels to standard input, each with its `url` and `parts`,
and reads a line for each part: the numbers of channel and part, and the problem, if any.
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

# For whom nobody waits any more, as where the run was killed.
LONGEST_SECONDS = 20


class DeliveryError(Exception):
    """A message did not arrive; says why, without secrets."""


def send(url: str, part: Any) -> None:
    """Send what is one message of Apprise's, or the alerts of Alertmanager's.

    Raises:
        DeliveryError: where it was not taken.
    """
    if url.partition(":")[0] in ALERTMANAGER:
        send_to_alertmanager(url, part)
    else:
        send_by_apprise(url, part)


def send_by_apprise(url: str, message: Mapping[str, Any]) -> None:
    """Send a message (`level`, `title`, `body`) through one of Apprise's services.

    Raises:
        DeliveryError: where the URL is none of Apprise's, or the message was not taken.
    """
    import apprise

    service = apprise.Apprise()
    if not service.add(url):
        raise DeliveryError("not a URL that Apprise understands")
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
    """Post alerts to Alertmanager's API, version 2.

    Raises:
        DeliveryError: where it did not take them.
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
            timeout=LONGEST_SECONDS,
            allow_redirects=False,  # a POST that is redirected becomes a GET, which says nothing
        )
    except requests.RequestException as error:
        raise DeliveryError(type(error).__name__) from error
    if not 200 <= answer.status_code < 300:
        raise DeliveryError(f"status {answer.status_code}")


def _send_all(number: int, url: str, parts: Sequence[Any]) -> None:
    for index, part in enumerate(parts):
        problem = ""
        try:
            send(url, part)
        except DeliveryError as error:
            problem = str(error)
        except Exception as error:  # noqa: BLE001 - a library's; its text may have secrets in it
            problem = type(error).__name__
        # One write, so that the lines of channels that are served at once don't mix.
        os.write(1, f"{json.dumps([number, index, problem])}\n".encode())


def main() -> None:
    """Send through all channels at once."""
    signal.alarm(LONGEST_SECONDS)
    logging.disable()
    channels = json.load(sys.stdin)
    threads = [
        threading.Thread(target=_send_all, args=(number, channel["url"], channel["parts"]))
        for number, channel in enumerate(channels)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()


if __name__ == "__main__":
    main()
