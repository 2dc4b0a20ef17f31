"""The command `bandersnatch-freshness lab`."""

from __future__ import annotations

import argparse
import threading
import time
from collections.abc import Mapping

from ..exit_codes import UsageError
from ..extras import Extra
from ..formatting import meant
from ..lab.behaviours import BEHAVIOURS, Behaviour
from ..lab.edge import KINDS, Kind
from ..lab.origin import Lifetimes
from ..lab.server import Lab, LabRequest
from ..table import Table
from . import terminal


def main(options: argparse.Namespace) -> int:
    """Serve a lab until Ctrl-C, after one more release of every project for the edge to mishandle."""
    if options.list:
        terminal.show(_listing())
        return 0
    _check("--behaviour", options.behaviour, BEHAVIOURS)
    _check("--edge", options.edge, KINDS)
    for option, port in (("--port", options.port), ("--https-port", options.https_port)):
        if not 0 <= (port or 0) < 65536:
            raise UsageError(f"{option} {port}: no port; allowed: 0 to 65535")
    if options.projects < 1:
        raise UsageError(f"--projects {options.projects}: at least 1")
    if options.delay < 0:
        raise UsageError(f"--delay {options.delay}: milliseconds, 0 or more")
    if options.https_port and not Extra.LAB.is_installed:
        raise ValueError(f"--https-port {options.https_port}: {Extra.LAB.lacking}")
    if options.speed <= 0:
        raise UsageError(f"--speed {options.speed:g}: more than 0; 1 is real")

    def show(asked: LabRequest) -> None:
        terminal.show(str(asked))

    with Lab(
        options.projects,
        options.behaviour,
        options.edge,
        port=options.port,
        https_port=options.https_port,
        delay=options.delay / 1000,
        clock=lambda: time.monotonic() * options.speed,
        on_request=show,
    ) as lab:
        lab.release()
        terminal.show(_introduction(lab, options))
        try:
            threading.Event().wait()
        except KeyboardInterrupt:
            terminal.show(_summary(lab.requests))
    return 0


def _check(option: str, name: str, known: Mapping[str, Behaviour] | Mapping[str, Kind]) -> None:
    if name not in known:
        raise UsageError(f"{option} {name}: no such name{meant(name, known)}; allowed: {', '.join(known)}")


def _introduction(lab: Lab, options: argparse.Namespace) -> str:
    return f"""\
{options.behaviour}: {lab.behaviour.summary}
{options.edge}: {KINDS[options.edge].summary}

{len(lab.names)} projects, {lab.names[0]} to {lab.names[-1]}; serial {lab.serial}

{_master(lab)}
One more release of every project:  curl -X POST {lab.url}/+lab/release
Of one project:                     curl -X POST '{lab.url}/+lab/release?project={lab.names[0]}'
{_lifetimes(lab, options) if KINDS[options.edge].is_pypis else ""}"""


def _master(lab: Lab) -> str:
    if not lab.speaks_https:
        return f"""\
    [mirror]
    directory = /tmp/pypi
    master = {lab.url}
    allow-non-https = true

That takes Bandersnatch 6.6 or later. For https, {Extra.LAB.command}"""
    return f"""\
    [mirror]
    directory = /tmp/pypi
    master = {lab.https_url}

    export SSL_CERT_FILE={lab.ca_file} REQUESTS_CA_BUNDLE={lab.ca_file}

Or {lab.url}, with `allow-non-https = true` (Bandersnatch 6.6 and later)."""


def _lifetimes(lab: Lab, options: argparse.Namespace) -> str:
    times = Lifetimes()
    minutes = (2 * times.index + times.while_revalidate) / 60 / options.speed
    return f"""\
To the other point of presence:     curl -X POST {lab.url}/+lab/switch

Its lifetimes pass {options.speed:g} times as fast as PyPI's: a release is in the index after {minutes:.3g} min at the
latest, those of shield and edge together.
"""


def _summary(asked: list[LabRequest]) -> str:
    pages = [one for one in asked if one.is_metadata]
    hits = sum("HIT" in one.cache for one in pages)
    return f"{len(asked)} requests, {len(pages)} of them for metadata: {hits} hits, {len(pages) - hits} misses"


def _listing() -> Table:
    table = Table(("--behaviour", "what it does", "the incident it shows"))
    for name, behaviour in BEHAVIOURS.items():
        table.add(name, behaviour.summary, behaviour.incident)
    table.add("", "", "")
    for name, kind in KINDS.items():
        table.add(f"--edge {name}", kind.summary, "")
    table.caption = "index-…: for runs that ask for the simple index, as Bandersnatch 8 and `api-method = simple` do"
    return table
