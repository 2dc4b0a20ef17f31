"""How Sphinx builds these pages: `make docs`."""

import sys
from pathlib import Path

from bandersnatch_freshness import __version__

sys.path.insert(0, str(Path(__file__).parent))  # for the extension beside this file

project = "bandersnatch-freshness"
author = "the bandersnatch-freshness developers"
version = release = __version__

extensions = ["myst_parser", "reference"]
myst_heading_anchors = 3
myst_enable_extensions = ["attrs_block", "deflist"]
nitpicky = True
smartquotes_action = "qe"  # options begin with two hyphens, which are no dash

html_theme = "furo"
html_title = f"{project} {release}"
