"""What a run costs beside its pages: its start, the index, what is remembered, and `verify`."""

from __future__ import annotations

import functools
import gzip
import statistics
import time
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path

from bandersnatch_freshness.core.incidents import Incident, Level
from bandersnatch_freshness.core.observations import Observation
from bandersnatch_freshness.core.quarantine import QuarantineEntry
from bandersnatch_freshness.core.variants import LADDER
from bandersnatch_freshness.core.verdicts import Verdict
from bandersnatch_freshness.lab.documents import SIMPLE_JSON
from bandersnatch_freshness.lab.server import Lab
from bandersnatch_freshness.state.document import EVIDENCE_KEPT, State, dump, load
from tests.receiver import receiver

from .environments import BARE, SUITE, Environment
from .measuring import Comparison, Cost, alternate, cost
from .mirrors import Measured
from .rows import Row, added, alone, compared
from .sizes import Size

DAY = 24 * 60 * 60


def starts(size: Size, place: Path) -> Iterator[Row]:
    """Bandersnatch's own help, and a run that has nothing to do, as nearly all of a cron job's are."""
    with Lab() as lab:
        measured = {
            "installed, not enabled": Measured(place / "installed", lab, SUITE),
            "enabled": Measured(place / "enabled", lab, SUITE, "freshness"),
        }
        bare = Measured(place / "bare", lab)
        found = alternate(lambda: _help(bare, BARE), lambda: _help(bare, SUITE), size.starts)
        yield from _start("`bandersnatch --help`", found)
        for how, suite in measured.items():
            yield from _start(f"nothing to do, {how}", alternate(bare.run, suite.run, size.starts))
        for command, at_most in (("check", 0.3), ("status", 0.6)):
            taken = statistics.median(_own(measured["enabled"], command).wall for _ in range(size.starts))
            yield alone(f"`bandersnatch-freshness {command}`", taken, at_most, 5 * at_most)


def _help(mirror: Measured, environment: Environment) -> Cost:
    command = [environment.program("bandersnatch"), "--help"]
    return cost(command, mirror.mirror.config.parent, mirror.mirror.environment())


def _own(mirror: Measured, command: str) -> Cost:
    config = mirror.mirror.config
    line = [SUITE.program("bandersnatch-freshness"), "-c", str(config), command]
    return cost(line, config.parent, mirror.mirror.environment())


def _start(what: str, found: Comparison) -> Iterator[Row]:
    for quantity in ("wall", "cpu"):
        yield added(what, quantity, found, 0.025, "≤ 25 ms", gross=1.5)


def indexes(size: Size, place: Path) -> Iterator[Row]:
    """A run with nothing to do, on indexes that grow."""
    for projects in size.indexes:
        with Lab(kind="pypi", listed=projects) as lab:  # whose edge looks pages up without their query
            bare = Measured(place / f"bare-{projects}", lab)
            suite = Measured(place / f"suite-{projects}", lab, SUITE, "freshness")
            for one in (bare, suite):  # a mirror that has it all, as far as it knows
                one.again(lab.serial)
            found = alternate(bare.run, suite.run, size.pairs)
        what = f"nothing to do, index of {projects:,} projects"
        yield added(what, "wall", found)
        yield added(what, "cpu", found)
        yield compared(what, "memory", found, 1.05)


def index_bytes(size: Size, place: Path) -> Iterator[Row]:
    """The index as the edge sends it, by Accept-Encoding."""
    from bandersnatch_freshness.lab.origin import Origin

    projects = size.indexes[-1]
    body = Origin(projects).page("/simple/", SIMPLE_JSON, "").body
    encodings: dict[str, Callable[[bytes], bytes]] = {"gzip": gzip.compress, "deflate": zlib.compress}
    shown = ", ".join(f"{name} {len(encode(body)) / 2**20:.1f} MiB" for name, encode in encodings.items())
    yield Row(f"index of {projects:,} projects", "bytes", "", f"identity {len(body) / 2**20:.1f} MiB, {shown}", "")


