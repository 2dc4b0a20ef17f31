"""Where the pages of the documentation are, for a person: the wheel has them too, as files below share/doc."""

from __future__ import annotations

import functools
from importlib.metadata import Distribution, distribution
from pathlib import Path

RUNBOOK = "docs/how-to/now.md"
COMMANDS = "docs/commands.md"


@functools.cache
def where(page: str, of: Distribution | None = None) -> str:
    """Return where a page is, such as docs/index.md: its URL where the distribution names one, else its file here.

    Where there is neither, as in a zipped installation, its name in the repository.
    """
    of = of or distribution("bandersnatch-freshness")
    for line in of.metadata.get_all("Project-URL") or ():
        name, _, url = line.partition(", ")
        if name == "Documentation":
            return f"{url.rstrip('/')}/{page.removeprefix('docs/').removesuffix('.md')}.html"
    installed = (Path(str(file.locate())) for file in of.files or () if str(file).endswith(f"/{page}"))
    in_a_clone = Path(__file__).parents[1] / page
    return str(next((file.resolve() for file in (*installed, in_a_clone) if file.is_file()), page))
