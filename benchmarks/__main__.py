"""Measure it all, and print the table: `python -m benchmarks [--short] [--only NAME…] [--write FILE]`."""

from __future__ import annotations

import argparse
import os
import sys
import time
from collections.abc import Callable, Iterator, Mapping
from importlib.metadata import version
from pathlib import Path

import pyperf

from . import environments, pages, runs
from .mirrors import scratch
from .rows import Row, table
from .sizes import LONG, SHORT, Size

_BEGIN, _END = "<!-- made by `make bench` -->\n", "<!-- the end of what it made -->\n"

BENCHMARKS: Mapping[str, Callable[[Size, Path], Iterator[Row]]] = {
    "starts": runs.starts,
    "healthy": pages.healthy,
    "stale": pages.stale,
    "bare-stale": pages.bare_on_a_stale_edge,
    "single": pages.single,
    "encodings": pages.encodings,
    "index-bytes": runs.index_bytes,
    "indexes": runs.indexes,
    "incidents": runs.incidents,
    "verify": runs.verify,
}


def main() -> int:
    """Return 1 where something is grossly above its goal."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks", description=__doc__)
    parser.add_argument("--short", action="store_true", help="a few minutes: rough figures, gross regressions only")
    parser.add_argument("--only", nargs="+", choices=BENCHMARKS, default=list(BENCHMARKS), metavar="NAME")
    parser.add_argument("--bandersnatch", default=version("bandersnatch"), metavar="VERSION")
    parser.add_argument("--write", type=Path, metavar="FILE", help="a page whose table is to be replaced by this one")
    options = parser.parse_args()
    environments.install(options.bandersnatch)
    size, begun = SHORT if options.short else LONG, time.monotonic()
    rows: list[Row] = []
    for name in options.only:
        print(f"\n{name}")  # noqa: T201
        with scratch() as place:
            found = list(BENCHMARKS[name](size, place))
        print(table(found), flush=True)  # noqa: T201
        rows += found
    minutes = (time.monotonic() - begun) / 60
    text = f"{_machine(options.bandersnatch)} {minutes:.0f} minutes.\n\n{table(rows)}"
    print(f"\n{text}")  # noqa: T201
    if options.write:
        before, _, rest = options.write.read_text().partition(_BEGIN)
        options.write.write_text(f"{before}{_BEGIN}\n{text}\n{_END}{rest.partition(_END)[2]}")
    gross = [row for row in rows if row.is_gross]
    for row in gross:
        print(f"far above its goal: {row.what}, {row.quantity}: {row.shown or row.suite}, {row.goal}", file=sys.stderr)  # noqa: T201
    return 1 if gross else 0


def _machine(bandersnatch: str) -> str:
    """Say on what it was measured."""
    known = pyperf.Run([1.0], collect_metadata=True).get_metadata()
    processor = known.get("cpu_model_name", "unknown processor")
    python, system = known["python_version"].split()[0], known["platform"].partition("-with")[0]
    return (
        f"Bandersnatch {bandersnatch} on Python {python}, {system}, {os.cpu_count()} cores ({processor}), "
        f"{time.strftime('%Y-%m-%d')};"
    )


sys.exit(main())
