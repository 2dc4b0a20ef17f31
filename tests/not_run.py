"""What of the tests was not run, and why: said at the end, so that nobody takes it for passed."""

from __future__ import annotations

import importlib.util
from collections import Counter
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import pytest

from .everything import ELSEWHERE

_COUNTED = "not_run"
_OTHERS = "others"
_BROWSER = (Path(__file__).parent / "browser" / "conftest.py").parents


class NotRun:
    """Counts what is deselected by marker, here or in a worker of pytest-xdist's."""

    def __init__(self, config: pytest.Config) -> None:
        """Start with nothing."""
        self._config = config
        self._deselected: Counter[str] = Counter()

    def pytest_deselected(self, items: Sequence[pytest.Item]) -> None:
        """Count them by the marker that is the likely reason."""
        for item in items:
            self._deselected[next((name for name in ELSEWHERE if item.get_closest_marker(name)), _OTHERS)] += 1

    def pytest_sessionfinish(self) -> None:
        """Hand over what a worker has counted."""
        if hasattr(self._config, "workeroutput"):
            self._config.workeroutput[_COUNTED] = dict(self._deselected)

    @pytest.hookimpl(optionalhook=True)
    def pytest_testnodedown(self, node: Any) -> None:
        """Take over what a worker has counted: each collects all tests."""
        self._deselected |= Counter(getattr(node, "workeroutput", {}).get(_COUNTED, {}))

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say it."""
        said = []
        markers = [f"{self._deselected[name]} {name}" for name in ELSEWHERE if self._deselected[name]]
        has_browser = any(Path(arg).resolve() in _BROWSER for arg in self._config.args)
        if has_browser and not importlib.util.find_spec("selenium"):
            markers.append("all browser")  # which are not even collected
        if markers:
            said.append(f"{', '.join(markers)} (make test-all)")
        if self._deselected[_OTHERS]:
            said.append(f"{self._deselected[_OTHERS]} that were not asked for")
        said += [f"{count}: {reason}" for reason, count in _reasons(terminalreporter).most_common()]
        if said:
            terminalreporter.write_sep("=", "not run here")
            terminalreporter.write_line("\n".join(said))


def _reasons(reporter: pytest.TerminalReporter) -> Counter[str]:
    skipped = [report.longrepr for report in reporter.stats.get("skipped", [])]
    return Counter(str(one[2]).removeprefix("Skipped: ") for one in skipped if isinstance(one, tuple))
