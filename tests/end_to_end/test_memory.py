"""The state file: what a run leaves there, and what goes wrong with it."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from bandersnatch_freshness.lab.behaviours import Behaviour
from bandersnatch_freshness.lab.origin import Answer
from bandersnatch_freshness.lab.plain_edge import PlainEdge

from ..cli.test_status import command
from ..conftest import MakeMirror, StartLab
from .cron import HOUR, MINUTE, ONE_STALE, cron, state
from .observe import BANDERSNATCH, SIMPLE, lines, needs_simple


@pytest.mark.smoke
def test_a_healthy_run_leaves_a_small_private_state(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """No incident, the run in the history, mode 0600, and nothing said."""
    lab = start_lab()
    mirror = make_mirror(lab, "freshness_escalation")
    run = mirror.run()
    document = state(mirror)
    assert document["incidents"] == {}
    assert document["master"] == lab.https_url
    (past,) = document["runs"]
    assert (past["outcome"], past["serial"], past["fresh"], past["stale"]) == ("fresh", lab.serial, 8, 0)
    assert stat.S_IMODE((mirror.directory / "freshness.json").stat().st_mode) == 0o600
    assert lines(run, "(memory.py") == []


def test_evidence_is_kept(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Which variant got which serial, from which node, hit or miss; for a person to read."""
    lab = start_lab(ONE_STALE, projects=3)
    mirror = make_mirror(lab, "freshness")
    lab.release(["lab-00"])
    mirror.run()
    incident = state(mirror)["incidents"]["lab-00"]
    assert incident["verdict"] == "origin-stale"
    assert (incident["required"], incident["got"], incident["runs"]) == (lab.serial, lab.serial - 1, 1)
    evidence = {one["variant"]: one for one in incident["evidence"]}
    assert len(evidence) == 7
    assert evidence["strip+cache-bust"].items() >= {"serial": lab.serial - 1, "x_cache": "MISS"}.items()


