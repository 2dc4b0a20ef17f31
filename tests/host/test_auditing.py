"""Auditing a mirror's files, while others change them."""

from __future__ import annotations

import configparser
import json
from collections.abc import Callable, Iterable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bandersnatch_freshness.audit.announced import Announced, read
from bandersnatch_freshness.audit.comparison import Kind
from bandersnatch_freshness.host.auditing import Auditor, Repair, RepairError
from bandersnatch_freshness.host.mirror_files import MirrorFiles
from bandersnatch_freshness.host.requests_host import Disk
from bandersnatch_freshness.settings import read_tracking
from bandersnatch_freshness.state.document import load

NOW = 1_760_616_000


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """Return the directory of a mirror at serial 50."""
    (tmp_path / "web/simple").mkdir(parents=True)
    (tmp_path / "status").write_text("50\n")
    return tmp_path


def write(mirror: Path, name: str, serial: int) -> None:
    """Write a project's page."""
    directory = mirror / "web/simple" / name
    directory.mkdir(exist_ok=True)
    (directory / "index.html").write_text(f"<!--SERIAL {serial}-->")


def auditor(mirror: Path, enabled: str = "freshness") -> Auditor:
    """Return what audits it; it has pages in HTML alone."""
    configuration = configparser.ConfigParser()
    configuration.read_dict({"mirror": {"simple-format": "HTML"}, "plugins": {"enabled": enabled}})
    files = MirrorFiles(str(mirror), "https://pypi.example", read_tracking((), {}), Disk())
    adapter: Any = SimpleNamespace(spelled=lambda mirror: {})
    made = Auditor(files, configuration, adapter, lambda: NOW)
    made.copies.places = made.copies.places[:1]  # without the second page of newer Bandersnatches
    made.copies.pages = 1
    return made


def announced(**projects: int) -> Announced:
    """Return what an index of serial 50 announces."""
    entries = [{"name": name, "_last-serial": serial} for name, serial in projects.items()]
    return read(json.dumps({"meta": {"_last-serial": 50}, "projects": entries}).encode())


def named(found: Iterable[Any]) -> dict[str, Kind]:
    """Return what is named, by project."""
    return {one.project: one.kind for one in found}


def meanwhile(audits: Auditor, happens: Callable[[], None]) -> None:
    """Have something happen between the first look at all pages and the second at what was found."""
    look = audits.look

    def after(projects: Any = ()) -> None:
        happens()
        look(projects)

    audits.look = after  # type: ignore[method-assign]


def test_what_a_run_has_synced_meanwhile_is_not_lost(mirror: Path) -> None:
    """It is looked at again before it is called so; what stays as it was, is."""
    write(mirror, "foo", 30)
    write(mirror, "bar", 30)
    audits = auditor(mirror)
    meanwhile(audits, lambda: write(mirror, "foo", 40))
    tally = audits.audit(announced(foo=40, bar=40))
    assert named(tally.named) == {"bar": Kind.OLDER}
    assert tally.counts[Kind.CURRENT] == 1


def test_what_went_from_the_todo_list_into_quarantine_is_not_lost(mirror: Path) -> None:
    """Wherever it is at the moment of each look."""
    write(mirror, "foo", 30)
    (mirror / "todo").write_text("50\nFoo 40\n")
    audits = auditor(mirror)
    assert audits.audit(announced(foo=40)).counts == {Kind.CURRENT: 0, Kind.TO_SYNC: 1}

    def move() -> None:
        (mirror / "todo").unlink(missing_ok=True)
        (mirror / "freshness.quarantine").write_text("foo 40\n")

    meanwhile(audits, move)
    assert named(audits.audit(announced(foo=40)).named) == {"foo": Kind.QUARANTINED}


def test_what_is_handed_back_meanwhile_is_not_lost(mirror: Path, mocker: Any) -> None:
    """From the state it goes to the todo list, which is looked at before and after."""
    write(mirror, "foo", 30)
    (mirror / "freshness.quarantine").write_text("foo 40\n")
    audits = auditor(mirror)
    look = MirrorFiles.look

    def hand_back(files: MirrorFiles, now: int) -> Any:
        (mirror / "todo").write_text("50\nfoo 40")
        (mirror / "freshness.quarantine").write_text("")
        return look(files, now)

    mocker.patch.object(MirrorFiles, "look", hand_back)
    assert audits.audit(announced(foo=40)).counts[Kind.TO_SYNC] == 1


def test_it_is_told_how_far_it_is(mirror: Path) -> None:
    """Of all that is announced, whatever is found of it."""
    for number in range(1100):
        write(mirror, f"p-{number}", 40)
    seen: list[int] = []
    auditor(mirror).audit(announced(**{f"p-{number}": 40 for number in range(1500)}), seen.append)
    assert sum(seen) == 1500


def test_a_repair_is_in_the_state_and_in_its_second_copy(mirror: Path) -> None:
    """All of it due, and done only once; what is in quarantine stays as it is."""
    write(mirror, "foo", 30)
    (mirror / "freshness.quarantine").write_text("old 20\n")
    audits = auditor(mirror)
    assert audits.repair(audits.audit(announced(foo=40, missing=35))) == Repair(2, None)
    assert audits.repair(audits.audit(announced(foo=40, missing=35))) == Repair(0, None)
    state = load((mirror / "freshness.json").read_text())
    assert {name: one.required_serial for name, one in state.quarantine.items()} == {
        "foo": 40,
        "missing": 35,
        "old": 20,
    }
    assert all(state.quarantine[name].is_due(NOW) for name in ("foo", "missing"))
    assert state.drains
    assert (mirror / "freshness.quarantine").read_text() == "foo 40\nmissing 35\nold 20\n"


@pytest.mark.parametrize("enabled", ["", "freshness_encoding", "freshness_guard"])
def test_a_repair_that_nobody_would_mind_is_refused(enabled: str, mirror: Path) -> None:
    """Before anything is asked or written."""
    with pytest.raises(RepairError, match="no enabled plugin minds the quarantine"):
        auditor(mirror, enabled).check_repair()


def test_a_state_of_a_newer_release_is_left_alone(mirror: Path) -> None:
    """The audit says what it has not read, and goes by the second copy; a repair says why it can't be."""
    content = '{"format": 99}'
    (mirror / "freshness.json").write_text(content)
    (mirror / "freshness.quarantine").write_text("foo 40\n")
    audits = auditor(mirror)
    tally = audits.audit(announced(foo=40, bar=40))
    assert named(tally.named) == {"foo": Kind.QUARANTINED, "bar": Kind.MISSING}
    assert "written by a newer release" in audits.problem
    with pytest.raises(RepairError, match="newer release"):
        audits.repair(tally)
    assert (mirror / "freshness.json").read_text() == content


def test_explains_a_package(mirror: Path) -> None:
    """By any spelling; one that nobody knows is said to be that."""
    write(mirror, "foo-bar", 30)
    (mirror / "todo").write_text("50\nFoo.Bar 40\n")
    audits = auditor(mirror)
    (one,), unknown = audits.explain(announced(**{"foo-bar": 40}), ["Foo_Bar", "nope"])
    assert unknown == ["nope"]
    assert (one.finding.kind, one.is_on_todo, one.places[0][1]) == (Kind.TO_SYNC, True, 30)
    assert one.places[0][0].endswith("/web/simple/foo-bar/index.html")
