"""Sends the questions over HTTP, to one of a host's addresses each, until the time is over. An error is an answer."""

from __future__ import annotations

import base64
import functools
import http.client
import os
import socket
import ssl
import threading
import time
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from random import SystemRandom
from typing import cast
from urllib.parse import SplitResult, unquote, urljoin, urlsplit
from urllib.request import getproxies, proxy_bypass

from .. import __version__
from ..core.causes import all_behind
from ..transports import problems
from .answers import Answer, Kind, Places, Question, Raw, read
from .survey import MOST_ADDRESSES, MOST_REQUESTS, Surveyed, survey

AT_ONCE = 4

# A server that is silent for so many seconds does not answer, so that there is time left for the others.
PATIENCE = 5
_REDIRECTS = 3
_CHUNK = 2**16

_AGENT = f"bandersnatch-freshness/{__version__} (check --url)"

# What pip, requests and curl trust beside the system's authorities; OpenSSL reads SSL_CERT_FILE by itself.
_AUTHORITIES = ("PIP_CERT", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE")


class _SpentError(Exception):
    """There is no request left."""


def survey_all(fleet: Iterable[Places], seconds: float) -> list[Surveyed]:
    """Ask all mirrors of a fleet at once, and return what came of it when all is done, or the time is over."""
    until = time.monotonic() + seconds
    askers = [_Asker(places, until) for places in fleet]
    threads = [threading.Thread(target=one.run, daemon=True) for one in askers]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(max(0, until - time.monotonic()))
    return [one.found() for one in askers]


class _Asker:
    """Asks one mirror. What never answers is left behind: its threads end with the process."""

    def __init__(self, places: Places, until: float) -> None:
        self._until = until
        self._surveyed = Surveyed(places)
        self._lock = threading.Lock()
        self._asked = 0
        # By the place of its question among all: which answer comes first is chance.
        self._answers: dict[int, Answer] = {}
        # The addresses that don't answer, or want fewer requests.
        self._lost: set[str] = set()

    def found(self) -> Surveyed:
        """Return what came of it so far."""
        with self._lock:
            one = self._surveyed
            answers = [answer for _, answer in sorted(self._answers.items())]
        problem = one.problem or ("" if answers or one.is_done else problems.TIME_OUT)
        return Surveyed(one.places, one.addresses, answers, one.requests, problem, one.is_done)

    def run(self) -> None:
        """Ask all."""
        places = self._surveyed.places
        try:
            self._surveyed.addresses = _addresses(places.facts)
            survey(places, self._surveyed.addresses, self._ask_all, SystemRandom())
        except Exception as error:  # noqa: BLE001 - no name, no certificates: nothing can be asked
            self._surveyed.problem = problem_of(error)
        self._surveyed.is_done = time.monotonic() < self._until

    def _ask_all(self, questions: Iterable[Question]) -> list[Answer]:
        """Ask some at once; what the budget or the time does not allow is left out."""
        waiting = list(enumerate(questions, self._asked))
        self._asked += len(waiting)
        each = iter(waiting)
        threads = [threading.Thread(target=self._work, args=(each,), daemon=True) for _ in range(AT_ONCE)]
        for thread in threads:
            thread.start()
        for thread in threads:
            thread.join(max(0, self._until - time.monotonic()))
        with self._lock:
            return [self._answers[place] for place, _ in waiting if place in self._answers]

    def _work(self, waiting: Iterator[tuple[int, Question]]) -> None:
        while time.monotonic() < self._until:
            with self._lock:
                place, question = next(waiting, (0, None))
            if question is None:
                return
            if question.address in self._lost:
                continue
            try:
                answer = self._ask(question)
            except _SpentError:
                return
            with self._lock:
                if answer.status is None or (answer.is_refusal and not _is_kept_to_itself(answer)):
                    self._lost.add(question.address)
                self._answers[place] = answer

    def _ask(self, question: Question) -> Answer:
        try:
            return read(question, self._fetch(question))
        except _SpentError:
            raise
        except Exception as error:  # noqa: BLE001 - whatever the client raises counts as the answer
            return Answer(question, problem=problem_of(error))

    def _fetch(self, question: Question) -> Raw:
        """GET, and follow redirects, as pip does."""
        url, address = question.url, question.address
        # A cache that counts the query does not answer for the mirror itself.
        target = f"{url}?cache-bust={time.time_ns()}" if question.kind in (Kind.FACTS, Kind.MODIFIED) else url
        for _ in range(_REDIRECTS):
            self._spend()
            raw = _get(target, address, question, self._until)
            location = raw.headers.get("Location")
            before, target = urlsplit(target), urljoin(target, location or "")
            after = urlsplit(target)
            if raw.status not in (301, 302, 303, 307, 308) or not location or after.scheme not in ("http", "https"):
                return raw
            address = address if after.hostname == before.hostname else ""
        return raw

    def _spend(self) -> None:
        with self._lock:
            if self._surveyed.requests >= MOST_REQUESTS:
                raise _SpentError
            self._surveyed.requests += 1


def _is_kept_to_itself(answer: Answer) -> bool:
    """Return whether a mirror says nothing of itself to this host, which may still get its pages."""
    return answer.status == http.client.FORBIDDEN and answer.question.kind in (Kind.FACTS, Kind.MODIFIED)


def problem_of(error: BaseException) -> str:
    """Return a few words on what went wrong."""
    return problems.problem(list(all_behind(error))) or type(error).__name__


def _addresses(url: str) -> list[str]:
    """Return the host's addresses, each once; one that is empty where a proxy resolves the name."""
    parts = urlsplit(url)
    if _proxy_for(parts):
        return [""]
    found = socket.getaddrinfo(parts.hostname, _port(parts), type=socket.SOCK_STREAM)
    return list(dict.fromkeys(str(one[4][0]) for one in found))[:MOST_ADDRESSES]


def _get(url: str, address: str, question: Question, until: float) -> Raw:
    """GET once, by a connection of its own: another one may reach another node.

    Raises:
        OSError, http.client.HTTPException: if there is no answer.
    """
    parts = urlsplit(url)
    connection, target, headers = _connect(parts, address, max(0.1, min(PATIENCE, until - time.monotonic())))
    try:
        connection.putrequest("GET", target, skip_host=True, skip_accept_encoding=True)
        connection.putheader("Host", parts.netloc.rpartition("@")[2])
        connection.putheader("User-Agent", _AGENT)
        if parts.username is not None:
            connection.putheader("Authorization", _basic(parts))
        for name, value in {**question.headers(), **headers, "Connection": "close"}.items():
            connection.putheader(name, value)
        connection.endheaders()
        response = connection.getresponse()
        body = bytearray()
        while len(body) < question.most and (chunk := response.read1(_CHUNK)):
            body += chunk
        # Where the length is not known, a broken end raises by itself.
        is_whole = not response.length and len(body) < question.most
        return Raw(response.status, _joined(response.headers), bytes(body[: question.most]), is_whole)
    finally:
        connection.close()


def _joined(headers: http.client.HTTPMessage) -> Mapping[str, str]:
    """Return headers with those that appear several times as one list each (RFC 9110, section 5.3)."""
    for name in [name for name, count in Counter(map(str.lower, headers)).items() if count > 1]:
        value = ", ".join(headers.get_all(name, []))
        del headers[name]
        headers[name] = value
    return cast(Mapping[str, str], headers)


def _connect(
    parts: SplitResult, address: str, seconds: float
) -> tuple[http.client.HTTPConnection, str, dict[str, str]]:
    """Return an open connection, by the environment's proxy if there is one; what to ask there for, and its headers."""
    host, port = parts.hostname or "", _port(parts)
    target = (parts.path or "/") + (f"?{parts.query}" if parts.query else "")
    proxy = _proxy_for(parts)
    if proxy:
        way = urlsplit(proxy if "://" in proxy else f"http://{proxy}")
        connection = http.client.HTTPConnection(way.hostname or "", way.port or 80, timeout=seconds)
        authorized = {"Proxy-Authorization": _basic(way)} if way.username is not None else {}
        if parts.scheme == "http":
            return connection, parts._replace(netloc=parts.netloc.rpartition("@")[2]).geturl(), authorized
        connection.set_tunnel(host, port, headers=authorized)
        connection.connect()
    else:
        connection = http.client.HTTPConnection(host, port, timeout=seconds)
        connection.sock = socket.create_connection((address or host, port), seconds)
    if parts.scheme == "https":
        try:
            connection.sock = _context().wrap_socket(connection.sock, server_hostname=host)
        except BaseException:
            connection.close()
            raise
    return connection, target, {}


def _port(parts: SplitResult) -> int:
    return parts.port or (443 if parts.scheme == "https" else 80)


def _basic(parts: SplitResult) -> str:
    secret = f"{unquote(parts.username or '')}:{unquote(parts.password or '')}"
    return f"Basic {base64.b64encode(secret.encode()).decode()}"


def _proxy_for(parts: SplitResult) -> str:
    """Return the environment's proxy for a URL, "" if there is none."""
    if proxy_bypass(parts.hostname or ""):
        return ""
    known = getproxies()
    return known.get(parts.scheme) or known.get("all") or ""


@functools.cache
def _context() -> ssl.SSLContext:
    context = ssl.create_default_context()
    for name in _AUTHORITIES:
        if os.path.isfile(os.environ.get(name, "")):
            context.load_verify_locations(os.environ[name])
    return context
