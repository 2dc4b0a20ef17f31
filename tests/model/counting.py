"""How often each kind of fault was met, in all worlds together: said at the end; in many runs none may be missing."""

from __future__ import annotations

from collections import Counter

import pytest

from .faults import INDEX_BREAKS, INDEX_LIES, XMLRPC_BREAKS
from .mirrors import HAS_BOTH_WAYS, HAS_XMLRPC
from .story import KINDS, stem

# From so many runs on, as in `make soak`, each kind is to have been met.
ENOUGH = 1000

# What a test records: see `record_property`.
RUNS, MET = "model runs", "model met"


class Counting:
    """Sums up what the tests of the model have recorded, in whichever process they ran."""

    def __init__(self) -> None:
        """Start with nothing."""
        self._runs = 0
        self._met: Counter[str] = Counter()

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        """Add what one world has met."""
        if report.when == "call":
            recorded = dict(report.user_properties)
            self._runs += int(str(recorded.get(RUNS, 0)))
            self._met.update(recorded.get(MET, {}))  # type: ignore[call-overload]

    @property
    def _missing(self) -> list[str]:
        if self._runs < ENOUGH:
            return []
        # From 8.0 on, XML-RPC is asked only in doubt; before 6.8 the index is not.
        rare = set[str]() if HAS_BOTH_WAYS else {*INDEX_LIES, *INDEX_BREAKS} if HAS_XMLRPC else {*XMLRPC_BREAKS}
        return [kind for kind in KINDS if kind not in rare and not any(one.startswith(stem(kind)) for one in self._met)]

    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        """Fail where a kind was not met."""
        if self._missing and not session.exitstatus:
            session.exitstatus = pytest.ExitCode.TESTS_FAILED

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        """Say it."""
        if self._runs:
            terminalreporter.write_sep("=", f"model: {self._runs} runs, answers changed by each kind of fault")
            for kind, count in sorted(self._met.items()):
                terminalreporter.write_line(f"{count:7} {kind}")
        if self._missing:
            terminalreporter.write_line(f"never met: {', '.join(self._missing)}", red=True)
