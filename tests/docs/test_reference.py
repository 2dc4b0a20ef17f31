"""The reference in the docs, as Sphinx makes it of the code. In CI this is run with the docs."""

from __future__ import annotations

import argparse
import html
import importlib
import json
import re
import subprocess
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

pytest.importorskip("sphinx", reason="the docs extra is not installed")

from sphinx.errors import ExtensionError

from bandersnatch_freshness import exit_codes
from bandersnatch_freshness.cli import parser as cli
from bandersnatch_freshness.settings import OPTIONS, PLUGINS

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Build the pages."""
    place = tmp_path_factory.mktemp("docs")
    subprocess.run([sys.executable, "-m", "sphinx", "-q", "-W", "-b", "html", str(DOCS), str(place)], check=True)
    return place


@pytest.fixture
def reference(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the extension."""
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module("reference")


def text(page: Path) -> str:
    """Return what a page shows."""
    return html.unescape(re.sub(r"<[^>]+>", "", page.read_text()))


def plain(markdown: str) -> str:
    """Return a text of the code as a page shows it."""
    return re.sub(r"\[([^]]+)\]\([^)]+\)", r"\1", markdown).replace("`", "").replace("'", "\u2019")


def test_every_option_and_plugin_is_there(built: Path) -> None:
    """With an anchor that stays, what is allowed, the default and the meaning."""
    page, shown = (built / "configuration.html").read_text(), text(built / "configuration.html")
    for name, option in OPTIONS.items():
        assert f'id="option-{name.replace("_", "-")}"' in page
        assert f'id="{name}"' in page or "_" not in name
        for part in (option.default, option.allowed, option.meaning.removesuffix(".")):
            assert plain(part) in shown
    for name in PLUGINS:
        assert re.search(rf"^{name}$", shown, re.MULTILINE)


def test_every_command_is_there(built: Path) -> None:
    """With its options and its exit codes."""
    page, shown = (built / "commands.html").read_text(), text(built / "commands.html")
    names = [*cli._COMMANDS, "quarantine-list", "quarantine-release"]
    assert [name for name in names if f'id="command-{name}"' not in page] == []
    for option in ("--curl", "--expect SERIAL", "--all", "--https-port PORT"):
        assert option in shown
    every: list[type[exit_codes.ExitCode]] = [exit_codes.CommonExit, *exit_codes.BY_COMMAND.values()]
    for codes in every:
        for code in codes:
            assert f"{code.value} {code.name}" in shown
            assert plain(code.when) in shown


@pytest.mark.parametrize("schema", sorted((DOCS / "schemas").glob("*.json")), ids=lambda path: path.stem)
def test_every_field_is_there(schema: Path, built: Path) -> None:
    """And the schema itself, to download."""
    page = built / ("state.html" if schema.stem == "state" else "json.html")
    shown, document = text(page), json.loads(schema.read_text())
    for definition in (document, *document.get("$defs", {}).values()):
        for field in definition.get("properties", {}):
            assert re.search(rf"^{field}$", shown, re.MULTILINE)
    assert [path.read_text() for path in (built / "_downloads").rglob(schema.name)] == [schema.read_text()]


def test_what_lacks_a_text_fails_the_build(reference: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin that nobody describes, an option of a command without a help."""
    parser = argparse.ArgumentParser("x", description="An x.")
    parser.add_argument("--y")
    with pytest.raises(ExtensionError, match="y has no help"):
        list(reference.command(parser, "x", {}))
    with pytest.raises(ExtensionError, match="the command x has no description"):
        list(reference.command(argparse.ArgumentParser("x"), "x", {}))
    monkeypatch.setattr(reference, "PLUGINS", (*PLUGINS, "freshness_new"))
    with pytest.raises(ExtensionError, match="plugins by entry point"):
        list(reference.plugins({}))


def test_metrics_are_a_table(reference: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row comes from the code; a metric without help fails the build."""
    serial = SimpleNamespace(name="mirror_serial", type="gauge", help="The serial.", labels=())
    runs = SimpleNamespace(name="runs_total", type="counter", help="Runs.", labels=("outcome",))
    metrics: Any = ModuleType("metrics")
    metrics.METRICS = (serial, runs)
    monkeypatch.setitem(sys.modules, "bandersnatch_freshness.reporting.metrics", metrics)
    lines = list(reference.metrics({}))
    assert "| `mirror_serial` | gauge |  | The serial. |" in lines
    assert "| `runs_total` | counter | `outcome` | Runs. |" in lines
    runs.help = ""
    with pytest.raises(ExtensionError, match="the metric runs_total has no help"):
        list(reference.metrics({}))
