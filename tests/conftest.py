"""Labs and mirrors for the tests."""

from __future__ import annotations

import signal
import socket
import subprocess
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from pathlib import Path
from typing import Any

import pytest

from bandersnatch_freshness.lab.mirrors import Mirror
from bandersnatch_freshness.lab.origin import Lifetimes
from bandersnatch_freshness.lab.server import Lab

from . import monitoring
from .caches.processes import require
from .model.counting import Counting
from .not_run import NotRun

# What is released shows in the index at once; a page is kept until it is purged.
NO_WAITING = Lifetimes(index=0, while_revalidate=0, other=0)

StartLab = Callable[..., Lab]
MakeMirror = Callable[..., Mirror]


def pytest_addoption(parser: pytest.Parser) -> None:
    """Add options for the length and the random seed of the soak, and of the model."""
    parser.addoption("--soak-runs", type=int, default=40, help="how many runs of the soak (default: %(default)s)")
    parser.addoption("--soak-seed", type=int, default=1, help="what its chance begins with (default: %(default)s)")
    parser.addoption("--model-worlds", type=int, default=3, help="how many worlds of the model (default: %(default)s)")
    parser.addoption("--model-runs", type=int, default=100, help="how many runs of each (default: %(default)s)")
    parser.addoption("--model-seed", type=int, default=1, help="the first one's seed (default: %(default)s)")
    parser.addoption("--model-kind", action="append", help="a kind of fault, of those that there may be (default: all)")


def pytest_configure(config: pytest.Config) -> None:
    """Report what is not run."""
    config.pluginmanager.register(NotRun(config))
    config.pluginmanager.register(Counting())


@pytest.hookimpl(tryfirst=True)
def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """Mark what makes a mirror, before anything is deselected by markers."""
    for item in items:
        if "make_mirror" in getattr(item, "fixturenames", ()):
            item.add_marker("mirror")


def interruptible() -> None:
    """Make Ctrl-C end a child process even if the tests run in the background.

    Shells make background jobs ignore Ctrl-C, and children inherit that.
    """
    signal.signal(signal.SIGINT, signal.SIG_DFL)


@pytest.fixture
def start_lab() -> Iterator[StartLab]:
    """Return a function that starts a lab of eight projects; all are stopped in the end.

    An edge as PyPI's keeps no index, unless a test gives it other lifetimes.
    """
    with ExitStack() as labs:

        def start(behaviour: Any = "healthy", kind: Any = "cdn", projects: int = 8, **more: Any) -> Lab:
            return labs.enter_context(Lab(projects, behaviour, kind, **{"lifetimes": NO_WAITING, **more}))

        yield start


@pytest.fixture
def make_mirror(tmp_path: Path) -> MakeMirror:
    """Return a function that makes one mirror after the other, each in its own directory."""
    made: list[Mirror] = []

    def make(lab: Lab, *plugins: str, **more: Any) -> Mirror:
        if not {"freshness", "freshness_guard"}.isdisjoint(plugins):
            # a lab stands still for days, where the test is not of that
            more["options"] = {"index_max_age": "9999d", **more.get("options", {})}
        made.append(Mirror(tmp_path / str(len(made)), lab, plugins, **more))
        return made[-1]

    return make


@pytest.fixture(scope="session")
def monitored() -> None:
    """Skip where Prometheus and its node_exporter aren't installed; fail where they must be."""
    require(monitoring.PACKAGES)


@pytest.fixture
def alertmanager(tmp_path: Path) -> Iterator[str]:
    """Run Debian's Alertmanager with the inhibitions that operators are given, and return its address."""
    require({"prometheus-alertmanager": "prometheus-alertmanager"})
    config = tmp_path / "alertmanager.yml"
    inhibited = Path(__file__).parents[1] / "docs" / "operations" / "alertmanager-inhibit.yml"
    config.write_text("route: {receiver: none}\nreceivers: [{name: none}]\n" + inhibited.read_text())
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        address = f"127.0.0.1:{free.getsockname()[1]}"
    process = subprocess.Popen(
        [
            "prometheus-alertmanager",
            f"--config.file={config}",
            f"--storage.path={tmp_path / 'data'}",
            f"--web.listen-address={address}",
            "--cluster.listen-address=",
        ],
        stderr=subprocess.PIPE,
        text=True,
    )
    try:
        assert process.stderr
        for line in process.stderr:
            if "Listening on" in line or "msg=Listening" in line:
                break
        yield address
    finally:
        process.kill()
        process.wait()
        process.stderr.close()  # type: ignore[union-attr]
