"""The body of an answer without a serial header, which is read only to be judged: within limits.

Bare Bandersnatch reads nothing of such an answer. So whoever sends it is not to get more memory or time for it.
"""

from __future__ import annotations

import asyncio
import io
from typing import Any, cast

import aiohttp
from msgspec import Struct


class BodyLimits(Struct, frozen=True):
    """How much of a body is read, in bytes as unpacked, and for how long."""

    most_bytes: int = 256 * 2**20
    seconds: float = 60


class BodyLimitError(Exception):
    """A body is over a limit; the text says which. Its connection is closed."""


async def read_within(response: aiohttp.ClientResponse, limits: BodyLimits) -> bytes:
    """Return the body of an answer, as whoever calls `response.read()` afterwards gets it too, with no second copy.

    Raises:
        BodyLimitError: if it is over a limit.
        Exception: what the client raises.
    """
    content = response.content
    # The answer keeps what this reads.
    response.content = cast("aiohttp.StreamReader", _Limited(content, limits.most_bytes))
    try:
        async with asyncio.timeout(limits.seconds) as time:
            return await response.read()
    except TimeoutError:
        if not time.expired():
            raise
    finally:
        response.content = content
    response.close()
    raise BodyLimitError(f"a body that takes more than {limits.seconds:g} s")


class _Limited:
    """A stream of which no more is read than that."""

    def __init__(self, content: aiohttp.StreamReader, most_bytes: int) -> None:
        self._content = content
        self._most_bytes = most_bytes

    def __getattr__(self, name: str) -> Any:
        return getattr(self._content, name)

    async def read(self) -> bytes:
        body = io.BytesIO()  # whose value is no further copy
        while block := await self._content.readany():
            if body.tell() + len(block) > self._most_bytes:
                raise BodyLimitError(f"a body of more than {self._most_bytes >> 20} MiB")
            body.write(block)
        return body.getvalue()
