"""What all parts of the state file have in common, and the types of many of their fields."""

from typing import Annotated

from msgspec import Meta, Struct

from ..core.observations import HIGHEST_SERIAL

# No number of anything else here is higher either.
HIGHEST = HIGHEST_SERIAL


class Seconds(int):
    """A time in seconds since 1970, which JSON has as text."""

    __slots__ = ()


Number = Annotated[int, Meta(ge=0, le=HIGHEST)]
Counts = dict[str, Number]


class Part(Struct, omit_defaults=True, gc=False):  # there may be 100,000 of them, none of which refers to itself
    """What all parts have in common."""
