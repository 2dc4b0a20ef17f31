"""The second copy of what the mirror's serial has passed: packages in quarantine, and those that are missing. No I/O.

One line for each, with its required serial; of a missing one, that is said after it.
"""

from __future__ import annotations

from collections.abc import Iterator

from msgspec.structs import replace

from ..core import missing
from ..core.index import ANY_SERIAL
from ..core.missing import Missing
from ..core.observations import parse_serial
from ..core.quarantine import QuarantineEntry
from .remembered import State
from .values import plain

_MISSING = "missing"


def dump(state: State) -> str:
    """Return the text of the second copy."""
    held, owed = state.quarantine, dict(missing.still_owed(state.missing))
    lines = [f"{name} {held[name].required_serial}\n" for name in sorted(held)]
    return plain("".join(lines + [f"{name} {owed[name]} {_MISSING}\n" for name in sorted(owed) if name not in held]))


def recover(state: State, text: str, now: int) -> int:
    """Add to the state what only the second copy has; return how many packages that are."""
    lost = 0
    for name, serial, is_missing in _read(text):
        held, gone = state.quarantine.get(name), state.missing.get(name)
        if held is not None:
            if serial > held.required_serial and not is_missing:
                state.quarantine[name] = replace(held, required_serial=serial)
        elif is_missing and gone is None:
            state.missing[name] = Missing(serial, now, now)
            lost += 1
        elif not is_missing:
            state.quarantine[name] = QuarantineEntry(serial, now, now, waiting=serial <= ANY_SERIAL)
            lost += 1
    return lost


def count_quarantined(text: str) -> int:
    """Return how many packages a second copy has in quarantine."""
    return sum(not is_missing for _, _, is_missing in _read(text))


def _read(text: str) -> Iterator[tuple[str, int, bool]]:
    """Return names, serials, and whether each is missing; malformed lines are skipped."""
    for line in text.splitlines():
        name, _, rest = line.partition(" ")
        number, _, kind = rest.partition(" ")
        serial = parse_serial(number)
        if name and "/" not in name and serial is not None and kind in ("", _MISSING):
            yield name, serial, kind == _MISSING
