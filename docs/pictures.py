"""Make the pictures in docs/pictures: what an operator sees in a terminal, from real runs against the lab.

python docs/pictures.py [DIRECTORY]
"""

from __future__ import annotations

import io
import os
import re
import subprocess
import sys
import tempfile
from pathlib import Path

from rich.console import Console
from rich.text import Text

from bandersnatch_freshness.lab.behaviours import Behaviour
from bandersnatch_freshness.lab.mirrors import Mirror
from bandersnatch_freshness.lab.server import Lab

COLUMNS = 132

COMMAND = "bandersnatch-freshness"

# Where the documentation is in a clone, and where a wheel puts it.
INSTALLED = (str(Path(__file__).parents[1]), "/opt/bandersnatch/share/doc/bandersnatch-freshness")


def main(directory: Path) -> None:
    """Make them all."""
    directory.mkdir(exist_ok=True)
    with Lab(4, "gzip-stale", "pypi") as lab:
        lab.release()
        environment = {"SSL_CERT_FILE": str(lab.ca_file), "REQUESTS_CA_BUNDLE": "", "CURL_CA_BUNDLE": ""}
        take(directory / "probe.svg", environment, "probe", "--master", lab.https_url, "lab-00")
    with tempfile.TemporaryDirectory() as place, Lab(12) as lab:
        mirror = Mirror(Path(place), lab, ["freshness"], {"warn_after": "1s", "quarantine_after": "2s"})
        mirror.run()
        lab.behave(Behaviour("one project reports a serial too low", origin_behind=1, every=1000))
        lab.release(lab.names[:1])
        for _ in range(5):
            lab.release(lab.names[1:3])
            mirror.run()
        take(directory / "status.svg", {}, "-c", str(mirror.config), "status", hidden=("-c", str(mirror.config)))


def take(picture: Path, environment: dict[str, str], *arguments: str, hidden: tuple[str, ...] = ()) -> None:
    """Run the command, and write what it prints; `hidden` arguments are not shown."""
    finished = subprocess.run(
        [sys.executable, "-m", "bandersnatch_freshness", *arguments],
        env={**os.environ, "FORCE_COLOR": "1", "COLUMNS": str(COLUMNS), "TERM": "xterm-256color", **environment},
        stdout=subprocess.PIPE,
        stderr=subprocess.DEVNULL,  # the progress bar
        text=True,
        check=False,
    )
    terminal = Console(record=True, width=COLUMNS, file=io.StringIO(), force_terminal=True)
    typed = " ".join([COMMAND, *(one for one in arguments if one not in hidden)])
    terminal.print(Text(f"$ {typed}"))
    terminal.print(Text.from_ansi(finished.stdout.rstrip().replace(*INSTALLED)))
    # A picture asks nobody for fonts.
    picture.write_text(re.sub(r"@font-face \{.*?\}", "", terminal.export_svg(title=COMMAND), flags=re.DOTALL))


main(Path(sys.argv[1]) if len(sys.argv) > 1 else Path(__file__).with_name("pictures"))
