"""Measure it all, and print the table: `python -m benchmarks [--short] [--only NAME…] [--write FILE]`."""

from __future__ import annotations

import argparse
import json
import os
import shutil
import sys
import time
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path

import pyperf

from bandersnatch_freshness import __version__

from . import audits, environments, lasting, pages, runs
from .mirrors import scratch
from .rows import Released, Row, table
from .sizes import LONG, SHORT, Size

# What the table of the last release said, for the one after it.
_RELEASED = Path(__file__).with_name("released.json")

_BEGIN, _END = "<!-- made by `make bench` -->\n", "<!-- the end of what it made -->\n"

BENCHMARKS: Mapping[str, Callable[[Size, Path], Iterator[Row]]] = {
    "starts": runs.starts,
    "instructions": pages.instructions,
    "healthy": pages.healthy,
    "dead": pages.dead,
    "stale": pages.stale,
    "bare-stale": pages.bare_on_a_stale_edge,
    "single": pages.single,
    "stale-day": lasting.stale_day,
    "many-stale": lasting.many_stale,
    "encodings": pages.encodings,
    "index-bytes": runs.index_bytes,
    "indexes": runs.indexes,
    "incidents": runs.incidents,
    "alerts": runs.alerts,
    "verify": runs.verify,
    "audits": audits.audits,
    "force-check": audits.force_check,
}


def main() -> int:
    """Return 1 where something is grossly above its goal."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a few minutes: rough figures, gross regressions only")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS), metavar="NAME")
    parser.add_argument("--bandersnatch", default=version("bandersnatch"), metavar="VERSION")
    parser.add_argument("--write", type=Path, metavar="FILE", help="a page whose table is to be replaced by this one")
    parser.add_argument("--release", metavar="VERSION", help="measure nothing: keep the last table as that release's")
    options = parser.parse_args()
    known = environments.DIRECTORY / f"rows-{'short' if options.short else 'long'}.json"
    if options.release:
        _RELEASED.write_text(f"{json.dumps(Released.of(options.release, _rows(known)), indent=1)}\n")
        return 0
    if "instructions" in options.only and not shutil.which("valgrind"):
        parser.error(
            "instructions are counted by valgrind, which is not here; install it, or name the others by --only"
        )
    environments.install(options.bandersnatch)
    size = SHORT if options.short else LONG
    measured: dict[str, list[Row]] = {}
    for name in options.only:
        began = time.monotonic()
        print(f"\n{name}", flush=True)  # noqa: T201
        with scratch() as place:
            measured[name] = list(BENCHMARKS[name](size, place))
        print(f"{table(measured[name])}\n{name} took {time.monotonic() - began:.0f} s", flush=True)  # noqa: T201
        _keep(known, name, measured[name], _machine(options.bandersnatch))
    if options.write:
        before, _, rest = options.write.read_text().partition(_BEGIN)
        options.write.write_text(f"{before}{_BEGIN}\n{_kept(known)}\n{_END}{rest.partition(_END)[2]}")
    rows = [row for found in measured.values() for row in found]
    gross = [row for row in rows if row.is_gross]
    for row in gross:
        print(f"far above its goal: {row.what}, {row.quantity}: {row.shown or row.suite}, {row.goal}", file=sys.stderr)  # noqa: T201
    return 1 if gross else 0


def _keep(path: Path, name: str, rows: Sequence[Row], machine: str) -> None:
    """Keep what was measured, so that a part of it can be measured anew."""
    kept = json.loads(path.read_text()) if path.exists() else {}
    kept[name] = {"machine": machine, "rows": [asdict(row) for row in rows]}
    path.write_text(json.dumps(kept, indent=1))


def _kept(path: Path) -> str:
    """Return a table of all that was measured last, on each machine that some of it was measured on."""
    kept = json.loads(path.read_text())
    machines = list(dict.fromkeys(kept[name]["machine"] for name in BENCHMARKS if name in kept))
    released = Released(*json.loads(_RELEASED.read_text())) if _RELEASED.exists() else Released()
    return f"{' '.join(machines)}\n\n{table(_rows(path), released if released.version != __version__ else Released())}"


def _rows(path: Path) -> list[Row]:
    """Return all rows that were measured last."""
    kept = json.loads(path.read_text())
    return [Row(**row) for name in BENCHMARKS if name in kept for row in kept[name]["rows"]]


def _machine(bandersnatch: str) -> str:
    """Say on what it was measured."""
    known = pyperf.Run([1.0], collect_metadata=True).get_metadata()
    processor = known.get("cpu_model_name", "unknown processor")
    python, system = known["python_version"].split()[0], known["platform"].partition("-with")[0]
    return (
        f"Bandersnatch {bandersnatch} on Python {python}, {system}, {os.cpu_count()} cores ({processor}), "
        f"{time.strftime('%Y-%m-%d')}."
    )


sys.exit(main())
