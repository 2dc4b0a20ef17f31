"""PyPI's serials: how they are read from what an answer carries."""

from __future__ import annotations

import json
import re

# More digits are no serial: PyPI counted some 30 million events in its first 20 years.
_SERIAL = re.compile(r"[0-9]{1,18}", re.ASCII)
_IN_PAGE = re.compile(r'(?:<!--SERIAL |"_last-serial": ?"?)([0-9]{1,18})', re.ASCII)


def parse_serial(text: str | None) -> int | None:
    """Return the serial that a header or field spells, None where it spells none.

    Stricter than `int()`, which takes "4_2", "-1" and digits of any script, and raises
    on the rest.
    """
    text = (text or "").strip(" \t")
    return int(text) if _SERIAL.fullmatch(text) else None


def serial_in_page(text: str) -> int | None:
    """Return the serial of a simple page as Bandersnatch writes it, None where there is none.

    Source: bandersnatch/simple.py; in HTML as in the pages of PyPI, in JSON by PEP 700.
    """
    found = _IN_PAGE.search(text)
    return int(found[1]) if found else None


def serial_in_body(body: bytes) -> int | None:
    """Return the `last_serial` of a JSON API document, None where there is none.

    Source: the JSON API in the documentation of PyPI
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    serial = document.get("last_serial") if isinstance(document, dict) else None
    return parse_serial(str(serial))
