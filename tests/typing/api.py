"""The public API as mypy sees it; checked by `make lint`, and never run."""

from __future__ import annotations

import requests

from bandersnatch_freshness import FreshAdapter, StaleError, __version__
from bandersnatch_freshness.core.observations import Observation

version: str = __version__

adapter: FreshAdapter = FreshAdapter("https://pypi.example", cache_bust_parameter="cb")
adapter.requiring("42")  # type: ignore[arg-type]
FreshAdapter()  # type: ignore[call-arg]

with requests.Session() as session, adapter.requiring(42) as asking:
    session.mount("https://pypi.example", adapter)
    seen: Observation = asking.observations[0]
    seen.serial = 43  # type: ignore[misc]

try:
    session.get("https://pypi.example/pypi/pip/json", timeout=30)
except StaleError as error:
    required_serial: int = error.required_serial
