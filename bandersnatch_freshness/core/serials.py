"""PyPI's serials: how they are read from what an answer carries."""

from __future__ import annotations

import json
import re

# More digits are no serial: PyPI counted some 30 million events in its first 20 years.
_SERIAL = re.compile(r"[0-9]{1,18}", re.ASCII)
_AT_THE_END = re.compile(rb"<!--SERIAL ([0-9]{1,18})-->\s*\Z")


def parse_serial(text: str | None) -> int | None:
    """Return the serial that a header or field spells, None where it spells none.

    Stricter than `int()`, which takes "4_2", "-1" and digits of any script, and raises
    on the rest.
    """
    text = (text or "").strip(" \t")
    return int(text) if _SERIAL.fullmatch(text) else None


def serial_in_html(page: bytes) -> int | None:
    """Return the serial of a simple page in HTML, None where there is none; the page's end will do.

    Source: bandersnatch/simple.py, which ends a page as PyPI does. What looks like it elsewhere
    in a page may be anybody's text.
    """
    found = _AT_THE_END.search(page)
    return int(found[1]) if found else None


def serial_in_body(body: bytes) -> int | None:
    """Return the serial of a JSON document: a project's, or its simple page; None where there is none.

    Source: `last_serial` of the JSON API in the documentation of PyPI; `_last-serial` beside
    what PEP 691 has in `meta`, as PyPI and Bandersnatch write it.
    """
    try:
        document = json.loads(body)
    except (ValueError, RecursionError):
        return None
    if not isinstance(document, dict):
        return None
    meta = document.get("meta")
    in_meta = meta.get("_last-serial") if isinstance(meta, dict) else None
    return parse_serial(str(document.get("last_serial", in_meta)))
