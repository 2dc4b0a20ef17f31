"""Prometheus and its node_exporter, as Debian has them: whether they are here, and starting them on loopback."""

from __future__ import annotations

import json
import subprocess
import urllib.parse
import urllib.request
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from .caches.processes import running
from .eventually import eventually

# The commands that are needed, and Debian's packages that have them.
PACKAGES = {
    "prometheus": "prometheus",
    "promtool": "prometheus",
    "prometheus-node-exporter": "prometheus-node-exporter",
}

# From a file that has changed to an answer of Prometheus about it, on a machine that is busy with other tests.
_SECONDS = 60


def promtool(*arguments: str | Path, stdin: str = "") -> str:
    """Run promtool, and return what it printed.

    Raises:
        AssertionError: where it finds fault.
    """
    done = subprocess.run(["promtool", *map(str, arguments)], input=stdin, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr
    return done.stdout + done.stderr


@contextmanager
def node_exporter(directory: Path) -> Iterator[str]:
    """Run a node_exporter that has nothing but the textfiles in this directory; give its address."""

    def prepare(_: Path, port: int) -> Sequence[str]:
        return (
            "prometheus-node-exporter",
            "--collector.disable-defaults",
            "--collector.textfile",
            f"--collector.textfile.directory={directory}",
            f"--web.listen-address=127.0.0.1:{port}",
            "--web.disable-exporter-metrics",
        )

    with running(prepare) as (_, port):
        yield f"127.0.0.1:{port}"


class Prometheus:
    """A Prometheus that runs."""

    def __init__(self, address: str) -> None:
        """`address`: where it listens."""
        self._address = address

    def get(self, path: str, **query: str) -> Any:
        """Return the data of an answer of its HTTP API."""
        url = f"http://{self._address}/api/v1/{path}?{urllib.parse.urlencode(query)}"
        with urllib.request.urlopen(url, timeout=_SECONDS) as answer:
            document = json.load(answer)
        assert document["status"] == "success", document
        return document["data"]

    def query(self, expression: str) -> list[tuple[dict[str, str], float]]:
        """Return the labels and the value of each series that an expression has now."""
        found = self.get("query", query=expression)
        return [(one["metric"], float(one["value"][1])) for one in found["result"]]

    def until(self, expression: str, holds: Callable[[list[tuple[dict[str, str], float]]], bool]) -> None:
        """Wait until what an expression has now is as it should be.

        Raises:
            AssertionError: where it takes too long.
        """
        eventually(lambda: self.query(expression), holds, _SECONDS)


@contextmanager
def prometheus(target: str, rules: Path) -> Iterator[Prometheus]:
    """Run a Prometheus that scrapes a target and evaluates these rules, twice a second."""

    def prepare(directory: Path, port: int) -> Sequence[str]:
        config = {
            "global": {"scrape_interval": "500ms", "scrape_timeout": "500ms", "evaluation_interval": "500ms"},
            "rule_files": [str(rules)],
            "scrape_configs": [{"job_name": "node", "static_configs": [{"targets": [target]}]}],
        }
        file = directory / "prometheus.yml"
        file.write_text(json.dumps(config))  # which is YAML
        promtool("check", "config", file)
        return (
            "prometheus",
            f"--config.file={file}",
            f"--storage.tsdb.path={directory / 'data'}",
            f"--web.listen-address=127.0.0.1:{port}",
        )

    with running(prepare) as (_, port):
        yield Prometheus(f"127.0.0.1:{port}")
