"""What a master says of itself by XML-RPC, which no cache keeps: its last serial, and what has changed. No I/O.

Source: PyPI's documentation of its XML-RPC methods. It gives at most 50,000 events at once, the oldest first.
"""

from __future__ import annotations

from typing import Any

PATH = "/pypi"
REQUEST_HEADERS = {"Content-Type": "text/xml"}

# The last serial has some 150 bytes; an event some 500.
MOST_BYTES = 4096
MOST_BYTES_OF_CHANGES = 64 * 2**20


def ask_last_serial() -> bytes:
    """Return the request for the last serial that the master has given out."""
    return _request("changelog_last_serial", "")


def ask_changes(since: int) -> bytes:
    """Return the request for all that has happened since a serial."""
    return _request("changelog_since_serial", f"<param>\n<value><int>{since}</int></value>\n</param>\n")


def read_last_serial(body: bytes) -> int | None:
    """Return the serial in an answer, None if there is none."""
    serial = _read(body)
    return serial if type(serial) is int and serial > 0 else None


def read_changes(body: bytes) -> dict[str, int] | None:
    """Return the projects that have changed, each with its highest serial; None if the answer is no such list.

    One event that is none may stand for any project, so that the whole answer says nothing.
    """
    events = _read(body)
    changes: dict[str, int] = {}
    try:
        for name, _, _, _, serial in events:
            if not isinstance(name, str) or type(serial) is not int:
                return None
            changes[name] = max(changes.get(name, 0), serial)
    except (TypeError, ValueError):
        return None
    return changes


def _request(method: str, parameters: str) -> bytes:
    return (
        f"<?xml version='1.0'?>\n<methodCall>\n<methodName>{method}</methodName>\n"
        f"<params>\n{parameters}</params>\n</methodCall>\n"
    ).encode()


def _read(body: bytes) -> Any:
    import xmlrpc.client  # which few runs need

    try:
        (value,), _ = xmlrpc.client.loads(body)
    except Exception:  # noqa: BLE001 - a fault, or whatever a parser says of what is no XML
        return None
    return value
