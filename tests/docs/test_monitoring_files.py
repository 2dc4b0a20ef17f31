"""The alert rules and the dashboard that operators are given, held against the metrics that there are."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
import yaml

from bandersnatch_freshness.core.incidents import Level
from bandersnatch_freshness.core.verdicts import Verdict
from bandersnatch_freshness.reporting import metrics
from bandersnatch_freshness.state.document import OUTCOMES

from ..monitoring import promtool
from .test_links import ROOT, wrong

OPERATIONS = ROOT / "docs" / "operations"
RULES, RULES_TEST, DASHBOARD = (
    OPERATIONS / name for name in ("prometheus-rules.yml", "prometheus-rules-test.yml", "grafana-dashboard.json")
)
DOCS = OPERATIONS.parent / "metrics.md"

# Prometheus adds which host it is.
LABELS = {metric.name: {"instance", "mirror", *metric.labels} for metric in metrics.METRICS}
VALUES = {
    "outcome": set(OUTCOMES),
    "level": {str(level) for level in Level},
    "verdict": set(map(str, Verdict)) - {"fresh"},
}


def alerts() -> list[dict[str, Any]]:
    """Return the rules."""
    return [rule for group in yaml.safe_load(RULES.read_text())["groups"] for rule in group["rules"]]


def variables(dashboard: dict[str, Any]) -> dict[str, dict[str, Any]]:
    """Return a dashboard's variables by name."""
    return {one["name"]: one for one in dashboard["templating"]["list"]}


def panel_queries() -> Iterator[tuple[str, str]]:
    """Yield each panel's title and one of its expressions."""
    for panel in json.loads(DASHBOARD.read_text())["panels"]:
        for target in panel["targets"]:
            yield panel["title"], target["expr"]


@pytest.mark.prometheus
def test_the_rules_are_right(monitored: None) -> None:
    """By promtool: their syntax, and what each fires for and does not."""
    assert "SUCCESS" in promtool("check", "rules", RULES)
    assert "SUCCESS" in promtool("test", "rules", RULES_TEST)


def test_each_alert_is_tested() -> None:
    """It fires in one of promtool's tests, which name all that fire."""
    tests = yaml.safe_load(RULES_TEST.read_text())["tests"]
    samples = [sample for test in tests for one in test["promql_expr_test"] for sample in one["exp_samples"]]
    fired = {
        (found[1], found[2])
        for sample in samples
        if (found := re.search(r'alertname="(\w+)".*alertstate="firing".*severity="(\w+)"', sample["labels"]))
    }
    assert fired == {(rule["alert"], rule["labels"]["severity"]) for rule in alerts()}
    assert {one["expr"] for test in tests for one in test["promql_expr_test"]} <= {
        "ALERTS",
        'ALERTS{alertstate="firing"}',
    }


@pytest.mark.parametrize("rule", alerts(), ids=lambda rule: rule["alert"])
def test_each_alert_says_what_to_do(rule: dict[str, Any]) -> None:
    """Whose mirror it is in one line, then more of it, and a command."""
    summary, description = rule["annotations"]["summary"], rule["annotations"]["description"]
    assert len(summary) < 120
    assert re.search(r"{{ \$labels.(mirror|file) }}", summary) or "absent(" in rule["expr"]
    assert re.search(r"`(bandersnatch-freshness|ls|curl|systemctl) [^`]+`", description)
    assert rule["labels"]["severity"] in ("warning", "critical")
    assert wrong(ROOT / "README.md", rule["annotations"]["runbook_url"]) == ""


@pytest.mark.parametrize("file", [RULES, RULES_TEST, DASHBOARD, DOCS], ids=lambda file: file.name)
def test_each_metric_that_is_named_exists(file: Path) -> None:
    """And the labels, and their values, by which it is picked."""
    text = file.read_text().replace('\\"', '"')
    found = re.findall(r"\b(bandersnatch_freshness_\w+)(?:{([^}]*)})?", text)
    assert found
    for name, matchers in found:
        assert name in LABELS
        for label, value in re.findall(r'(\w+)=~?"([^"]*)"', matchers):
            assert label in LABELS[name]
            assert label not in VALUES or set(value.split("|")) <= VALUES[label]


def test_the_dashboard_shows_all_there_is() -> None:
    """Each metric is in one of its panels, for the mirrors that are picked."""
    shown = {name for _, expression in panel_queries() for name in LABELS if re.search(rf"\b{name}\b", expression)}
    assert shown == LABELS.keys()
    for _, expression in panel_queries():
        picked = '{instance=~"$instance",mirror=~"$mirror"'
        assert expression.count(picked) == expression.count("bandersnatch_freshness_")


def test_the_dashboard_is_of_no_grafana_in_particular() -> None:
    """Whose Prometheus it is and which mirror are picked in it; panels don't overlap, and say what they show."""
    dashboard = json.loads(DASHBOARD.read_text())
    source = {"type": "prometheus", "uid": "${datasource}"}
    assert variables(dashboard)["datasource"]["query"] == "prometheus"
    assert variables(dashboard)["instance"]["datasource"] == variables(dashboard)["mirror"]["datasource"] == source
    assert "id" not in dashboard
    taken: set[tuple[int, int]] = set()
    for panel in dashboard["panels"]:
        assert panel["description"]
        assert [panel["datasource"], *(target["datasource"] for target in panel["targets"])] == [
            source,
            *[source] * len(panel["targets"]),
        ]
        at = panel["gridPos"]
        cells = {(x, y) for x in range(at["x"], at["x"] + at["w"]) for y in range(at["y"], at["y"] + at["h"])}
        assert at["x"] + at["w"] <= 24
        assert taken.isdisjoint(cells)
        taken |= cells
    assert len({panel["id"] for panel in dashboard["panels"]}) == len(dashboard["panels"])
