"""Dressed requests for aiohttp: what of a request a variant changes, also where a redirect leads."""

from __future__ import annotations

from collections.abc import Awaitable, Coroutine, Generator
from types import TracebackType
from typing import Any

import aiohttp
from multidict import CIMultiDict
from yarl import URL

from ..core.observations import Observation, observe
from ..core.variants import AcceptEncoding, Variant

# By default aiohttp rejects header fields of more than 8190 bytes. An answer with an overlong
# serial should be judged like any other, not end in an error.
MAX_FIELD_SIZE = 64 * 1024


class DressedRequest(Awaitable[aiohttp.ClientResponse]):
    """Like the result of aiohttp's `session.get()`: can be awaited or used in `async with`."""

    def __init__(self, sending: Coroutine[Any, Any, aiohttp.ClientResponse]) -> None:
        """`sending` sends it."""
        self._sending = sending

    def __await__(self) -> Generator[Any, Any, aiohttp.ClientResponse]:
        """Send it."""
        return self._sending.__await__()

    async def __aenter__(self) -> aiohttp.ClientResponse:
        """Send it, and enter its answer."""
        self._response = await self._sending
        return await self._response.__aenter__()

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """Leave its answer."""
        await self._response.__aexit__(kind, error, traceback)


def dress(variant: Variant, options: dict[str, Any]) -> dict[str, Any]:
    """Return the options of a request in this variant."""
    headers = CIMultiDict(options.get("headers") or {})
    skip = set(options.get("skip_auto_headers") or ())
    if variant.accept_encoding is not AcceptEncoding.CLIENT:
        headers.popall("Accept-Encoding", None)
        skip.add("Accept-Encoding")  # otherwise aiohttp adds its own
    if variant.accept_encoding.header is not None:
        headers["Accept-Encoding"] = variant.accept_encoding.header
    if variant.no_cache:
        headers["Cache-Control"] = "no-cache"
    return {**options, "headers": headers, "skip_auto_headers": skip}


def redirected(url: URL, target: URL, options: dict[str, Any]) -> tuple[URL, dict[str, Any]]:
    """Return a redirect's URL and options, by the same rules as aiohttp."""
    options = {name: value for name, value in options.items() if name != "params"}
    target = url.join(target)
    if target.origin() == url.origin():
        if target.user is None:
            target = target.with_user(url.user).with_password(url.password)
        return target, options
    options.pop("auth", None)
    headers = CIMultiDict(options.get("headers") or {})
    for name in ("Authorization", "Cookie", "Proxy-Authorization"):
        headers.popall(name, None)
    return target, {**options, "headers": headers}


def observed_failure(variant: Variant, error: Exception) -> Observation:
    """Return the observation for an error that the client raised; too many redirects have no status."""
    if isinstance(error, aiohttp.ClientResponseError) and error.status:
        return observe(variant, error.status, error.headers or {})
    return Observation(variant, problem=type(error).__name__)