def test_another_master_begins_anew(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Serials of another upstream mean nothing, and are put away; and no password gets into the state."""
    lab = start_lab(ONE_STALE, projects=3)
    mirror = make_mirror(lab, "freshness_escalation")
    lab.release(["lab-00"])
    mirror.run()
    assert "lab-00" in state(mirror)["incidents"]
    mirror.configure(master=lab.https_url.replace("https://127.0.0.1", "https://user:secret@localhost"))
    run = mirror.run()
    assert len(lines(run, "WARNING: The master was")) == 1
    if BANDERSNATCH.major > 3:  # before, no more is said than that it is stale
        assert lines(run, "Expected PyPI serial")
    assert "secret" not in "".join(lines(run, "Expected PyPI serial"))
    assert "secret" not in (mirror.directory / "freshness.json").read_text()
    assert "secret" not in "".join(lines(run, "(memory.py"))
    (other,) = state(mirror)["others"]
    assert other["master"] == lab.https_url
    assert "lab-00" in other["incidents"]


@pytest.mark.parametrize("content", [b"", b"{", b"[]", b'{"format": 1}', b'{"format": "x"}', b"\xff\x00"])
def test_a_corrupt_state_is_moved_away(content: bytes, start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Beside itself, and reported; the run goes on with a new one."""
    lab = start_lab(projects=1)
    mirror = make_mirror(lab, "freshness_escalation")
    mirror.directory.mkdir()
    (mirror.directory / "freshness.json").write_bytes(content)
    run = mirror.run()
    assert run.returncode == 0
    (line,) = lines(run, "is corrupt; moved to")
    (moved,) = mirror.directory.glob("freshness.json.unreadable-*")
    assert str(moved) in line
    assert moved.read_bytes() == content
    assert len(state(mirror)["runs"]) == 1
    assert mirror.serial == lab.serial


def test_a_state_of_a_newer_release_is_left_alone(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Said in one line; nothing of it is lost, and stale serials are as loud as without the suite."""
    lab = start_lab(ONE_STALE, projects=1)
    lab.release(["lab-00"])
    mirror = make_mirror(lab, "freshness")
    mirror.directory.mkdir()
    content = '{"format": 99, "by": "bandersnatch-freshness 9.9"}'
    (mirror.directory / "freshness.json").write_text(content)
    run = mirror.run()
    assert len(lines(run, "is left unchanged, and this run is not remembered: written by a newer release")) == 1
    assert lines(run, "ERROR: Stale serial for package lab-00")
    assert (mirror.directory / "freshness.json").read_text() == content


@pytest.mark.parametrize("make", [os.mkdir, os.mkfifo])
@pytest.mark.parametrize("name", ["freshness.json", "freshness.quarantine"])
def test_what_is_no_file_is_moved_away(
    make: Callable[[Path], None], name: str, start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """One line, the mirror is synced, and the next run has nothing to say."""
    lab = start_lab(projects=1)
    mirror = make_mirror(lab, "freshness")
    mirror.directory.mkdir()
    make(mirror.directory / name)
    run = mirror.run()
    assert run.returncode == 0
    assert len(lines(run, f"{name} is corrupt; moved to")) == 1
    assert len(list(mirror.directory.glob(f"{name}.unreadable-*"))) == 1
    assert "Traceback" not in run.output
    assert mirror.serial == lab.serial
    again = mirror.run()
    assert not lines(again, "is corrupt")
    assert len(state(mirror)["runs"]) == 2


@contextmanager
def small_disk(place: Path, size: str = "8k") -> Iterator[Path]:
    """Mount a file system of this size, which takes root."""
    place.mkdir()
    if subprocess.run(["mount", "-t", "tmpfs", "-o", f"size={size}", "none", str(place)], check=False).returncode:
        pytest.skip("mounting takes root")
    try:
        yield place
    finally:
        subprocess.run(["umount", str(place)], check=True)


# of a small disk
BLOCK = 4096


def fill(disk: Path, room: int = 0) -> None:
    """Leave so many bytes of room on a disk, in blocks."""
    with (disk / "filler").open("ab", buffering=0) as filler:
        with suppress(OSError):
            while True:
                filler.write(b"x" * BLOCK)
        filler.truncate(filler.tell() - room)


def make_read_only(disk: Path) -> None:
    """Remount a disk read-only."""
    subprocess.run(["mount", "-o", "remount,ro", str(disk)], check=True)


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        pytest.param(fill, "can't be written, this run is not remembered: [Errno 28] No space left", id="full"),
        pytest.param(make_read_only, "this run is not remembered: [Errno 30] Read-only file system", id="read-only"),
    ],
)
def test_a_disk_that_takes_nothing_stops_nothing(
    spoil: Callable[[Path], None], reason: str, start_lab: StartLab, make_mirror: MakeMirror, tmp_path: Path
) -> None:
    """One line; the state of before is whole, and no half file is left."""
    lab = start_lab(projects=1)
    with small_disk(tmp_path / "disk") as disk:
        mirror = make_mirror(lab, "freshness", options={"state": str(disk / "state.json")})
        assert lines(mirror.run(), "not remembered") == []
        before = (disk / "state.json").read_text()
        spoil(disk)
        run = mirror.run()
        assert run.returncode == 0
        (line,) = lines(run, "not remembered")
        assert reason in line
        assert "Traceback" not in run.output
        assert (disk / "state.json").read_text() == before
        assert {*os.listdir(disk)} - {"filler"} == {".state.json.lock", "state.json"}
        assert command("check", mirror).stdout.startswith(f"FRESHNESS CRITICAL - {disk}/state.json can't be written: ")


def test_a_full_disk_is_critical_at_once(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Where neither pages nor the state can be written; and until a run has written the state again."""
    lab = start_lab(projects=2)
    bare, mirror = make_mirror(lab), make_mirror(lab, "freshness")
    with small_disk(bare.directory, "2m"), small_disk(mirror.directory, "2m"):
        for one in (bare, mirror):
            assert one.run().returncode == 0
        assert command("check", mirror).returncode == 0
        lab.release()
        before = (mirror.directory / "freshness.json").read_text()
        for room, said in ((BLOCK, 1), (0, 0)):  # once; without any, Bandersnatch may end before it is a run
            ended = []
            for one in (bare, mirror):
                fill(one.directory, room)
                ended.append(one.run())
                assert "No space left on device" in ended[-1].output
            assert [one.returncode for one in ended] == [1, 1]
            found = lines(ended[1], "not remembered")
            assert len(found) == said
            assert all("CRITICAL: " in one and "not remembered: [Errno 28] No space left" in one for one in found)
            assert (mirror.directory / "freshness.json").read_text() == before
            assert command("check", mirror).returncode == 2
        full = command("check", mirror).stdout
        assert f"freshness.json can't be written: no room is left on {mirror.directory}, 0 MiB are free |" in full
        (mirror.directory / "filler").unlink()
        freed = command("check", mirror)
        assert freed.returncode == 2
        assert "freshness.json could not be written by the run that began" in freed.stdout
        assert "could not be written by the run" in command("status", mirror).stdout
        assert mirror.run().returncode == 0
        assert command("check", mirror).returncode == 0
        assert [past["outcome"] for past in state(mirror)["runs"]] == ["fresh", "failed", "fresh"]
        assert mirror.serial == lab.serial
        fill(mirror.directory)
        assert command("check", mirror).returncode == 2
        (mirror.directory / "filler").unlink()
        make_read_only(mirror.directory)
        assert f"{mirror.directory} is read-only" in command("check", mirror).stdout


BUGS = """
import asyncio, importlib
async def no_pause(delay, result=None): return result
asyncio.sleep = no_pause
def broken(*_, **__): raise RuntimeError('a bug of ours')
module, _, names = {place!r}.partition(":")
*owners, name = names.split(".")
owner = importlib.import_module("bandersnatch_freshness." + module)
for one in owners: owner = getattr(owner, one)
setattr(owner, name, broken)
"""


OF_THIS_HOST = (
    [
        "core.run:Run.concerns",
        "core.run:Run.excuses",
        "host.aiohttp_host:AiohttpHost._fresh_session",
        "host.aiohttp_host:AiohttpHost._failure",
        "host.pages:require",
        "transports.aiohttp_session:FreshSession.__init__",
        "transports.aiohttp_session:FreshSession.send",
        "transports.aiohttp_session:FreshSession.fetch",
    ]
    if BANDERSNATCH.major > 3
    else [
        "host.requests_host:_failure",
        "host.requests_host:RequestsHost._fresh_adapter",
        "host.requests_host:RequestsHost._fresh_page",
        "transports.requests_adapter:FreshAdapter.__init__",
        "transports.requests_adapter:FreshAdapter._after_the_first",
        "transports.requests_adapter:FreshAdapter._climb",
        "transports.requests_adapter:FreshAdapter.fetch",
        "core.run:Run.processed",
    ]
)
OF_AN_INDEX = ["core.scope:Scope.is_index", "transports.aiohttp_index:GuardedIndex._compares"]


@pytest.mark.parametrize(
    "place",
    [
        "core.climb:Climb.look",
        "core.climb:Climb.saw",
        "transports.climber:AdaptiveClimber.climb",
        "transports.climber:AdaptiveClimber.covers",
        "transports.climber:AdaptiveClimber.learn",
        "core.guard:IndexGuard._admit",
        "core.guard:IndexGuard.after",
        "core.guard:IndexGuard.expect",
        "core.known_pages:KnownPages.floor",
        "host.suite:Suite._begin_run",
        "host.suite:end_run",
        "host.package_list:plan",
        "host.pages:own_serial",
        "state.memory:Memory.begin",
        "state.memory:Memory.concerned",
        "state.memory:Memory.end",
        "state.memory:Memory.guard",
        "state.memory:Memory.plan",
        "host.log_lines:QuietFailures._of",
        "state.records:dump",
        "core.run:Run.is_persistent",
        "core.decision:decide",
        "core.run:Run.is_known",
        "core.run:Run.saw",
        "core.scope:Scope.covers",
        *OF_THIS_HOST,
        *(pytest.param(place, marks=needs_simple) for place in OF_AN_INDEX),
    ],
)
def test_a_bug_of_ours_stops_nothing(place: str, start_lab: StartLab, make_mirror: MakeMirror, tmp_path: Path) -> None:
    """Wherever it is: Bandersnatch does what it does without the suite, and one line says what happened."""
    lab = start_lab(ONE_STALE, projects=3)
    lab.release()
    mirror = make_mirror(lab, "freshness", mirror=SIMPLE)
    (tmp_path / "sitecustomize.py").write_text(BUGS.format(place=place))
    run = mirror.run(environment={"PYTHONPATH": str(tmp_path)})
    assert run.returncode == 0
    assert len(lines(run, "ERROR: An error inside bandersnatch-freshness")) == 1
    assert [len(mirror.versions(name)) for name in lab.names] == [0, 2, 2]


@pytest.mark.parametrize("ending", [signal.SIGKILL, signal.SIGTERM], ids=["SIGKILL", "SIGTERM"])
def test_a_killed_run_leaves_a_whole_state(
    ending: signal.Signals, start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """The one of before; one that overlaps it doesn't take it for killed, and the next run goes on and tells of it."""
    lab = start_lab(Behaviour("one never answers", fault="silent", every=3), projects=3)
    mirror = make_mirror(lab, "freshness_escalation", mirror={"timeout": "0.2"})
    mirror.run()
    before = (mirror.directory / "freshness.json").read_text()
    mirror.configure(timeout="10")
    arrived = lab.expect("/pypi/lab-00/json")
    process = subprocess.Popen(
        mirror.command("mirror"), env=mirror.environment(), cwd=mirror.config.parent, stderr=subprocess.DEVNULL
    )
    assert arrived.wait(30)
    assert (mirror.directory / "freshness.json").read_text() == before
    mirror.configure(timeout="0.2")
    mirror.run()
    overlapped = (mirror.directory / "freshness.json").read_text()
    process.send_signal(ending)
    assert process.wait(30) == -ending
    assert (mirror.directory / "freshness.json").read_text() == overlapped
    assert {one["runs"] for one in state(mirror)["incidents"].values()} == {1}
    mirror.run()
    runs = state(mirror)["runs"]
    assert [past["outcome"] for past in runs] == ["errors", "overlapping", "interrupted", "errors"]
    assert runs[0]["finished"] <= runs[2]["started"] <= runs[1]["started"]
    assert "interrupted" in command("status", mirror).stdout


def test_hostile_headers_end_up_harmless(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """A control sequence, HTML, 5 kB: escaped and cut, in log and state."""
    hostile = "4869648 \x9b31m<script>" + "A" * 5000
    lab = start_lab(Behaviour("hostile", serial_header=hostile, origin_behind=1), projects=1)
    lab.release(["lab-00"])
    mirror = make_mirror(lab, "freshness")
    run = mirror.run()
    assert "31m<script>AAA" in run.output
    assert "lab-00" in state(mirror)["incidents"]
    for shown in (run.output, (mirror.directory / "freshness.json").read_text()):
        assert "\x9b" not in shown
        assert "A" * 101 not in shown


@pytest.mark.parametrize("name", ["X-Served-By", "X-Cache", "Cache-Status"])
def test_hostile_names_of_nodes_do_too(name: str, start_lab: StartLab, make_mirror: MakeMirror, mocker: Any) -> None:
    """Also where a terminal would take them for markup."""
    hostile = ":warning: [bold red]x[/] \x9b31m<script>|" + "A" * 5000
    sent = PlainEdge._sent

    def hostile_one(*arguments: Any) -> Answer:
        answer = sent(*arguments)
        return replace(answer, headers={**answer.headers, name: hostile})

    mocker.patch.object(PlainEdge, "_sent", hostile_one)
    lab = start_lab(ONE_STALE, projects=1)
    lab.release(["lab-00"])
    mirror = make_mirror(lab, "freshness")
    with cron(mirror) as runs:
        runs.run(0, MINUTE)
        said = next(line for line in runs.run(HOUR) if line.startswith("WARNING"))
    text = (mirror.directory / "freshness.json").read_text()
    shown = [command(one, mirror).stdout for one in ("status", "check")]
    latin_1 = "\\xc2" if BANDERSNATCH.major < 4 else ""  # as http.client reads the two bytes of it
    escaped = f":warning: [bold red]x[/] {latin_1}\\x9b31m<script>|AAA"
    assert escaped in said
    assert json.dumps(escaped)[1:-1] in text
    for found in (said, text, *runs.lines, *shown):
        assert "\x9b" not in found
        assert "A" * 101 not in found
    assert shown[1].count("|") == 1


def test_sync_and_verify_keep_no_record(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """The history is one of the mirror's runs."""
    lab = start_lab(projects=2)
    mirror = make_mirror(lab, "freshness")
    mirror.run()
    mirror.run("sync", "lab-00")
    mirror.run("verify")
    assert len(state(mirror)["runs"]) == 1
