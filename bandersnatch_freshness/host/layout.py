"""The layout of a mirror: where Bandersnatch keeps what, below the mirror's directory."""

from __future__ import annotations

STATUS = "status"
TODO = "todo"
LOCK = ".lock"

# What Bandersnatch itself keeps in the mirror's directory, and the suite must not write over.
OWN_FILES = (STATUS, TODO, "generation", LOCK)
OWN_DIRECTORIES = ("web/simple/", "web/pypi/", "web/json/", "web/packages/", "web/local-stats/")

# The simple pages that a project's directory may have, HTML and JSON (PEP 691).
HTML_PAGE = "index.html"
JSON_PAGE = "index.v1_json"

# The serial is in the last bytes of an HTML page.
HTML_END = 64
