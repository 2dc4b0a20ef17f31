"""The metrics file that real runs leave, and what Prometheus makes of it."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from bandersnatch_freshness.lab.mirrors import Mirror
from bandersnatch_freshness.lab.server import Lab

from ..conftest import MakeMirror, StartLab
from ..docs.test_monitoring_files import RULES, panel_queries
from ..monitoring import Prometheus, node_exporter, prometheus
from ..receiver import receiver
from ..reporting.test_metrics import Values, read
from ..staged import mortal
from .cron import HOUR, MINUTE, NOON, ONE_STALE, cron, state
from .observe import BANDERSNATCH, interrupt, lines, needs_ctrl_c
from .test_memory import fill, small_disk

FILE = {"metrics_file": "pypi.prom"}


def metrics(mirror: Mirror) -> Values:
    """Return the values in a mirror's metrics file."""
    return read(mirror.directory / "pypi.prom", str(mirror.directory))


def counted(values: dict[tuple[str, ...], float]) -> dict[str, float]:
    """Return those of one label that aren't 0."""
    return {label: value for (label,), value in values.items() if value}


@pytest.mark.smoke
def test_fresh_then_stale_runs(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """What a person would see in `status`, as numbers."""
    lab = start_lab(ONE_STALE, projects=1)
    mirror = make_mirror(lab, "freshness", options=FILE)
    with receiver() as server:
        mirror.configure("freshness", notify=f"json://{server.address}/")
        lab.heal()
        with cron(mirror) as runs:
            runs.run(0)
            found, fresh = metrics(mirror), lab.serial
            assert found["mirror_serial"] == found["index_serial"] == {(): fresh}
            assert counted(found["last_run_outcome"]) == {"fresh": 1}
            assert found["complete_timestamp_seconds"] == found["last_run_timestamp_seconds"] == {(): NOON}
            assert found["oldest_incident_age_seconds"] == {(): 0}
            lab.behave(ONE_STALE)
            lab.release(["lab-00"])
            runs.run(MINUTE, MINUTE + HOUR, MINUTE + 2 * HOUR)
    found = metrics(mirror)
    assert found["mirror_serial"] == {(): fresh}
    assert found["serial_lag"] == {(): lab.serial - fresh}
    assert found["last_run_timestamp_seconds"] == {(): NOON + MINUTE + 2 * HOUR}
    assert found["last_completed_run_timestamp_seconds"] == {(): NOON + MINUTE + 2 * HOUR}
    assert found["complete_timestamp_seconds"] == {(): NOON}
    assert counted(found["last_run_outcome"]) == {"errors": 1}
    assert counted(found["runs_total"]) == {"fresh": 1, "errors": 3}
    assert found["incidents"]["warning", "origin-stale"] == 1
    assert sum(found["incidents"].values()) == 1
    assert found["oldest_incident_age_seconds"] == {(): 2 * HOUR}
    assert (found["notifications_sent_total"], found["notifications_failed_total"]) == ({(): 1}, {(): 0})
    assert counted(found["requests_total"]) == state(mirror)["totals"]["requests"]
    assert found["requests_total"][("strip+cache-bust",)] >= 3


def test_the_suite_remembers_for_it_whatever_is_enabled(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """With a plugin that remembers nothing by itself; without the option it leaves no state."""
    lab = start_lab(projects=2)
    bare = make_mirror(lab, "freshness_encoding")
    bare.run()
    assert not (bare.directory / "freshness.json").exists()
    mirror = make_mirror(lab, "freshness_encoding", options=FILE)
    mirror.run()
    mirror.run()
    found = metrics(mirror)
    assert counted(found["runs_total"]) == {"fresh": 2}
    assert counted(found["requests_total"]) == {"strip": 2}
    assert found["serial_lag"] == {(): 0}
    assert "index_moved_timestamp_seconds" not in found


def test_after_a_run_that_failed(make_mirror: MakeMirror) -> None:
    """Nobody answers: what was known of the mirror still is."""
    with Lab(1) as lab:
        mirror = make_mirror(lab, "freshness", options=FILE)
        mirror.run()
        before = metrics(mirror)
    assert mirror.run().returncode != 0
    found = metrics(mirror)
    assert counted(found["last_run_outcome"]) == {"failed": 1}
    assert counted(found["runs_total"]) == {"fresh": 1, "failed": 1}
    assert found["last_run_timestamp_seconds"][()] >= before["last_run_timestamp_seconds"][()]
    for name in ("mirror_serial", "index_serial", "serial_lag", "last_completed_run_timestamp_seconds"):
        assert found[name] == before[name]


@needs_ctrl_c
def test_after_a_run_that_was_interrupted(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """By Ctrl-C, while it was asking for a page."""
    lab = start_lab(ONE_STALE, projects=1)
    mirror = make_mirror(lab, "freshness", options=FILE)
    lab.release(["lab-00"])
    interrupt(mirror, "lab-00 is stale, no way gets")
    found = metrics(mirror)
    assert counted(found["last_run_outcome"]) == {"interrupted": 1}
    assert "last_completed_run_timestamp_seconds" not in found
    assert "mirror_serial" not in found


@pytest.mark.skipif(BANDERSNATCH.major < 4, reason="3.6 writes other files in other ways")
def test_a_run_that_is_killed_leaves_a_whole_file(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """At each of its steps after it has remembered what it came to: the one of before, or the new one."""
    lab = start_lab(projects=1)
    mirror = make_mirror(lab, "freshness", options={**FILE, "audit_every": "never"})  # whose end adds metrics
    mirror.run()
    left = set()
    for step in range(1, 10):
        before = metrics(mirror)
        run = mirror.run(environment=mortal(step, after="freshness.json"))
        left |= {name for name in os.listdir(mirror.directory) if name.startswith("pypi.prom.")}
        found = metrics(mirror)
        assert found.keys() == before.keys()
        assert found["runs_total"][("fresh",)] in (before["runs_total"][("fresh",)], step + 1)
        if run.returncode == 0:
            break
        assert run.returncode == -9
    assert run.returncode == 0
    assert found["runs_total"][("fresh",)] == step + 1
    assert left, "no run was killed while it wrote the file"
    # node_exporter takes those whose names end so
    assert [name for name in left if name.endswith(".prom")] == []


def test_what_can_not_be_written_stops_nothing(start_lab: StartLab, make_mirror: MakeMirror, tmp_path: Path) -> None:
    """One line, in each run; the mirror is synced, and the state remembers."""
    lab = start_lab(projects=1)
    missing = tmp_path / "missing" / "pypi.prom"
    mirror = make_mirror(lab, "freshness", options={"metrics_file": str(missing)})
    run = mirror.run()
    assert run.returncode == 0
    (line,) = lines(run, "can't be written")
    assert f"ERROR: [freshness] metrics_file = {missing} can't be written: FileNotFoundError: " in line
    assert "Traceback" not in run.output
    assert mirror.serial == lab.serial
    assert len(state(mirror)["runs"]) == 1


def test_a_disk_that_is_full_leaves_the_old_file(start_lab: StartLab, make_mirror: MakeMirror, tmp_path: Path) -> None:
    """And nothing beside it."""
    lab = start_lab(projects=1)
    with small_disk(tmp_path / "disk", "64k") as disk:
        mirror = make_mirror(lab, "freshness", options={"metrics_file": str(disk / "pypi.prom")})
        mirror.run()
        before = (disk / "pypi.prom").read_text()
        fill(disk)
        run = mirror.run()
        assert run.returncode == 0
        (line,) = lines(run, "can't be written")
        assert "No space left" in line
        assert (disk / "pypi.prom").read_text() == before
        assert {*os.listdir(disk)} == {"filler", "pypi.prom"}


def test_a_state_that_can_not_be_written_leaves_the_metrics(
    start_lab: StartLab, make_mirror: MakeMirror, tmp_path: Path
) -> None:
    """They tell of the run all the same, by what it knew of those before it."""
    lab = start_lab(projects=1)
    with small_disk(tmp_path / "disk") as disk:
        mirror = make_mirror(lab, "freshness", options={**FILE, "state": str(disk / "state.json")})
        mirror.run()
        fill(disk)
        run = mirror.run()
    assert len(lines(run, "state.json can't be written, this run is not remembered")) == 1
    assert counted(metrics(mirror)["runs_total"]) == {"fresh": 2}


@pytest.mark.prometheus
def test_prometheus_has_it_all(start_lab: StartLab, make_mirror: MakeMirror, tmp_path: Path, monitored: None) -> None:
    """Two mirrors of one host, by node_exporter: their values, the alerts, and the dashboard's panels."""
    textfiles = tmp_path / "textfiles"
    textfiles.mkdir()
    lab, stale = start_lab(projects=2), start_lab(ONE_STALE, projects=1)
    well = make_mirror(lab, "freshness", options={**FILE, "audit_every": "1s"})
    (textfiles / "bandersnatch-well.prom").symlink_to(well.directory / "pypi.prom")
    there = {"metrics_file": str(textfiles / "bandersnatch-unwell.prom")}
    unwell = make_mirror(stale, "freshness", options=there)
    for _ in range(3):  # in which a round of the audit ends
        well.run()
    stale.release(["lab-00"])
    with cron(unwell) as runs:
        runs.run(0, HOUR, 2 * HOUR)
    mirrors = [str(well.directory), str(unwell.directory)]
    with node_exporter(textfiles) as address, prometheus(address, RULES) as server:
        server.until("bandersnatch_freshness_mirror_serial", bool)
        server.until("count(bandersnatch_freshness_info) == 2", bool)
        assert values(server, "bandersnatch_freshness_mirror_serial") == {mirrors[0]: lab.serial}
        assert values(server, "bandersnatch_freshness_index_serial") == {
            mirrors[0]: lab.serial,
            mirrors[1]: stale.serial,
        }
        assert values(server, 'bandersnatch_freshness_runs_total{outcome="errors"}') == dict(
            zip(mirrors, (0, 3), strict=True)
        )
        assert values(server, "sum by (mirror, level, verdict) (bandersnatch_freshness_incidents) > 0") == {
            mirrors[1]: 1
        }
        # each test of a rule is on made-up values; here they are of a mirror that last ran years ago
        server.until('ALERTS{alertname="PyPIMirrorWarning", alertstate="firing"}', bool)
        server.until('ALERTS{alertname="PyPIMirrorDoesNotRun"}', bool)
        (warning,) = [
            one for one in server.get("alerts")["alerts"] if one["labels"]["alertname"] == "PyPIMirrorWarning"
        ]
        assert warning["labels"]["mirror"] == mirrors[1]
        assert warning["annotations"]["summary"].endswith(f"in the PyPI mirror {mirrors[1]}: 1")
        assert address in warning["annotations"]["description"]
        rules = [rule for group in server.get("rules")["groups"] for rule in group["rules"]]
        assert {rule["health"] for rule in rules} == {"ok"}
        server.until("count_over_time(bandersnatch_freshness_info[1h]) > 1", bool)  # `increase` takes two
        for title, expression in panel_queries():
            found = server.query(expression.replace("$mirror", ".*").replace("$instance", ".*"))
            assert found or "> 0" in expression, (title, expression)
        lab.release(["lab-01"])
        before = well.serial
        well.run()
        assert before < lab.serial == well.serial
        server.until(f'bandersnatch_freshness_mirror_serial{{mirror="{mirrors[0]}"}} == {lab.serial}', bool)
        assert values(server, "node_textfile_mtime_seconds", "file").keys() == {
            str(textfiles / f"bandersnatch-{name}.prom") for name in ("well", "unwell")
        }
        assert values(server, "node_textfile_scrape_error", "job") == {"node": 0}


def values(server: Prometheus, expression: str, label: str = "mirror") -> dict[str, float]:
    """Return the values that an expression has now, by a label."""
    return {labels[label]: value for labels, value in server.query(expression)}
