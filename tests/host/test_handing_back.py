"""Handing packages back from quarantine: onto the todo list first, and nothing is dropped where that fails."""

from __future__ import annotations

import configparser
import json
import sys
from collections.abc import Callable
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import filelock
import pytest

from bandersnatch_freshness import host
from bandersnatch_freshness.core.incidents import Incident
from bandersnatch_freshness.core.quarantine import QuarantineEntry
from bandersnatch_freshness.core.verdicts import Verdict
from bandersnatch_freshness.fail_open import begin_run
from bandersnatch_freshness.host.handing_back import HandBackError, UnderWayError, hand_back, hand_back_all
from bandersnatch_freshness.host.mirror_files import MirrorFiles
from bandersnatch_freshness.settings import read_tracking

NOON = 1_539_691_200
MASTER = "https://master.example"
BY_HAND = "`bandersnatch-freshness quarantine release --all`"


def clock() -> int:
    """Return the time."""
    return NOON


def mirror_files(directory: Path, master: str = MASTER) -> MirrorFiles:
    """Return the files of a mirror, on a storage such as Bandersnatch's."""
    storage = SimpleNamespace(
        PATH_BACKEND=Path,
        exists=lambda path: path.exists(),
        read_file=lambda path, text: path.read_bytes(),
        get_lock=filelock.FileLock,
    )
    return MirrorFiles(str(directory), master, read_tracking([], {}), storage)


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """Return the directory of a mirror with two packages in quarantine."""
    records = mirror_files(tmp_path).records(clock)
    with records.lock():
        for name, serial in (("foo", 42), ("bar", 43)):
            records.state.quarantine[name] = QuarantineEntry(serial, NOON - 60, NOON - 60)
            records.state.incidents[name] = Incident(name, NOON - 99, NOON - 60, 3, serial, 41, Verdict.UNKNOWN)
        records.write()
    (tmp_path / "status").write_text("50")
    return tmp_path


def read(mirror: Path) -> dict[str, Any]:
    """Return the state."""
    document: dict[str, Any] = json.loads((mirror / "freshness.json").read_text())
    return document


def test_one_is_handed_back(mirror: Path) -> None:
    """The other one stays; its incident says when."""
    assert hand_back(mirror_files(mirror), clock, ["foo", "foo"]) == ["foo"]
    assert (mirror / "todo").read_text() == "50\nfoo 42"
    assert read(mirror)["quarantine"].keys() == {"bar"}
    assert (mirror / "freshness.quarantine").read_text() == "bar 43\n"
    assert read(mirror)["incidents"]["foo"]["released"] == "2018-10-16T12:00:00Z"


def test_all_are_handed_back_once(mirror: Path) -> None:
    """What is on the todo list already stays there, and the next time there is nothing to say."""
    (mirror / "todo").write_text("60\nbaz 55")
    said = hand_back_all(mirror_files(mirror), clock)
    assert said == f"handed 2 packages back from quarantine to Bandersnatch's todo list, as {BY_HAND} does"
    assert (mirror / "todo").read_text() == "60\nbaz 55\nbar 43\nfoo 42"
    assert read(mirror)["quarantine"] == {}
    before = sorted((path.name, path.stat().st_mtime_ns) for path in mirror.iterdir())
    assert hand_back_all(mirror_files(mirror), clock) == ""
    assert sorted((path.name, path.stat().st_mtime_ns) for path in mirror.iterdir()) == before


def test_without_a_quarantine_nothing_is_touched(tmp_path: Path) -> None:
    """No lock is taken, and no file made."""
    assert hand_back_all(mirror_files(tmp_path), clock) == ""
    assert list(tmp_path.iterdir()) == []


def test_a_lost_state_is_no_loss(mirror: Path) -> None:
    """The second copy has it all."""
    (mirror / "freshness.json").unlink()
    assert hand_back(mirror_files(mirror), clock) == ["bar", "foo"]
    assert (mirror / "todo").read_text() == "50\nbar 43\nfoo 42"


def test_of_another_master_any_page_will_do(mirror: Path) -> None:
    """Its serials are others; but a page must have one."""
    assert hand_back(mirror_files(mirror, "https://other.example"), clock) == ["bar", "foo"]
    assert (mirror / "todo").read_text() == "50\nbar 1\nfoo 1"


def test_what_is_not_in_quarantine_is_named(mirror: Path) -> None:
    """And what is stays."""
    with pytest.raises(HandBackError, match=r"^not in quarantine: baz; nothing was done$"):
        hand_back(mirror_files(mirror), clock, ["foo", "baz"])
    assert not (mirror / "todo").exists()


def strange_todo(mirror: Path) -> None:
    """Leave a todo list of an unknown kind."""
    (mirror / "todo").write_text("60\nfoo 1 2")


def unwritable_todo(mirror: Path) -> None:
    """See to it that the todo list can't be written."""
    (mirror / ".todo.new").mkdir()


def unwritable_state(mirror: Path) -> None:
    """See to it that the state can't be written."""
    (mirror / ".freshness.json.new").mkdir()


