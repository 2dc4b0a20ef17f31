"""The metadata of the package, and what its docs say of it."""

from __future__ import annotations

import configparser
import re
import subprocess
import sys
from pathlib import Path

ROOT = Path(__file__).parent.parent


def test_the_docs_give_a_reason_for_each_dependency() -> None:
    """And for none that isn't there."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    wanted = re.findall(r"^([a-z0-9-]+)", setup["options"]["install_requires"], re.MULTILINE)
    table = re.findall(r"^\| `([a-z0-9-]+)` \|", (ROOT / "docs" / "dependencies.md").read_text(), re.MULTILINE)
    assert sorted(table) == sorted(wanted)


def test_importing_the_plugins_imports_nothing_heavy() -> None:
    """What the docs call imported later is."""
    code = "import sys, bandersnatch_freshness.plugins; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    text = (ROOT / "docs" / "dependencies.md").read_text()
    later = re.findall(r"^\| `([a-z0-9-]+)` \|.*\| (?:only|when) ", text, re.MULTILINE)
    assert {"apprise", "rich", "shtab", "trustme"} <= set(later)
    assert not set(later) & set(loaded)
