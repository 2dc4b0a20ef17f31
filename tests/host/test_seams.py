"""The table of what the suite relies on in Bandersnatch, and taking it back."""

from __future__ import annotations

import ast
import configparser
import inspect
import logging
import typing
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import bandersnatch.master
import pytest
from packaging.version import Version

import bandersnatch_freshness.host
from bandersnatch_freshness.host import suite
from bandersnatch_freshness.host.protocols import HostMaster, HostMirror
from bandersnatch_freshness.host.seams import SEAMS, Hooks, Kind, Seam, Stage, lacking, seams_of
from bandersnatch_freshness.host.suite import Suite
from bandersnatch_freshness.settings import read_settings

HOST = suite().adapter.client
HERE = seams_of(HOST)


def found(seam: Seam) -> Any:
    """Return what Bandersnatch has at a seam, None if it is not there; of a logger, its filters."""
    owner = seam.resolve()
    return list(owner.filters) if seam.kind is Kind.LOGGER else vars(owner).get(seam.attribute)


@pytest.fixture
def fresh_suite() -> Iterator[Suite]:
    """Return a suite of its own, with everything hooked; it is unhooked in the end."""
    kind: Any = type(suite().adapter)
    made: Suite = kind().suite
    yield made
    made.unhook()


@pytest.mark.parametrize("seam", HERE, ids=str)
def test_this_bandersnatch_has_it(seam: Seam) -> None:
    """All that is not optional, with the signature that is relied on."""
    if not seam.is_optional:
        assert seam.lacking() is None


def test_nothing_is_lacking() -> None:
    """That is what the check at start says."""
    assert lacking(HOST) is None


@pytest.mark.parametrize(
    "seam",
    [
        seam
        for seam in HERE
        if seam.kind not in (Kind.INSTANCE, Kind.LOGGER) and not seam.is_optional and seam.stage is not Stage.COMMAND
    ],
    ids=str,
)
def test_steps_aside_without_it(seam: Seam, fresh_suite: Suite, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is named, and nothing is hooked."""
    owner = seam.resolve()
    for one in getattr(owner, "__mro__", [owner]):
        if seam.attribute in vars(one):
            monkeypatch.delattr(one, seam.attribute)
    get = vars(bandersnatch.master.Master).get("get")
    assert fresh_suite.enable(read_settings(["freshness"], {}), configparser.ConfigParser()) == str(seam)
    assert fresh_suite.settings is None
    assert vars(bandersnatch.master.Master).get("get") is get


@pytest.mark.parametrize("seam", [seam for seam in HERE if seam.parameters], ids=str)
def test_another_signature_is_noticed(seam: Seam, monkeypatch: pytest.MonkeyPatch) -> None:
    """A function of the same name that takes something else is as good as none."""
    if seam.is_optional and seam.lacking():
        pytest.skip("this Bandersnatch does not have it")
    monkeypatch.setattr(seam.resolve(), seam.attribute, lambda: None)
    assert seam.lacking() == f"the {seam.parameters[0]} of {seam}"


@pytest.mark.parametrize("stage", [Stage.START, Stage.COMMAND])
def test_all_that_is_hooked_can_be_taken_back(stage: Stage, fresh_suite: Suite) -> None:
    """Bandersnatch is as it was, to the object."""
    concerned = [seam for seam in HERE if seam.stage is stage and not (seam.is_optional and seam.lacking())]
    assert concerned
    before = [found(seam) for seam in concerned]
    hooks = Hooks(fresh_suite.adapter)
    hooks.hook(stage)
    # the console stays as it is, unless it is to be quiet
    hooked = [seam.attribute for seam, was in zip(concerned, before, strict=True) if found(seam) == was]
    assert set(hooked) <= {"setup_logging"}
    hooks.unhook()
    after = [found(seam) for seam in concerned]
    assert all(one is other or one == other for one, other in zip(after, before, strict=True))


def test_a_suite_can_be_unhooked(fresh_suite: Suite) -> None:
    """And enabled anew."""
    get = bandersnatch.master.Master.get
    settings = read_settings(["freshness"], {})
    for _ in range(2):
        assert fresh_suite.enable(settings, configparser.ConfigParser()) is None
        assert bandersnatch.master.Master.get is not get
        fresh_suite.unhook()
        assert bandersnatch.master.Master.get is get


def test_every_seam_that_is_hooked_has_its_wrapper() -> None:
    """And nothing is wrapped that is never hooked."""
    adapter = suite().adapter
    for seam in HERE:
        assert bool(seam.wrapped_by) is (seam.stage is not Stage.NEVER)
        assert not seam.wrapped_by or callable(getattr(adapter, seam.wrapped_by))


def test_each_seam_names_the_releases_it_was_tried_on() -> None:
    """In order, oldest first."""
    for seam in SEAMS:
        releases = [Version(one) for one in seam.tried.split(", ")]
        assert releases == sorted(releases)


def test_only_the_host_imports_bandersnatch() -> None:
    """Beside the entry points: what is relied on is to be found in one room."""
    package = Path(inspect.getfile(bandersnatch_freshness.host)).parents[1]
    importing = set()
    for path in package.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text())):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) and not node.level else []
            names += [alias.name for alias in node.names] if isinstance(node, ast.Import) else []
            if any(name.split(".")[0] == "bandersnatch" for name in names):
                importing.add(path.relative_to(package).parts[0])
    assert importing == {"host", "plugins.py"}


async def test_the_attributes_that_are_read_are_there(tmp_path: Path) -> None:
    """Those of a real mirror, and of its master; two are set later by a run, or by the suite."""
    mirror = real_mirror(tmp_path)
    attributes = typing.get_type_hints(HostMirror).keys()
    later = {"need_wrapup", "hash_index"} if HOST == "requests" else {"hash_index"} - set(dir(mirror))
    assert {name for name in attributes if not hasattr(mirror, name)} <= later
    assert all(hasattr(mirror.master, name) for name in typing.get_type_hints(HostMaster))


def real_mirror(directory: Path) -> Any:
    """Return a mirror object of Bandersnatch's, as its own command makes one."""
    logging.getLogger("bandersnatch").addHandler(logging.NullHandler())
    if HOST == "requests":
        from bandersnatch.mirror import Mirror

        return Mirror(directory, bandersnatch.master.Master("https://master.example"))
    from bandersnatch.mirror import BandersnatchMirror

    return BandersnatchMirror(directory, bandersnatch.master.Master("https://master.example"))
