"""The state and the second copy of what is in quarantine, in a directory."""

from __future__ import annotations

import functools
import os
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import filelock
import pytest

from bandersnatch_freshness.core.history import Batch
from bandersnatch_freshness.core.incidents import Incident, Level
from bandersnatch_freshness.core.observations import Observation
from bandersnatch_freshness.core.quarantine import QuarantineEntry
from bandersnatch_freshness.core.variants import LADDER
from bandersnatch_freshness.core.verdicts import Verdict
from bandersnatch_freshness.notify.notifier import Notifier
from bandersnatch_freshness.settings import read_tracking
from bandersnatch_freshness.state.document import NewerStateError
from bandersnatch_freshness.state.memory import Memory
from bandersnatch_freshness.state.records import Records
from bandersnatch_freshness.state.store import Store

NOON = 1_539_691_200
FOO = QuarantineEntry(42, NOON - 60, NOON, 3, 41)


def records(directory: Path, master: str = "https://master.example") -> Records:
    """Return the records of a mirror, on a storage such as Bandersnatch's."""
    storage = SimpleNamespace(
        PATH_BACKEND=Path, exists=lambda path: path.exists(), read_file=lambda path, text: path.read_bytes()
    )
    state, copy = (Store(storage, directory, name) for name in ("state.json", "copy"))
    return Records(state, copy, master, lambda: NOON)


def write(directory: Path) -> None:
    """Leave the records of a mirror with an incident and something in quarantine."""
    made = records(directory)
    with made.lock():
        made.state.quarantine["foo"] = FOO
        made.state.incidents["foo"] = Incident("foo", NOON, NOON, 3, 42, 41, Verdict.UNKNOWN, released=NOON)
        made.state.batch = Batch(99, 7)
        made.write()


def test_what_was_written_is_read(tmp_path: Path) -> None:
    """All of it; and an incident knows that its package is in quarantine."""
    write(tmp_path)
    read = records(tmp_path)
    with read.lock():
        assert read.state.quarantine == {"foo": FOO}
        assert read.state.batch == Batch(99, 7)
        incident = read.state.incidents["foo"]
    assert (incident.in_quarantine, incident.released) == (True, NOON)
    assert (tmp_path / "copy").read_text() == "foo 42\n"


def test_what_another_process_wrote_is_known(tmp_path: Path) -> None:
    """Before anything is written over it."""
    first = records(tmp_path)
    with first.lock():
        first.write()
    write(tmp_path)
    with first.lock():
        assert first.state.quarantine == {"foo": FOO}


def test_the_copy_is_written_when_it_changes(tmp_path: Path) -> None:
    """Not in every run."""
    write(tmp_path)
    before = (tmp_path / "copy").stat().st_ino
    again = records(tmp_path)
    with again.lock():
        again.state.batch = None
        again.write()
        assert (tmp_path / "copy").stat().st_ino == before
        again.state.quarantine.clear()
        again.write()
    assert (tmp_path / "copy").read_text() == ""


def test_a_run_with_no_news_reads_and_writes_once(tmp_path: Path, mocker: Any) -> None:
    """The state; and it reads the copy. So it is where all of that is told to Alertmanager, as in every run."""
    made = records(tmp_path)
    with made.lock():
        for name in ("foo", "bar"):
            made.state.incidents[name] = Incident(name, NOON, NOON, 3, 42, 41, Verdict.UNKNOWN, Level.WARNING)
        made.write()
    for urls in ([], ["alertmanager://localhost"]):
        for is_news in (bool(urls), False):
            tracking = read_tracking(["freshness"], {"notify": "\n".join(urls)})
            notifier = Notifier(tracking, "host", "/srv/pypi")
            mocker.patch.object(notifier, "deliver", lambda plan: {channel: [""] for channel in plan})
            read, write = (mocker.spy(Store, name) for name in ("read", "write"))
            memory = Memory(records(tmp_path), tracking, lambda: NOON, lambda: notifier)  # noqa: B023
            run = memory.begin()
            assert run
            memory.end(run, None, "fresh", 42)
            assert [call.args[0].path.name for call in read.call_args_list] == ["state.json", "copy"]
            assert [call.args[0].path.name for call in write.call_args_list] == ["state.json"] * (1 + is_news)
            mocker.stopall()


