"""Measuring: one command at a time, in alternating pairs, and what the pairs' ratios come to."""

from __future__ import annotations

import json
import re
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import NamedTuple

from bandersnatch_freshness.lab.server import Lab

LAUNCHER = Path(__file__).with_name("launcher.py")

# What a run prints, in its directory.
OUTPUT = "output.log"


class Cost(NamedTuple):
    """What one run took: seconds of wall time and of CPU, bytes of memory; and what it asked of the lab.

    `lab` is the share of the wall time in which the lab was busy; `switches` is how often one of its threads stopped,
    as for another one's turn.
    """

    wall: float
    cpu: float
    memory: float
    requests: int = 0
    bytes: int = 0
    lab: float = 0
    switches: int = 0


def cost(
    command: Sequence[str], directory: Path, environment: Mapping[str, str], lab: Lab | None = None, code: int = 0
) -> Cost:
    """Run a command, which is to exit with `code`, and return what it took.

    Raises:
        SystemExit: where it ends otherwise; a figure of that would mean nothing.
    """
    if lab:
        lab.forget()
    log, busy = directory / OUTPUT, time.process_time()
    launched = [sys.executable, "-I", "-S", str(LAUNCHER), str(log), *command]
    said = subprocess.run(launched, cwd=directory, env=dict(environment), stdout=subprocess.PIPE, check=True).stdout
    busy = time.process_time() - busy
    found = json.loads(said)
    if found["code"] != code:
        raise SystemExit(f"{' '.join(command)}\nended with {found['code']}:\n{log.read_text()[-3000:]}")
    asked = lab.requests if lab else []
    return Cost(
        found["wall"],
        found["cpu"],
        found["memory"],
        len(asked),
        sum(one.size for one in asked),
        busy / found["wall"],
        found["switches"],
    )


def instructions(command: Sequence[str], directory: Path, environment: Mapping[str, str]) -> int:
    """Run a command, a program's file and what it is given, and return how many instructions it took.

    valgrind's cachegrind counts them, so nothing else on the machine has a part in it; it takes fifty times as long.

    Raises:
        SystemExit: where it fails; a figure of that would mean nothing.
    """
    log = directory / "valgrind.log"
    counting = [
        "valgrind",
        "--tool=cachegrind",
        "--cache-sim=no",
        "--cachegrind-out-file=/dev/null",
        f"--log-file={log}",
    ]
    ran = subprocess.run(
        [*counting, *command],
        cwd=directory,
        env={**environment, "PYTHONHASHSEED": "0"},
        stdout=subprocess.DEVNULL,
        stderr=subprocess.PIPE,
        text=True,
        check=False,
    )
    found = re.search(r"I\s+refs:\s+([\d,]+)", log.read_text())
    if ran.returncode or not found:
        raise SystemExit(f"{' '.join(command)}\nended with {ran.returncode}:\n{ran.stderr[-3000:]}")
    return int(found[1].replace(",", ""))


@dataclass(frozen=True)
class Comparison:
    """What two ways of running cost, in pairs: first `bare`, then the suite."""

    bare: tuple[Cost, ...]
    suite: tuple[Cost, ...]

    def ratio(self, quantity: str) -> Ratio:
        """Return the suite's share of what it takes bare, pair by pair."""
        pairs = zip(self.of(self.bare, quantity), self.of(self.suite, quantity), strict=True)
        return Ratio.of([suite / bare for bare, suite in pairs])

    def median(self, quantity: str) -> tuple[float, float]:
        """Return what it takes, bare and with the suite."""
        return statistics.median(self.of(self.bare, quantity)), statistics.median(self.of(self.suite, quantity))

    @staticmethod
    def of(costs: Sequence[Cost], quantity: str) -> list[float]:
        """Return one quantity of many costs."""
        return [getattr(one, quantity) for one in costs]


class Ratio(NamedTuple):
    """The median of some ratios, and between which two of them the middle half lies."""

    median: float
    low: float
    high: float

    @classmethod
    def of(cls, ratios: Sequence[float]) -> Ratio:
        """Sum them up."""
        if len(ratios) < 2:
            return cls(ratios[0], ratios[0], ratios[0])
        low, median, high = statistics.quantiles(ratios, n=4, method="inclusive")
        return cls(median, low, high)

    def __str__(self) -> str:
        """Return it as in a table."""
        return f"{self.median:.3f} ({self.low:.3f} to {self.high:.3f})"


def alternate(bare: Callable[[], Cost], suite: Callable[[], Cost], pairs: int) -> Comparison:
    """Measure both so many times, A B B A, after one run of each that doesn't count."""
    bare(), suite()
    found: tuple[list[Cost], list[Cost]] = ([], [])
    for number in range(pairs):
        both = [(bare, found[0]), (suite, found[1])]
        for run, costs in both if number % 2 == 0 else reversed(both):
            costs.append(run())
        print(".", end="", flush=True)  # noqa: T201
    print()  # noqa: T201
    return Comparison(tuple(found[0]), tuple(found[1]))
