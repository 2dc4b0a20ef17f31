"""What a run costs with so many open incidents: seconds and memory of reading, updating, writing.

    python benchmarks/many_incidents.py [NUMBER]

Each step is as in a run of the mirror, but that nothing is sent; the memory is the most that Python's
objects take.
"""

from __future__ import annotations

import logging
import sys
import tempfile
import time
import tracemalloc
from collections.abc import Sequence
from pathlib import Path
from types import SimpleNamespace

from bandersnatch_freshness.incidents import Incident, Level
from bandersnatch_freshness.memory import Memory
from bandersnatch_freshness.notifier import Arrived, Notifier, Plan
from bandersnatch_freshness.observations import Observation
from bandersnatch_freshness.options import read_remembering
from bandersnatch_freshness.records import Records
from bandersnatch_freshness.state import State, dump
from bandersnatch_freshness.store import Store
from bandersnatch_freshness.variants import LADDER
from bandersnatch_freshness.verdicts import Verdict

NOW = 1_539_691_200


def storage() -> object:
    """Return as much of Bandersnatch's filesystem storage as the store touches."""
    return SimpleNamespace(
        PATH_BACKEND=Path, exists=lambda path: path.exists(), read_file=lambda path, text: path.read_bytes()
    )


class Silent(Notifier):
    """A notifier that sends nothing, and takes it for arrived."""

    def deliver(self, plan: Plan) -> Arrived:
        """Say that all of it arrived."""
        return {channel: [True] * len(sending.parts()) for channel, sending in plan.items()}


def run(directory: Path, urls: Sequence[str], now: int) -> None:
    """Begin and end a run that saw one package stale and one fresh."""
    state, copy = (Store(storage(), directory, name) for name in ("freshness.json", "freshness.quarantine"))
    remembering = read_remembering(["freshness"], {})
    notifier = Silent(urls, "m", remembering.repeat_every)
    memory = Memory(Records(state, copy, "m", lambda: now), remembering, notifier, lambda: now)
    seen = [Observation(variant, 200, 41, x_cache="MISS", served_by="cache-ams21021") for variant in LADDER]
    started = memory.begin()
    if started is None:
        raise SystemExit("the state can't be read")
    started.saw("package-000001", 42, seen, fresh=False, gone=False)
    started.saw("package-000002", 42, seen[:1], fresh=True, gone=False)
    memory.end(started, memory.guard(), "errors", 42)


def measure(title: str, text: str, urls: Sequence[str], now: int = NOW) -> str:
    """Run once for time and once for memory; return the state after it."""
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "freshness.json"
        path.write_text(text)
        begun = time.perf_counter(), time.process_time()
        run(Path(directory), urls, now)
        seconds, busy = time.perf_counter() - begun[0], time.process_time() - begun[1]
        path.write_text(text)
        tracemalloc.start()
        before = tracemalloc.get_traced_memory()[0]
        run(Path(directory), urls, now)
        most = tracemalloc.get_traced_memory()[1] - before
        tracemalloc.stop()
        size, memory = (f"{number / 2**20:.0f} MiB" for number in (len(text), most))
        print(f"{title}, {size}: {seconds:.2f} s, of CPU {busy:.2f} s; {memory} of memory")  # noqa: T201
        return path.read_text()


def main(number: int) -> None:
    """Measure without a channel, with one that is told of all, and with one that was told."""
    evidence = tuple(
        Observation(variant, 200, 41, x_cache="HIT", served_by="cache-ams21021").evidence() for variant in LADDER
    )
    incidents = {
        (name := f"package-{index:06}"): Incident(
            name,
            NOW - 9999 - index % 1000 * 300,
            NOW,
            9,
            42,
            41,
            Verdict.EDGE_STALE,
            Level.WARNING,
            41,
            evidence=evidence,
        )
        for index in range(number)
    }
    text = "".join(dump(State("m", incidents), NOW))
    del incidents
    logging.disable()
    measure(f"{number} incidents", text, [])
    for url in ("json://localhost", "alertmanager://localhost"):
        told = measure(f"{number} incidents, {url} to be told", text, [url])
        measure(f"{number} incidents, {url} told", told, [url], NOW + 300)


main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
