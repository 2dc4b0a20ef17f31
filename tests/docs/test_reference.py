"""The reference in the docs: what is made of the code stands in the pages as the code has it now."""

from __future__ import annotations

import argparse
import importlib
import sys
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import pytest

from bandersnatch_freshness import exit_codes
from bandersnatch_freshness.cli import parser as cli
from bandersnatch_freshness.settings import OPTIONS, PLUGINS

DOCS = Path(__file__).parents[2] / "docs"


@pytest.fixture
def reference(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    """Return the program that writes it."""
    monkeypatch.syspath_prepend(str(DOCS))
    return importlib.import_module("write_reference")


def test_it_is_as_the_code_has_it(reference: ModuleType) -> None:
    """`make reference` writes what stands there."""
    pages = list(reference.pages())
    assert {"commands.md", "configuration.md", "json.md", "metrics.md", "seams.md", "state.md"} == {
        page.name for page in pages
    }
    assert [page.name for page in pages if page.read_text() != reference.written(page.read_text())] == []


def test_what_stands_there_is_replaced(reference: ModuleType) -> None:
    """Twice is as once, and what is around it stays."""
    page = "before\n\n<!-- reference: codes -->\nold\n<!-- reference: the end -->\nafter\n"
    made = reference.written(page)
    assert made.startswith("before\n\n<!-- reference: codes -->\n\n| exit code | when |\n")
    assert made.endswith("|\n\n<!-- reference: the end -->\nafter\n")
    assert "old" not in made
    assert reference.written(made) == made


def test_every_option_and_plugin_is_there() -> None:
    """With what is allowed, the default and the meaning."""
    page = (DOCS / "configuration.md").read_text()
    for name, option in OPTIONS.items():
        assert f"\n### {name}\n" in page
        for part in (option.default, option.allowed, option.meaning.removesuffix(".")):
            assert part in page
    for name in PLUGINS:
        assert f"\n| `{name}` | " in page


def test_every_command_is_there() -> None:
    """With its options and its exit codes."""
    page = (DOCS / "commands.md").read_text()
    names = [*cli._COMMANDS, "quarantine list", "quarantine release"]
    assert [name for name in names if f"\n### {name}\n" not in page] == []
    for option in ("--curl", "--expect SERIAL", "--all", "--https-port PORT"):
        assert option in page
    every: list[type[exit_codes.ExitCode]] = [exit_codes.CommonExit, *exit_codes.BY_COMMAND.values()]
    for codes in every:
        for code in codes:
            assert f"| {code.value} {code.name} | {code.when} |" in page


@pytest.mark.parametrize("schema", sorted((DOCS / "schemas").glob("*.json")), ids=lambda path: path.stem)
def test_every_schema_is_there(schema: Path) -> None:
    """On a page, with a link to it."""
    page = (DOCS / ("state.md" if schema.stem == "state" else "json.md")).read_text()
    assert f"[{schema.name}](schemas/{schema.name})" in page


def test_what_lacks_a_text_is_an_error(reference: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """A plugin that nobody describes, an option of a command without a help, a page for what is not there."""
    parser = argparse.ArgumentParser("x", description="An x.")
    parser.add_argument("--y")
    with pytest.raises(ValueError, match="y has no help"):
        list(reference.command(parser, "x", {}))
    with pytest.raises(ValueError, match="the command x has no description"):
        list(reference.command(argparse.ArgumentParser("x"), "x", {}))
    with pytest.raises(ValueError, match="options has no speed"):
        reference.written("<!-- reference: options\nspeed: fast.md\n-->\n<!-- reference: the end -->\n")
    monkeypatch.setattr(reference, "PLUGINS", (*PLUGINS, "freshness_new"))
    with pytest.raises(ValueError, match="plugins by entry point"):
        list(reference.plugins({}))


def test_metrics_are_a_table(reference: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each row comes from the code; a metric without help is an error."""
    serial = SimpleNamespace(name="mirror_serial", type="gauge", help="The serial.", labels=())
    runs = SimpleNamespace(name="runs_total", type="counter", help="Runs.", labels=("outcome",))
    metrics: Any = ModuleType("metrics")
    metrics.METRICS = (serial, runs)
    monkeypatch.setitem(sys.modules, "bandersnatch_freshness.reporting.metrics", metrics)
    lines = list(reference.metrics({}))
    assert "| `mirror_serial` | gauge |  | The serial. |" in lines
    assert "| `runs_total` | counter | `outcome` | Runs. |" in lines
    runs.help = ""
    with pytest.raises(ValueError, match="the metric runs_total has no help"):
        list(reference.metrics({}))
