"""The request for the whole index, by Bandersnatch's own client: with its User-Agent, time-outs, proxy and authorities.

Asked for as Bandersnatch 8 does (PEP 691), once, and not in other ways: what is compared with it says how old it is.
"""

from __future__ import annotations

import asyncio
import inspect
from typing import Any

import aiohttp
import bandersnatch.master

from ..audit.announced import NoIndexError
from ..core.causes import cause_of

PATH = "/simple/"
HEADERS = {"Accept": "application/vnd.pypi.simple.v1+json"}

# PyPI's has some 40 million bytes.
LARGEST = 512 * 2**20
_BLOCK = 2**16


def fetch_by_aiohttp(configuration: Any) -> bytes:
    """Return the index's body, by Bandersnatch 4.4 and later.

    Raises:
        NoIndexError: if it can't be had.
    """
    try:
        return asyncio.run(_fetch(configuration))
    except (aiohttp.ClientError, OSError, TimeoutError, ValueError) as error:
        raise _told(error) from None


async def _fetch(configuration: Any) -> bytes:
    async with _master(configuration) as master:
        url = master.url.rstrip("/") + PATH
        async with master.session.get(url, headers=HEADERS) as response:
            response.raise_for_status()
            body = bytearray()
            async for block in response.content.iter_chunked(_BLOCK):
                _append(body, block)
            return bytes(body)


def fetch_by_requests(configuration: Any) -> bytes:
    """Return the index's body, by Bandersnatch 3.6.

    Raises:
        NoIndexError: if it can't be had.
    """
    try:
        master = _master(configuration)
        url = master.url.rstrip("/") + PATH
        with master.session.get(url, headers=HEADERS, timeout=master.timeout, stream=True) as response:
            response.raise_for_status()
            body = bytearray()
            for block in response.iter_content(_BLOCK):
                _append(body, block)
            return bytes(body)
    except (OSError, ValueError) as error:  # those of requests are OSErrors
        raise _told(error) from None


def _master(configuration: Any) -> Any:
    """Return the master as Bandersnatch makes it; older ones know fewer options."""
    section = configuration["mirror"]
    given = {
        "url": section.get("master"),
        "timeout": section.getfloat("timeout", fallback=10),
        "global_timeout": section.getfloat("global-timeout", fallback=None),
        "proxy": section.get("proxy", fallback=None) or None,
        "allow_non_https": section.getboolean("allow-non-https", fallback=False),
    }
    known = inspect.signature(bandersnatch.master.Master).parameters
    return bandersnatch.master.Master(**{name: value for name, value in given.items() if name in known})


def _append(body: bytearray, block: bytes) -> None:
    body += block
    if len(body) > LARGEST:
        raise NoIndexError(f"it has more than {LARGEST >> 20} MiB")


def _told(error: Exception) -> NoIndexError:
    """Return an error as one of ours, without what may be secret in its text."""
    return error if isinstance(error, NoIndexError) else NoIndexError(f"it can't be had: {cause_of(error)}")
