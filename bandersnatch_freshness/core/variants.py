"""Variants: the ways to dress one request, and the order in which to try them."""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass, field, replace


class AcceptEncoding(enum.Enum):
    """Which Accept-Encoding a request carries, and so which cached copy it selects."""

    CLIENT = "plain"  # whatever the HTTP client sends by itself
    ABSENT = "strip"
    DEFLATE = "deflate"  # a copy that hardly anybody asks for
    # The probe asks for these copies too; the ladder, which is to be short, does not.
    EMPTY = "empty"
    IDENTITY = "identity"
    GZIP = "gzip"
    BR = "br"

    def __init__(self, word: str) -> None:
        """Set `header`, the header's value: None where the suite sends none."""
        self.header: str | None = {"plain": None, "strip": None, "empty": ""}.get(word, word)


@dataclass(frozen=True)
class Variant:
    """One way to dress a request. `name` says what differs from a plain one."""

    accept_encoding: AcceptEncoding = AcceptEncoding.CLIENT
    cache_bust: bool = False
    no_cache: bool = False
    name: str = field(init=False, compare=False, repr=False)

    def __post_init__(self) -> None:
        """Name it once: each request asks for the name."""
        parts = [
            *([self.accept_encoding.value] if self.accept_encoding is not AcceptEncoding.CLIENT else []),
            *(["cache-bust"] if self.cache_bust else []),
            *(["no-cache"] if self.no_cache else []),
        ]
        object.__setattr__(self, "name", "+".join(parts) or "plain")

    def __str__(self) -> str:
        """Return its name."""
        return self.name


PLAIN = Variant()

# From the cheapest for the origin to the dearest: another copy of the edge first, past
# the edge only then.
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
    """Return the ladder's variants with what is fixed put in, each variant once.

    None leaves the choice to the ladder.
    """
    fixed = {
        **({} if accept_encoding is None else {"accept_encoding": accept_encoding}),
        **({} if cache_bust is None else {"cache_bust": cache_bust}),
    }
    return tuple(dict.fromkeys(replace(variant, **fixed) for variant in ladder))  # type: ignore[arg-type]


def possible() -> tuple[Variant, ...]:
    """Return all variants that the ladder can have, whatever is fixed."""
    encodings, busts = (None, AcceptEncoding.ABSENT, AcceptEncoding.CLIENT), (None, True, False)
    return tuple(dict.fromkeys(one for encoding in encodings for bust in busts for one in rungs(encoding, bust)))