def test_a_copy_that_can_not_be_written_is_said(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """The state is what counts; the next write tries again."""
    (tmp_path / "state.json").touch()
    made = records(tmp_path)
    with made.lock():
        (tmp_path / "copy").mkdir()
        made.state.quarantine["foo"] = FOO
        made.write()
        assert "copy can't be written" in caplog.messages[-1]
        (tmp_path / "copy").rmdir()
        made.write()
    assert (tmp_path / "copy").read_text() == "foo 42\n"


def test_a_lost_state_gets_its_quarantine_back(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """And says so."""
    write(tmp_path)
    (tmp_path / "state.json").unlink()
    again = records(tmp_path)
    with again.lock():
        assert again.state.quarantine == {"foo": QuarantineEntry(42, NOON, NOON)}
    assert "lacks packages in quarantine: 1 restored from" in caplog.text


def test_another_master_owes_what_the_old_one_did(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """With that one's serial, as a package that waits; all else that was the old one's is put away."""
    write(tmp_path)
    other = records(tmp_path, "https://other.example")
    with other.lock():
        assert other.state.quarantine == {"foo": QuarantineEntry(42, NOON - 60, NOON, 3, waiting=True)}
        assert (other.state.incidents, other.state.batch) == ({}, None)
        assert other.state.another_master
        other.write()
    (line,) = (one for one in caplog.records if one.levelname == "WARNING")
    assert line.getMessage().startswith("The master was https://master.example and is now https://other.example: ")
    back = records(tmp_path)
    with back.lock():
        assert back.state.master == "https://master.example"
        assert back.state.batch == Batch(99, 7)
        assert back.state.incidents["foo"].in_quarantine
        assert [one.master for one in back.state.others] == ["https://other.example"]


def test_a_master_that_is_spelled_otherwise_is_no_other(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    """Nothing is said, and only the URL changes."""
    write(tmp_path)
    same = records(tmp_path, "http://MASTER.example:80//")
    with same.lock():
        assert same.state.master == "http://MASTER.example:80//"
        assert same.state.quarantine == {"foo": FOO}
        assert same.state.incidents
        assert not same.state.another_master
    assert caplog.messages == []


def lead_to_itself(path: Path) -> None:
    """Make a link there that no one can follow."""
    path.symlink_to(path.name)


@pytest.mark.parametrize(
    "make", [os.mkfifo, os.mkdir, lead_to_itself, lambda path: path.write_text('{"format": 1, "runs": 7}')]
)
def test_what_can_not_be_a_state_is_moved_away_once(
    make: Callable[[Path], object], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With one line; the quarantine comes back from its copy, and the next run finds a state."""
    write(tmp_path)
    (tmp_path / "state.json").unlink()
    make(tmp_path / "state.json")
    for _ in range(2):
        again = records(tmp_path)
        with again.lock():
            assert again.state.quarantine == {"foo": QuarantineEntry(42, NOON, NOON)}
            again.write()
    (line,) = (one for one in caplog.messages if "is corrupt" in one)
    assert f"state.json is corrupt; moved to {tmp_path}/state.json.unreadable-{NOON}, starting with an empty" in line
    assert os.path.lexists(tmp_path / f"state.json.unreadable-{NOON}")


@pytest.mark.parametrize("make", [os.mkfifo, os.mkdir, lead_to_itself])
def test_a_copy_that_is_no_file_is_moved_away_once(
    make: Callable[[Path], None], tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """And written anew."""
    write(tmp_path)
    (tmp_path / "copy").unlink()
    make(tmp_path / "copy")
    for _ in range(2):
        again = records(tmp_path)
        with again.lock():
            assert again.state.quarantine == {"foo": FOO}
            again.write()
    assert [one for one in caplog.messages if "copy is corrupt; moved to" in one] == caplog.messages[:1]
    assert (tmp_path / "copy").read_text() == "foo 42\n"


def test_a_copy_that_may_not_be_read_loses_nothing_of_the_state(
    tmp_path: Path, mocker: Any, caplog: pytest.LogCaptureFixture
) -> None:
    """As one that a run as root left: it is put aside, and written anew."""
    write(tmp_path)
    one = records(tmp_path)
    mocker.patch.object(one._copy, "read", side_effect=PermissionError(13, "Permission denied"))
    with one.lock():
        assert one.state.quarantine == {"foo": FOO}
        one.write()
    assert (tmp_path / "copy").read_text() == (tmp_path / f"copy.unreadable-{NOON}").read_text() == "foo 42\n"
    assert len(caplog.messages) == 1


def test_what_can_not_be_moved_away_is_an_error(tmp_path: Path, mocker: Any) -> None:
    """The run is told."""
    (tmp_path / "state.json").mkdir()
    mocker.patch.object(Path, "rename", side_effect=PermissionError("not yours"))
    with pytest.raises(PermissionError, match="not yours"), records(tmp_path).lock():
        pytest.fail("entered")


def test_a_newer_state_is_left_alone(tmp_path: Path) -> None:
    """By whoever wants to change it."""
    (tmp_path / "state.json").write_text('{"format": 99}')
    with pytest.raises(NewerStateError), records(tmp_path).lock():
        pytest.fail("entered")


def test_one_run_at_a_time_holds_the_lock_of_runs(tmp_path: Path) -> None:
    """While others may read and write the records."""
    first, second = records(tmp_path), records(tmp_path)
    with first.run_lock(), second.lock(), pytest.raises(filelock.Timeout), second.run_lock():
        pytest.fail("entered")
    with second.run_lock():
        pass


def test_runs_are_summed_up(tmp_path: Path) -> None:
    """What they asked and how they ended is counted; and when the mirror last had all that was announced."""
    seen = [Observation(variant, 200, serial) for variant, serial in zip(LADDER, (41, 42), strict=False)]
    clock = iter(range(NOON, NOON + 60))
    for reached, outcome, target in ((42, "fresh", 42), (42, "fresh", 43), (43, "errors", 43), (0, "failed", 0)):
        memory = Memory(records(tmp_path), read_tracking(["freshness"], {}), functools.partial(next, clock))
        run = memory.begin()
        assert run
        run.report.reached = reached
        run.saw("foo", 42, seen, fresh=True)
        memory.begin_batch(run, target, 1, resumed=False, announced=1)
        memory.end(run, None, outcome, target)
    read = records(tmp_path)
    with read.lock():
        assert read.state.totals.runs == {"fresh": 2, "errors": 1, "failed": 1}
        assert read.state.totals.requests == {"plain": 4, "strip": 4}
        assert read.state.complete_at == read.state.runs[1].started
        assert [(hour.at, hour.lag) for hour in read.state.history] == [(NOON, 43)]
