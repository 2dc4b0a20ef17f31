"""What the guard costs in a first full sync: wall time and CPU, bare and guarded by turns, as ratios.

    python benchmarks/guarded_sync.py [PACKAGES [ROUNDS]]

The real `bandersnatch mirror` against the lab on loopback; no release files are mirrored.
"""

from __future__ import annotations

import resource
import statistics
import sys
import tempfile
import time
from pathlib import Path

from bandersnatch_freshness.lab.mirrors import Mirror
from bandersnatch_freshness.lab.server import Lab


def measure(lab: Lab, directory: Path, *plugins: str) -> tuple[float, float]:
    """Sync all packages into a new mirror, and return the seconds that it took and the CPU's."""
    mirror = Mirror(directory, lab, plugins, mirror={"release-files": "false", "global-timeout": "3600"})
    before = resource.getrusage(resource.RUSAGE_CHILDREN)
    begun = time.perf_counter()
    mirror.run(timeout=3600)
    wall = time.perf_counter() - begun
    after = resource.getrusage(resource.RUSAGE_CHILDREN)
    if mirror.serial != lab.serial:
        raise SystemExit("the mirror is not fresh")
    lab.forget()
    return wall, after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime


def main(packages: int, rounds: int) -> None:
    """Measure bare and guarded by turns."""
    ratios = []
    with Lab(packages) as lab:
        for number in range(rounds):
            with tempfile.TemporaryDirectory() as place:
                bare = measure(lab, Path(place) / "bare")
                guarded = measure(lab, Path(place) / "guarded", "freshness_guard")
            ratios.append((guarded[0] / bare[0], guarded[1] / bare[1]))
            print(  # noqa: T201
                f"round {number + 1}: bare {bare[0]:.1f} s, CPU {bare[1]:.1f} s; "
                f"guarded {guarded[0]:.1f} s, CPU {guarded[1]:.1f} s"
            )
    wall, cpu = (statistics.median(column) for column in zip(*ratios, strict=True))
    print(f"{packages} packages, median of {rounds}: wall {wall:.3f}, CPU {cpu:.3f}")  # noqa: T201


arguments = [int(argument) for argument in sys.argv[1:]]
main(*(arguments + [10_000, 3][len(arguments) :]))
