"""The transport for `requests`: an adapter that dresses metadata requests.

It works in any session of any program: mount it for the host whose pages must be fresh. It
uses only the public interface of requests, passes on every option it is given, and may be
used by several threads.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from typing import Any

import requests
from requests import PreparedRequest, Response
from requests.adapters import BaseAdapter, HTTPAdapter
from urllib3.util import SKIP_HEADER

from ..core import origin
from ..core.climb import Climb, PageResult, RecheckBudget
from ..core.observations import Observation, observe_elsewhere
from ..core.variants import LADDER, ORIGIN, AcceptEncoding, Variant
from ..formatting import plain_url
from .cache_bust import without
from .climber import ORIGIN_AGENT, SCOUT_SECONDS, AdaptiveClimber, RequestFailedError

__all__ = ["Asking", "FreshAdapter", "StaleError"]

_Send = Callable[[PreparedRequest], Response]


class StaleError(requests.RequestException):
    """No way of asking gets a page with the required serial."""

    def __init__(self, climb: Climb, request: PreparedRequest | None) -> None:
        """`climb`: the ways in which the page was requested."""
        self.required_serial = climb.required_serial
        self.observations: Sequence[Observation] = climb.observations
        ways = ", ".join(map(str, self.observations))
        super().__init__(f"{plain_url(climb.url)}: no way gets serial {climb.required_serial}: {ways}", request=request)


class Asking:
    """The serial required of the pages that a thread requests, and what the last one's answers showed."""

    def __init__(self, required_serial: int, budget: RecheckBudget | None = None, *, by_body: bool = False) -> None:
        """The page must carry at least the required serial; `by_body`: in its body too."""
        self.required_serial = required_serial
        self.budget = budget
        self.by_body = by_body
        self.climb: Climb | None = None
        self.kept: Response | Exception | None = None  # for the caller to handle
        self.broken: RequestFailedError | None = None  # why the body of the first answer broke off

    @property
    def observations(self) -> Sequence[Observation]:
        """What the answers showed, in the order of asking."""
        return self.climb.observations if self.climb else ()

    def keep(self, error: Response | Exception | None) -> None:
        """Keep an error answer or an exception for the caller; it replaces an earlier one."""
        if isinstance(self.kept, Response):
            self.kept.close()
        self.kept = error


