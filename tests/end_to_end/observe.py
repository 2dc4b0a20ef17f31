"""What the end-to-end tests look at."""

from __future__ import annotations

import signal
import subprocess
from collections import Counter
from collections.abc import Iterable
from importlib.metadata import version
from typing import Any

import pytest
from packaging.version import Version

from bandersnatch_freshness.lab.mirrors import FinishedRun, Mirror
from bandersnatch_freshness.lab.server import Lab, LabRequest

from ..conftest import interruptible

BANDERSNATCH = Version(version("bandersnatch"))

# From 6.8 to 7.1 both ways to get the list of changes can be chosen.
SIMPLE = {"api-method": "simple"} if Version("8") > BANDERSNATCH else {}

needs_sync = pytest.mark.skipif(BANDERSNATCH.major < 4, reason="Bandersnatch 3.6 has no command `sync`")
needs_simple = pytest.mark.skipif(
    Version("6.8") > BANDERSNATCH, reason="takes the list of changes from the simple index from 6.8 on"
)
needs_xmlrpc = pytest.mark.skipif(Version("8") <= BANDERSNATCH, reason="has no XML-RPC any more")
needs_ctrl_c = pytest.mark.skipif(
    BANDERSNATCH.major < 4, reason="Ctrl-C ends a run of Bandersnatch 3.6 as if it had succeeded"
)

# Both ways to get the list of changes that this Bandersnatch has.
WAYS = [
    pytest.param(SIMPLE, id="simple", marks=needs_simple),
    pytest.param({"api-method": "xmlrpc"}, id="xmlrpc", marks=needs_xmlrpc),
]


def metadata(lab: Lab) -> list[LabRequest]:
    """Return the metadata requests that the lab saw, but for PURGE, which old Bandersnatches send."""
    return [asked for asked in lab.requests if asked.is_metadata and asked.method != "PURGE"]


def pages(lab: Lab) -> Counter[str]:
    """Count the requests for each project's JSON."""
    return Counter(asked.path.split("/")[2] for asked in metadata(lab) if asked.path.startswith("/pypi/"))


def as_sent(requests: Iterable[LabRequest]) -> list[tuple[object, ...]]:
    """Return all of each request that the client decides on, in an order to compare."""
    return sorted((asked.scheme, asked.method, asked.target, asked.headers, asked.body) for asked in requests)


def is_fresh(mirror: Mirror, lab: Lab) -> bool:
    """Tell whether the mirror has all that the origin has."""
    return mirror.serial == lab.serial and all(
        sorted(mirror.versions(name)) == sorted(lab.versions(name)) for name in lab.names
    )


def interrupt(mirror: Mirror, words: str) -> None:
    """Run a mirror, and end it by Ctrl-C once it has logged these words; of a stale page, while it pauses."""
    process = subprocess.Popen(
        mirror.command("mirror"),
        env=mirror.environment(),
        cwd=mirror.config.parent,
        stderr=subprocess.PIPE,
        text=True,
        preexec_fn=interruptible,
    )
    assert process.stderr
    with process.stderr as log:
        assert any(words in line for line in log)
        process.send_signal(signal.SIGINT)
        log.read()
    process.wait(30)


def lines(run: FinishedRun, words: str) -> list[str]:
    """Return the lines of the output with these words in them."""
    return [line for line in run.output.splitlines() if words in line]


def untouched(mirror: Mirror) -> dict[str, Any]:
    """Return what must stay as it is where the index is refused: content, and when it was written."""
    web = mirror.directory / "web"
    paths = [mirror.directory / "status", mirror.directory / "todo", *web.rglob("*")]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in paths if path.is_file()}
