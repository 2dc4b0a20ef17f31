"""How the document writes values: names, times and numbers that can be read again, whatever they came from. No I/O."""

from __future__ import annotations

import functools
import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from typing import Any, TypeVar

import msgspec

from ..core.incidents import Level
from ..formatting import timestamp, with_texts
from .part import HIGHEST

LATEST = 253_402_300_799  # the end of the year 9999, after which ISO 8601 has no date
LEVELS = {str(level): level for level in Level}
LEVEL_NAME: Callable[[int], Any] = ("", *LEVELS).__getitem__

_AT_A_TIME = 500

_ENCODER = msgspec.json.Encoder(enc_hook=dict)  # of mappings that are no dict

_T = TypeVar("_T")


def as_json(value: object) -> str:
    """Return a value as JSON."""
    return _encoded(_ENCODER.encode, value)


def in_lines(values: Sequence[object]) -> str:
    """Return values as JSON, each on a line of its own."""
    return _encoded(_ENCODER.encode_lines, values)


def batched(values: Iterable[_T]) -> Iterator[list[_T]]:
    """Yield as many values at a time as are best written in one go."""
    left = iter(values)
    return iter(lambda: list(itertools.islice(left, _AT_A_TIME)), [])


def _encoded(encode: Callable[[Any], bytes], value: object) -> str:
    try:
        return encode(value).decode()
    except UnicodeEncodeError:
        return encode(with_texts(msgspec.to_builtins(value, enc_hook=dict), plain)).decode()


def plain(text: str) -> str:
    """Return a text without halves of surrogate pairs, which come from hostile JSON and no file may hold."""
    return text if text.isascii() else text.encode("utf-8", "replace").decode()


@functools.lru_cache(4096)  # many times in a state are the same
def time_text(value: int) -> Any:
    """Return seconds since 1970 in ISO 8601."""
    return timestamp(min(max(value, 0), LATEST))


def bounded(value: int | None) -> Any:
    """Return a number within what can be read again, whatever a hostile index said it was."""
    return value if value is None or 0 <= value <= HIGHEST else min(max(value, 0), HIGHEST)