class FreshAdapter(BaseAdapter):
    """Wraps another adapter; only metadata requests are different."""

    def __init__(
        self,
        master: str,
        rungs: Sequence[Variant] = LADDER,
        cache_bust_parameter: str = "cache-bust",
        inner: BaseAdapter | None = None,
    ) -> None:
        """`master`: the server's URL, such as https://pypi.example; `rungs`: the ways to ask.

        It asks in the first way, and in the others if a page is stale; with only one rung,
        always in that way. `inner` sends the requests.
        """
        super().__init__()
        self.inner = inner or HTTPAdapter()
        self.climber = AdaptiveClimber(master, rungs, cache_bust_parameter)
        self._here = threading.local()
        self._scout: threading.Event | None = None
        self._scout_lock = threading.Lock()
        self._origin_turn = threading.Lock()

    @contextmanager
    def requiring(self, serial: int, budget: RecheckBudget | None = None, *, by_body: bool = False) -> Iterator[Asking]:
        """Require at least this serial of each page that this thread requests inside the block.

        `by_body`: the serial in its body must be that high too, which is read in every answer.
        An older page is requested again in other ways. If none gets a newer one, requests raise
        `StaleError`; an error in the first answer (404, 503) is passed on.
        """
        before = getattr(self._here, "asking", None)
        asking = self._here.asking = Asking(serial, budget, by_body=by_body)
        try:
            yield asking
        finally:
            self._here.asking = before

    def fetch(
        self,
        session: requests.Session,
        url: str,
        required_serial: int,
        budget: RecheckBudget | None = None,
        *,
        by_body: bool = False,
        **options: Any,
    ) -> PageResult[Response]:
        """GET a page that must carry at least the required serial, through a session with this adapter mounted."""
        with self._after_the_first(), self.requiring(required_serial, budget, by_body=by_body) as asking:
            climb = None
            try:
                response = self._get(session, url, asking, options)
                response.raise_for_status()
                climb = asking.climb
                if climb is not None and climb.is_fresh:
                    return PageResult(climb.observations, response)
                # Not judged yet: a redirect led away from the master's pages. It is taken or not as without the suite.
                way = self.climber.ladder.rungs[0]
                single = Climb(url, required_serial, [way], by_body=by_body)
                seen, _ = self._look(single, way, response)
            except StaleError:
                return PageResult(asking.observations)
            except RequestFailedError as failed:
                return PageResult(asking.observations, error=failed.error)
            except requests.RequestException as error:
                is_missing = error.response is not None and error.response.status_code == 404
                is_proven_gone = asking.climb is not None and asking.climb.is_proven_gone
                return PageResult(asking.observations, None, error, is_missing, is_proven_gone)
            observations = [seen if climb is None else observe_elsewhere(way)]
            return PageResult(observations, response if single.accepts(seen) else None)

    def _get(self, session: requests.Session, url: str, asking: Asking, options: Mapping[str, Any]) -> Response:
        """GET a page; on past the answers of other hosts that only a later way was redirected to.

        Raises:
            StaleError, RequestFailedError, requests.RequestException: if there is none.
        """
        while True:
            response: Response | Exception
            try:
                response = session.get(url, **options)
            except requests.RequestException as error:
                response = error
            climb = asking.climb
            way = climb.way if climb is not None else None
            if climb is None or way is None or not climb.observations:  # judged, or the first answer
                if isinstance(response, Exception):
                    raise response
                return response
            if isinstance(response, Exception):  # such as too many redirects
                climb.saw(Observation(way, problem=type(response).__name__))
            else:
                response.close()
                climb.skip(observe_elsewhere(way))
            if climb.way is None:
                self.climber.learn(climb)
                return self._kept(asking, climb, None)

    def ask_origin(
        self,
        session: requests.Session,
        url: str,
        required_serial: int,
        project: str,
        *,
        pause: Callable[[float], object] | None = None,
        **options: Any,
    ) -> PageResult[Response] | None:
        """Ask the origin itself for a project's page when it is its turn; None if not in this run any more.

        `session` has this adapter mounted; `pause` waits, by default as `time.sleep`.
        """
        with self._origin_turn:
            if self.climber.is_origin_over:
                return None
            (pause or time.sleep)(self.climber.origin_pause())
            agent = {**session.headers, **(options.get("headers") or {})}.get("User-Agent")
            headers = {**(options.get("headers") or {}), "User-Agent": f"{agent or ''} {ORIGIN_AGENT}".lstrip()}
            options = {**options, "headers": headers, "allow_redirects": False}
            response = None
            try:
                response = session.request("OPTIONS", url, **options)
                seen = origin.look(response.status_code, response.headers)
                if not seen.problem:
                    seen = origin.read(seen, response.content, project)
            except requests.RequestException as error:
                seen = Observation(ORIGIN, problem=type(error).__name__)
            fresh = origin.is_fresh(seen, required_serial)
            self.climber.saw_origin(url, seen, fresh=fresh)
            if response is not None and not fresh:
                response.close()
            return PageResult([seen], response if fresh else None)

    def send(
        self,
        request: PreparedRequest,
        stream: bool = False,
        timeout: Any = None,
        verify: bool | str = True,
        cert: Any = None,
        proxies: Mapping[str, str] | None = None,
    ) -> Response:
        """Send a request, dressed if it is for metadata, and again in other ways if the answer is stale."""

        def send(dressed: PreparedRequest) -> Response:
            return self.inner.send(dressed, stream, timeout, verify, cert, proxies)  # type: ignore[arg-type]

        response, error = None, None
        try:
            response = self._answer(request, send)
        except RequestFailedError as failed:
            error = failed.error
        except StaleError as stale:
            error = stale
        except Exception:  # noqa: BLE001 - fail open; it is logged
            self.climber.step_aside()
        if error is not None:
            raise error  # outside the handler, so that it looks as the client raised it
        return send(request) if response is None else response

    def close(self) -> None:
        """Close the connections."""
        self.inner.close()

    def _answer(self, request: PreparedRequest, send: _Send) -> Response | None:
        """Return the answer to a metadata request, None if the request is not for metadata.

        Raises:
            StaleError: if the page is stale in every way.
            RequestFailedError: if the inner adapter failed.
        """
        if not self.climber.covers(request.method or "", request.url or ""):
            return None
        asking: Asking | None = getattr(self._here, "asking", None)
        if asking is None:
            return self._ask(request, self.climber.ladder.start, send)
        climb = asking.climb
        if climb is None or climb.way is None:
            climb = asking.climb = self.climber.climb(
                request.url or "", asking.required_serial, asking.budget, by_body=asking.by_body
            )
        # Otherwise a redirect was followed: go on in the way that got it.
        return self._climb(request, asking, climb, send)

    def _climb(self, request: PreparedRequest, asking: Asking, climb: Climb, send: _Send) -> Response:
        """Ask until an answer is fresh; return that, or a redirect, or an error answer for the caller."""
        while (way := climb.way) is not None:
            response, failure = None, None
            try:
                response = self._ask(request, way, send)
                if response.is_redirect:
                    return response  # the session follows it
                seen, broken = self._look(climb, way, response)
                if not climb.observations:
                    asking.broken = broken
            except RequestFailedError as failed:
                failure = failed
                seen = Observation(way, problem=type(failed.error).__name__)
            climb.saw(seen)
            if climb.error is None:
                asking.keep(None)
            elif climb.error is seen:
                asking.keep(failure or response)
                continue
            if response is not None and not climb.is_fresh:
                response.close()
        self.climber.learn(climb)
        if climb.is_fresh and response is not None:
            return response
        return self._kept(asking, climb, request)

    def _kept(self, asking: Asking, climb: Climb, request: PreparedRequest | None) -> Response:
        """Return the error answer that a climb in vain leaves to the caller, or raise what it ends with."""
        if isinstance(asking.kept, Response):
            return asking.kept
        raise asking.kept or (asking.broken if climb.has_nothing else None) or StaleError(climb, request)

    def _ask(self, request: PreparedRequest, way: Variant, send: _Send) -> Response:
        """Send a request in one way; the response looks as if it had been sent undressed."""
        dressed, added = self._dress(request, way)
        try:
            response = send(dressed)
        except Exception as error:
            raise RequestFailedError(error) from error
        if added and "Location" in response.headers:
            # The next request gets its own timestamp.
            response.headers["Location"] = without(response.headers["Location"], added)
        response.request, response.url = request, request.url or ""
        return response

    def _dress(self, request: PreparedRequest, way: Variant) -> tuple[PreparedRequest, str]:
        """Return a dressed copy of the request, and the cache-bust parameter appended to it, "" if none."""
        dressed, added = request.copy(), ""
        if way.accept_encoding is not AcceptEncoding.CLIENT:
            # If the header is missing, http.client sends "Accept-Encoding: identity" by itself.
            # Only urllib3's marker prevents that.
            header = way.accept_encoding.header
            dressed.headers["Accept-Encoding"] = SKIP_HEADER if header is None else header
        if way.no_cache:
            dressed.headers["Cache-Control"] = "no-cache"
        if way.cache_bust:
            dressed.url, added = self.climber.cache_bust.append(dressed.url or "")
        return dressed, added

    def _look(self, climb: Climb, way: Variant, response: Response) -> tuple[Observation, RequestFailedError | None]:
        """Return what an answer shows, and why its body breaks off, which is read where the climb wants that.

        Raises:
            RequestFailedError: if it must be read to be judged, or ends in a time-out.
        """
        seen = climb.look(way, response.status_code, response.headers)
        if not climb.wants_body(seen):
            return seen, None
        try:
            body = response.content
        except Exception as error:
            response.close()
            failed = RequestFailedError(error)
            # A time-out is a ConnectionError by then.
            if seen.serial is None or isinstance(error, requests.ConnectionError):
                raise failed from error
            return self.climber.read_body(climb, seen, response.headers, None), failed  # another copy may be whole
        return self.climber.read_body(climb, seen, response.headers, body), None

    @contextmanager
    def _after_the_first(self) -> Iterator[None]:
        """Make other threads wait while the first page is requested.

        What it teaches spares every other thread a stale answer of its own. Others wait only
        for the very first one, even if it fails, and not for long.
        """
        with self._scout_lock:
            is_first = self._scout is None and len(self.climber.ladder.rungs) > 1
            if is_first:
                self._scout = threading.Event()
            scout = self._scout
        if scout is None:
            yield
        elif is_first:
            try:
                yield
            finally:
                scout.set()
        else:
            scout.wait(SCOUT_SECONDS)
            scout.set()
            yield
