"""The run context: a `mirror` or `sync` under way, and what the suite has for it."""

from __future__ import annotations

from typing import Any

from msgspec import Struct

from ..core.causes import DOUBTED
from ..core.completeness import Todo
from ..core.guard import IndexGuard
from ..core.index import Listing
from ..core.known_pages import KnownPages
from ..core.run import Run
from ..state.audit_rounds import Slice
from ..state.memory import Memory
from ..state.store import Store
from ..transports.climber import AdaptiveClimber
from . import todo
from .layout import TODO
from .protocols import HostMirror


class RunContext(Struct):
    """A `mirror` or `sync` under way; for a `sync`, only `guard`, `pages` and `climber` are set."""

    mirror: HostMirror
    # Bandersnatch's storage backend.
    storage: Any = None
    memory: Memory | None = None
    run: Run | None = None
    guard: IndexGuard | None = None
    pages: KnownPages | None = None
    climber: AdaptiveClimber | None = None
    # All that the master lists, where something waits for it; and which of that is to be audited.
    listing: Listing | None = None
    slice: Slice | None = None
    # Bandersnatch's todo list as the run began.
    todo: Todo | None = None
    # Why there is no index, empty where there is one.
    no_index: str = ""


def end_run(context: RunContext, outcome: str, problem: str) -> bool:
    """Remember the end of a run; return whether what persists is told."""
    mirror, memory, run = context.mirror, context.memory, context.run
    if memory is None or run is None:
        return False
    run.report.reached, run.report.target = int(mirror.synced_serial or 0), int(mirror.target_serial or 0)
    run.report.is_whole = outcome in ("fresh", "errors")
    refusal = context.climber.refusal if context.climber else None
    if not problem and context.guard and context.guard.holds_serial:
        problem = DOUBTED
    memory.end(
        run,
        context.guard,
        outcome,
        run.report.target,
        refusal,
        problem=context.no_index or problem,
        is_of_index=bool(context.no_index),
        todo=read_todo(context.storage, mirror),
    )
    return run.is_quiet


def read_todo(storage: Any, mirror: HostMirror) -> Todo | None:
    """Return what Bandersnatch's todo list has, None if there is none that can be read."""
    return todo.measure(Store(storage, mirror.homedir, TODO).read()) if storage is not None else None
