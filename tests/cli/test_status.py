"""The commands `status` and `check`, on mirrors of the lab."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import time
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bandersnatch_freshness.cli import parser as cli
from bandersnatch_freshness.cli import summaries
from bandersnatch_freshness.documentation import RUNBOOK, where
from bandersnatch_freshness.formatting import timestamp
from bandersnatch_freshness.lab.mirrors import Mirror
from bandersnatch_freshness.state.store import Store
from bandersnatch_freshness.state.trace import TRACE_FILE, Trace

from ..conftest import MakeMirror, StartLab
from ..end_to_end.cron import MINUTE, cron
from ..end_to_end.observe import BANDERSNATCH


def command(name: str, mirror: Mirror, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Run a command on a mirror."""
    line = [sys.executable, "-m", "bandersnatch_freshness", name, "-c", str(mirror.config), *arguments]
    # xdist's workers have a width
    environment = {key: value for key, value in mirror.environment().items() if key != "COLUMNS"}
    return subprocess.run(line, env=environment, cwd=mirror.config.parent, capture_output=True, text=True, check=False)


@pytest.mark.smoke
def test_shows_a_mirror_at_a_glance(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """A verdict, serial, what is stale and why, the last runs; plain text where it is piped."""
    lab = start_lab("origin-stale", projects=5)
    mirror = make_mirror(lab, "freshness")
    lab.release(["lab-04"])
    mirror.run()
    shown = command("status", mirror)
    assert (shown.returncode, shown.stderr) == (0, "")
    verdict, to_do, runbook, _, name, serial, *_ = shown.stdout.splitlines()
    assert re.fullmatch(
        r"BEHIND: lab-04 has been stale for \d s: the origin itself is behind; seen at [a-z0-9, -]+", verdict
    )
    assert to_do.startswith("To do: report it to whoever runs it")
    assert runbook == f"What each cause means, step by step: {where(RUNBOOK)}"
    assert name == f"{mirror.directory}, a mirror of {lab.https_url}"
    assert serial == "not synced yet, 1 packages to sync, first sync, 4 of 5"
    (row,) = [line.split() for line in shown.stdout.splitlines() if line.startswith("lab-04")]
    assert row[1] == "stale"
    assert row[-3:] == [str(lab.serial), str(lab.serial - 1), "origin-stale"]
    assert "errors" in shown.stdout
    assert "\x1b" not in shown.stdout


@pytest.mark.smoke
def test_json_has_it_all(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """What docs/schemas/status.json lists."""
    lab = start_lab(projects=2)
    mirror = make_mirror(lab, "freshness")
    mirror.run()
    document = json.loads(command("status", mirror, "--json").stdout)
    assert set(document) == {
        "directory",
        "master",
        "verdict",
        "complete_at",
        "serial",
        "serial_lag",
        "waiting",
        "problem",
        "obstacle",
        "incidents",
        "quarantine",
        "audit",
        "runs",
    }
    assert document["audit"]["listed"] == 2
    assert (document["serial"], document["serial_lag"], document["incidents"]) == (lab.serial, 0, {})
    assert document["verdict"] == "fresh"
    assert document["complete_at"] == document["runs"][-1]["started"]
    checked = command("check", mirror, "--json")
    assert json.loads(checked.stdout)["exit_code"] == checked.returncode == 0


def test_tells_what_the_origin_itself_was_asked_for(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """In a line: how much, what came of it, what waits for it, and whether it refused; nothing where it never was."""
    mirror = make_mirror(start_lab(projects=1), "freshness")
    mirror.run()
    assert "The origin itself" not in command("status", mirror).stdout
    path, now = mirror.directory / "freshness.json", int(time.time())
    document = json.loads(path.read_text())
    turns = {"foo": 2, "[bar]": 1, "baz": 3}
    document["origin"] = {
        "since": timestamp(now - 3 * 3600),
        "asked": 9,
        "cured": 6,
        "refused": timestamp(now - 2 * 3600),
        "pages": {name: {"last": timestamp(now - 2 * 3600), "times": times} for name, times in turns.items()},
    }
    document["origin"]["pages"]["due"] = {"last": timestamp(now - 90000), "times": 1}
    path.write_text(json.dumps(document))
    (line,) = [one for one in command("status", mirror).stdout.splitlines() if one.startswith("The origin itself")]
    assert re.fullmatch(
        rf"The origin itself was asked for 9 pages in 24 hours from {timestamp(now - 3 * 3600)} on: 6 fresh; 3 wait "
        r"for their next turn, \[bar\] in (4|3) h.*; it refused 2 h.* ago, and is not asked for a day",
        line,
    )


def test_works_without_a_state(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """And says why there is nothing to say."""
    lab = start_lab(projects=1)
    mirror = make_mirror(lab)
    shown = command("status", mirror)
    assert shown.returncode == 0
    assert "bandersnatch.conf enables no plugin of the suite" in shown.stdout
    checked = command("check", mirror)
    assert checked.returncode == 3
    assert checked.stdout.startswith("FRESHNESS UNKNOWN - ")


def test_a_plugin_that_is_misspelled_is_no_plugin(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """What runs with the right one left says nothing of what comes after it."""
    lab = start_lab(projects=1)
    mirror = make_mirror(lab, "freshness")
    mirror.run()
    assert command("check", mirror).returncode == 0
    mirror.configure("plugins", enabled="freshnes")
    said = "enables no plugin of the suite ([plugins] enabled = freshnes; did you mean freshness?"
    shown, checked = command("status", mirror), command("check", mirror)
    assert said in shown.stdout
    assert "To do: add `freshness` to `[plugins] enabled`" in shown.stdout
    assert checked.returncode == 3
    assert said in checked.stdout


@pytest.mark.parametrize("content", ["{", '{"format": 99}'])
def test_works_with_a_state_it_can_not_read(content: str, start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """And leaves that as it is."""
    lab = start_lab(projects=1)
    mirror = make_mirror(lab, "freshness")
    mirror.run()
    path = mirror.directory / "freshness.json"
    path.write_text(content)
    shown = command("status", mirror)
    assert shown.returncode == 0
    assert f"{path}: " in shown.stdout
    assert f"serial {lab.serial}" in shown.stdout
    assert command("check", mirror).returncode == 3
    assert path.read_text() == content


def test_works_while_a_run_is_under_way(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Reading takes no lock; and the first run that does not tell its end for days is at work meanwhile."""
    lab = start_lab("silent", projects=1)
    mirror = make_mirror(lab, "freshness", mirror={"timeout": "0.2"})
    mirror.configure(timeout="10")
    arrived = lab.expect("/pypi/lab-00/json")
    process = subprocess.Popen(
        mirror.command("mirror"), env=mirror.environment(), cwd=mirror.config.parent, stderr=subprocess.DEVNULL
    )
    try:
        assert arrived.wait(30)
        assert command("status", mirror).stdout.startswith("FIRST SYNC\n")
        assert command("check", mirror).stdout.startswith("FRESHNESS OK - first sync | ")
    finally:
        process.kill()
        process.wait(30)


def test_runs_that_have_stopped(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Critical, in both; a todo list that is written to, or a run that has left its trace, is a sign of life."""
    mirror = make_mirror(start_lab(projects=1), "freshness")
    with cron(mirror) as runs:
        runs.run(0, 5 * MINUTE, 10 * MINUTE)
    checked = command("check", mirror)
    assert checked.returncode == 2
    assert re.match(
        r"FRESHNESS CRITICAL - no run for \d+ d \d+ (h|min|s); usually every 5 min; last run ", checked.stdout
    )
    shown = command("status", mirror).stdout.splitlines()
    assert shown[0].startswith("STOPPED: no run for ")
    start = f"`bandersnatch-freshness -c {mirror.config} run mirror`"
    assert shown[1] == f"To do: see whether cron or a timer starts it and whether a run hangs; then start one: {start}"
    Trace(Store(SimpleNamespace(PATH_BACKEND=Path), mirror.directory, TRACE_FILE)).begin(int(time.time()))
    assert command("check", mirror).returncode == 0
    (mirror.directory / TRACE_FILE).unlink()
    (mirror.directory / "todo").write_text("42\n")
    assert command("check", mirror).returncode == 0


def test_a_configuration_that_is_not_there(tmp_path: Path) -> None:
    """One line that names it: exit 1, and for a monitoring system UNKNOWN."""
    line = [sys.executable, "-m", "bandersnatch_freshness"]
    shown, checked = (
        subprocess.run([*line, name, "-c", str(tmp_path / "none.conf")], capture_output=True, text=True, check=False)
        for name in ("status", "check")
    )
    assert (shown.returncode, checked.returncode) == (1, 3)
    assert shown.stderr.count("\n") == checked.stdout.count("\n") == 1
    assert "none.conf: no such file; allowed: a bandersnatch.conf" in shown.stderr
    assert checked.stdout.endswith("none.conf: no such file; allowed: a bandersnatch.conf\n")


def test_a_threshold_where_a_configuration_is_wanted() -> None:
    """Other plugins have `-c` for that."""
    line = [sys.executable, "-m", "bandersnatch_freshness", "check", "-c", "2h"]
    checked = subprocess.run(line, capture_output=True, text=True, check=False)
    assert "-c 2h: no such file; allowed: a bandersnatch.conf (of a threshold, --critical)\n" in checked.stdout


def test_a_relative_directory_is_shown_absolute(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Whoever reads of it is elsewhere."""
    mirror = make_mirror(start_lab(projects=1), "freshness")
    mirror.run()
    mirror.configure(directory=mirror.directory.name)
    shown = command("status", mirror)
    assert shown.stdout.startswith("FRESH: ")
    assert f"\n{mirror.directory}, a mirror of " in shown.stdout


def test_a_configuration_that_can_not_be_followed(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """The line that a run would end with."""
    mirror = make_mirror(start_lab(projects=1), "freshness", options={"warn_after": "soon"})
    shown = command("status", mirror)
    assert shown.returncode == 1
    assert f"{mirror.config}: [freshness] warn_after = soon: not a duration; allowed: such as 90s" in shown.stderr


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        pytest.param(
            ("master = https://", "master = https://mu:m%pw@"),
            "[mirror] master: a % that is to stand for itself is written %%",
            id="percent",
        ),
        pytest.param(
            ("master = https://", "master https://mu:mpw@"),
            "line {line}: neither a [section] nor `option = value`",
            id="no-equals-sign",
            marks=pytest.mark.skipif(BANDERSNATCH.major < 4, reason="for 3.6 a colon is an equals sign"),
        ),
        pytest.param(("[mirror]", "password = mpw"), "line 1: no [section] above it", id="no-section"),
        pytest.param(
            ("master = ", "master = https://mu:mpw@example\nmaster = "),
            "[mirror] master, line {next}: the option is there twice",
            id="twice",
        ),
        pytest.param(("[mirror]", "[mirror]\n[mirror]\npw = mpw"), "line 2: the section is there twice", id="section"),
        pytest.param(("master = https://", "master = https://mu:mpw@[::"), "[mirror] master: not a URL", id="no-url"),
        pytest.param(
            ("storage-backend = filesystem", "storage-backend = nonsense"),
            "[mirror] storage-backend = nonsense: no such storage backend",
            id="storage",
            marks=pytest.mark.skipif(BANDERSNATCH.major < 4, reason="3.6 has no storage backends"),
        ),
    ],
)
def test_what_is_wrong_in_a_configuration_is_said_without_its_text(
    changed: tuple[str, str], said: str, start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """In one line, with no password in it; for a monitoring system it is UNKNOWN."""
    mirror = make_mirror(start_lab(projects=1), "freshness")
    text = mirror.config.read_text()
    number = text[: text.index("master = ")].count("\n") + 1
    mirror.config.write_text(text.replace(*changed))
    shown, checked = command("status", mirror), command("check", mirror)
    assert (shown.returncode, checked.returncode) == (1, 3)
    problem = f"{mirror.config}: "
    assert shown.stderr.startswith(f"bandersnatch-freshness status: {problem}")
    assert checked.stdout.startswith(f"FRESHNESS UNKNOWN - {problem}")
    for output in (shown.stderr, checked.stdout):
        assert said.format(line=number, next=number + 1) in output
        assert output.count("\n") == 1
        assert "pw" not in output.replace(str(mirror.config), "")
    assert shown.stdout == checked.stderr == ""


def test_a_bug_of_ours_is_no_warning(
    mocker: Any, capsys: pytest.CaptureFixture[str], start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """As which the exit code of a traceback would be read."""
    mocker.patch.object(summaries, "summarize", side_effect=RuntimeError("https://mu:mpw@example"))
    assert cli.main(["check"]) == 3
    assert capsys.readouterr().out == "FRESHNESS UNKNOWN - an error inside bandersnatch-freshness: RuntimeError\n"


@pytest.mark.parametrize("number", ["Infinity", "1e999", "NaN"])
def test_a_number_that_is_none_is_no_state(number: str, start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Said as such, and moved away by the next run."""
    mirror = make_mirror(start_lab(projects=1), "freshness")
    mirror.run()
    path = mirror.directory / "freshness.json"
    path.write_text(path.read_text().replace('"stale":0', f'"stale":{number}').replace('"size":1', f'"size":{number}'))
    checked = command("check", mirror)
    assert (checked.returncode, checked.stdout.count("\n"), checked.stderr) == (3, 1, "")
    assert "not a state file" in checked.stdout
    run = mirror.run()
    assert "An error inside" not in run.output
    assert "is corrupt; moved to" in run.output


def test_text_from_outside_is_only_text(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """No emoji, no markup, no control sequence, wherever it is shown."""
    hostile = ":warning: [bold]x[/] \x1b[31m|y"
    lab = start_lab("origin-stale", projects=5)
    mirror = make_mirror(lab, "freshness")
    lab.release(["lab-04"])
    mirror.run()
    path = mirror.directory / "freshness.json"
    document = json.loads(path.read_text())
    document["incidents"] = {hostile: {**document["incidents"]["lab-04"], "level": "warning"}}
    document["incidents"][hostile]["evidence"][0]["x_cache"] = hostile
    path.write_text(json.dumps(document))
    shown = json.loads(command("status", mirror, "--json").stdout)
    assert shown["incidents"][hostile]["evidence"][0]["x_cache"] == hostile
    table, checked = command("status", mirror).stdout, command("check", mirror).stdout
    for output in (table, checked):
        assert ":warning: [bold]x[/]" in " ".join(output.split())
        assert "\x1b" not in output
    assert checked.count("|") == 1


def test_what_is_in_quarantine_is_known_without_the_state(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """From its second copy."""
    mirror = make_mirror(start_lab(projects=1), "freshness")
    mirror.run()
    (mirror.directory / "freshness.json").write_text("{")
    (mirror.directory / "freshness.quarantine").write_text("foo 42\n")
    assert " quarantined=1;" in command("check", mirror).stdout
    assert [line for line in command("status", mirror).stdout.splitlines() if line.startswith("foo ")]
