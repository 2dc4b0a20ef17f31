"""All tests on the Bandersnatch and Python of this environment, with a report for `tests.matrix`.

    python -m tests.everything [--unless-passed] [--coverage] [--few-mirrors]

But those of the markers in `ELSEWHERE`, which sessions of their own run. With --unless-passed nothing is run where this
has already passed on the very same sources. With --few-mirrors, of those that make a mirror only those that stand for
all are run.
"""

from __future__ import annotations

import argparse
import hashlib
import subprocess
import sys
from importlib.metadata import version

from .matrix import REPORTS, ROOT

ELSEWHERE = ("caches", "slow", "model", "prometheus", "browser")

# At once: more than there are processors, as much of a test is Bandersnatch's pauses.
WORKERS = "4"

# What is looked at by no test.
_NO_SOURCES = {"build", "dist", "__pycache__"}


def main(arguments: list[str]) -> int:
    """Run pytest; return its exit code."""
    parser = argparse.ArgumentParser(prog="python -m tests.everything")
    parser.add_argument("--unless-passed", action="store_true", help="not where the same has passed already")
    parser.add_argument("--coverage", action="store_true", help="measure what of the package is run")
    parser.add_argument("--few-mirrors", action="store_true", help="of what makes a mirror, only what stands for all")
    wanted = parser.parse_args(arguments)
    bandersnatch, python = version("bandersnatch"), f"{sys.version_info.major}.{sys.version_info.minor}"
    report = REPORTS / f"{bandersnatch}-{python}.xml"
    passed = report.with_suffix(".passed")
    sources = fingerprint()
    if wanted.unless_passed and passed.exists() and passed.read_text() == sources:
        print(f"Not again: these sources have passed on Bandersnatch {bandersnatch} and Python {python}")
        return 0
    passed.unlink(missing_ok=True)
    print(f"Bandersnatch {bandersnatch} on Python {python}", flush=True)
    measure = ("-m", "coverage", "run") if wanted.coverage else ()
    few = " and (smoke or not mirror)" if wanted.few_mirrors else ""
    code = subprocess.run(
        [
            *(sys.executable, *measure, "-m", "pytest", "-n", WORKERS, "--dist", "worksteal"),
            *("-m", f"not ({' or '.join(ELSEWHERE)}){few}", f"--junit-xml={report}"),
        ],
        cwd=ROOT,
        check=False,
    ).returncode
    if not code and not few and fingerprint() == sources:
        passed.write_text(sources)
    return code


def fingerprint() -> str:
    """Return what tells these sources from any others."""
    digest = hashlib.sha256()
    for path in sorted(ROOT.rglob("*")):
        parts = path.relative_to(ROOT).parts
        hidden = parts[0].startswith(".") and parts[0] not in (".ci", ".github")
        if not hidden and _NO_SOURCES.isdisjoint(parts) and not parts[0].endswith(".egg-info") and path.is_file():
            digest.update(b"%s\0%d\0" % ("/".join(parts).encode(), path.stat().st_size))
            digest.update(path.read_bytes())
    return digest.hexdigest()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
