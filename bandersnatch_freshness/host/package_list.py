"""The package list of a run: what of all that is in quarantine or missing is asked for, and what is kept off it."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from typing import Any

from packaging.utils import canonicalize_name

from ..core.guard import IndexGuard
from ..core.index import ANY_SERIAL, Listing
from ..core.known_pages import KnownPages
from ..core.run import Run
from ..fail_open import fail_open
from ..state.memory import Memory
from .pages import own_serial
from .protocols import HostAdapter, HostMirror
from .run_context import RunContext


def settle(
    context: RunContext,
    memory: Memory,
    run: Run,
    adapter: HostAdapter,
    configuration: Any,
    filter_packages: Callable[[Any], None],
) -> None:
    """Filter a run's package list, on which are those in quarantine, missing or lost that are due, and no others."""
    mirror, guard = context.mirror, context.guard
    asked = fail_open({}, hold_missing, context, memory, run, adapter)
    if context.slice and not (guard and guard.holds_serial):
        from .audit_slice import take_slice  # which few runs of a small mirror need

        fail_open(None, take_slice, context, memory.audit, run, adapter, configuration, filter_packages)
    names = fail_open(None, _list_all, context, memory, run, adapter)
    filter_packages(mirror)
    run.drop_missing(name for name, raw in asked.items() if raw not in mirror.packages_to_sync)
    if names is not None:
        fail_open(None, plan, context, memory, run, names)
    context.listing = context.slice = None  # which may be hundreds of megabytes


def _list_all(context: RunContext, memory: Memory, run: Run, adapter: HostAdapter) -> dict[str, str]:
    mirror, guard = context.mirror, context.guard
    is_doubtful = guard is not None and guard.holds_serial
    names = list_quarantined(memory, run, adapter, mirror, awaited(memory, context.listing, is_doubtful=is_doubtful))
    if guard is not None:
        if context.pages:
            context.pages.most = guard.most
        run.untold = bound(guard, mirror, context.pages)
    return {**names, **run.untold}


def hold_missing(context: RunContext, memory: Memory, run: Run, adapter: HostAdapter) -> dict[str, str]:
    """Put the missing packages that are due on the run's list, and take those off it that are not.

    A list of all that there is, which begins anew, keeps them all. Returns the names of those asked for as they are
    listed, by normalized ones.
    """
    if not memory.missing:
        return {}
    mirror, guard = context.mirror, context.guard
    packages = mirror.packages_to_sync
    if context.listing is not None and not (guard and guard.holds_serial):
        memory.missing.note_listed(context.listing.find(memory.missing.owed(), canonicalize_name))
    listed: dict[str, str] = {canonicalize_name(name): name for name in packages}
    plan = memory.missing.plan(run, {name: int(packages[raw]) for name, raw in listed.items()})
    if not run.is_full or context.storage.exists(mirror.todolist):
        for name in plan.hold:
            del packages[listed[name]]
    due = {name: serial for name, serial in plan.ask.items() if name not in listed}
    spelled = adapter.spelled(mirror, due) if due else {}
    packages.update({spelled.get(name, name): serial for name, serial in due.items()})
    return {name: listed.get(name) or spelled.get(name, name) for name in plan.ask}


def list_quarantined(
    memory: Memory, run: Run, adapter: HostAdapter, mirror: HostMirror, awaited: Mapping[str, int]
) -> dict[str, str]:
    """Put what is in quarantine on the run's list, or was found lost, where the mirror's filters see it.

    `awaited` are the packages in quarantine that wait for what this master lists, with the serials to go by.
    Returns the names as they are listed, by normalized ones.
    """
    concerned = memory.concerned(run)
    concerned.update(awaited)
    if not concerned:
        return {}
    listed: dict[str, str] = {canonicalize_name(name): name for name in mirror.packages_to_sync}
    missing = {name: serial for name, serial in concerned.items() if name not in listed and serial is not None}
    spelled = adapter.spelled(mirror, missing) if missing else {}
    added = {name: spelled.get(name, name) for name in missing}
    listed.update(added)
    mirror.packages_to_sync.update(zip(added.values(), missing.values(), strict=True))
    return {name: listed[name] for name in concerned if name in listed}


def awaited(memory: Memory, listing: Listing | None, *, is_doubtful: bool) -> dict[str, int]:
    """Return the packages in quarantine that wait for this master's list, each with the serial listed for it.

    The serial is 0 for a package that the list lacks, and ANY_SERIAL if there is no list or it may be incomplete.
    """
    waiting = memory.waiting()
    found = listing.find(waiting, canonicalize_name) if listing is not None else {}
    return dict.fromkeys(waiting, ANY_SERIAL if listing is None or is_doubtful else 0) | found


def bound(guard: IndexGuard, mirror: HostMirror, pages: KnownPages | None) -> dict[str, str]:
    """Limit the run's target serial to what the index supports.

    Returns the packages whose announced serials can't be true and of which nothing better is known: their names as
    listed, by normalized names.
    """
    untold: dict[str, str] = {}

    def known(name: str) -> int:
        serial = pages.announced(canonicalize_name(name)) if pages else 0
        if not serial:
            untold[canonicalize_name(name)] = name
        return serial

    mirror.target_serial = guard.bound(mirror.packages_to_sync, int(mirror.target_serial or 0), known)
    if guard.holds_serial:
        mirror.target_serial = mirror.synced_serial
    return untold


def plan(context: RunContext, memory: Memory, run: Run, names: Mapping[str, str]) -> None:
    """Decide on the packages in quarantine that the mirror's filters left, and change the list accordingly."""
    mirror, guard = context.mirror, context.guard
    packages = mirror.packages_to_sync
    listed = {name: raw for name, raw in names.items() if raw in packages}
    target, synced = int(mirror.target_serial or 0), int(mirror.synced_serial or 0)
    resumed = context.storage.exists(mirror.todolist)
    others = len(packages) - len(listed)
    held = memory.count_quarantined(run, listed)
    memory.begin_batch(run, target, len(packages) - held, resumed=resumed, announced=target - synced if synced else 0)
    announced, most = {name: int(packages[raw]) for name, raw in listed.items()}, guard.most if guard else None
    made = memory.plan(run, announced, others, most)
    if (made.hold or made.ask) and not (guard and guard.has_given_out(target)):
        # A serial that only what is in quarantine has may never have been given out: the mirror's must not pass what is
        # released below it meanwhile.
        quarantined = {raw for name, raw in listed.items() if name in made.hold or name in made.ask}
        rest = (int(serial) for raw, serial in packages.items() if raw not in quarantined)
        mirror.target_serial = min(target, max((synced, *rest)))
    own_serials = {name: own_serial(context.storage, mirror, name) for name in made.ask}
    run.follow(made, own_serials)
    for name, raw in listed.items():
        if name in made.hold:
            del packages[raw]
        elif name in made.ask:
            own = context.pages.floor(name, own_serials[name]) if context.pages else own_serials[name]
            packages[raw] = max(made.quarantine[name].required_serial, own)
