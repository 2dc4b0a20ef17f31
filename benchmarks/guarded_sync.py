"""What the guard costs in a first full sync: wall time and CPU, as ratios to bare runs before and after.

    python benchmarks/guarded_sync.py [PACKAGES [ROUNDS]]

The real `bandersnatch mirror` against the lab on loopback; no release files are mirrored.
Two bare runs are compared in the same way: what they differ by is no measure of anything.
"""

from __future__ import annotations

import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path
from typing import NamedTuple

from bandersnatch_freshness.lab.mirrors import Mirror
from bandersnatch_freshness.lab.server import Lab


class Cost(NamedTuple):
    """What a run took: seconds."""

    wall: float
    cpu: float


def measure(lab: Lab, *plugins: str) -> Cost:
    """Sync all packages into a new mirror."""
    with tempfile.TemporaryDirectory() as place:
        mirror = Mirror(Path(place), lab, plugins, mirror={"release-files": "false", "global-timeout": "3600"})
        before, begun = resource.getrusage(resource.RUSAGE_CHILDREN), time.perf_counter()
        mirror.run(timeout=3600)
        wall, after = time.perf_counter() - begun, resource.getrusage(resource.RUSAGE_CHILDREN)
        if mirror.serial != lab.serial:
            raise SystemExit("the mirror is not fresh")
    lab.forget()
    return Cost(wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime)


def main(packages: int, rounds: int) -> None:
    """Measure bare, guarded and bare again, once the lab's own cache is filled."""
    guarded_by_bare, bare_by_bare = [], []
    with Lab(packages) as lab:
        measure(lab)
        for number in range(rounds):
            before, guarded, after = measure(lab), measure(lab, "freshness_guard"), measure(lab)
            bare = Cost((before.wall + after.wall) / 2, (before.cpu + after.cpu) / 2)
            guarded_by_bare.append(Cost(guarded.wall / bare.wall, guarded.cpu / bare.cpu))
            bare_by_bare.append(Cost(after.wall / before.wall, after.cpu / before.cpu))
            print(  # noqa: T201
                f"round {number + 1}: bare {bare.wall:.1f} s, CPU {bare.cpu:.1f} s; "
                f"guarded {guarded.wall:.1f} s, CPU {guarded.cpu:.1f} s",
                flush=True,
            )
    print(f"{packages} packages, medians of {rounds} rounds")  # noqa: T201
    for name, ratios in (("guarded / bare", guarded_by_bare), ("bare / bare", bare_by_bare)):
        wall, cpu = (statistics.median(column) for column in zip(*ratios, strict=True))
        print(f"{name}: wall {wall:.3f}, CPU {cpu:.3f}")  # noqa: T201


arguments = [int(argument) for argument in sys.argv[1:]]
main(*(arguments + [10_000, 3][len(arguments) :]))
