"""The command `config`, and what is probably a slip."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest

from bandersnatch_freshness.settings import OPTIONS

MIRROR = """
[mirror]
directory = {}/mirror
master = https://pypi.example
timeout = 10
workers = 3
hash-index = false
"""


def show(directory: Path, text: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """Show a configuration."""
    file = directory / "bandersnatch.conf"
    file.write_text(MIRROR.format(directory) + text)
    line = [sys.executable, "-m", "bandersnatch_freshness", "config", "-c", str(file), *arguments]
    return subprocess.run(line, capture_output=True, text=True, check=False, cwd=directory)


def as_json(directory: Path, text: str) -> dict[str, Any]:
    """Return what is shown of a configuration as JSON."""
    shown = show(directory, text, "--json")
    assert (shown.returncode, shown.stderr) == (0, "")
    document: dict[str, Any] = json.loads(shown.stdout)
    return document


ENABLED = "[plugins]\nenabled =\n    freshness\n"


def test_shows_each_option_with_its_value(tmp_path: Path) -> None:
    """Of one that is not there, its default; of a URL, that there is one."""
    shown = show(tmp_path, f"{ENABLED}[freshness]\nwarn-after = 2h\nnotify = json://u:s3cret@a.example\n")
    assert shown.returncode == 0
    assert "plugins: freshness\n" in shown.stdout
    rows = {line.split()[0]: " ".join(line.split()[1:]) for line in shown.stdout.splitlines() if line.strip()}
    assert rows["warn_after"] == "2h"
    assert rows["critical_after"] == "1d default"
    assert rows["notify"] == "(a URL, not shown)"
    assert (rows["accept_encoding"], rows["cache_bust"]) == ("auto default", "auto default")
    assert rows.keys() >= OPTIONS.keys()
    assert "s3cret" not in shown.stdout
    document = as_json(tmp_path, f"{ENABLED}[freshness]\nwarn-after = 2h\n")
    assert document["plugins"] == ["freshness"]
    assert document["options"] == {**dict.fromkeys(OPTIONS), "warn_after": "2h"}


@pytest.mark.parametrize(
    ("text", "slip"),
    [
        ("[plugins]\nenabled =\n    freshnes\n", "[plugins] enabled = freshnes; did you mean freshness?"),
        (f"{ENABLED}[Freshness]\nwarn_after = 2h\n", "[Freshness]; did you mean freshness?"),
        (f"{ENABLED}[freshnes]\nwarn_after = 2h\n", "[freshnes]; did you mean freshness?"),
        ("[plugins]\nenable =\n    freshness\n", "[plugins] enable; did you mean enabled?"),
        (
            f"{ENABLED}[freshness_guard]\nwarn_after = 2h\n",
            "[freshness_guard]: the options of all plugins are in [freshness]",
        ),
        ("[plugin]\nenabled =\n    freshness\n", "[plugin]; did you mean plugins?"),
        ("[plugins]\nenabled =\n    freshness\nwarn-after = 2h\n", "[plugins] warn-after: an option of [freshness]"),
        (
            "status_page = a.html\n[plugins]\nenabled =\n    freshness\n",
            "[mirror] status_page: an option of [freshness]",
        ),
        (
            "[plugins]\nenabled = bandersnatch-freshness\n",
            "[plugins] enabled = bandersnatch-freshness; did you mean freshness?",
        ),
        (f"{ENABLED}[bandersnatch-freshness]\nwarn_after = 2h\n", "[bandersnatch-freshness]; did you mean freshness?"),
        (f"{ENABLED}[freshness]\nmetrics_file = a.txt\n", "[freshness] metrics_file = a.txt: node_exporter reads only"),
        ("[freshness]\nwarn_after = 2h\n", "[freshness] without a plugin: [plugins] enabled has none of freshness, "),
    ],
)
def test_says_what_is_probably_a_slip(text: str, slip: str, tmp_path: Path) -> None:
    """It switches nothing on, and nobody else says so."""
    (found,) = as_json(tmp_path, text)["slips"]
    assert found.startswith(slip)
    assert f"Probably a slip: {slip}" in show(tmp_path, text).stdout


@pytest.mark.parametrize(
    ("option", "value", "slip"),
    [
        ("master", "https://a.example/", "master ends in a slash, so that //simple is asked for"),
        ("master", "https://pypi.org/pypi", "master ends in /pypi: leave that out, Bandersnatch adds it"),
        ("master", "https://a.example/simple/", "master ends in /simple: leave that out, Bandersnatch adds it"),
        ("master", "a.example", "master is no URL: it begins with https://, or with http://"),
        ("workers", "5%", "workers = 5%: not a whole number from 1 on"),
        ("workers", "0", "workers = 0: not a whole number from 1 on"),
        ("hash-index", "maybe", "hash-index = maybe: neither `true` nor `false`"),
        ("directory", "", "directory: the option is missing"),
    ],
)
def test_what_bandersnatch_will_stumble_over_is_said(option: str, value: str, slip: str, tmp_path: Path) -> None:
    """Here alone, as some of it may do no harm."""
    file = tmp_path / "bandersnatch.conf"
    show(tmp_path, ENABLED)
    file.write_text(re.sub(f"^{option} = .*$", f"{option} = {value}", file.read_text(), flags=re.MULTILINE))
    line = [sys.executable, "-m", "bandersnatch_freshness", "-c", str(file), "config"]
    shown = subprocess.run(line, capture_output=True, text=True, check=True).stdout
    assert f"Probably a slip: [mirror] {slip}" in shown


def test_what_is_others_is_no_slip(tmp_path: Path) -> None:
    """Bandersnatch's own plugins and sections."""
    others = "[plugins]\nenabled =\n    blocklist_project\n    latest_release\n[blocklist]\npackages = foo\n"
    assert as_json(tmp_path, others)["slips"] == []
    assert "none: Bandersnatch runs as without the suite" in show(tmp_path, others).stdout


def test_what_can_not_be_followed_is_said_as_by_a_run(tmp_path: Path) -> None:
    """In one line; exit code 1."""
    shown = show(tmp_path, f"{ENABLED}[freshness]\nwarn_after = soon\n")
    assert (shown.returncode, shown.stdout, shown.stderr.count("\n")) == (1, "", 1)
    assert "bandersnatch.conf: [freshness] warn_after = soon: not a duration; allowed: " in shown.stderr
