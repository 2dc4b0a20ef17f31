"""The index through aiohttp: as Bandersnatch asks for it, and where a newer one is looked for, its newest copy."""

from __future__ import annotations

import logging
import re
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import aiohttp
from msgspec import Struct
from yarl import URL

from ..core import changelog
from ..core.guard import IndexGuard
from ..core.incidents import INDEX
from ..core.index_copies import IndexComparison
from ..core.log_fields import log_fields
from ..core.observations import Observation, observe
from ..core.variants import Variant
from .aiohttp_dressing import observed_failure
from .climber import RequestFailedError

if TYPE_CHECKING:
    from .aiohttp_session import FreshSession

log = logging.getLogger("bandersnatch.freshness")

# A master that takes longer than this to say which serial it is at, or what has changed, does not say.
_ACCOUNT_SECONDS = 30
_CHANGES_SECONDS = 300

# RFC 9111, section 5.2.2: how long a cache may keep an answer; one that is shared goes by s-maxage.
_MAX_AGE = re.compile(r"(?:^|[,\s])(s-maxage|max-age)=\"?([0-9]{1,9})")


class _Look(Struct, frozen=True):
    """A look at the copies of the index, and the URL that they are at."""

    comparison: IndexComparison
    there: URL


class GuardedIndex:
    """The index of one master, and what the master says of itself."""

    def __init__(self, session: FreshSession, master: str) -> None:
        """`master`: its URL."""
        # Who says whether to look for a newer index; None: nobody does.
        self.guard: IndexGuard | None = None
        # What the answers to the latest request for it, and to the look that it led to, showed.
        self.observations: Sequence[Observation] = ()
        self._session = session
        self._master = master.rstrip("/")
        # The copy that the index was last taken from, None if that is the one asked for first; and those refused.
        self._copy: Variant | None = None
        self._refused: set[Variant] = set()
        self._look: _Look | None = None

    @property
    def has_other_copy(self) -> bool:
        """Whether it was last taken from another copy than the one asked for first, which is to be had too."""
        return self._copy is not None

    def refuse_copy(self) -> bool:
        """Leave out the copy that it was last taken from; return whether there is another one to take."""
        if self._copy is None:
            return False
        self._refused.add(self._copy)
        return True

    async def fetch(self, url: URL, options: dict[str, Any]) -> aiohttp.ClientResponse:
        """GET the index; if a newer one is looked for, from the copy whose header has the highest serial.

        Only that copy's body is downloaded. Asked for again after a copy was refused, the next best one.
        """
        variant, look = self._session.climber.ladder.start, self._look
        self._copy = None
        if look is not None and self._refused:
            found = await self._best(look, options)
            return found or await self._session.send("GET", url, variant, options)
        response = await self._first(url, variant, options)
        try:
            look = await self._look_at_copies(url, variant, response, options)
            # A small body's connection is free at once; a peek that reused it and broke has spoiled the response.
            if response.content.exception() is not None:
                response.close()
                response = await self._session.send("GET", url, variant, options)
            found = await self._best(look, options)
        except BaseException:
            response.close()
            raise
        if found is None:
            return response
        response.close()
        return found

    async def _first(self, url: URL, variant: Variant, options: dict[str, Any]) -> aiohttp.ClientResponse:
        try:
            return await self._session.send("GET", url, variant, options)
        except RequestFailedError as failed:
            self._session.climber.heed([observed_failure(variant, failed.error)])
            raise

    async def _look_at_copies(
        self, url: URL, variant: Variant, response: aiohttp.ClientResponse, options: dict[str, Any]
    ) -> _Look:
        """Return what the first answer shows and, where the guard wants to know, those of other copies."""
        climber = self._session.climber
        # Peeks go where a redirect leads, which saves each a request; there are none if that is another host.
        there = url if variant.cache_bust else response.url
        first = observe(variant, response.status, response.headers)
        look = self._look = _Look(IndexComparison(first, self._session.settings.rungs), there)
        self.observations = look.comparison.observations
        is_extra = not climber.ladder.is_refused and climber.covers("GET", str(there))
        if is_extra and await self._compares(first, response):
            while (copy := look.comparison.next_copy()) is not None:
                look.comparison.saw(await self._peek(*copy, there, options))
            climber.heed(look.comparison.observations)
        return look

    async def _best(self, look: _Look, options: dict[str, Any]) -> aiohttp.ClientResponse | None:
        """GET the newest copy that was not refused; None if none is newer than the one asked for first."""
        for seen in look.comparison.newer():
            if seen.variant in self._refused:
                continue
            found = await self._newer(look.comparison, look.there, seen.variant, options)
            if found is not None:
                self._copy = seen.variant
                log.info(
                    "The index was stale, cured by %s: %s",
                    *(seen.variant.name, ", ".join(map(str, look.comparison.observations))),
                    extra=log_fields(project=INDEX, got_serial=seen.serial, variant=seen.variant.name),
                )
                return found
        return None

    async def peek(self) -> int | None:
        """Return the serial that the index has now, by its header; None where that can't be had."""
        if self._session.climber.ladder.is_refused:
            return None
        url, options = URL(f"{self._master}{INDEX}"), {"timeout": aiohttp.ClientTimeout(total=_ACCOUNT_SECONDS)}
        seen = await self._peek("HEAD", self._session.climber.ladder.start, url, options)
        self._session.climber.heed([seen])
        return seen.serial

    async def last_serial(self) -> int | None:
        """Return the last serial that the master has given out, by its own account; None if it gives none."""
        body = await self._call(changelog.ask_last_serial(), changelog.MOST_BYTES, _ACCOUNT_SECONDS)
        return None if body is None else changelog.read_last_serial(body)

    async def changes(self, since: int) -> dict[str, int] | None:
        """Return the projects that have changed since a serial, with their serials; None if the master doesn't say."""
        body = await self._call(changelog.ask_changes(since), changelog.MOST_BYTES_OF_CHANGES, _CHANGES_SECONDS)
        return None if body is None else changelog.read_changes(body)

    async def _call(self, request: bytes, most_bytes: int, seconds: float) -> bytes | None:
        url, timeout = self._master + changelog.PATH, aiohttp.ClientTimeout(total=seconds)
        headers = changelog.REQUEST_HEADERS
        try:
            async with self._session.wrapped.post(url, data=request, headers=headers, timeout=timeout) as response:
                response.raise_for_status()
                body = b""
                while len(body) <= most_bytes and (block := await response.content.readany()):
                    body += block
                return body if len(body) <= most_bytes else None
        except (aiohttp.ClientError, TimeoutError, OSError, ValueError) as error:
            log.debug("The master says nothing of itself: %s", type(error).__name__)
            return None

    async def _compares(self, seen: Observation, response: aiohttp.ClientResponse) -> bool:
        """Return whether to compare the copies, with the answer to the first request at hand."""
        guard = self.guard
        if guard is None or seen.serial is None or not guard.age.wants_look(seen.serial, _max_age(response)):
            return False
        if guard.may_ask:
            guard.hear(await self.last_serial())
        return guard.compares(seen.serial)

    async def _newer(
        self, comparison: IndexComparison, url: URL, variant: Variant, options: dict[str, Any]
    ) -> aiohttp.ClientResponse | None:
        """GET a copy that a peek showed to be newer; None if it isn't newer now, because another node may answer."""
        try:
            response = await self._session.send("GET", url, variant, options)
        except RequestFailedError:
            return None
        found = observe(variant, response.status, response.headers)
        comparison.observations.append(found)
        if comparison.is_newer(found):
            return response
        response.close()
        return None

    async def _peek(self, method: str, variant: Variant, url: URL, options: dict[str, Any]) -> Observation:
        """Look at the headers of one copy, without reading its body."""
        try:
            response = await self._session.send(method, url, variant, {**options, "allow_redirects": True})
        except RequestFailedError as failed:
            return observed_failure(variant, failed.error)
        if method == "HEAD":
            response.release()
        else:
            response.close()
        return observe(variant, response.status, response.headers)


def _max_age(response: aiohttp.ClientResponse) -> int:
    """Return for how long a cache may keep an answer, in seconds; 0 if it doesn't say."""
    found = dict(_MAX_AGE.findall(response.headers.get("Cache-Control", "").lower()))
    return int(found.get("s-maxage") or found.get("max-age") or 0)
