"""A slice of the audit, in a run: what the index lists next, against the mirror's own copies. It asks for nothing."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import SimpleNamespace
from typing import Any

from packaging.utils import canonicalize_name

from ..audit.comparison import Kind, Known, Terms, compare, is_current
from ..core.audit_round import FINDINGS
from ..core.index import ANY_SERIAL, NORMALIZED
from ..core.run import Run
from ..state.audit_rounds import AuditRounds
from .own_copies import configured_copies
from .protocols import HostAdapter
from .run_context import RunContext


def take_slice(
    context: RunContext,
    rounds: AuditRounds,
    run: Run,
    adapter: HostAdapter,
    configuration: Any,
    drop: Callable[[Any], None],
) -> None:
    """Compare the run's slice of the listing with the mirror's own copies, and note what is lost.

    `drop` is Bandersnatch's `_filter_packages`.
    """
    part, listing, mirror = context.slice, context.listing, context.mirror
    if part is None or listing is None:
        return
    copies = configured_copies(context.storage, str(mirror.homedir), configuration, adapter)
    most = context.guard.most if context.guard else None
    quarantine, missing = rounds.on_record
    filters = getattr(mirror, "filters", None)
    find = getattr(filters, "filter_metadata_plugins", None)
    is_filtered = bool(find and find())
    terms = Terms(listing.own, copies.pages, is_filtered)
    known = Known(mirror.synced_serial, quarantine=quarantine.keys(), missing=missing)
    may_sync = part.audit.may_sync(is_filtered=is_filtered)
    begun = time.monotonic()

    def kind_of(project: str, serial: int) -> Kind:
        return compare(project, serial, copies.read(project), known, terms).kind

    lost: dict[str, int] = {}
    absent: dict[str, int] = {}
    seen = part.start
    for name, announced in listing.part(part.start, part.stop):
        if time.monotonic() - begun > part.seconds or len(lost) + may_sync * len(absent) >= FINDINGS:
            break
        seen += 1
        project = canonicalize_name(name)
        serial = announced if most is None or announced <= most else 0
        if not announced or name in mirror.packages_to_sync or not NORMALIZED.fullmatch(project):
            continue
        if is_current(serial, copies.read(project)):
            continue
        kind = kind_of(project, serial)
        if kind.is_lost and project not in missing and _passes(drop, filters, name, serial):
            (absent if kind is Kind.MISSING else lost)[project] = serial or ANY_SERIAL
    rounds.note(run, part, seen, lost, absent, is_filtered=is_filtered)
    # What was found missing in an earlier run may be there by now.
    run.lost = {name: serial for name, serial in run.lost.items() if kind_of(name, serial).is_lost}


def _passes(drop: Callable[[Any], None], filters: Any, name: str, serial: int) -> bool:
    """Return whether the mirror's own filters let a project through."""
    alone = SimpleNamespace(packages_to_sync={name: serial}, filters=filters)
    drop(alone)
    return bool(alone.packages_to_sync)
