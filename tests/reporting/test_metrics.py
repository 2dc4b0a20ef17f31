"""The metrics file: what is in it, and what becomes of it."""

from __future__ import annotations

import logging
import os
import stat
import time
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace

import pytest
from msgspec.structs import replace
from prometheus_client.parser import text_string_to_metric_families

from bandersnatch_freshness import __version__
from bandersnatch_freshness.core.audit_round import AuditRound, PastRound
from bandersnatch_freshness.core.history import PastRun
from bandersnatch_freshness.core.incidents import Incident, Level
from bandersnatch_freshness.core.index import Index
from bandersnatch_freshness.core.quarantine import QuarantineEntry
from bandersnatch_freshness.core.verdicts import Verdict
from bandersnatch_freshness.host.mirror_files import MirrorFiles
from bandersnatch_freshness.reporting import metrics
from bandersnatch_freshness.reporting.published import OwnSerials
from bandersnatch_freshness.reporting.publisher import publish as publish_summary
from bandersnatch_freshness.reporting.summary import Summary
from bandersnatch_freshness.settings import read_tracking
from bandersnatch_freshness.state.document import State

from ..monitoring import promtool
from .examples import CRITICAL, DAY, HOUR, NOW, STALE, WARNING, of_mirror, run, summary

Publish = Callable[[str], None]
Values = dict[str, dict[tuple[str, ...], float]]


def read(file: Path, mirror: str = "/srv/pypi") -> Values:
    """Return the values in a metrics file by name without the prefix, and by those of the labels besides `mirror`."""
    found: Values = {}
    for family in text_string_to_metric_families(file.read_text()):
        for sample in family.samples:
            labels = dict(sample.labels)
            assert labels.pop("mirror") == mirror
            found.setdefault(sample.name.removeprefix(metrics.PREFIX), {})[tuple(labels.values())] = sample.value
    return found


def written(reported: Summary, directory: Path) -> Values:
    """Write a summary's metrics, and return the values."""
    metrics.write(reported, directory / "pypi.prom")
    return read(directory / "pypi.prom", reported.directory)


@pytest.fixture
def busy() -> Summary:
    """Return a summary in which nothing is 0 that need not be."""
    failed = PastRun(NOW - 30, NOW - 10, "failed", 42)
    reported = summary(STALE, WARNING, CRITICAL, runs=(replace(run(), target=50), failed))
    state = reported.state
    state.index = Index(51, NOW - HOUR, 8)
    state.complete_at = NOW - DAY
    state.quarantine = {"bar": QuarantineEntry(42, NOW - HOUR, NOW), "baz": QuarantineEntry(42, NOW - DAY, NOW)}
    state.quarantine["accepted"] = QuarantineEntry(42, NOW - 9 * DAY, NOW, is_accepted=True)
    state.audit = AuditRound(NOW - HOUR, 3, 8, last=PastRound(NOW - DAY, NOW - HOUR, 8, 2, 1))
    state.totals.runs.update(fresh=7, failed=2)
    state.totals.requests.update({"plain": 90, "strip+cache-bust": 3})
    state.totals.notifications_sent, state.totals.notifications_failed = 5, 4
    return replace(reported, waiting=6)


def test_all_that_is_known(busy: Summary, tmp_path: Path) -> None:
    """Each metric, with zeros where nothing was counted."""
    found = written(busy, tmp_path)
    requests, incidents = found.pop("requests_total"), found.pop("incidents")
    ((version, bandersnatch),) = found.pop("info")
    assert __version__ in (version, bandersnatch)
    assert found == {
        "mirror_serial": {(): 42},
        "index_serial": {(): 51},
        "index_moved_timestamp_seconds": {(): NOW - HOUR},
        "serial_lag": {(): 9},
        "waiting_packages": {(): 6},
        "last_run_timestamp_seconds": {(): NOW - 10},
        "last_run_duration_seconds": {(): 20},
        "last_run_outcome": {("fresh",): 0, ("errors",): 0, ("failed",): 1, ("interrupted",): 0, ("overlapping",): 0},
        "last_completed_run_timestamp_seconds": {(): NOW - 300},
        "complete_timestamp_seconds": {(): NOW - DAY},
        "runs_total": {("fresh",): 7, ("errors",): 0, ("failed",): 2, ("interrupted",): 0, ("overlapping",): 0},
        "oldest_incident_age_seconds": {(): 2 * DAY},
        "quarantined_packages": {(): 2},
        "oldest_quarantined_age_seconds": {(): DAY},
        "audit_compared_projects": {(): 3},
        "audit_listed_projects": {(): 8},
        "audit_round_timestamp_seconds": {(): NOW - HOUR},
        "audit_lost_packages": {(): 2},
        "audit_missing_packages": {(): 1},
        "notifications_sent_total": {(): 5},
        "notifications_failed_total": {(): 4},
    }
    assert {variant: count for variant, count in requests.items() if count} == {
        ("plain",): 90,
        ("strip+cache-bust",): 3,
    }
    assert requests[("no-cache",)] == 0
    assert len(incidents) == 12
    assert {labels: count for labels, count in incidents.items() if count} == {
        ("stale", "unknown"): 1,
        ("warning", "unknown"): 1,
        ("critical", "unknown"): 1,
    }


