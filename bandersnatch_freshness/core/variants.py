"""Variants: the ways to dress one request, and the order in which to try them."""

from __future__ import annotations

import enum
import functools
from collections.abc import Iterable
from dataclasses import dataclass, replace


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

    @property
    def header(self) -> str | None:
        """The header's value; None where the suite sends none."""
        silent = (AcceptEncoding.CLIENT, AcceptEncoding.ABSENT)
        return None if self in silent else "" if self is AcceptEncoding.EMPTY else self.value


@dataclass(frozen=True)
class Variant:
    """One way to dress a request."""

    accept_encoding: AcceptEncoding = AcceptEncoding.CLIENT
    cache_bust: bool = False
    no_cache: bool = False

    def __str__(self) -> str:
        """Return its name."""
        return self.name

    @functools.cached_property
    def name(self) -> str:
        """What differs from a plain request."""
        parts = [
            *([self.accept_encoding.value] if self.accept_encoding is not AcceptEncoding.CLIENT else []),
            *(["cache-bust"] if self.cache_bust else []),
            *(["no-cache"] if self.no_cache else []),
        ]
        return "+".join(parts) or "plain"


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
