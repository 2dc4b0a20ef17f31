"""The demo: the problem and its cure end to end, bare Bandersnatch against the suite."""

from __future__ import annotations

import argparse
import functools
import http.server
import subprocess
import sys
import tempfile
import textwrap
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from importlib.metadata import version
from pathlib import Path

from ..exit_codes import DemoExit
from ..extras import Extra
from ..lab.mirrors import FinishedRun, Mirror
from ..lab.server import HOST, Lab
from ..table import Table
from . import terminal

PROJECTS = 20
BEHAVIOUR = "gzip-stale"


@dataclass(frozen=True)
class Result:
    """How one mirror fared after the edge went stale."""

    run: FinishedRun
    fresh: int
    requests: int
    installed: str


def main(_: argparse.Namespace) -> int:
    """Run the demo; return 0 only if the mirrors did as the introduction says.

    Raises:
        ValueError: if it can't have https, which Bandersnatch before 6.6 insists on.
    """
    if not Extra.LAB.is_installed:
        raise ValueError(Extra.LAB.lacking)
    told = (
        f"A small PyPI with {PROJECTS} packages, behind an edge that keeps a copy of each page for each "
        "Accept-Encoding. Two mirrors follow it. Then every package has a new release, and the edge's purge misses "
        "the gzip copies, the ones that Python's HTTP clients get (pypa/bandersnatch#56). Each mirror runs again."
    )
    terminal.show(*textwrap.wrap(told, terminal.width()), "")
    with tempfile.TemporaryDirectory(prefix="freshness-demo-") as directory, Lab(PROJECTS, BEHAVIOUR) as lab:
        package = lab.names[0]
        bare, suite = _play(Path(directory), lab, package)
        newest = lab.versions(package)[-1]
    terminal.show(_table(bare, suite, package), "")
    as_told = (
        (bare.fresh, suite.fresh) == (0, PROJECTS)
        and (bare.run.stale_errors, suite.run.stale_errors) == (PROJECTS, 0)
        and suite.requests < bare.requests
        and bare.installed != newest == suite.installed
    )
    if not as_told:
        terminal.show(("The demo did not go as expected.", "bold red"), "The last lines of both runs:")
        for result in (bare, suite):
            terminal.show(*result.run.output.splitlines()[-15:])
        return DemoExit.FAILED
    terminal.show(
        f"The newest {package} is {newest}. What made the difference, in bandersnatch.conf:\n\n"
        "    [plugins]\n    enabled =\n        freshness"
    )
    return DemoExit.CURED


def _play(directory: Path, lab: Lab, package: str) -> tuple[Result, Result]:
    mirrors = {
        "bare Bandersnatch": Mirror(directory / "bare", lab),
        "Bandersnatch with freshness": Mirror(directory / "suite", lab, ["freshness"]),
    }
    with terminal.progress("", 3 * len(mirrors), " steps") as bar:
        for name, mirror in mirrors.items():
            bar.set_description(f"{name}: first sync")
            mirror.run()
            bar.update()
        lab.release()
        results = []
        for name, mirror in mirrors.items():
            bar.set_description(f"{name}: sync after the new releases")
            lab.forget()
            run = mirror.run()
            requests = sum(asked.is_metadata for asked in lab.requests)
            fresh = sum(mirror.versions(project) == lab.versions(project) for project in lab.names)
            bar.update()
            bar.set_description(f"{name}: pip install {package}")
            installed = pip_install(package, mirror.directory / "web")
            bar.update()
            results.append(Result(run, fresh, requests, installed))
    return results[0], results[1]


def _table(bare: Result, suite: Result, package: str) -> Table:
    title = f"Bandersnatch {version('bandersnatch')} on an edge that is stale for gzip"
    table = Table(("", "bare", "with freshness"), title, right=[1, 2])
    for label, values in {
        "packages fresh": [f"{result.fresh} of {PROJECTS}" for result in (bare, suite)],
        "packages given up as stale": [str(result.run.stale_errors) for result in (bare, suite)],
        "metadata requests": [str(result.requests) for result in (bare, suite)],
        "seconds": [f"{result.run.seconds:.1f}" for result in (bare, suite)],
        "exit code": [str(result.run.returncode) for result in (bare, suite)],
        f"pip install {package} gets": [result.installed or "nothing" for result in (bare, suite)],
    }.items():
        table.add(label, *values)
    return table


def pip_install(package: str, web: Path) -> str:
    """Install a package from a mirror's `web` directory; return the installed version, "" if pip installed none.

    It is installed into a temporary directory.
    """
    with tempfile.TemporaryDirectory() as target, _serving(web) as url:
        pip = [sys.executable, "-m", "pip", "--isolated", "--disable-pip-version-check", "install", "--quiet"]
        where = ["--no-deps", "--no-cache-dir", "--target", target, "--index-url", f"{url}/simple/"]
        subprocess.run([*pip, *where, package], check=False)
        found = [path.name.removesuffix(".dist-info").partition("-")[2] for path in Path(target).glob("*.dist-info")]
    return found[0] if found else ""


@contextmanager
def _serving(directory: Path) -> Iterator[str]:
    handler = functools.partial(_QuietHandler, directory=str(directory))
    with http.server.ThreadingHTTPServer((HOST, 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"http://{HOST}:{server.server_address[1]}"
        finally:
            server.shutdown()
            thread.join()


class _QuietHandler(http.server.SimpleHTTPRequestHandler):
    def log_message(self, format: str, *args: object) -> None:  # noqa: A002 - the base class names it so
        pass
