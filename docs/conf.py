"""How Sphinx builds these pages: `make docs`."""

from bandersnatch_freshness import __version__

project = "bandersnatch-freshness"
author = "the bandersnatch-freshness developers"
version = release = __version__

extensions = ["myst_parser"]
myst_heading_anchors = 3
myst_enable_extensions = ["attrs_block", "deflist"]
nitpicky = True
smartquotes_action = "qe"  # options begin with two hyphens, which are no dash

html_theme = "furo"
html_title = f"{project} {release}"
