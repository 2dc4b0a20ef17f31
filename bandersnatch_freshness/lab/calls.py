"""The origin's XML-RPC, with its limits: never cached, and the same at every kind of edge."""

from __future__ import annotations

import xmlrpc.client
from collections import deque
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from .behaviours import Behaviour
from .origin import Answer, Origin

HOUR = 3600

PATHS = ("/pypi", "/pypi/", "/RPC2")

# What Warehouse gives the exceptions that it wraps into faults.
_WRAPPED = -32500


@dataclass(frozen=True)
class Limits:
    """Warehouse's own (2026-08): `warehouse/config.py` and `warehouse/legacy/api/xmlrpc/views.py`."""

    calls_an_hour: int = 3600
    # At most so many in one answer of changelog_since_serial, the oldest first.
    events: int = 50_000


class Calls:
    """The calls that Bandersnatch and the suite make."""

    def __init__(self, origin: Origin, clock: Callable[[], float], limits: Limits) -> None:
        """`clock` gives seconds."""
        self._origin = origin
        self._clock = clock
        self._limits = limits
        self._made: deque[float] = deque()

    def answer(self, body: bytes, behaviour: Behaviour) -> Answer:
        """Return the answer to a call; a fault, too, has the status 200."""
        if behaviour.refuses_xmlrpc:
            return Answer(404)
        parameters, method = xmlrpc.client.loads(body)
        if behaviour.gives_no_account and method == "changelog_last_serial":
            return Answer(404)
        try:
            self._count()
            result = self._result(str(method), parameters)
            if method == "changelog_last_serial":
                result = behaviour.stuck_account or result
            text = xmlrpc.client.dumps((result,), methodresponse=True)
        except xmlrpc.client.Fault as fault:
            text = xmlrpc.client.dumps(fault)
        return Answer(200, {"Content-Type": "text/xml"}, text.encode())

    def _count(self) -> None:
        now = self._clock()
        while self._made and self._made[0] <= now - HOUR:
            self._made.popleft()
        if len(self._made) >= self._limits.calls_an_hour:
            wait = self._made[0] + HOUR - now
            raise xmlrpc.client.Fault(
                _WRAPPED, f"HTTPTooManyRequests: too many calls by this client; again in {wait:.0f} seconds"
            )
        self._made.append(now)

    def _result(self, method: str, parameters: Sequence[Any]) -> Any:
        projects = self._origin.projects.values()
        if method == "changelog_last_serial":
            return self._origin.serial
        if method == "list_packages_with_serial":
            return {project.name: project.listed for project in projects}  # those in quarantine too
        if method == "changelog_since_serial":
            claims = [(one.name, "", "new release", one.claimed) for one in projects if one.claimed is not None]
            return [
                [name, version, 0, action, serial]
                for name, version, action, serial in [*self._origin.changes, *claims]
                if serial > parameters[0]
            ][: self._limits.events]
        raise xmlrpc.client.Fault(1, f"no such method: {method}")
