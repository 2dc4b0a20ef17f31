"""Metrics: a mirror's freshness in Prometheus' text format, for node_exporter's textfile collector.

`METRICS` is the only place that defines their names, types, labels and help texts. This module
is imported only when such a file is written.
"""

from __future__ import annotations

import glob
import importlib.metadata
import re
from collections import Counter
from collections.abc import Callable, Iterable, Mapping
from pathlib import Path

from msgspec import Struct
from prometheus_client import CollectorRegistry, write_to_textfile
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily, Metric
from prometheus_client.registry import Collector

from .. import __version__
from ..core.audit_round import PastRound
from ..core.incidents import Level
from ..core.variants import possible
from ..core.verdicts import Verdict
from ..formatting import encodable
from ..state.document import OUTCOMES
from .summary import Summary

PREFIX = "bandersnatch_freshness_"

# A temporary file this old was left by a run that was killed while writing: writing takes less than a second.
_LEFT_AFTER_SECONDS = 60 * 60

# Metric values by label values, in the order of the labels; None if a value is unknown.
_Values = Mapping[tuple[str, ...], float | None]


class Exported(Struct, frozen=True):
    """One metric: its name, its help text, and how to get its values from a summary.

    `labels` are those in addition to `mirror`, which every metric has.
    """

    name: str
    type: str
    help: str
    labels: tuple[str, ...]
    values: Callable[[Summary], _Values]


def _gauge(name: str, text: str, value: Callable[[Summary], float | None]) -> Exported:
    return Exported(PREFIX + name, "gauge", text, (), lambda summary: {(): value(summary)})


def _counter(name: str, text: str, value: Callable[[Summary], float]) -> Exported:
    return Exported(PREFIX + name, "counter", text, (), lambda summary: {(): value(summary)})


def _past_round(summary: Summary) -> PastRound | None:
    return summary.state.audit.last if summary.state.audit else None


METRICS = (
    Exported(
        f"{PREFIX}info",
        "gauge",
        "Always 1: the releases of the suite and of Bandersnatch.",
        ("version", "bandersnatch_version"),
        lambda summary: {(__version__, importlib.metadata.version("bandersnatch")): 1},
    ),
    _gauge(
        "mirror_serial",
        "The mirror's serial: it has everything up to there, except for what is in quarantine.",
        lambda summary: summary.serial,
    ),
    _gauge(
        "index_serial",
        "The highest serial that the index announced, as last seen by a run.",
        lambda summary: summary.state.announced(),
    ),
    _gauge(
        "index_moved_timestamp_seconds",
        "When the index was first seen at its serial; with freshness or freshness_guard.",
        lambda summary: summary.state.index.moved if summary.state.index else None,
    ),
    _gauge(
        "serial_lag",
        "How many serials the mirror is behind what the index announced last.",
        lambda summary: summary.serial_lag,
    ),
    _gauge(
        "waiting_packages",
        "Packages on Bandersnatch's todo list: what the last run left to do.",
        lambda summary: summary.waiting,
    ),
    _gauge(
        "last_run_timestamp_seconds",
        "When the last run ended, whatever its outcome.",
        lambda summary: summary.state.runs[-1].finished if summary.state.runs else None,
    ),
    _gauge(
        "last_run_duration_seconds",
        "How long the last run took.",
        lambda summary: _duration(summary),
    ),
    Exported(
        f"{PREFIX}last_run_outcome",
        "gauge",
        "1 for the outcome of the last run, else 0: fresh, errors (some packages failed, or the index was refused), "
        "failed (it ended early with an error), interrupted, overlapping (it completed while another one ran).",
        ("outcome",),
        lambda summary: {(one,): one == summary.state.runs[-1].outcome for one in OUTCOMES if summary.state.runs},
    ),
    _gauge(
        "last_completed_run_timestamp_seconds",
        "When a run last completed: fresh, or with errors.",
        lambda summary: summary.state.last_run() or None,
    ),
    _gauge(
        "complete_timestamp_seconds",
        "When the index was asked for of which the mirror has everything, but for what is in quarantine; "
        "during a first sync that gets on, when this was written.",
        lambda summary: summary.complete_at,
    ),
    Exported(
        f"{PREFIX}runs_total",
        "counter",
        "Runs since the state began, by outcome.",
        ("outcome",),
        lambda summary: {(one,): summary.state.totals.runs[one] for one in OUTCOMES},
    ),
    Exported(
        f"{PREFIX}requests_total",
        "counter",
        "Requests for pages and copies of the index since the state began, by variant.",
        ("variant",),
        lambda summary: {(str(one),): summary.state.totals.requests[str(one)] for one in possible()},
    ),
    Exported(
        f"{PREFIX}incidents",
        "gauge",
        "Open incidents, by how bad they are and by who holds the old page, or that they fail.",
        ("level", "verdict"),
        lambda summary: _count_incidents(summary),
    ),
    _gauge(
        "oldest_incident_age_seconds",
        "How long the oldest incident had been open when this was written; 0 if there is none.",
        lambda summary: summary.oldest(),
    ),
    _gauge(
        "quarantined_packages",
        "Packages that are in quarantine, but for those that were accepted by hand.",
        lambda summary: len(summary.quarantine),
    ),
    _gauge(
        "oldest_quarantined_age_seconds",
        "How long the oldest entry in quarantine had been there when this was written; 0 if there is none.",
        lambda summary: max(0, 0, *(summary.now - one.since for one in summary.quarantine.values())),
    ),
    _gauge(
        "audit_compared_projects",
        "Projects that runs have compared with the index in the present round of the audit.",
        lambda summary: summary.state.audit.seen if summary.state.audit else None,
    ),
    _gauge(
        "audit_listed_projects",
        "Projects that the index lists, all of which a round of the audit compares.",
        lambda summary: summary.state.audit.listed if summary.state.audit else None,
    ),
    _gauge(
        "audit_round_timestamp_seconds",
        "When the last round of the audit ended; without a value before that.",
        lambda summary: past.ended if (past := _past_round(summary)) else None,
    ),
    _gauge(
        "audit_lost_packages",
        "Packages that the last round of the audit found missing, older or broken here.",
        lambda summary: past.found if (past := _past_round(summary)) else None,
    ),
    _gauge(
        "audit_missing_packages",
        "Those of them that were missing.",
        lambda summary: past.missing if (past := _past_round(summary)) else None,
    ),
    _counter(
        "notifications_sent_total",
        "Notifications that arrived, since the state began.",
        lambda summary: summary.state.totals.notifications_sent,
    ),
    _counter(
        "notifications_failed_total",
        "Notifications that did not arrive, since the state began; the next run sends them again.",
        lambda summary: summary.state.totals.notifications_failed,
    ),
)


