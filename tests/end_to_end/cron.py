"""Runs of one mirror at faked times, and what they leave behind."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Iterable, Iterator
from contextlib import ExitStack, contextmanager
from pathlib import Path
from typing import Any

from bandersnatch_freshness.lab.behaviours import Behaviour
from bandersnatch_freshness.lab.mirrors import Mirror
from bandersnatch_freshness.lab.server import Lab

from ..conftest import MakeMirror

MINUTE, HOUR, DAY = 60, 3600, 86400
NOON = 1_760_616_000

ONE_STALE = Behaviour("one project reports a serial too low", origin_behind=1, every=3)


class Cron:
    """Runs of one mirror at faked times, and what they logged."""

    def __init__(self, process: subprocess.Popen[str], log: Path) -> None:
        """`process` is a driver, `log` the file of its standard error."""
        self._process = process
        self._log = log

    def run(self, *times: int, ended: str = "0") -> list[str]:
        """Run at each of these seconds after noon; return the lines of the suite's logger."""
        before = len(self._log.read_text())
        assert self._process.stdin
        assert self._process.stdout
        for time in times:
            self._process.stdin.write(f"{NOON + time}\n")
            self._process.stdin.flush()
            assert self._process.stdout.readline() == f"ended {ended}\n", self._log.read_text()
        self.lines = self._log.read_text()[before:].splitlines()
        return [line for line in self.lines if " bandersnatch.freshness " in line]


@contextmanager
def cron(mirror: Mirror) -> Iterator[Cron]:
    """Start a driver for a mirror."""
    log = mirror.config.with_name("log")
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, str(Path(__file__).with_name("driver.py")), str(mirror.config)],
            env=mirror.environment(),
            cwd=mirror.config.parent,
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
        )
        try:
            yield Cron(process, log)
        finally:
            assert process.stdin
            process.stdin.close()
            process.wait(30)
            assert process.stdout
            process.stdout.close()


@contextmanager
def side_by_side(
    make_mirror: MakeMirror, lab: Lab, **given: dict[str, str]
) -> Iterator[tuple[Mirror, Mirror, Cron, Cron]]:
    """Return a bare mirror and one with the suite, and what runs each of them at faked times."""
    bare, mirror = make_mirror(lab, **given), make_mirror(lab, "freshness", **given)
    with ExitStack() as stack:
        yield bare, mirror, stack.enter_context(cron(bare)), stack.enter_context(cron(mirror))


def state(mirror: Mirror) -> dict[str, Any]:
    """Return the mirror's state."""
    document: dict[str, Any] = json.loads((mirror.directory / "freshness.json").read_text())
    return document


def levels(found: Iterable[str]) -> list[str]:
    """Return the level of each line."""
    return [line.split(" ", 1)[0] for line in found]
