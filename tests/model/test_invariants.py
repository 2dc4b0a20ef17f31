"""Each invariant can fail: on mirrors that are broken by hand."""

from __future__ import annotations

import json
import shutil
from collections.abc import Callable
from pathlib import Path

import pytest

from .invariants import SMALL, Behind, Generations, lost, unhealed
from .mirrors import Mirror
from .world import DAY, HOUR, World, release_file

NAME = "model-00"


class NoRuns:
    """Takes the place of a zygote."""


@pytest.fixture
def world() -> World:
    """Return a world with two projects, all of whose pages an index has told of."""
    one = World()
    for name in (NAME, NAME, "model-01"):
        one.release(name)
    one.now += 2 * HOUR
    one.tell(one.listing(), one.serial)
    return one


@pytest.fixture
def make(tmp_path: Path, world: World) -> Callable[[str], Mirror]:
    """Return a function that makes a mirror which has all that the world has."""

    def made(name: str) -> Mirror:
        mirror = Mirror(tmp_path / name, {}, NoRuns())  # type: ignore[arg-type]
        for project in world.names:
            sync(mirror, world, project, world.page(project).generation)
        (mirror.directory / "status").write_text(str(world.serial))
        (mirror.directory / "freshness.json").write_text(json.dumps({"runs": [1]}))
        return mirror

    return made


def sync(mirror: Mirror, world: World, name: str, generation: int) -> None:
    """Write a generation of a project into a mirror."""
    page = world.pages[name][generation - 1]
    web = mirror.directory / "web"
    for directory in ("json", f"simple/{name}"):
        (web / directory).mkdir(parents=True, exist_ok=True)
    (web / "json" / name).write_text(f'"generation {generation}"')
    links = ""
    for version in page.versions:
        path, content = release_file(name, version)
        (web / path[1:]).parent.mkdir(parents=True, exist_ok=True)
        (web / path[1:]).write_bytes(content)
        links += f'<a href="../..{path}" data-requires-python="&gt;=0.{generation}">{path.rpartition("/")[2]}</a>\n'
    (web / "simple" / name / "index.html").write_text(links)


def test_loss_is_seen(make: Callable[[str], Mirror], world: World) -> None:
    """But not where it will be asked for, or nobody can know."""
    mirror = make("suite")
    assert not list(lost(world, mirror, ()))
    sync(mirror, world, NAME, 1)
    assert len(list(lost(world, mirror, ()))) == 1
    assert not list(lost(world, mirror, {NAME}))
    for name, text in (
        ("todo", f"{world.serial}\n{NAME} {world.page(NAME).serial}"),
        ("freshness.quarantine", f"{NAME} 9\n"),
        ("freshness.json", json.dumps({"quarantine": {NAME: {}}})),
        ("freshness.json", json.dumps({"missing": {NAME: {}}})),
        ("status", str(world.page(NAME).serial - 1)),
    ):
        path = mirror.directory / name
        before = path.read_text() if path.exists() else None
        path.write_text(text)
        assert not list(lost(world, mirror, ())), name
        path.unlink() if before is None else path.write_text(before)
    assert len(list(lost(world, mirror, ()))) == 1
    world.delete(NAME)
    assert not list(lost(world, mirror, ()))


def test_what_replaces_newer_is_seen(make: Callable[[str], Mirror], world: World) -> None:
    """Of the simple page and of the JSON document."""
    mirror = make("suite")
    generations = Generations(mirror)
    assert not generations.look(world)
    assert not generations.look(world)
    sync(mirror, world, NAME, 1)
    assert len(generations.look(world)) == 2
    assert not generations.look(world)


def test_bare_may_be_ahead_for_a_day_at_most(make: Callable[[str], Mirror], world: World) -> None:
    """And for two runs; a release that is there, but whose file is broken, is none."""
    bare, suite = make("bare"), make("suite")
    behind = Behind()
    assert not list(behind.look(world, bare, suite, (), ran=True))
    path = release_file(NAME, "2").path
    (suite.directory / "web" / path[1:]).write_text("half")
    assert not list(behind.look(world, bare, suite, (), ran=True))
    world.now += DAY
    assert not list(behind.look(world, bare, suite, (), ran=True))
    assert len(list(behind.look(world, bare, suite, (), ran=True))) == 1
    assert not list(behind.look(world, bare, suite, {NAME}, ran=True))
    world.now += 2 * DAY  # what was forgiven begins anew
    assert not list(behind.look(world, bare, suite, (), ran=True))


def test_what_has_not_healed_is_seen(make: Callable[[str], Mirror], world: World) -> None:
    """Each part of it."""
    mirror = make("suite")
    assert not list(unhealed(world, mirror, 0))
    assert len(list(unhealed(world, mirror, 2))) == 1
    (mirror.directory / "freshness.json").write_text(json.dumps({"incidents": {NAME: {}}, "missing": {NAME: {}}}))
    assert len(list(unhealed(world, mirror, 0))) == 2
    (mirror.directory / "freshness.json").write_text(json.dumps({"runs": ["x" * SMALL]}))
    assert len(list(unhealed(world, mirror, 0))) == 1
    (mirror.directory / "freshness.json").unlink()
    sync(mirror, world, NAME, 1)
    assert len(list(unhealed(world, mirror, 0))) == 1
    sync(mirror, world, NAME, 2)
    shutil.rmtree(mirror.directory / "web" / "packages")
    assert len(list(unhealed(world, mirror, 0))) == 2
    (mirror.directory / "web" / "json" / NAME).write_text("generation 1")
    assert len(list(unhealed(world, mirror, 0))) == 3
