"""The examples of the documentation, run as they are."""

from __future__ import annotations

import configparser
import re
import runpy
import shlex
import textwrap
from pathlib import Path
from typing import Any

import pytest

from bandersnatch_freshness.cli import parser as cli
from bandersnatch_freshness.settings import enabled_plugins, read_settings

from ..conftest import StartLab

EXAMPLES = Path(__file__).parents[2] / "docs" / "examples"
DOCS = [EXAMPLES.parent.parent / "README.md", *sorted(EXAMPLES.parent.rglob("*.md"))]


def run(example: str, monkeypatch: pytest.MonkeyPatch, *arguments: object) -> None:
    """Run an example as a program."""
    monkeypatch.setattr("sys.argv", [example, *map(str, arguments)])
    runpy.run_path(str(EXAMPLES / example), run_name="__main__")


def test_fresh_requests(start_lab: StartLab, monkeypatch: pytest.MonkeyPatch, capsys: Any) -> None:
    """It gets the new page past a stale copy, and says so where there is none."""
    lab = start_lab("gzip-stale")
    lab.release()
    serial = lab.announced("lab-03")
    run("fresh_requests.py", monkeypatch, lab.url, "lab-03", serial)
    version, plain, strip = capsys.readouterr().out.splitlines()
    assert version == "lab-03 2.0"
    assert plain.startswith(f"- plain got serial {serial - len(lab.names)} ")
    assert strip.startswith(f"- strip got serial {serial} ")
    with pytest.raises(SystemExit, match=f"no way gets serial {serial + 1}: plain got"):
        run("fresh_requests.py", monkeypatch, lab.url, "lab-03", serial + 1)


def test_every_example_is_in_the_documentation() -> None:
    """To the letter, so that what is read is what was run."""
    pages = "".join(page.read_text() for page in EXAMPLES.parent.glob("*.md"))
    examples = list(EXAMPLES.glob("*.py"))
    assert examples
    assert [example.name for example in examples if f"```python\n{example.read_text()}```" not in pages] == []


def blocks(page: Path, language: str) -> list[str]:
    """Return the blocks of a language in a page, wherever they are indented to."""
    found = re.finditer(rf"^( *)```{language}\n(.*?)^\1```$", page.read_text(), re.MULTILINE | re.DOTALL)
    return [textwrap.dedent(one[2]) for one in found]


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_what_is_to_be_pasted_is_accepted(page: Path) -> None:
    """Every plugin and option is one that there is, with a value that is allowed."""
    for block in blocks(page, "ini"):
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_string(block)
        enabled = enabled_plugins(parser.get("plugins", "enabled", fallback=""))
        assert bool(enabled) is parser.has_section("plugins")
        read_settings(enabled, dict(parser["freshness"]) if parser.has_section("freshness") else {})


@pytest.mark.parametrize("page", DOCS, ids=lambda page: page.name)
def test_what_is_to_be_typed_is_accepted(page: Path, capsys: pytest.CaptureFixture[str]) -> None:
    """Every command is one that there is, with options that it has."""
    typed = [
        line for language in ("console", "shell") for block in blocks(page, language) for line in block.splitlines()
    ]
    for line in typed:
        command = line.removeprefix("$ ")
        if command.startswith("bandersnatch-freshness "):
            assert cli._parser().parse_args(shlex.split(command)[1:]).command, capsys.readouterr().err


def test_there_is_something_to_paste_and_to_type() -> None:
    """So that what looks for it finds it."""
    assert sum(len(blocks(page, "ini")) for page in DOCS) > 10
    assert sum("$ bandersnatch-freshness " in block for page in DOCS for block in blocks(page, "console")) > 8
