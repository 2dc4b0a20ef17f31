"""The plugins, which Bandersnatch loads by entry point.

Bandersnatch imports this module and instantiates these classes on every start, enabled or
not, and again for every package that `bandersnatch verify` checks. Everything else is
imported only when a plugin is enabled.
"""

from __future__ import annotations

import functools
import logging
from types import ModuleType
from typing import Any

from bandersnatch.filter import FilterReleasePlugin


@functools.cache
def _host() -> ModuleType:
    """Import the suite, which is to stay, as is all of Bandersnatch: no garbage collection looks through either.

    The last collection, at exit, alone takes longer than these imports. Source: `gc.freeze` in Python's library
    reference; what of it is in a cycle, as the event loop is, stays until Python ends, in a program that runs
    Bandersnatch more than once too. A run that is interrupted takes it back, as it leaves things unfinished.
    """
    import gc

    was_enabled = gc.isenabled()
    gc.disable()
    try:
        from . import host

        gc.freeze()
    finally:
        if was_enabled:
            gc.enable()
    return host


class _Plugin(FilterReleasePlugin):  # type: ignore[misc]
    """Base class of our plugins; as filters they keep every release."""

    # Logged as an error only once: Bandersnatch 4.4 instantiates its plugins twice, `verify` again for each package.
    _has_failed = False
    # The names that are known to be right: `verify` would have them checked anew for each package, by each plugin.
    _checked = ""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        super().__init__(*args, **kwargs)
        enabled = self.configuration.get("plugins", "enabled", fallback="")
        # Not only if a name is spelled right, or a typo would go unnoticed.
        if enabled != _Plugin._checked and "freshness" in enabled.lower():
            self._ask_host("check_names")
            _Plugin._checked = enabled

    def initialize_plugin(self) -> None:
        """Start the suite."""
        self._ask_host("start")

    def _ask_host(self, step: str) -> None:
        try:
            getattr(_host(), step)(self.configuration)
        except Exception:
            level = logging.DEBUG if _Plugin._has_failed else logging.ERROR
            _Plugin._has_failed = True
            logging.getLogger("bandersnatch.freshness").log(
                level, "bandersnatch-freshness can't start: Bandersnatch continues without it", exc_info=True
            )

    def filter(self, metadata: dict[str, Any], releases: dict[str, Any] | None = None) -> bool:
        """Keep the release; Bandersnatch 3.6 passes all releases of a project at once, for filters to remove some."""
        return True


class Freshness(_Plugin):
    """Ask plainly while answers are fresh and climb the ladder when one is stale; guard, escalate, quarantine.

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
    """Reject anything older than the mirror's own copy: from the index, in `sync` and in `verify --json-update`.

    Stage: request, filter
    """

    name = "freshness_guard"


class FreshnessQuarantine(_Plugin):
    """Keep one persistently stale package from freezing the mirror: put it in quarantine and try it again later.

    Stage: filter
    """

    name = "freshness_quarantine"


class FreshnessEscalation(_Plugin):
    """Remember stale serials across runs: keep the first failures quiet, escalate persistent ones, report their end.

    Stage: request, filter
    """

    name = "freshness_escalation"
