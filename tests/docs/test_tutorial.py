"""The tutorial, followed to the letter.

Every `console` block of docs/tutorial.md is typed, one command after the other, in an empty directory; the `lab` stays
up in the background, as in the reader's second terminal. Every `ini` block is appended to bandersnatch.conf. What is
printed must be what the page shows, but for

- `…`: as a line, any lines, or none; within one, anything;
- dates, `(file.py:123)` and `5 s ago`, which are as they come;
- blanks at the end of a line, and of a table's cell, whose width depends on how late answers were;
- the port, which is a free one here.

Bandersnatch's pauses before it asks for a stale page again are skipped.

`shell` and `text` blocks are not run: the first install the package, the last are of the reader's own mirror.
"""

from __future__ import annotations

import os
import re
import shutil
import socket
import subprocess
import sys
from collections.abc import Iterator
from contextlib import ExitStack
from pathlib import Path

import pytest
from packaging.version import Version

from ..conftest import interruptible
from ..end_to_end.observe import BANDERSNATCH
from ..staged import without_pauses

PAGE = (Path(__file__).parents[2] / "docs" / "tutorial.md").read_text()
PORT = "8080"

VARYING = re.compile(
    r"^\d{4}-\d\d-\d\d \d\d:\d\d:\d\d,\d{3} | \(\w+\.py:\d+\)|(?<=\b)\d+ s(?= ago)|\s+$",
    re.MULTILINE,
)


def blocks(page: str) -> Iterator[tuple[str, str]]:
    """Return the blocks that are to be followed, with their language."""
    for found in re.finditer(r"^```(console|ini)\n(.*?)^```$", page, re.MULTILINE | re.DOTALL):
        yield found[1], found[2]


def steps(block: str) -> Iterator[tuple[str, str]]:
    """Return each command of a block with the output that is shown of it."""
    for part in re.split(r"^\$ ", block, flags=re.MULTILINE)[1:]:
        command, _, shown = part.partition("\n")
        yield command, shown


def pattern(shown: str) -> re.Pattern[str]:
    """Return what an output has to match as a whole."""
    lines = VARYING.sub("", shown).splitlines()
    parts = [
        r"(?:.*\n)*?" if line == "…" else r"[^\n]*".join(map(re.escape, line.split("…"))) + r"\n" for line in lines
    ]
    return re.compile("".join(parts))


def differs(shown: str, printed: str) -> bool:
    """Tell whether what was printed is not what the page shows."""
    normal = "".join(f"{line}\n" for line in VARYING.sub("", printed).splitlines())
    return not pattern(shown).fullmatch(normal)


@pytest.mark.mirror
@pytest.mark.skipif(
    Version("6.6") > BANDERSNATCH, reason="the lab is asked by http, which Bandersnatch can from 6.6 on"
)
@pytest.mark.skipif(not shutil.which("curl") and not os.environ.get("CI"), reason="curl is not installed")
def test_every_step_prints_what_it_shows(tmp_path: Path) -> None:
    """Whoever follows the page sees what it says."""
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        port = str(free.getsockname()[1])
    environment = {
        **os.environ,
        **without_pauses(),
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "COLUMNS": "110",
        "PYTHONUNBUFFERED": "1",
    }
    followed, code = 0, 0
    with ExitStack() as labs:
        for language, block in blocks(PAGE.replace(PORT, port)):
            if language == "ini":
                with (tmp_path / "bandersnatch.conf").open("a") as config:
                    config.write(block)
                continue
            for command, shown in steps(block):
                followed += 1
                if " lab " in command:
                    lab = labs.enter_context(
                        subprocess.Popen(
                            command.split(),
                            cwd=tmp_path,
                            env=environment,
                            stdout=subprocess.PIPE,
                            text=True,
                            preexec_fn=interruptible,
                        )
                    )
                    labs.callback(lab.terminate)
                    assert lab.stdout
                    printed = ""
                    while "project=lab-00" not in printed:
                        line = lab.stdout.readline()
                        assert line, f"the lab ended: {printed}"
                        printed += line
                else:
                    finished = subprocess.run(
                        # `echo $?` is of the command before
                        ["sh", "-c", f"(exit {code}); {command}"],
                        cwd=tmp_path,
                        env=environment,
                        stdout=subprocess.PIPE,
                        stderr=subprocess.STDOUT,
                        text=True,
                        timeout=120,
                        check=False,
                    )
                    code, printed = finished.returncode, finished.stdout
                assert not differs(shown, printed), f"$ {command}\n{printed}\nis not as shown:\n{shown}"
    assert followed > 10


def test_another_output_is_told() -> None:
    """So that the wildcards hide nothing else."""
    shown = "…\n2026-11-24 18:59:36,067 INFO: New mirror serial: 42 (mirror.py:655)\na … c\n"
    assert not differs(shown, "x\n2027-01-01 00:00:00,000 INFO: New mirror serial: 42 (mirror.py:1)  \na b c\n")
    assert differs(shown, "x\n2027-01-01 00:00:00,000 INFO: New mirror serial: 41 (mirror.py:1)\na b c\n")
    assert differs(shown, "x\n2027-01-01 00:00:00,000 INFO: New mirror serial: 42 (mirror.py:1)\na b c\nmore\n")
    assert differs(shown, "INFO: New mirror serial: 42\n")
