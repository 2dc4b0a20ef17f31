"""What the mirror itself has to serve: the serials in its own files, which those who check it from outside compare."""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any

from ..reporting.published import OwnSerials
from ..state.remembered import State
from .layout import JSON_PAGE
from .own_copies import HTML, JSON, OwnCopies

# Source: bandersnatch/simple.py, which writes `meta` first, be the page pretty or not.
_INDEX_BEGIN = 512
_IN_INDEX = re.compile(rb'\A\{\s*"meta": \{\s*"_last-serial": ([0-9]{1,18})[,\s}]')


def own_serials(storage: Any, directory: str, state: State) -> OwnSerials:
    """Return the serials of the index and of the pages that changed last; none in an object store."""
    if storage.PATH_BACKEND is not Path:  # that would take requests in every run
        return OwnSerials()
    web = f"{directory}/web"
    layouts = [OwnCopies(storage, web, (HTML, JSON), hashed=hashed) for hashed in (False, True)]
    found = {name: [serial for one in layouts for serial in one.read(name) if serial] for name in state.newest}
    # Where its two forms differ, the mirror itself serves the older one.
    return OwnSerials(_of_index(Path(web)), {name: min(serials) for name, serials in found.items() if serials})


def _of_index(web: Path) -> int | None:
    try:
        with (web / "simple" / JSON_PAGE).open("rb") as file:
            found = _IN_INDEX.match(file.read(_INDEX_BEGIN))
    except OSError:  # there may be none, and the page is worth more than its serial
        return None
    return int(found[1]) if found else None
