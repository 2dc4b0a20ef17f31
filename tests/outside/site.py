"""A mirror's files as Bandersnatch writes them, at any time of its life, without a run."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import NamedTuple

from msgspec.structs import replace

from bandersnatch_freshness.core.history import PastRun
from bandersnatch_freshness.reporting.published import OwnSerials, publish

from ..reporting.examples import HOUR, summary

# When the mirror's serial got higher, by how long ago that was, in seconds.
ADVANCES: Mapping[int, int] = {40: 10 * HOUR, 41: 5 * HOUR, 42: 2 * HOUR, 43: 60}


class Age(NamedTuple):
    """A mirror as of one of its runs: its serial, that of its index (which is one run behind), and of its pages."""

    serial: int
    of_index: int
    pages: Mapping[str, int]


NOW = Age(43, 42, {"foo": 42, "bar": 43, "qux": 7})
# So it was four hours ago, between two runs.
BEFORE = Age(41, 40, {"foo": 39, "bar": 38, "qux": 7})


def runs(now: int, last: int) -> Sequence[PastRun]:
    """Return the mirror's runs, up to the one that brought it to this serial."""
    return [
        PastRun(now - ago - 5, now - ago, "fresh", serial, serial) for serial, ago in ADVANCES.items() if serial <= last
    ]


def facts(age: Age, now: int, *, critical_after: int = 24 * HOUR) -> str:
    """Return what the mirror said of itself after the last run of that age."""
    past = runs(now, age.serial)
    reported = summary(runs=tuple(past), serial=age.serial, now=past[-1].finished, complete_at=past[-1].started)
    thresholds = replace(reported.thresholds, critical_after=critical_after)
    own = OwnSerials(age.of_index, {name: serial for name, serial in age.pages.items() if serial > 30})
    return publish(replace(reported, thresholds=thresholds), own)


def write(web: Path, age: Age, now: int, *, with_facts: bool = True) -> None:
    """Write a mirror's files below its `web`: pages in HTML and JSON, the index, the facts."""
    simple = web / "simple"
    for name, serial in age.pages.items():
        (simple / name).mkdir(parents=True, exist_ok=True)
        html = f"<!DOCTYPE html>\n<html><body><h1>Links for {name}</h1></body></html>\n<!--SERIAL {serial}-->"
        page = {"files": [], "meta": {"api-version": "1.1", "_last-serial": str(serial)}, "name": name, "versions": []}
        (simple / name / "index.html").write_text(html)
        (simple / name / "index.v1_json").write_text(json.dumps(page))
    links = "".join(f'    <a href="{name}/">{name}</a><br/>\n' for name in age.pages)
    (simple / "index.html").write_text(f"<!DOCTYPE html>\n<html>\n  <body>\n{links}  </body>\n</html>")
    projects = [{"name": name} for name in age.pages]
    index = {"meta": {"_last-serial": age.of_index, "api-version": "1.1"}, "projects": projects}
    (simple / "index.v1_json").write_text(json.dumps(index))
    if with_facts:
        (web / "status.json").write_text(facts(age, now))
