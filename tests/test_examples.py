"""The examples of the documentation, run as they are."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from .conftest import StartLab

EXAMPLES = Path(__file__).parent.parent / "docs" / "examples"


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
