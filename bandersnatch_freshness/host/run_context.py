"""The run context: a `mirror` or `sync` under way, and what the suite has for it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..core.guard import IndexGuard
from ..core.index import Listing
from ..core.known_pages import KnownPages
from ..core.run import Run
from ..state.memory import Memory
from ..transports.climber import AdaptiveClimber
from .protocols import HostMirror


@dataclass
class RunContext:
    """A `mirror` or `sync` under way; for a `sync`, only `guard`, `pages` and `climber` are set."""

    mirror: HostMirror
    # Bandersnatch's storage backend.
    storage: Any = None
    memory: Memory | None = None
    run: Run | None = None
    guard: IndexGuard | None = None
    pages: KnownPages | None = None
    climber: AdaptiveClimber | None = None
    # All that the master lists, where something waits for it.
    listing: Listing | None = None
