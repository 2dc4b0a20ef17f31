"""The package list of a run: what of all that is in quarantine is asked for, and what is kept off the list."""

from __future__ import annotations

from collections.abc import Mapping

from packaging.utils import canonicalize_name

from ..core.run import Run
from ..state.memory import Memory
from .pages import own_serial
from .protocols import HostAdapter, HostMirror


def list_quarantined(memory: Memory, adapter: HostAdapter, mirror: HostMirror) -> dict[str, str]:
    """Put what is in quarantine on the run's list, where the mirror's filters see it.

    Returns the names as they are listed, by normalized ones.
    """
    concerned = memory.concerned()
    if not concerned:
        return {}
    listed: dict[str, str] = {canonicalize_name(name): name for name in mirror.packages_to_sync}
    missing = {name: serial for name, serial in concerned.items() if name not in listed and serial is not None}
    spelled = adapter.spelled(mirror, missing) if missing else {}
    for name, serial in missing.items():
        listed[name] = spelled.get(name, name)
        mirror.packages_to_sync[listed[name]] = serial
    return {name: listed[name] for name in concerned if name in listed}


def plan(memory: Memory, run: Run, adapter: HostAdapter, mirror: HostMirror, names: Mapping[str, str]) -> None:
    """Decide on the packages in quarantine that the mirror's filters left, and change the list accordingly."""
    packages = mirror.packages_to_sync
    listed = {name: raw for name, raw in names.items() if raw in packages}
    target, synced = int(mirror.target_serial or 0), int(mirror.synced_serial or 0)
    storage = adapter.storage_of(mirror)
    resumed = storage.exists(mirror.todolist)
    others = len(packages) - len(listed)
    held = memory.count_quarantined(listed)
    memory.begin_batch(run, target, len(packages) - held, resumed=resumed, announced=target - synced)
    made = memory.plan(run, {name: int(packages[raw]) for name, raw in listed.items()}, others)
    own_serials = {name: own_serial(adapter, storage, mirror, name) for name in made.ask}
    run.follow(made, own_serials)
    for name, raw in listed.items():
        if name in made.hold:
            del packages[raw]
        elif name in made.ask:
            # Of another master any serial is new, but a page must have one, and a 404 is to be looked into.
            required_serial = made.quarantine[name].required_serial
            packages[raw] = max(required_serial, own_serials[name]) if required_serial else 1
