"""Runs of Bandersnatch at faked times, each a process of its own, by the thousand."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from collections.abc import Sequence
from pathlib import Path
from types import TracebackType
from typing import Self


class Zygote:
    """The process that forks a child for each run; a context manager."""

    def __init__(self, ca_file: Path) -> None:
        """Its children trust the certificates of this authority."""
        self._process = subprocess.Popen(
            [sys.executable, "-m", "tests.zygote"],
            cwd=Path(__file__).parents[2],
            env={
                **os.environ,
                **dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), str(ca_file)),
                "PYTHONHASHSEED": "0",
            },
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            text=True,
        )

    def __enter__(self) -> Self:
        """Do nothing more."""
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, traceback: TracebackType | None
    ) -> None:
        """End it."""
        self._process.communicate()

    def run(self, command: Sequence[str], config: Path, log: Path, now: int, **faults: str | int) -> int:
        """Run a command at a time, in seconds since 1970; return its exit code, or minus the signal that ended it.

        It is `mirror`, which is Bandersnatch's without its command line, or a command line of `bandersnatch` or
        `bandersnatch-freshness` that lacks the configuration. Its output is appended to a file. `faults` are those of
        `__main__`.
        """
        order = {"command": list(command), "config": str(config), "log": str(log), "now": now, **faults}
        assert self._process.stdin
        assert self._process.stdout
        self._process.stdin.write(f"{json.dumps(order)}\n")
        self._process.stdin.flush()
        return int(self._process.stdout.readline())
