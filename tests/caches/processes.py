"""Servers that are not ours: whether they are installed, and starting and stopping them on loopback."""

from __future__ import annotations

import os
import shutil
import signal
import socket
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from pathlib import Path

import pytest

from bandersnatch_freshness.lab.server import HOST

# The commands that are needed, and Debian's packages that have them.
PACKAGES = {"varnishd": "varnish", "nginx": "nginx-light", "squid": "squid", "curl": "curl"}

# Where Debian has servers; not everybody's PATH does.
PATH = os.pathsep.join([os.environ.get("PATH", os.defpath), "/usr/sbin", "/sbin"])

# A machine that is busy with other tests takes its time.
_SECONDS = 30
_ATTEMPTS = 3

_handed_out: set[int] = set()
_handing_out = threading.Lock()


class NotStartedError(Exception):
    """A server ended, or was not ready in time; says what it printed."""


def missing_packages(packages: Mapping[str, str] = PACKAGES) -> list[str]:
    """Return the Debian packages of those commands that aren't here."""
    return sorted({package for command, package in packages.items() if not shutil.which(command, path=PATH)})


def require(packages: Mapping[str, str]) -> None:
    """Skip a test where commands of these packages aren't installed; fail where they must be."""
    missing = missing_packages(packages)
    if missing:
        reason = f"needs Debian's packages {' '.join(missing)}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)


def free_port() -> int:
    """Return a port of loopback that nobody listens on, and that no other call has returned."""
    with _handing_out:
        while True:
            with socket.socket() as probe:
                probe.bind((HOST, 0))
                port: int = probe.getsockname()[1]
            if port not in _handed_out:
                _handed_out.add(port)
                return port


@contextmanager
def running(
    prepare: Callable[[Path, int], Sequence[str]], stop_by: signal.Signals = signal.SIGTERM
) -> Iterator[tuple[Path, int]]:
    """Run a server that listens on a free port, with a directory of its own; give both.

    `prepare` gets them, writes what the server reads, and returns its command line.

    Raises:
        NotStartedError: where it doesn't listen.
    """
    with tempfile.TemporaryDirectory(prefix="freshness-cache-", ignore_cleanup_errors=True) as name:
        directory = Path(name)
        directory.chmod(0o755)  # a server that was started by root works as somebody else
        for fail_open in range(1, _ATTEMPTS + 1):
            port = free_port()
            name, *arguments = prepare(directory, port)
            command = [shutil.which(name, path=PATH) or name, *arguments]
            with (directory / "output").open("wb") as output:
                process = subprocess.Popen(command, stdin=subprocess.DEVNULL, stdout=output, stderr=subprocess.STDOUT)
            try:
                if not _listens(process, port):
                    if fail_open < _ATTEMPTS:
                        continue  # somebody else took the port in between
                    raise NotStartedError(f"{command}: {(directory / 'output').read_text(errors='replace')}")
                yield directory, port
                return
            finally:
                _stop(process, stop_by)


def _listens(process: subprocess.Popen[bytes], port: int) -> bool:
    until = time.monotonic() + _SECONDS
    while process.poll() is None and time.monotonic() < until:
        try:
            socket.create_connection((HOST, port), timeout=1).close()
        except OSError:
            time.sleep(0.02)
        else:
            return process.poll() is None
    return False


def _stop(process: subprocess.Popen[bytes], by: signal.Signals) -> None:
    process.send_signal(by)
    try:
        process.wait(10)
    except subprocess.TimeoutExpired:
        process.kill()
        process.wait()
