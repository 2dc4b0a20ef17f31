"""What a browser takes is an extra of its own: where that is not installed, there is nothing to collect."""

from __future__ import annotations

import importlib.util

collect_ignore = [] if importlib.util.find_spec("selenium") else ["test_status_page.py"]
