"""What `bandersnatch verify` of Bandersnatch 3.6 fetches: JSON documents, through an aiohttp session for each."""

from __future__ import annotations

import functools
import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import aiohttp
import bandersnatch.verify
from packaging.utils import canonicalize_name

from ..core.climb import PageResult
from ..fail_open import fail_open
from ..settings import Settings
from ..transports.aiohttp_session import AiohttpPage, FreshSession
from ..transports.climber import AdaptiveClimber
from . import pages
from .suite import Suite

_log = logging.getLogger("bandersnatch.verify")


class DocumentFetcher:
    """Fetches the documents of one process, and keeps what their answers teach."""

    def __init__(self, suite: Suite) -> None:
        """`suite` knows the configuration."""
        self._suite = suite
        self._climbers: dict[tuple[str, Settings], AdaptiveClimber] = {}

    def guarded_fetch(self, url_fetch: Callable[..., Any]) -> Callable[..., Any]:
        """Return a `url_fetch` whose metadata requests are dressed, and that replaces no document by an older one.

        `bandersnatch verify` has it write beside the document, with ".new" added to its name.
        """

        @functools.wraps(url_fetch)
        async def guarded_fetch(url: str, file_path: Path, *args: Any, **kwargs: Any) -> None:
            settings = self._suite.settings
            climber = fail_open(None, self._climber)
            if settings is None or climber is None or not fail_open(False, climber.covers, "GET", url):
                await url_fetch(url, file_path, *args, **kwargs)
                return
            content, least = fail_open((b"", 0), self._own_document, file_path) if settings.guards else (b"", 0)
            # As Bandersnatch makes one.
            async with aiohttp.ClientSession(
                headers={"User-Agent": bandersnatch.verify.ASYNC_USER_AGENT},
                skip_auto_headers={"User-Agent"},
                trust_env=True,
            ) as client:
                session = FreshSession(client, self._master(), settings, climber)
                try:
                    result = await _fetch(session, url, least)
                except Exception:  # noqa: BLE001 - ours: the result carries the request's own
                    climber.step_aside()
                    await url_fetch(url, file_path, *args, **kwargs)
                    return
                if result.error is not None and not isinstance(result.error, aiohttp.ClientResponseError):
                    raise result.error
                file_path.parent.mkdir(parents=True, exist_ok=True)
                title = climber.scope.title(url)
                is_gone = not least or result.is_proven_gone or self._suite.knows_gone(canonicalize_name(title))
                if result.error is not None and (is_gone or not result.is_missing):
                    plain = climber.scope.plain(url)
                    _log.error("Invalid response from %s (%s)", plain, result.error.status)
                elif result.response is None:
                    pages.log_kept(title, least)
                    file_path.write_bytes(content)  # or it would be taken for gone
                else:
                    async with result.response as response:
                        file_path.write_bytes(await response.read())

        return guarded_fetch

    def _master(self) -> str:
        master: str = self._suite.configuration.get("mirror", "master")
        return master

    def _climber(self) -> AdaptiveClimber | None:
        """Return what is learned in this process: each document is asked for through a session of its own."""
        settings = self._suite.settings
        if settings is None:
            return None
        key = master, settings = self._master(), settings
        if key not in self._climbers:
            self._climbers[key] = AdaptiveClimber(master, settings.rungs, settings.cache_bust_parameter)
        return self._climbers[key]

    def _own_document(self, file_path: Path) -> tuple[bytes, int]:
        """Return the mirror's own document, and the least serial of one that may replace it."""
        own = file_path.with_name(file_path.name.removesuffix(".new"))
        if not own.exists():
            return b"", 0
        return own.read_bytes(), self._suite.least_document(canonicalize_name(own.name), own)


async def _fetch(session: FreshSession, url: str, least: int) -> AiohttpPage:
    """GET a document of at least this serial, 0 if any will do."""
    _log.info("Fetching %s", session.climber.scope.plain(url))
    timeout = aiohttp.ClientTimeout(total=60)  # as Bandersnatch has it
    if least:
        return await session.fetch(url, least, by_body=True, timeout=timeout)
    try:
        response = await session.get(url, timeout=timeout)
        response.raise_for_status()
    except (aiohttp.ClientError, TimeoutError) as error:
        return PageResult(error=error)
    return PageResult(response=response)
