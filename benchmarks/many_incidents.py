"""What a run costs with so many open incidents: seconds and memory of reading, updating, writing.

    python benchmarks/many_incidents.py [NUMBER]

Each step is as in a run of the mirror; the memory is the most that Python's objects take.
"""

from __future__ import annotations

import sys
import tempfile
import time
import tracemalloc
from pathlib import Path
from types import SimpleNamespace

from bandersnatch_freshness.incidents import Incident, Level
from bandersnatch_freshness.memory import Memory
from bandersnatch_freshness.notifier import Notifier
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


def run(directory: Path) -> None:
    """Begin and end a run that saw one package stale and one fresh."""
    notifier = Notifier([], "m", 86400)
    state, copy = (Store(storage(), directory, name) for name in ("freshness.json", "freshness.quarantine"))
    remembering = read_remembering(["freshness"], {})
    memory = Memory(Records(state, copy, "m", lambda: NOW), remembering, notifier, lambda: NOW)
    seen = [Observation(variant, 200, 41, x_cache="MISS", served_by="cache-ams21021") for variant in LADDER]
    started = memory.begin()
    if started is None:
        raise SystemExit("the state can't be read")
    started.saw("package-000001", 42, seen, fresh=False, gone=False)
    started.saw("package-000002", 42, seen[:1], fresh=True, gone=False)
    memory.end(started, memory.guard(), "errors", 42)


def main(number: int) -> None:
    """Measure once for time and once for memory."""
    evidence = tuple(
        Observation(variant, 200, 41, x_cache="HIT", served_by="cache-ams21021").evidence() for variant in LADDER
    )
    incidents = {
        (name := f"package-{index:06}"): Incident(
            name, NOW - 9999, NOW, 9, 42, 41, Verdict.EDGE_STALE, Level.WARNING, 41, evidence=evidence
        )
        for index in range(number)
    }
    text = "".join(dump(State("m", incidents), NOW))
    del incidents
    with tempfile.TemporaryDirectory() as directory:
        path = Path(directory) / "freshness.json"
        path.write_text(text)
        begun = time.perf_counter()
        run(Path(directory))
        seconds = time.perf_counter() - begun
        path.write_text(text)
        size = len(text)
        del text
        tracemalloc.start()
        run(Path(directory))
        most = tracemalloc.get_traced_memory()[1]
    print(f"{number} incidents, {size / 2**20:.1f} MiB: {seconds:.2f} s, {most / 2**20:.0f} MiB")  # noqa: T201


main(int(sys.argv[1]) if len(sys.argv) > 1 else 100_000)
