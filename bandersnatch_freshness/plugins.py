"""The plugins: what Bandersnatch loads by entry point.

Bandersnatch imports this module and builds these classes on every start, enabled or not,
and once more for every package that `bandersnatch verify` looks at. All else is imported
when a plugin is enabled.
"""

from __future__ import annotations

import logging
from typing import Any

from bandersnatch.filter import FilterReleasePlugin


class _Plugin(FilterReleasePlugin):  # type: ignore[misc]
    """A plugin of ours: as a filter, it keeps every release."""

    # Said once: Bandersnatch 4.4 builds its plugins twice, and `verify` anew for each package.
    _has_failed = False

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        # Not only where the name is right, or a slip of the pen would go unnoticed.
        if "freshness" in self.configuration.get("plugins", "enabled", fallback="").lower():
            self._ask_host("check_names")

    def initialize_plugin(self) -> None:
        """Put the suite in place."""
        self._ask_host("start")

    def _ask_host(self, step: str) -> None:
        try:
            from . import host

            getattr(host, step)(self.configuration)
        except Exception:
            level = logging.DEBUG if _Plugin._has_failed else logging.ERROR
            _Plugin._has_failed = True
            logging.getLogger("bandersnatch.freshness").log(
                level, "bandersnatch-freshness can't start: going on as without it", exc_info=True
            )

    def filter(self, metadata: dict[str, Any], releases: dict[str, Any] | None = None) -> bool:
        """Keep the release; Bandersnatch 3.6 gives all of a project at once, to take away from."""
        return True


class Freshness(_Plugin):
    """Ask plainly while answers are fresh, climb the ladder when one is not; guard, escalate, quarantine.

    Stage: request, filter
    """

    name = "freshness"


class FreshnessEncoding(_Plugin):
    """Strip Accept-Encoding from every metadata request.

    Stage: request
    """

    name = "freshness_encoding"


class FreshnessCacheBust(_Plugin):
    """Append `cache-bust=<timestamp>` to every metadata request.

    Stage: request
    """

    name = "freshness_cache_bust"


class FreshnessGuard(_Plugin):
    """Let nothing in that is older than what the mirror has: the index, `sync`, `verify --json-update`.

    Stage: request, filter
    """

    name = "freshness_guard"


class FreshnessQuarantine(_Plugin):
    """Keep one persistently stale package from freezing the mirror: quarantine it, and ask for it again.

    Stage: filter
    """

    name = "freshness_quarantine"


class FreshnessEscalation(_Plugin):
    """Remember stale serials across runs, quiet the first failures, escalate those that persist, say when they end.

    Stage: request, filter
    """

    name = "freshness_escalation"
