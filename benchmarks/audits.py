"""What an audit costs, on mirrors that grow; and what it takes bare Bandersnatch, which asks for every page."""

from __future__ import annotations

import os
import shutil
from collections.abc import Iterator
from pathlib import Path

from bandersnatch_freshness.exit_codes import AuditExit
from bandersnatch_freshness.lab.behaviours import COPIES
from bandersnatch_freshness.lab.server import Lab

from .environments import SUITE
from .measuring import cost
from .mirrors import Measured
from .rows import Row
from .sizes import Size

MOST_SECONDS, MOST_BYTES = 60, 300 * 2**20
# So many serials there are, and the files of all projects that are at one are links to one: so they fit into memory.
SERIALS = 1000


def audits(size: Size, place: Path) -> Iterator[Row]:
    """The whole comparison, as a mirror grows; with JSON documents beside its pages, and where all is missing."""
    most = size.audited[-1]
    for projects in size.audited:
        yield from _audited(place / str(projects), projects, f"{projects:,} projects")
    fewer = size.audited[-2]
    yield from _audited(place / "json", fewer, f"{fewer:,} projects, `json = true`", json="true")
    yield from _audited(place / "none", most, f"{most:,} projects, of which it has none", has=0)


def _audited(place: Path, projects: int, what: str, *, has: int | None = None, json: str = "false") -> Iterator[Row]:
    with Lab(1) as lab:
        mirror = Measured(place, lab, SUITE, "freshness", mirror={"json": json})
        lab.plant_index(SERIALS, _index(projects), COPIES)
        _make(mirror.mirror.directory, projects if has is None else has, with_documents=json == "true")
        command = [SUITE.program("bandersnatch-freshness"), "-c", str(mirror.mirror.config), "audit"]
        code = AuditExit.COMPLETE if has is None else AuditExit.FINDINGS
        found = cost(command, place, mirror.mirror.environment(), lab, code)
    shutil.rmtree(place)  # there is no room for several
    yield _row(f"`audit`, {what}", "wall", f"{found.wall:.1f} s", found.wall, MOST_SECONDS, f"≤ {MOST_SECONDS} s")
    yield _row(f"`audit`, {what}", "cpu", f"{found.cpu:.1f} s", found.cpu, MOST_SECONDS, f"≤ {MOST_SECONDS} s")
    memory = f"{found.memory / 2**20:.0f} MiB"
    yield _row(f"`audit`, {what}", "memory", memory, found.memory, MOST_BYTES, f"≤ {MOST_BYTES >> 20} MiB")
    yield _row(f"`audit`, {what}", "requests", f"{found.requests}", found.requests, 1, "1")


def _row(what: str, quantity: str, shown: str, value: float, most: float, goal: str) -> Row:
    return Row(what, quantity, "", shown, "", value, most, goal, value, most)


def force_check(size: Size, place: Path) -> Iterator[Row]:
    """What it takes bare Bandersnatch to look at all that it has, by `mirror --force-check`."""
    with Lab(size.checked) as lab:
        bare = Measured(place / "force-check", lab, mirror={"workers": "10"})
        bare.run()
        found = bare.run("mirror", "--force-check")
    what = f"`mirror --force-check` of {size.checked:,} packages, all there"
    scaled = found.wall / size.checked * size.audited[-1]
    yield Row(
        what, "wall", f"{found.wall:.0f} s", "", f"{scaled / 3600:.1f} h for {size.audited[-1]:,}, without network"
    )
    yield Row(what, "requests", f"{found.requests}", "", "")


def _name(number: int) -> str:
    return f"some-project-{number:06}"


def _index(projects: int) -> str:
    """Return a simple index in JSON, as PyPI writes it."""
    entries = ",".join(
        f'{{"_last-serial":{1 + number % SERIALS},"name":"{_name(number)}"}}' for number in range(projects)
    )
    return f'{{"meta":{{"_last-serial":{SERIALS},"api-version":"1.3"}},"projects":[{entries}]}}'


def _make(directory: Path, projects: int, *, with_documents: bool) -> None:
    """Make the pages of a mirror, as Bandersnatch 8 writes them, of three releases each."""
    simple, documents, originals = (directory / name for name in ("web/simple", "web/json", "originals"))
    for one in (simple, documents, originals):
        one.mkdir(parents=True)
    (directory / "status").write_text(str(SERIALS))
    for serial in range(1, min(SERIALS, projects) + 1):
        for name, content in _pages(serial).items():
            (originals / f"{serial}-{name}").write_text(content)
    for number in range(projects):
        name, serial = _name(number), 1 + number % SERIALS
        os.mkdir(f"{simple}/{name}")
        for page in ("index.html", "index.v1_html", "index.v1_json"):
            os.link(f"{originals}/{serial}-{page}", f"{simple}/{name}/{page}")
        if with_documents:
            os.link(f"{originals}/{serial}-json", f"{documents}/{name}")


def _pages(serial: int) -> dict[str, str]:
    link = (
        f'    <a href="../../packages/{"0" * 64}/some_project-1.0-py3-none-any.whl#sha256={"0" * 64}">some</a><br/>\n'
    )
    html = f"<!DOCTYPE html>\n<html>\n  <body>\n{link * 3}\n  </body>\n</html>\n<!--SERIAL {serial}-->"
    file = f'{{"filename": "some_project-1.0-py3-none-any.whl", "hashes": {{"sha256": "{"0" * 64}"}}}}'
    meta = f'"meta": {{"api-version": "1.1", "_last-serial": "{serial}"}}, "name": "some", "versions": ["1.0"]'
    description = f'    "info": {{\n        "description": "{"text " * 1000}"\n    }},\n'
    return {
        "index.html": html,
        "index.v1_html": html,
        "index.v1_json": f'{{"files": [{file}, {file}, {file}], {meta}}}',
        "json": f'{{\n{description}    "last_serial": {serial},\n    "releases": {{}}\n}}',
    }
