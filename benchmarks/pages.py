"""What pages cost: on a healthy edge, on a stale one, and where single packages are stale."""

from __future__ import annotations

import statistics
from collections.abc import Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from pathlib import Path

from bandersnatch_freshness.core.variants import LADDER
from bandersnatch_freshness.lab.behaviours import BEHAVIOURS
from bandersnatch_freshness.lab.server import Lab

from .environments import SUITE
from .measuring import Comparison, Cost, alternate
from .mirrors import Measured
from .rows import Row, compared, counted, exactly
from .sizes import Size

# As far away as a CDN's node is from most mirrors: what a run waits for is part of what it takes.
DELAY = 0.02


def healthy(size: Size, place: Path) -> Iterator[Row]:
    """Bare Bandersnatch and the suite, side by side on one edge that is fresh throughout, near and some way off."""
    for delay in (DELAY, 0):
        with Lab(size.packages, delay=delay) as lab:
            since = lab.serial
            lab.release()
            for workers in (3, 10) if delay else (3,):
                bare, suite = _both(lab, lab, place / f"{workers}-{delay}", {"workers": str(workers)})
                found = _alternate(bare, suite, since, size.healthy if workers == 3 else size.pairs)
                what = f"healthy edge, {size.packages} packages, {workers} workers{'' if delay else ', no delay'}"
                yield from _healthy(what, found, bare, suite)
            if not delay:
                idle = _alternate(Measured(place / "idle", lab, SUITE), suite, since, size.pairs)
                first = alternate(bare.first, suite.first, size.pairs)
                for quantity in ("wall", "cpu"):
                    yield compared(f"{what}, against installed, not enabled", quantity, idle, 1.02)
                    yield compared(f"{what}, first sync", quantity, first, 1.02)


def _healthy(what: str, found: Comparison, bare: Measured, suite: Measured) -> Iterator[Row]:
    for quantity in ("wall", "cpu"):
        yield compared(what, quantity, found, 1.02)
    for quantity in ("bytes", "requests"):
        # among few packages, the three requests that compare the index show
        yield compared(what, quantity, found, 1.0 if found.median("requests")[0] >= 1000 else 1.02)
    yield exactly(what, "lines", bare.lines(), suite.lines())
    yield compared(what, "switches", found)
    share = statistics.median(one.lab for one in found.suite)
    yield Row(what, "the lab is busy", "", f"{share:.0%} of the time", "")


def dead(size: Size, place: Path) -> Iterator[Row]:
    """A first sync of an index a tenth of whose projects is gone for good."""
    behaviour = replace(BEHAVIOURS["healthy"], gone=True, every=10)
    # An edge each: the second would get the 404s of the first from it, and proves nothing then.
    with Lab(size.packages, behaviour) as one, Lab(size.packages, behaviour) as other:
        bare, suite = (measured.run().requests for measured in _both(one, other, place / "dead"))
    yield exactly(f"first sync of {size.packages} packages, a tenth of them gone", "requests", bare, suite, 1.02)


def instructions(size: Size, place: Path) -> Iterator[Row]:
    """The same, counted in instructions: two runs tell what a page takes, and what a run takes beside its pages."""
    few, many = size.counted
    taken = {packages: _counted(size, place / str(packages), packages) for packages in size.counted}
    page = {one: (taken[many][one] - taken[few][one]) / (many - few) for one in taken[few]}
    run = {one: taken[few][one] - few * each for one, each in page.items()}
    whole = {one: run[one] + 2000 * each for one, each in page.items()}
    for bare, suite, against in (
        ("bare", "suite", ""),
        ("idle", "suite", ", against installed, not enabled"),
        ("bare, first sync", "suite, first sync", ", first sync"),
    ):
        yield counted(f"a page, from runs of {few} and of {many} packages{against}", page[bare], page[suite], 1.02)
        yield counted(f"a run beside its pages{against}", run[bare], run[suite])
        yield counted(f"a run of 2000 packages, from these{against}", whole[bare], whole[suite], 1.02)


def _counted(size: Size, place: Path, packages: int) -> dict[str, float]:
    """Return how many instructions it takes to sync so many packages that changed, and in a first sync."""
    with Lab(packages) as lab, ThreadPoolExecutor(2) as two:  # what runs beside it has no part in the figures
        since = lab.serial
        lab.release()
        again, first = _both(lab, lab, place / "again"), _both(lab, lab, place / "first")
        mirrors = dict(zip(("bare", "suite", "bare, first sync", "suite, first sync"), (*again, *first), strict=True))
        mirrors["idle"] = Measured(place / "idle", lab, SUITE)

        def count(name: str) -> float:
            measured = mirrors[name]
            if measured in first:
                return statistics.median(measured.counted_first() for _ in range(size.counts))
            measured.again(since)
            return statistics.median(measured.counted(since) for _ in range(size.counts))

        return dict(zip(mirrors, two.map(count, mirrors), strict=True))


