"""The metadata of the package, and what its docs say of it."""

from __future__ import annotations

import configparser
import re
import runpy
import subprocess
import sys
from importlib.metadata import version
from pathlib import Path

import pytest

ROOT = Path(__file__).parent.parent
PAGE = (ROOT / "docs" / "dependencies.md").read_text()


def test_the_docs_give_a_reason_for_each_dependency() -> None:
    """Of the suite and of its extras, and for none that isn't there."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    base, extras = setup["options"]["install_requires"], setup["options.extras_require"]["all"]
    wanted = re.findall(r"^([a-z0-9-]+)", f"{base}\n{extras}", re.MULTILINE)
    tables = PAGE.partition("## What is installed")[0]
    assert sorted(re.findall(r"^\|(?: `?[a-z]*`? \|)? `([a-z0-9-]+)` \| [^`]", tables, re.MULTILINE)) == sorted(wanted)


def test_what_the_suite_adds_is_little_and_is_written_down() -> None:
    """As the page says of the Bandersnatch that it was made beside: name by name, and at most twelve."""
    made = runpy.run_path(str(ROOT / "docs" / "write_dependencies.py"))
    if f"| Bandersnatch {version('bandersnatch')} itself |" not in PAGE:
        pytest.skip("the page is of another Bandersnatch")
    added = made["shares"](made["installed"]())[""]
    assert set(re.findall(r"^\| ([a-z0-9-]+) \|.*\| the suite \|", PAGE, re.MULTILINE)) == added
    assert len(added) <= 12


def test_importing_the_plugins_imports_nothing_heavy() -> None:
    """What the docs call imported later is."""
    code = "import sys, bandersnatch_freshness.plugins; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    later = re.findall(r"^\|.* `([a-z0-9-]+)` \|.*\| (?:only|when) ", PAGE, re.MULTILINE)
    assert {"apprise", "tqdm", "shtab", "trustme"} <= set(later)
    assert not set(later) & set(loaded)