def test_incidents_are_counted_by_level_and_verdict(tmp_path: Path) -> None:
    """However many there are, in so many series."""
    many = [
        Incident(f"{number}-{verdict}-{level}", NOW, NOW, 3, 42, 41, verdict, level)
        for verdict, count in ((Verdict.EDGE_STALE, 3), (Verdict.ORIGIN_STALE, 2))
        for level in (Level.WARNING, Level.CRITICAL)
        for number in range(count * level)
    ]
    explained = of_mirror(Level.CRITICAL, is_explained=True)
    incidents = written(summary(*many, explained), tmp_path)["incidents"]
    assert {labels: count for labels, count in incidents.items() if count} == {
        ("warning", "edge-stale"): 6,
        ("warning", "origin-stale"): 4,
        ("critical", "edge-stale"): 9,
        ("critical", "origin-stale"): 6,
    }


def test_what_is_not_known_is_absent(tmp_path: Path) -> None:
    """Before the first sync: no false zero, for which an alert would fire, or would not.

    As of when the mirror is complete has a value nevertheless, which fires nothing.
    """
    reported = summary(runs=(), serial=None, complete_at=0)
    found = written(reported, tmp_path)
    unknown = {
        "mirror_serial",
        "index_serial",
        "index_moved_timestamp_seconds",
        "serial_lag",
        "last_run_timestamp_seconds",
        "last_run_duration_seconds",
        "last_run_outcome",
        "last_completed_run_timestamp_seconds",
        "audit_compared_projects",
        "audit_listed_projects",
        "audit_round_timestamp_seconds",
        "audit_lost_packages",
        "audit_missing_packages",
    }
    assert found["complete_timestamp_seconds"] == {(): NOW}
    assert {metric.name.removeprefix(metrics.PREFIX) for metric in metrics.METRICS} - found.keys() == unknown
    assert len(metrics.families(reported)) == len(metrics.METRICS)
    text = (tmp_path / "pypi.prom").read_text()
    assert not [name for name in unknown if f"# TYPE {metrics.PREFIX}{name} " in text]


def test_a_clock_that_went_back_makes_nothing_negative(tmp_path: Path) -> None:
    """No run took less than no time, and nothing is open since tomorrow."""
    later = Incident("foo", NOW + DAY, NOW + DAY, 3, 42, 41, Verdict.UNKNOWN)
    reported = summary(later, runs=(PastRun(NOW + HOUR, NOW, "fresh", 42),))
    reported.state.quarantine["foo"] = QuarantineEntry(42, NOW + DAY, NOW + DAY)
    found = written(reported, tmp_path)
    for name in ("last_run_duration_seconds", "oldest_incident_age_seconds", "oldest_quarantined_age_seconds"):
        assert found[name] == {(): 0}


def test_a_state_with_strange_names_adds_no_series(busy: Summary, tmp_path: Path) -> None:
    """Each label has the values that the suite has for it, whatever is in a file."""
    before = metrics.families(busy)
    busy.state.totals.requests.update({f"strange-{number}": 1 for number in range(99)})
    busy.state.totals.runs["strange"] = 1
    assert metrics.families(busy) == before


@pytest.mark.parametrize(
    ("directory", "label"),
    [
        pytest.param('/srv/"} 1\nevil{mirror="', '/srv/"} 1\nevil{mirror="', id="quotes-and-lines"),
        pytest.param("/srv/back\\slash\\", "/srv/back\\slash\\", id="backslashes"),
        pytest.param("/srv/Spiegel für Ä", "/srv/Spiegel für Ä", id="umlauts"),
        pytest.param("/srv/\udcff", "/srv/\\udcff", id="not-text"),
    ],
)
def test_a_directory_may_have_any_name(busy: Summary, directory: str, label: str, tmp_path: Path) -> None:
    """It is one label's value, and nothing of it is a line of its own."""
    reported = replace(busy, directory=directory)
    metrics.write(reported, tmp_path / "x.prom")
    assert read(tmp_path / "x.prom", label)["waiting_packages"] == {(): 6}
    assert "\nevil" not in (tmp_path / "x.prom").read_text()


