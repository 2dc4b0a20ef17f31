"""Two environments that differ in the suite alone: bare Bandersnatch, and the same with this project installed."""

from __future__ import annotations

import shutil
import subprocess
import sys
from dataclasses import dataclass
from pathlib import Path

ROOT = Path(__file__).parents[1]
DIRECTORY = ROOT / "build" / "bench"


@dataclass(frozen=True)
class Environment:
    """A virtual environment."""

    name: str

    def program(self, name: str) -> str:
        """Return the path of one of its programs."""
        return str(DIRECTORY / self.name / "bin" / name)

    def install(self, *requirements: str) -> None:
        """Make it anew, as each distribution that an older one has would count, and install into it."""
        subprocess.run([sys.executable, "-m", "venv", "--clear", str(DIRECTORY / self.name)], check=True)
        command = [self.program("python"), "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, *requirements], check=True)


BARE, SUITE = Environment("bare"), Environment("suite")


def install(bandersnatch: str) -> None:
    """Have both, with this Bandersnatch and with the project as it is now."""
    shutil.rmtree(ROOT / "build" / "lib", ignore_errors=True)  # setuptools installs what older commits left there
    BARE.install(f"bandersnatch=={bandersnatch}")
    SUITE.install(f"bandersnatch=={bandersnatch}", str(ROOT))
