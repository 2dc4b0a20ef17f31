"""Write the tables in docs/dependencies.md from what pip installs: `python docs/write_dependencies.py`.

Into an environment of its own, beside the newest Bandersnatch that this Python runs.
"""

from __future__ import annotations

import json
import shutil
import subprocess
import sys
import tempfile
import venv
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from importlib.metadata import Distribution, distributions
from pathlib import Path

from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from bandersnatch_freshness.extras import Extra

ROOT = Path(__file__).parent.parent
PAGE = Path(__file__).with_name("dependencies.md")
BEGIN, END = "<!-- made by `make dependencies` -->\n", "<!-- the end of what it made -->\n"

SUITE, HOST = "bandersnatch-freshness", "bandersnatch"
EXTRAS = tuple(extra.name.lower() for extra in Extra)


@dataclass(frozen=True)
class Installed:
    """A distribution: how many bytes its files have, and which requirements it names."""

    version: str
    size: int
    requires: tuple[str, ...]

    def needs(self, extra: str = "") -> set[str]:
        """Return the names of what it needs here, with one of its extras or without."""
        wanted = map(Requirement, self.requires)
        return {
            canonicalize_name(one.name) for one in wanted if not one.marker or one.marker.evaluate({"extra": extra})
        }


def installed(path: Iterable[str] | None = None) -> dict[str, Installed]:
    """Return what is installed in these directories, or in this environment, by name."""
    found: Iterable[Distribution] = distributions(path=list(path)) if path else distributions()
    return {
        canonicalize_name(one.metadata["Name"]): Installed(one.version, _size(one), tuple(one.requires or ()))
        for one in found
    }


def _size(distribution: Distribution) -> int:
    files = (Path(str(file.locate())) for file in distribution.files or ())
    return sum(file.stat().st_size for file in files if file.is_file())


def closure(here: Mapping[str, Installed], name: str, extra: str = "") -> set[str]:
    """Return a distribution and all that it needs, with one of its extras or without."""
    found, waiting = {name}, here[name].needs(extra)
    while waiting:
        found |= waiting
        waiting = {needed for one in waiting if one in here for needed in here[one].needs()} - found
    return found & here.keys()


def shares(here: Mapping[str, Installed]) -> dict[str, set[str]]:
    """Return what the suite adds to Bandersnatch, and each extra to both: names, by "" and the extra's name."""
    host = closure(here, HOST)
    base = closure(here, SUITE) - host
    return {"": base, **{extra: closure(here, SUITE, extra) - host - base for extra in EXTRAS}}


def tables(here: Mapping[str, Installed]) -> str:
    """Return both tables in Markdown: what comes with what, and each distribution."""
    host, added = closure(here, HOST), shares(here)
    all_ = set().union(*added.values())
    lines = [
        f"| Python {sys.version_info.major}.{sys.version_info.minor} | distributions | MiB |",
        "| --- | --- | --- |",
        f"| Bandersnatch {here[HOST].version} itself | {len(host)} | {_mib(here, host)} |",
        f"| with `{SUITE}` | +{len(added[''])} | +{_mib(here, added[''])} |",
        *(f"| … and with `[{extra}]` | +{len(added[extra])} | +{_mib(here, added[extra])} |" for extra in EXTRAS),
        f"| with `{SUITE}[all]` | +{len(all_)} | +{_mib(here, all_)} |",
        "",
        "| distribution | MiB | comes with | is needed by |",
        "| --- | --- | --- | --- |",
    ]
    for name in sorted(all_, key=lambda one: (one not in added[""], one)):
        comes = ", ".join(f"`[{extra}]`" if extra else "the suite" for extra, names in added.items() if name in names)
        parents = sorted(one for one in all_ - {name} if name in set().union(*map(here[one].needs, ("", *EXTRAS))))
        lines.append(f"| {name} | {_mib(here, {name})} | {comes} | {', '.join(parents)} |")
    return "\n".join(lines)


def _mib(here: Mapping[str, Installed], names: Iterable[str]) -> str:
    return f"{sum(here[name].size for name in names) / 2**20:.1f}"


def main() -> None:
    """Install, measure, and write the page."""
    with tempfile.TemporaryDirectory() as directory:
        venv.create(directory, with_pip=True)
        python = str(Path(directory) / "bin" / "python")
        shutil.rmtree(ROOT / "build" / "lib", ignore_errors=True)  # setuptools installs what older commits left there
        command = [python, "-m", "pip", "install", "--quiet", "--disable-pip-version-check"]
        subprocess.run([*command, f"{ROOT}[all]", HOST], check=True)
        code = "import json, sys; print(json.dumps([one for one in sys.path if one.endswith('site-packages')]))"
        said = subprocess.run([python, "-I", "-c", code], check=True, capture_output=True, text=True).stdout
        made = tables(installed(json.loads(said)))
    before, _, rest = PAGE.read_text().partition(BEGIN)
    PAGE.write_text(f"{before}{BEGIN}\n{made}\n\n{END}{rest.partition(END)[2]}")


if __name__ == "__main__":
    main()
