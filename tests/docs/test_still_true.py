"""The three curl commands of docs/how-to/still-true.md, on a lab that does what PyPI's edge does."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from pathlib import Path

import pytest

from bandersnatch_freshness.lab.origin import Lifetimes
from bandersnatch_freshness.lab.server import Lab

from ..conftest import StartLab

PAGE = (Path(__file__).parents[2] / "docs" / "how-to" / "still-true.md").read_text()
BLOCKS = re.findall(r"^```(shell|text)\n(.*?)^```$", PAGE, re.MULTILINE | re.DOTALL)
COMMANDS = [text for language, text in BLOCKS if language == "shell"]
SHOWN = [text for language, text in BLOCKS if language == "text"]

MINUTE = 60

pytestmark = pytest.mark.skipif(not shutil.which("curl") and not os.environ.get("CI"), reason="curl is not installed")


def typed(command: str, lab: Lab) -> str:
    """Type a command into a shell, of the lab and without its pauses; return what it prints."""
    command = command.replace("https://pypi.org", lab.url).replace("sampleproject", "lab-00").replace("sleep 2", ":")
    environment = {"PATH": os.environ["PATH"], "no_proxy": "*"}
    return subprocess.run(["sh", "-ec", command], env=environment, capture_output=True, check=True, text=True).stdout


def outlines(text: str) -> list[str]:
    """Return what kind of line each is: without serials, names of nodes, and the version of HTTP; the order is free."""
    text = re.sub(r"HTTP/[0-9.]+", "HTTP", text.lower().replace("http/", "HTTP/"))
    text = re.sub(r"cache-[a-z0-9-]+", "NODE", text)
    return sorted(re.sub(r"\d{4,}", "SERIAL", text).replace(": S", ":S").splitlines())


def test_there_are_three() -> None:
    """Each with what it shows."""
    assert len(COMMANDS) == len(SHOWN) == 3


def test_two_copies_of_the_index(start_lab: StartLab) -> None:
    """They differ by what was released between their lifetimes, and 65 minutes later both have moved."""
    now = 0
    lab = start_lab(kind="pypi", projects=1, lifetimes=Lifetimes(), clock=lambda: now)
    before = lab.serial
    typed(COMMANDS[0].replace("gzip identity", "deflate"), lab)
    now = 25 * MINUTE
    typed(COMMANDS[0].replace("gzip identity", "gzip"), lab)
    lab.release()
    now = 35 * MINUTE
    printed = typed(COMMANDS[0], lab)
    assert re.findall(r"(?i)serial: (\d+)", printed) == [str(before), str(lab.serial)]
    assert re.findall(r"(?i)^(x-cache): \w+, \w+\r?$", printed, re.MULTILINE) == ["X-Cache"] * 2
    assert len(printed.splitlines()) == len(SHOWN[0].splitlines())
    now += 65 * MINUTE
    assert str(before) not in typed(COMMANDS[0], lab)


def test_two_tiers_whatever_the_query(start_lab: StartLab) -> None:
    """A miss, then a hit, as on the page."""
    lab = start_lab(kind="pypi", projects=1)
    assert outlines(typed(COMMANDS[1], lab)) == outlines(SHOWN[1])


def test_the_origin_answers_options(start_lab: StartLab) -> None:
    """As on the page, though every cached copy is old; and where it is refused, that shows."""
    lab = start_lab("purge-broken", "pypi", projects=1)
    lab.release()
    printed = typed(COMMANDS[2], lab)
    assert outlines(printed) == outlines(SHOWN[2])
    assert set(re.findall(r"\d{7}", printed)) == {str(lab.serial)}
