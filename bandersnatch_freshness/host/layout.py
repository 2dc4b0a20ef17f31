"""The layout of a mirror: where Bandersnatch keeps what, below the mirror's directory."""

from __future__ import annotations

from typing import Any

STATUS = "status"
TODO = "todo"
LOCK = ".lock"

# What Bandersnatch itself keeps in the mirror's directory, and the suite must not write over.
OWN_FILES = (STATUS, TODO, "generation", LOCK)
OWN_DIRECTORIES = ("web/simple/", "web/pypi/", "web/json/", "web/packages/", "web/local-stats/")

# Where release files are, below the mirror's `web`.
PACKAGES = "packages"

# The simple pages that a project's directory may have, HTML and JSON (PEP 691).
HTML_PAGE = "index.html"
JSON_PAGE = "index.v1_json"

# The copy of the HTML page for those who ask for HTML by PEP 691.
HTML_PAGE_V1 = "index.v1_html"

# The serial is in the last bytes of an HTML page; in those of a JSON page, unless it has many versions; and in the
# first ones of a JSON document, unless its description is long.
HTML_END = 64
JSON_END = 4096
DOCUMENT_BEGIN = 16384


def simple_directory(web: Any, project: str, *, hashed: bool) -> str:
    """Return where a project's own simple pages lie, below the mirror's `web`; `hashed` is Bandersnatch's `hash-index`.

    As text: a path object for each page would take longer to make than the page to read.
    """
    return f"{web}/simple/{project[0]}/{project}" if hashed else f"{web}/simple/{project}"
