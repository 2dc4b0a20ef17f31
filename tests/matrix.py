"""What the tests came to on each Bandersnatch and Python, as a table in docs/compatibility.md.

    python -m tests.matrix [--check]

From the reports in build/matrix, which `make matrix` has the tests write. With --check
nothing is written, and it fails where the docs say otherwise.
"""

from __future__ import annotations

import re
import sys
import xml.etree.ElementTree as ET
from pathlib import Path

ROOT = Path(__file__).parents[1]
REPORTS = ROOT / "build" / "matrix"
DOCS = ROOT / "docs" / "compatibility.md"

_BEGIN, _END = "<!-- made by `make matrix` -->\n", "<!-- the end of what it made -->\n"

PYTHONS = ("3.11", "3.12", "3.13")

Cells = dict[tuple[str, str], str]


def main(arguments: list[str]) -> int:
    """Write the table, or check it; return 1 where a test failed, or the docs are not what the reports say."""
    cells = {pair: cell for path in sorted(REPORTS.glob("*.xml")) for pair, cell in [_read(path)]}
    if not cells:
        print(f"No reports in {REPORTS}: they are made by `make matrix`", file=sys.stderr)
        return 1
    before, _, rest = DOCS.read_text().partition(_BEGIN)
    now, _, after = rest.partition(_END)
    if "--check" in arguments:
        # By the mark alone: how many tests there are is of no interest.
        wrong = {pair for pair, cell in cells.items() if _cells_in(now).get(pair, "?")[0] != cell[0]}
        print(*(f"{version} on Python {python}: {cells[version, python]}" for version, python in wrong), sep="\n")
        return bool(wrong)
    DOCS.write_text(f"{before}{_BEGIN}\n{_table(cells)}\n{_END}{after}")
    return any(cell.startswith("✗") for cell in cells.values())


def _read(report: Path) -> tuple[tuple[str, str], str]:
    """Return Bandersnatch's and Python's versions, by the report's name, and what a cell says of it."""
    bandersnatch, _, python = report.stem.partition("-")
    suites = list(ET.parse(report).getroot().iter("testsuite"))  # noqa: S314
    tests, failures, errors, skipped = (
        sum(int(one.get(name, 0)) for one in suites) for name in ("tests", "failures", "errors", "skipped")
    )
    mark = "✗" if failures + errors or not tests else "✓"
    skips = f", {skipped} skipped" if skipped else ""
    return (bandersnatch, python), f"{mark} {tests - skipped} tests{skips}"


def _table(cells: Cells) -> str:
    rows = [("Bandersnatch", *(f"Python {python}" for python in PYTHONS)), ("---",) * (1 + len(PYTHONS))]
    for version in sorted({version for version, _ in cells}, key=lambda one: [*map(int, one.split("."))]):
        rows.append((version, *(cells.get((version, python), "") for python in PYTHONS)))
    return "".join(f"| {' | '.join(row)} |\n" for row in rows)


def _cells_in(table: str) -> Cells:
    rows = re.findall(r"^\| ([\d.]+) \| (.*) \|$", table, re.M)
    return {
        (version, python): cell
        for version, row in rows
        for python, cell in zip(PYTHONS, row.split(" | "), strict=True)
        if cell
    }


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