def incidents(size: Size, place: Path) -> Iterator[Row]:
    """A run with nothing to do, with more and more that is known to be stale, all of it in quarantine."""
    for number in size.incidents:
        with Lab(listed=number) as lab:
            none = Measured(place / f"none-{number}", lab, SUITE, "freshness")
            none.again(lab.serial)
            suite, kib = _with_incidents(place / f"some-{number}", lab, number)
            found = alternate(none.run, suite.run, size.pairs)
            _check_kept(suite, number)
        what = f"nothing to do, {number:,} open incidents, all in quarantine, a state of {kib:,.0f} KiB"
        yield added(what, "wall", found, 1, "≤ 1 s", gross=12)
        yield added(what, "memory", found, 70 * 2**20, "≤ 70 MiB", gross=6)


def alerts(size: Size, place: Path) -> Iterator[Row]:
    """The same with an Alertmanager, which is to hear of each incident in each run, or it takes it for resolved."""
    number = size.incidents[-1]
    with Lab(listed=number) as lab, receiver() as alertmanager:
        none = Measured(place / "none", lab, SUITE, "freshness")
        none.again(lab.serial)
        told, _ = _with_incidents(place / "told", lab, number, notify=f"alertmanager://{alertmanager.address}")

        def tell() -> Cost:
            alertmanager.bodies.clear()
            return told.run()

        found = alternate(none.run, tell, size.pairs)
        _check_kept(told, number)
        heard = list(map(len, alertmanager.received))
        if sum(heard) != number:
            raise RuntimeError(f"Alertmanager was not told of all {number} incidents")
    what = f"nothing to do, {number:,} open incidents, told to Alertmanager ({max(heard):,} alerts a request)"
    yield added(what, "wall", found, 2, "≤ 2 s", gross=20)
    yield added(what, "memory", found)


def _with_incidents(directory: Path, lab: Lab, number: int, **options: str) -> tuple[Measured, float]:
    """Return a mirror of which so much is stale, and that has all the rest as far as it knows; and its state's KiB."""
    suite = Measured(directory, lab, SUITE, "freshness", options)
    suite.again(lab.serial)
    state = suite.mirror.directory / "freshness.json"
    state.write_text("".join(_state(lab, number)))
    return suite, state.stat().st_size / 2**10


def _check_kept(mirror: Measured, number: int) -> None:
    """Make sure that it was this that was measured.

    Raises:
        RuntimeError: if not all incidents are left.
    """
    kept = len(load((mirror.mirror.directory / "freshness.json").read_bytes()).incidents)
    if kept != number:
        raise RuntimeError(f"of {number} incidents, {kept} are left after the runs: these measured something else")


def _state(lab: Lab, number: int) -> Iterator[str]:
    """Yield the state of a mirror for which so many of the projects that the index lists are stale, and none is due."""
    now = int(time.time())
    evidence = tuple(
        Observation(variant, 200, 41, x_cache="HIT", served_by="cache-lab-1").evidence() for variant in LADDER
    )
    incidents, quarantine = {}, {}
    for index in range(number):
        name, serial, since = f"listed-{index:06}", index + 1, now - DAY - index % 1000 * 300
        incidents[name] = Incident(
            *(name, since, now, 9, serial, 0, Verdict.EDGE_STALE, Level.WARNING),
            newest=0,
            evidence=evidence if index < EVIDENCE_KEPT else (),
            in_quarantine=True,
        )
        quarantine[name] = QuarantineEntry(serial, since, now, 9)
    return dump(State(lab.https_url, incidents, quarantine=quarantine), now)


def verify(size: Size, place: Path) -> Iterator[Row]:
    """`bandersnatch verify`, which builds every installed plugin anew for each package."""
    with Lab(size.verified) as lab:
        bare = Measured(place / "verified", lab, mirror={"workers": "10"})
        bare.run()
        there = str(bare.mirror.directory)
        installed = Measured(place / "verified-installed", lab, SUITE, mirror={"directory": there})
        enabled = Measured(place / "verified-enabled", lab, SUITE, "freshness", mirror={"directory": there})
        # Bandersnatch's own loader takes the longer, the more distributions are installed, whoever they are of:
        # what the suite adds by its own doing is the difference between installed and enabled.
        for how, before, suite in (
            ("installed, not enabled", bare, installed),
            ("enabled, against installed", installed, enabled),
        ):
            verify_before, verify_suite = (functools.partial(one.run, "verify") for one in (before, suite))
            found = alternate(verify_before, verify_suite, min(size.pairs, 5))
            what = f"`verify` over {size.verified:,} packages, {how}"
            for quantity in ("wall", "cpu"):
                yield compared(what, quantity, found, 1.02 if suite is enabled else 1.3)
