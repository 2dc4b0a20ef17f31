"""The master's own account of itself: one XML-RPC call, for the last serial that it has given out. No I/O."""

from __future__ import annotations

# Source: PyPI's documentation of its XML-RPC methods. Never cached there.
METHOD = "changelog_last_serial"
PATH = "/pypi"
REQUEST = (
    f"<?xml version='1.0'?>\n<methodCall>\n<methodName>{METHOD}</methodName>\n<params>\n</params>\n</methodCall>\n"
).encode()
REQUEST_HEADERS = {"Content-Type": "text/xml"}

# An answer has some 150 bytes.
MOST_BYTES = 4096


def read_answer(body: bytes) -> int | None:
    """Return the serial in an answer, None if there is none."""
    import xmlrpc.client  # which few runs need

    try:
        (serial,), _ = xmlrpc.client.loads(body)
    except Exception:  # noqa: BLE001 - a fault, or whatever a parser says of what is no XML
        return None
    return serial if type(serial) is int and serial > 0 else None