@pytest.mark.prometheus
def test_prometheus_finds_no_fault_with_it(busy: Summary, tmp_path: Path, monitored: None) -> None:
    """In syntax, names, types, units and help texts, also where the directory's name is a hostile one."""
    for directory in ("/srv/pypi", '/srv/"} 1\nevil{mirror="\\'):
        metrics.write(replace(busy, directory=directory), tmp_path / "x.prom")
        assert promtool("check", "metrics", stdin=(tmp_path / "x.prom").read_text()) == ""


@pytest.mark.parametrize("metric", metrics.METRICS, ids=lambda metric: metric.name)
def test_each_has_what_a_table_of_them_says(metric: metrics.Exported, busy: Summary, tmp_path: Path) -> None:
    """A help text and a type in the file, and the labels that it is said to have."""
    metrics.write(busy, tmp_path / "x.prom")
    text = (tmp_path / "x.prom").read_text()
    assert metric.name.startswith("bandersnatch_freshness_")
    assert f"# HELP {metric.name} {metric.help}\n# TYPE {metric.name} {metric.type}\n" in text
    labels = [
        set(sample.labels)
        for family in text_string_to_metric_families(text)
        for sample in family.samples
        if sample.name == metric.name
    ]
    assert labels
    assert all(found == {"mirror", *metric.labels} for found in labels)


def test_others_can_read_it_whatever_umask_cron_has(busy: Summary, tmp_path: Path) -> None:
    """node_exporter is another user; nothing else is left beside it, under a name that it would take least of all."""
    before = os.umask(0o077)
    try:
        metrics.write(busy, tmp_path / "x.prom")
    finally:
        os.umask(before)
    assert stat.S_IMODE((tmp_path / "x.prom").stat().st_mode) == 0o644
    assert os.listdir(tmp_path) == ["x.prom"]


def test_what_killed_runs_left_goes(tmp_path: Path) -> None:
    """After an hour, when nobody can still be writing it; and nothing else does that looks alike."""
    now = int(time.time())
    old, fresh, alike = "x.prom.12.345", "x.prom.67.890", ("x.prom.bak", "x.prom.1", "y.prom.12.345", "x.prom.1.2.gz")
    for name in (old, fresh, *alike):
        (tmp_path / name).touch()
        age = 10 if name == fresh else 2 * HOUR
        os.utime(tmp_path / name, (now - age, now - age))
    metrics.write(replace(summary(), now=now), tmp_path / "x.prom")
    assert set(os.listdir(tmp_path)) == {"x.prom", fresh, *alike}


@pytest.fixture
def publish(tmp_path: Path) -> Publish:
    """Return a function that publishes a mirror's metrics as after a run, to what `metrics_file` says."""
    storage = SimpleNamespace(
        PATH_BACKEND=Path, exists=lambda path: path.exists(), read_file=lambda path, text: path.read_bytes()
    )

    def publish(metrics_file: str) -> None:
        tracking = read_tracking(["freshness"], {"metrics_file": metrics_file})
        files = MirrorFiles(str(tmp_path / "mirror"), "https://master.example", tracking, storage)
        (tmp_path / "mirror").mkdir(exist_ok=True)
        state = State("https://master.example", runs=[run()])
        publish_summary(tracking, storage, files.directory, lambda: files.summary(state, NOW), lambda _: OwnSerials())

    return publish


def test_a_relative_path_lies_in_the_mirror(publish: Publish, tmp_path: Path) -> None:
    """And an absolute one where it says."""
    publish("pypi.prom")
    publish(str(tmp_path / "pypi.prom"))
    directory = str(tmp_path / "mirror")
    for place in (tmp_path / "mirror", tmp_path):
        assert read(place / "pypi.prom", directory)["last_run_timestamp_seconds"] == {(): NOW - 300}


def test_what_can_not_be_written_is_said_once(
    publish: Publish, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """With the option's name, and its file's; nothing is made that was not there."""
    caplog.set_level(logging.INFO)
    missing = tmp_path / "missing" / "x.prom"
    publish(str(missing))
    (record,) = caplog.records
    assert record.levelname == "ERROR"
    assert record.getMessage().startswith(f"[freshness] metrics_file = {missing} can't be written: FileNotFoundError: ")
    assert not missing.parent.exists()


def test_a_write_that_fails_leaves_nothing_behind(
    publish: Publish, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    """Here a directory is in the way."""
    (tmp_path / "mirror" / "x.prom" / "full").mkdir(parents=True)
    publish("x.prom")
    (record,) = caplog.records
    assert "metrics_file = x.prom can't be written: IsADirectoryError" in record.getMessage()
    assert os.listdir(tmp_path / "mirror") == ["x.prom"]
