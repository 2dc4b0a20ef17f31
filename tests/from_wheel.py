"""A mirror whose cache has gone stale, kept fresh by what is installed, with nothing else of the project to import.

python -P tests/from_wheel.py
"""

from __future__ import annotations

import subprocess
import sys
import tempfile
from importlib.metadata import version
from pathlib import Path

from bandersnatch_freshness.lab.mirrors import Mirror
from bandersnatch_freshness.lab.server import Lab


def main() -> None:
    """Mirror, release, mirror again; then ask each command that looks at a mirror.

    Raises:
        SystemExit: if anything is not as it should be.
    """
    with tempfile.TemporaryDirectory() as place, Lab(5, "gzip-stale") as lab:
        mirror = Mirror(Path(place), lab, ["freshness"], {"status_page": "status.html", "metrics_file": "metrics.prom"})
        mirror.run()
        lab.release()
        run = mirror.run()
        demand((run.returncode, mirror.serial) == (0, lab.serial), run.output)
        for command, word in (("status", "FRESH"), ("check", "FRESHNESS OK"), ("config", "plugins: freshness")):
            said = ask(mirror, command)
            demand(said.returncode == 0 and word in said.stdout, said.stdout + said.stderr)
        found = ask(mirror, "audit", "--json")
        demand(found.returncode == 0, found.stdout + found.stderr)
    print(f"Python {sys.version.split()[0]}, Bandersnatch {version('bandersnatch')}: fresh")  # noqa: T201


def ask(mirror: Mirror, *command: str) -> subprocess.CompletedProcess[str]:
    """Run a command of the suite on the mirror."""
    line = [str(Path(sys.executable).with_name("bandersnatch-freshness")), "-c", str(mirror.config), *command]
    return subprocess.run(line, env=mirror.environment(), capture_output=True, text=True, check=False)


def demand(holds: bool, said: str) -> None:
    """End with what was said where something does not hold."""
    if not holds:
        sys.exit(said)


if __name__ == "__main__":
    main()