def newer_state(mirror: Path) -> None:
    """Leave the state of a newer release."""
    (mirror / "freshness.json").write_text(json.dumps(read(mirror) | {"format": 9}))


@pytest.mark.parametrize(
    ("spoil", "file", "reason"),
    [
        (strange_todo, "todo", "not a todo list of Bandersnatch"),
        (unwritable_todo, "todo", "[Errno "),
        (unwritable_state, "freshness.json", "[Errno "),
        (newer_state, "freshness.json", "written by a newer release"),
    ],
)
def test_nothing_is_dropped_where_it_fails(spoil: Callable[[Path], None], file: str, reason: str, mirror: Path) -> None:
    """The line names the file, and what does it by hand."""
    spoil(mirror)
    before = [(mirror / name).read_text() for name in ("freshness.json", "freshness.quarantine")]
    said = hand_back_all(mirror_files(mirror), clock)
    assert said.startswith(
        f"could not hand 2 packages back from quarantine to Bandersnatch's todo list: {mirror / file}: {reason}"
    )
    assert said.endswith(f"; the next run tries again, and so does {BY_HAND}")
    assert [(mirror / name).read_text() for name in ("freshness.json", "freshness.quarantine")] == before
    assert spoil is strange_todo or not (mirror / "todo").exists()


@pytest.mark.parametrize("lock", [".lock", ".freshness.quarantine.lock"])
def test_not_beside_a_run(lock: str, mirror: Path) -> None:
    """Neither where Bandersnatch starts nor where the suite is at work."""
    with filelock.FileLock(mirror / lock), pytest.raises(UnderWayError, match="a run of Bandersnatch is under way"):
        hand_back(mirror_files(mirror), clock)
    assert read(mirror)["quarantine"].keys() == {"foo", "bar"}
    assert not (mirror / "todo").exists()


@pytest.fixture
def start(mirror: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture) -> Any:
    """Return a function that starts the suite in a Bandersnatch that lacks something; it returns the lines logged."""
    parser = configparser.ConfigParser()
    parser.read_dict(
        {
            "mirror": {"directory": str(mirror), "master": MASTER, "storage-backend": "filesystem", "workers": "1"},
            "plugins": {"enabled": "freshness"},
        }
    )
    kind: Any = type(host.suite().adapter)
    suite = kind().suite
    monkeypatch.setattr(suite, "enable", lambda *_: "bandersnatch.something")

    def start(*arguments: str) -> list[str]:
        caplog.clear()
        monkeypatch.setattr(host._Started, "suite", suite)
        monkeypatch.setattr(host._Started, "configured_from", None)
        monkeypatch.setattr(sys, "argv", ["bandersnatch", *arguments])
        host.start(parser)
        host.start(parser)
        said = (one.getMessage() for one in caplog.records if one.name == "bandersnatch.freshness")
        return [line.partition(": the freshness plugins ")[2] or line for line in said]

    return start


@pytest.mark.parametrize("argument", ["mirror", "verify", "delete"])
async def test_stepping_aside_hands_back(argument: str, mirror: Path, start: Any) -> None:
    """In one line with that, and at once."""
    (line,) = start(argument)
    assert line == f"step aside; handed 2 packages back from quarantine to Bandersnatch's todo list, as {BY_HAND} does"
    assert (mirror / "todo").read_text() == "50\nbar 43\nfoo 42"
    assert start(argument) == ["step aside"]


@pytest.mark.parametrize(
    ("argument", "lock"), [("mirror", ".lock"), ("verify", ".freshness.quarantine.lock"), ("sync", "")]
)
async def test_stepping_aside_waits_for_the_next_start(argument: str, lock: str, mirror: Path, start: Any) -> None:
    """Beside a run of another process; and in `sync`, which writes over the todo list."""
    held: AbstractContextManager[Any] = filelock.FileLock(mirror / lock) if lock else nullcontext()
    with held:
        (line,) = start(argument)
    assert line.startswith(
        f"step aside; could not hand 2 packages back from quarantine to Bandersnatch's todo list: {mirror}: a run "
        if lock
        else "step aside; the next `bandersnatch mirror` hands 2 packages back from quarantine"
    )
    assert not (mirror / "todo").exists()
    assert "step aside; handed 2 packages back" in start("mirror")[0]


def test_a_bandersnatch_of_no_known_kind_gets_nothing(
    mirror: Path, start: Any, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Where its todo list lies is not known; what would be on it is."""

    def unknown() -> Any:
        raise host._UnknownBandersnatchError("something")

    monkeypatch.setattr(host, "suite", unknown)
    assert start("mirror") == [f"step aside; what {mirror / 'freshness.quarantine'} names is not handed back"]
    (mirror / "freshness.quarantine").write_text("")
    assert start("mirror") == ["step aside"]


def test_a_failure_of_ours_keeps_the_line(start: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    """It is logged as such, and Bandersnatch goes on."""
    begin_run()  # or a failure in an earlier test would be the first one
    monkeypatch.delattr(host, "files_of")
    assert start("mirror") == ["An error inside bandersnatch-freshness: continuing without it", "step aside"]
