"""The command `bandersnatch-freshness probe`."""

from __future__ import annotations

import argparse
import asyncio
import json
import re
from collections.abc import Callable, Sequence
from urllib.parse import urlsplit

from packaging.utils import canonicalize_name

from .. import host
from ..formatting import plain_url
from ..host import Upstream
from ..host.configuration import NoConfigurationError
from ..probe import advice, ways
from ..probe.asking import Asker, Target
from ..probe.clients import WayOut, proxy_for, trusted_authorities
from ..probe.diagnosis import diagnose
from ..probe.report import ProbeReport, exit_code
from ..probe.ways import Agent
from . import terminal

# Roughly the number of requests per project, for the progress bar; it varies with the host's addresses.
_QUESTIONS = 24

# curl's User-Agent in Debian 12; only its beginning matters.
_CURL_AGENT = "curl/7.88.1"

# Source: the name format in PyPA's core metadata specification
_NAME = re.compile(r"[A-Z0-9]|[A-Z0-9][A-Z0-9._-]*[A-Z0-9]", re.IGNORECASE | re.ASCII)


def main(options: argparse.Namespace) -> int:
    """Run the probe, print it in the requested form, and return the exit code.

    Raises:
        OSError, ValueError: if the options or the configuration can't be used.
    """
    projects = [_project(name) for name in options.packages] or [""]
    if options.expect is not None and (len(projects) > 1 or options.expect < 1):
        raise ValueError(f"--expect {options.expect}: goes with one PACKAGE or none; allowed: a serial above 0")
    upstream = _upstream(options)
    with trusted_authorities() as ca_file:
        target = Target(
            upstream.master,
            {Agent.BANDERSNATCH: host.USER_AGENT, Agent.CURL: _CURL_AGENT},
            upstream.section.get("cache_bust_parameter", "cache-bust"),
            WayOut(upstream.proxy or proxy_for(upstream.master), ca_file),
        )
        reports = asyncio.run(_probe(target, projects, options.expect, upstream))
    _print(reports, options)
    return exit_code(reports)


def _project(name: str) -> str:
    if not _NAME.fullmatch(name):
        raise ValueError(f"{name!r}: not the name of a package; allowed: letters, digits and . _ -")
    return canonicalize_name(name)


def _upstream(options: argparse.Namespace) -> Upstream:
    if not options.master:
        try:
            return host.upstream(options.config)
        except NoConfigurationError as error:
            raise NoConfigurationError(f"{error}, or --master with the URL of the server to ask") from None
    parts = urlsplit(options.master)
    if parts.scheme not in ("http", "https") or not parts.hostname:
        raise ValueError(f"--master {plain_url(options.master)}: not a URL; allowed: http://… and https://…")
    if parts.path.rstrip("/").endswith("/simple"):
        raise ValueError(f"--master {plain_url(options.master)}: leave out /simple, as in `[mirror] master`")
    return Upstream(options.master)


async def _probe(target: Target, projects: Sequence[str], expect: int | None, upstream: Upstream) -> list[ProbeReport]:
    reports = []
    for project in projects:
        with terminal.progress(project or "the index", _QUESTIONS, " requests") as bar:
            reports.append(await _probe_one(target, project, expect, upstream, lambda: bar.update()))
    return reports


async def _probe_one(
    target: Target, project: str, expect: int | None, upstream: Upstream, advance: Callable[[], None]
) -> ProbeReport:
    announced = None
    async with Asker(target, project, advance) as asker:
        if expect is None and project:
            announced = await asker.announced()
        expected = expect or announced or (upstream.serial if not project else None)
        answers = await asker.ask_all(expected)
    diagnosis = diagnose(answers, ways.base(project), expected)
    by_origin = (diagnosis.origin_serial or 0) >= (diagnosis.required_serial or 1)
    lines = advice.lines(diagnosis.fresh, upstream.enabled, upstream.section, by_origin=by_origin)
    return ProbeReport(plain_url(target.master), project, answers, diagnosis, lines, announced)


def _print(reports: Sequence[ProbeReport], options: argparse.Namespace) -> None:
    if options.json:
        document = {"master": reports[0].master, "probes": [one.as_json() for one in reports]}
        terminal.show(json.dumps(document, indent=2))
    elif options.curl or options.markdown:
        terminal.show(*(one.curl() if options.curl else one.markdown() for one in reports))
    else:
        for one in reports:
            if one.agrees and not options.all:
                terminal.show(*one.summary(), "")
            else:
                terminal.show(one.table(terminal.width()), "", *one.conclusion(), "")