def families(summary: Summary) -> list[Metric]:
    """Return the metrics of a mirror; one whose value is unknown has no samples."""
    mirror = encodable(summary.directory)  # the same as in alerts, so that one silence covers both
    found: list[Metric] = []
    for metric in METRICS:
        make = CounterMetricFamily if metric.type == "counter" else GaugeMetricFamily
        family = make(metric.name, metric.help, labels=("mirror", *metric.labels))
        for labels, value in metric.values(summary).items():
            if value is not None:
                family.add_metric((mirror, *labels), value)
        found.append(family)
    return found


def write(summary: Summary, path: Path) -> None:
    """Replace the file atomically, readable by node_exporter, which runs as another user.

    Raises:
        OSError: if it can't be written; the old file stays.
    """
    registry = CollectorRegistry()
    registry.register(_Families(families(summary)))
    write_to_textfile(str(path), registry)
    path.chmod(0o644)  # whatever cron's umask is
    _clean_up(path, summary.now - _LEFT_AFTER_SECONDS)


class _Families(Collector):
    def __init__(self, found: Iterable[Metric]) -> None:
        self._found = found

    def collect(self) -> Iterable[Metric]:
        return [family for family in self._found if family.samples]


def _clean_up(path: Path, before: int) -> None:
    """Remove files left by killed runs: prometheus-client names its temporary files by process and thread."""
    for left in path.parent.glob(f"{glob.escape(path.name)}.*"):
        if re.fullmatch(r"\.\d+\.\d+", left.name.removeprefix(path.name)) and left.stat().st_mtime < before:
            left.unlink(missing_ok=True)


def _duration(summary: Summary) -> int | None:
    if not summary.state.runs:
        return None
    last = summary.state.runs[-1]
    return max(0, last.finished - last.started)


def _count_incidents(summary: Summary) -> _Values:
    counts = Counter((one.level, one.verdict) for one in summary.speaking)
    return {
        (str(level), verdict): counts[level, verdict]
        for level in Level
        for verdict in Verdict
        if verdict is not Verdict.FRESH
    }
