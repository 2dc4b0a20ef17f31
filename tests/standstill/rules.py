"""The shipped alert rules, held against a mirror's metrics file without a Prometheus.

Of those that compare a sum or a difference of metrics with a number; the others are of other files, or of changes.
"""

from __future__ import annotations

import re
from pathlib import Path
from typing import Any, NamedTuple

import yaml
from prometheus_client.parser import text_string_to_metric_families

RULES = Path(__file__).parents[2] / "docs" / "operations" / "prometheus-rules.yml"

_UNITS = {"s": 1, "m": 60, "h": 3600, "d": 86400}
_METRIC = r"(?:sum without \([^)]*\) \()?(\w+)(?:\{(\w+)=~?\"([^\"]*)\"\})?\)?"
_EXPRESSION = re.compile(rf"(?:(?P<time>time\(\))|{_METRIC})(?: - {_METRIC})? > (?P<most>[\d *]+)")


class _Rule(NamedTuple):
    name: str
    severity: str
    # Names of metrics with a label and its values; the first is None for the time.
    terms: tuple[tuple[str, str, str] | None, ...]
    most: float
    lasts: int


def _read(rule: dict[str, Any]) -> _Rule | None:
    found = _EXPRESSION.fullmatch(" ".join(rule["expr"].split()))
    if not found or "node_textfile" in rule["expr"]:
        return None
    groups = found.groups()
    terms = [None if found["time"] else (groups[1], groups[2] or "", groups[3] or "")]
    if groups[4]:
        terms.append((groups[4], groups[5] or "", groups[6] or ""))
    most = 1.0
    for factor in found["most"].split("*"):
        most *= float(factor)
    lasts = re.fullmatch(r"(\d+)([smhd])", rule.get("for", "0s"))
    assert lasts
    return _Rule(rule["alert"], rule["labels"]["severity"], tuple(terms), most, int(lasts[1]) * _UNITS[lasts[2]])


class Alerts:
    """What a Prometheus that has the shipped rules would fire for one mirror."""

    def __init__(self) -> None:
        """Nothing fires yet."""
        groups = yaml.safe_load(RULES.read_text())["groups"]
        self._rules = [one for group in groups for rule in group["rules"] if (one := _read(rule))]
        self._since: dict[_Rule, int] = {}

    def firing(self, metrics: str, now: int) -> tuple[str, ...]:
        """Return what fires at a time, by the metrics file as it is then: names with severities, the worst first."""
        samples = [one for family in text_string_to_metric_families(metrics) for one in family.samples]

        def value(term: tuple[str, str, str] | None) -> float | None:
            if term is None:
                return now
            name, label, wanted = term
            found = [
                one.value
                for one in samples
                if one.name == name and (not label or re.fullmatch(wanted, one.labels.get(label, "")))
            ]
            return sum(found) if found else None

        firing = []
        for rule in self._rules:
            values = [value(term) for term in rule.terms]
            if None in values or values[0] - sum(values[1:]) <= rule.most:  # type: ignore[operator,arg-type]
                self._since.pop(rule, None)
            elif now >= self._since.setdefault(rule, now) + rule.lasts:
                firing.append(rule)
        firing.sort(key=lambda rule: (rule.severity != "critical", rule.name))
        return tuple(f"{rule.name} ({rule.severity})" for rule in firing)
