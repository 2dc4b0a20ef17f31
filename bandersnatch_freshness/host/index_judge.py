"""The index judge of Bandersnatch 4.4 and later: acts on the index, and on changes by XML-RPC, only if they may be."""

from __future__ import annotations

import functools
import json
import logging
from collections.abc import Callable
from typing import Any

import aiohttp
import bandersnatch.master

from ..core.guard import IndexGuard
from ..core.incidents import INDEX
from ..core.index import IndexRefusedError, read_changes, read_index
from ..core.log_fields import log_fields
from ..fail_open import log_error
from ..formatting import printable
from ..transports.aiohttp_index import GuardedIndex
from ..transports.aiohttp_session import FreshSession
from .suite import Suite

log = logging.getLogger("bandersnatch.freshness")


class IndexJudge:
    """Judges what a master lists, by the guard of the run in progress."""

    def __init__(self, suite: Suite, session_of: Callable[[Any], FreshSession | None]) -> None:
        """`session_of` returns the session of a master, None if it has no real one."""
        self._suite = suite
        self._session_of = session_of

    def _index_of(self, master: Any) -> GuardedIndex | None:
        session = self._session_of(master)
        return session.index if session is not None else None

    def _guard(self) -> IndexGuard | None:
        return self._suite.context.guard if self._suite.context else None

    def judged_index(self, fetch_simple_index: Callable[..., Any]) -> Callable[..., Any]:
        """Return a `fetch_simple_index` that raises `IndexRefusedError` if no copy may be acted on.

        The newest copy is taken first. If that is broken, the next best is, at last the one that Bandersnatch
        would have taken.
        """

        @functools.wraps(fetch_simple_index)
        async def judged_index(master: Any) -> Any:
            while True:
                guard = self._guard()
                try:
                    index = await self._judged_copy(fetch_simple_index, master, guard)
                    self._suite.note_listing(read_index, index)
                    return index
                except Exception:
                    copies = self._index_of(master)
                    if guard is None or not guard.refusal or copies is None or not copies.refuse_copy():
                        raise
                    fields = log_fields(project=INDEX)
                    log.info("A copy of the index is not used, the next best is: %s", guard.refusal, extra=fields)
                    guard.reconsider()

        return judged_index

    async def _judged_copy(self, fetch_simple_index: Callable[..., Any], master: Any, guard: IndexGuard | None) -> Any:
        if guard is None:
            return await fetch_simple_index(master)
        index_of = self._index_of(master)
        if index_of is not None:
            index_of.guard = guard
        try:
            index = await fetch_simple_index(master)
        except aiohttp.ContentTypeError as error:
            kind = error.headers.get("Content-Type", "") if error.headers else ""
            guard.refusal = f"it is no JSON, but {printable(kind) or 'of no type'}"
            raise
        except aiohttp.ClientPayloadError:
            guard.refusal = "it breaks off"
            raise
        except (json.JSONDecodeError, UnicodeDecodeError) as error:
            guard.refusal = f"it is no JSON: {printable(str(error))}"
            raise
        finally:
            index_of = self._index_of(master)
            guard.observations = index_of.observations if index_of else ()
        is_last = index_of is None or not index_of.has_other_copy
        await self._admit(master, functools.partial(guard.admit_index, is_last=is_last), index)
        return index

    async def _admit(self, master: Any, admit: Callable[..., None], *listed: Any) -> None:
        """Pass the listing to the guard, and ask the master for its last serial if the guard needs it.

        Raises:
            IndexRefusedError: if that is not to be acted on.
        """
        try:
            self._suite.admit(admit, *listed)
        except IndexRefusedError:
            await self.hear_account(master)
            raise
        await self.hear_account(master)

    async def hear_account(self, master: Any) -> None:
        """Ask the master for the last serial that it has given out, where the guard wants to know.

        Raises:
            IndexRefusedError: if what it listed is not to be acted on, by that.
        """
        guard, index = self._guard(), self._index_of(master)
        if guard is not None and index is not None and guard.wants_account:
            self._suite.admit(guard.hear, await index.last_serial())

    async def peek(self, master: Any) -> None:
        """Look how far upstream has moved, where a todo list is worked off, so that the index is not asked for."""
        if not self._suite.wants_peek():
            return
        try:
            index, context = self._index_of(master), self._suite.context
            if index is not None and context is not None and context.run is not None:
                context.run.upstream = await index.peek() or 0
        except Exception:  # noqa: BLE001 - fail open; it is logged
            log_error()

    async def _with_changelog(self, master: Any, since: int | None, changes: Any) -> Any:
        """Return the changes, completed with what the master itself says has changed if no index is new enough."""
        guard, index = self._guard(), self._index_of(master)
        if guard is None or index is None or since is None or not guard.wants_changelog:
            return changes
        found = await index.changes(since)
        if not found:
            return changes
        log.info(
            "No copy of the index is new enough: %d changes are from the master's changelog",
            len(found),
            extra=log_fields(project=INDEX, got_serial=max(found.values())),
        )
        self._suite.admit(guard.admit_changelog, found)
        return {**(changes or {}), **found}

    def judged_changes(self, ask: Callable[..., Any]) -> Callable[..., Any]:
        """Return an `all_packages` or `changed_packages` that raises `IndexRefusedError` likewise."""

        @functools.wraps(ask)
        async def judged_changes(master: Any, last_serial: int | None = None) -> Any:
            guard = self._guard()
            try:
                changes = await (ask(master) if last_serial is None else ask(master, last_serial))
                changes = await self._with_changelog(master, last_serial, changes)
            except IndexRefusedError:
                changes = await self._with_changelog(master, last_serial, None)
                if changes is None:
                    raise
            except getattr(bandersnatch.master, "XmlRpcError", ()) as error:
                if guard is not None:
                    guard.refusal = printable(str(error))
                raise
            if guard is not None:
                newest = None
                if not changes and not guard.is_judged and hasattr(master, "rpc"):
                    # A backend that is behind has no changes either. It is asked for its last one.
                    newest = await master.rpc("changelog_last_serial")
                await self._admit(master, guard.admit_changes, changes, last_serial, newest)
            if last_serial is None:
                self._suite.note_listing(read_changes, changes)
            elif hasattr(master, "rpc") and self._suite.awaits_listing():
                await master.all_packages()  # which is noted
            return changes

        return judged_changes
