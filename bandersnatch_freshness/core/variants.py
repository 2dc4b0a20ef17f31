"""Variants: the different forms of one request, and the order in which to try them."""

from __future__ import annotations

import enum
import functools
from collections.abc import Iterable

from msgspec import Struct
from msgspec.structs import replace


class AcceptEncoding(enum.Enum):
    """Which Accept-Encoding a request carries, and so which cached copy it selects."""

    CLIENT = "plain"  # whatever the HTTP client sends by itself
    ABSENT = "strip"
    DEFLATE = "deflate"  # a copy that hardly anyone requests
    # Only the probe requests these copies: the ladder must stay short.
    EMPTY = "empty"
    IDENTITY = "identity"
    GZIP = "gzip"
    BR = "br"

    def __init__(self, word: str) -> None:
        """Set `header` to the value to send, None if the suite sets none."""
        self.header: str | None = {"plain": None, "strip": None, "empty": ""}.get(word, word)


class Variant(Struct, frozen=True, dict=True):
    """One form of a request."""

    accept_encoding: AcceptEncoding = AcceptEncoding.CLIENT
    cache_bust: bool = False
    no_cache: bool = False
    # Asked for by OPTIONS, which no cache keeps.
    by_options: bool = False

    @functools.cached_property  # as every request uses it
    def name(self) -> str:
        """What it differs in from a plain one."""
        parts = [
            *([self.accept_encoding.value] if self.accept_encoding is not AcceptEncoding.CLIENT else []),
            *(["cache-bust"] if self.cache_bust else []),
            *(["no-cache"] if self.no_cache else []),
            *(["origin"] if self.by_options else []),
        ]
        return "+".join(parts) or "plain"

    @property
    def is_a_copy(self) -> bool:
        """Whether it differs from a plain one at most in its Accept-Encoding, and so in the cached copy it selects."""
        return not (self.cache_bust or self.no_cache)

    def __str__(self) -> str:
        """Return its name."""
        return self.name


PLAIN = Variant()
# No rung of the ladder: see `origin`.
ORIGIN = Variant(by_options=True)

# From the cheapest for the origin to the most expensive: first the edge's other copies, and only
# then past the edge.
LADDER = (
    PLAIN,
    Variant(AcceptEncoding.ABSENT),
    Variant(AcceptEncoding.ABSENT, cache_bust=True),
    Variant(AcceptEncoding.DEFLATE),
    Variant(cache_bust=True),
    Variant(no_cache=True),
    Variant(AcceptEncoding.ABSENT, cache_bust=True, no_cache=True),
)


def rungs(
    accept_encoding: AcceptEncoding | None = None,
    cache_bust: bool | None = None,
    ladder: Iterable[Variant] = LADDER,
) -> tuple[Variant, ...]:
    """Return the ladder's variants with the given values applied, each variant once.

    None leaves the choice to the ladder.
    """
    fixed = {
        **({} if accept_encoding is None else {"accept_encoding": accept_encoding}),
        **({} if cache_bust is None else {"cache_bust": cache_bust}),
    }
    return tuple(dict.fromkeys(replace(variant, **fixed) for variant in ladder))


def possible() -> tuple[Variant, ...]:
    """Return all variants that any configuration can use."""
    encodings, busts = (None, AcceptEncoding.ABSENT, AcceptEncoding.CLIENT), (None, True, False)
    found = dict.fromkeys(one for encoding in encodings for bust in busts for one in rungs(encoding, bust))
    return *found, ORIGIN