def stale(size: Size, place: Path) -> Iterator[Row]:
    """Bare Bandersnatch on a healthy edge, and the suite on one whose copies are all stale."""
    for name in ("gzip-stale", "gzip-and-identity-stale"):
        with Lab(size.packages, delay=DELAY) as fresh, Lab(size.packages, name, delay=DELAY) as lab:
            since = lab.serial
            fresh.release(), lab.release()
            bare, suite = _both(fresh, lab, place / name)
            found = _alternate(bare, suite, since, size.pairs)
            if not suite.is_fresh():
                raise SystemExit(f"{name}: the mirror is not fresh")
            what = f"{name}, {size.packages} packages, against bare on a healthy edge"
            yield compared(what, "wall", found, 1.05)
            yield compared(what, "cpu", found)
            yield compared(what, "requests", found, 1.01 if size.packages >= 1000 else 1.05)
            yield compared(what, "bytes", found)


def bare_on_a_stale_edge(size: Size, place: Path) -> Iterator[Row]:
    """What it comes to without the suite; with few packages, as each takes its time."""
    with Lab(size.bare_stale, "gzip-stale", delay=DELAY) as lab:
        since = lab.serial
        lab.release()
        mirror = Measured(place / "bare-stale", lab)
        cost = mirror.again(since)
        fresh = sum(len(mirror.mirror.versions(name)) == 2 for name in lab.names)
    what = f"gzip-stale, {size.bare_stale} packages"
    yield Row(what, "wall", f"{cost.wall:.2f} s", "", "")
    yield Row(what, "requests", f"{cost.requests}", "", "")
    yield Row(what, "fresh packages", f"{fresh}", "", "")


def single(size: Size, place: Path) -> Iterator[Row]:
    """One package in a hundred: its gzip copy stale, or the origin's page a serial behind."""
    every = replace(BEHAVIOURS["some-gzip-stale"], every=100)
    with Lab(size.packages, delay=DELAY) as fresh, Lab(size.packages, every, delay=DELAY) as lab:
        since = lab.serial
        fresh.release(), lab.release()
        bare, suite = _both(fresh, lab, place / "single")
        found = _alternate(bare, suite, since, size.pairs)
        what = f"1 % of {size.packages} packages stale for gzip, against bare on a healthy edge"
        yield compared(what, "wall", found, 1.02)
        yield _per_package(what, lab, size.packages, 1.0, "≤ 1")
    with Lab(size.packages, replace(BEHAVIOURS["origin-stale"], every=100), delay=DELAY) as lab:
        since = lab.serial
        lab.release()
        options = {"quarantine_after": "never"}
        suite = Measured(place / "origin", lab, SUITE, "freshness", options)
        costs = [suite.again(since) for _ in range(3)]
        what = f"1 % of {size.packages} packages stale at the origin"
        yield _per_package(f"{what}, known from earlier runs", lab, size.packages, len(LADDER) - 1, "≤ 6: one climb")
        yield Row(what, "wall, run by run", "", ", ".join(f"{one.wall:.1f} s" for one in costs), "")


def encodings(size: Size, place: Path) -> Iterator[Row]:
    """What it costs to ask for uncompressed pages always, against asking as Bandersnatch does."""
    with Lab(size.packages // 10, delay=DELAY) as lab:
        since = lab.serial
        for _ in range(30):  # releases: as many as a project of some age has
            lab.release()
        auto = Measured(place / "auto", lab, SUITE, "freshness")
        strip = Measured(place / "strip", lab, SUITE, "freshness_encoding")
        found = _alternate(auto, strip, since, size.pairs)
        what = f"`strip` against `auto`, {size.packages // 10} packages of 31 releases"
        for quantity in ("wall", "cpu", "bytes"):
            yield compared(what, quantity, found)


def _both(fresh: Lab, lab: Lab, place: Path, mirror: Mapping[str, str] | None = None) -> tuple[Measured, Measured]:
    return (
        Measured(place / "bare", fresh, mirror=mirror),
        Measured(place / "suite", lab, SUITE, "freshness", mirror=mirror),
    )


def _alternate(bare: Measured, suite: Measured, since: int, pairs: int) -> Comparison:
    def again(measured: Measured) -> Cost:
        return measured.again(since)

    return alternate(lambda: again(bare), lambda: again(suite), pairs)


def _per_package(what: str, lab: Lab, packages: int, at_most: float, goal: str) -> Row:
    pages = sum(one.path.startswith("/pypi/") for one in lab.requests)
    each = (pages - packages) / (packages / 100)
    return Row(what, "extra requests each", "", f"{each:.2f}", "", each, at_most, goal, each, at_most)
