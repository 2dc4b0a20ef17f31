"""The state: what the suite remembers from run to run. No I/O, no clock."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from types import MappingProxyType

from msgspec import Struct, field
from msgspec.structs import replace

from ..core import history, missing
from ..core.audit_round import AuditRound
from ..core.ceiling import Ceiling
from ..core.history import Batch, Hour, PastRun
from ..core.incidents import Incident, Level
from ..core.index import Doubt, Index
from ..core.index_age import Mark
from ..core.missing import Missing
from ..core.origin import Allowance
from ..core.quarantine import QuarantineEntry
from ..core.refusals import Refusal
from ..core.scope import same_master
from ..core.usefulness import TRAITS, Idle, Usefulness
from ..core.verdicts import Verdict

# Of how many masters before the present one something is remembered.
OTHERS_KEPT = 2

_OF_A_MASTER = (
    *("incidents", "notified", "batch", "index", "doubt", "ceiling", "refusal"),
    *("idle_cache_bust", "idle_no_cache", "upstream", "origin", "audit", "newest"),
)


class NotificationRecord(Struct, frozen=True, gc=False):  # there may be 100,000, none of them in a cycle
    """What one channel was last told about one incident, at `at` seconds since 1970.

    `delivered` is false until this message is known to have arrived; `ever` is whether any
    message about this incident has.
    """

    level: Level
    verdict: Verdict
    since: int
    at: int
    delivered: bool = False
    ever: bool = False


class ChannelRecord(Struct, frozen=True):
    """How a channel stands, whatever it was told.

    `is_understood` is whether Apprise has understood its URL. `failing` is since when nothing arrives, `said` when that
    was last said, both in seconds since 1970, 0 if all arrives.
    """

    is_understood: bool = False
    failing: int = 0
    said: int = 0


class OtherMaster(Struct, frozen=True):
    """What is remembered of a master that the mirror had until `left`, in seconds since 1970; as in the state."""

    master: str
    left: int
    incidents: dict[str, Incident]
    notified: dict[str, dict[str, NotificationRecord]]
    batch: Batch | None = None
    index: Index | None = None
    doubt: Doubt | None = None
    ceiling: Ceiling | None = None
    refusal: Refusal | None = None
    idle_cache_bust: Idle | None = None
    idle_no_cache: Idle | None = None
    upstream: Mark | None = None
    origin: Allowance | None = None
    audit: AuditRound | None = None
    newest: Mapping[str, int] = MappingProxyType({})


class Totals(Struct):
    """Totals since the state began: runs by outcome, metadata requests by variant, notifications."""

    runs: Counter[str] = field(default_factory=Counter)
    requests: Counter[str] = field(default_factory=Counter)
    notifications_sent: int = 0
    notifications_failed: int = 0


class State(Struct):
    """Everything remembered. `master` is the URL of the upstream that the serials come from, without a password."""

    master: str
    incidents: dict[str, Incident] = field(default_factory=dict)
    runs: list[PastRun] = field(default_factory=list)
    # What each channel was told, by channel id and subject.
    notified: dict[str, dict[str, NotificationRecord]] = field(default_factory=dict)
    quarantine: dict[str, QuarantineEntry] = field(default_factory=dict)
    batch: Batch | None = None
    index: Index | None = None
    # Whether the mirror may still hold serials of another master.
    another_master: bool = False
    # The last days, hour by hour, and when the index was asked for of which the mirror has all.
    history: list[Hour] = field(default_factory=list)
    complete_at: int = 0
    # Whether all that is in quarantine is due, as most of what the last run asked for again came back fresh.
    drains: bool = False
    # When a look at another copy of the index last met a time-out, in seconds since 1970.
    stalled_at: int = 0
    # The options whose files can't be written, each with when that was last logged.
    unwritten: dict[str, int] = field(default_factory=dict)
    totals: Totals = field(default_factory=Totals)
    # An index that is not believed yet, and the highest serial there is by the master's own account.
    doubt: Doubt | None = None
    ceiling: Ceiling | None = None
    # What the master told a run, as it wants fewer requests.
    refusal: Refusal | None = None
    # For which pages the parameter and no-cache made no difference.
    idle_cache_bust: Idle | None = None
    idle_no_cache: Idle | None = None
    # Which serial the index had while a todo list was worked off, until it is read again.
    upstream: Mark | None = None
    # How much its origin was asked for past all caches, None if never.
    origin: Allowance | None = None
    # How far the runs' audit of the mirror is, None if none has begun.
    audit: AuditRound | None = None
    # The packages that changed last, by the serials of their pages.
    newest: Mapping[str, int] = field(default_factory=dict)
    # The masters before this one, the one left last at the end.
    others: list[OtherMaster] = field(default_factory=list)
    missing: dict[str, Missing] = field(default_factory=dict)
    # How each channel stands, by channel id; the heartbeat is one too.
    channels: dict[str, ChannelRecord] = field(default_factory=dict)

    def left_out(self, now: int) -> set[str]:
        """Return the traits of variants that are left out now, as they are no use at this master."""
        return {trait for trait in TRAITS if (idle := self._idle(trait)) and idle.is_left_out(now)}

    def note_use(self, seen: Usefulness, now: int, *, counts: bool) -> list[str]:
        """Note what a run saw of each trait's use, which `counts` or not; return those that are no use, as is new."""
        new = []
        for trait in TRAITS:
            before = self._idle(trait)
            after = seen.after_run(trait, before, now, counts=counts)
            setattr(self, f"idle_{trait}", after)
            if after and after.is_no_use and not (before and before.is_no_use):
                new.append(trait)
        return new

    def _idle(self, trait: str) -> Idle | None:
        idle: Idle | None = getattr(self, f"idle_{trait}")
        return idle

    def announced(self) -> int | None:
        """Return the highest serial that the index last announced, None if that is unknown."""
        # A run of the time before this master announced serials of another one.
        left = self.others[-1].left if self.others else 0
        target = next((run.target for run in reversed(self.runs) if run.target and run.started >= left), None)
        if self.index is None:
            return target
        # Of projects: what was announced last may be a removal, which no mirror ever reaches.
        return max(self.index.highest or self.index.serial, target or 0, self.upstream.serial if self.upstream else 0)

    def note_upstream(self, serial: int | None, at: int, most: int | None) -> None:
        """Note a look at the index and its serial (0: none), which counts up to `most` and until the index is read."""
        if self.batch is not None and self.upstream is not None and self.batch.at >= self.upstream.at:
            self.upstream = None
        if serial is not None:
            before = self.upstream.serial if self.upstream else 0
            self.upstream = Mark(serial if serial and (most is None or serial <= most) else before, at)

    def last_run(self) -> int:
        """Return when the last completed run ended, in seconds since 1970; 0 if there was none."""
        return next((run.finished for run in reversed(self.runs) if run.is_whole), 0)

    def add_run(self, run: PastRun, requests: Counter[str]) -> None:
        """Add a run, and the requests that it made by variant."""
        self.runs.append(run)
        lag = max(0, (self.announced() or 0) - run.serial)
        self.history = history.after_run(self.history, run.finished, lag, self.incidents)
        self.totals.runs[run.outcome] += 1
        self.totals.requests += requests

    def add_untold(self, started: int, outcome: str) -> bool:
        """Add a run of which only its beginning is known, in seconds since 1970; return False if it is there."""
        # One that overlapped it may have begun in the same second.
        if any(run.started == started and run.outcome != "overlapping" for run in self.runs):
            return False
        self.runs.append(PastRun(started, started, outcome, self.runs[-1].serial if self.runs else 0))
        self.totals.runs[outcome] += 1
        return True

    def switched_to(self, master: str, now: int) -> State:
        """Return the state under another master: what is remembered of the present one is put away.

        What is known of the other one from before is taken back. The quarantine, the runs and what is
        counted are the mirror's, and stay.
        """
        known = next((one for one in self.others if same_master(one.master, master)), OtherMaster(master, 0, {}, {}))
        left = OtherMaster(self.master, now, **{name: getattr(self, name) for name in _OF_A_MASTER})
        apart = {name: replace(one, in_quarantine=False) for name, one in self.incidents.items()}
        taken = {name: getattr(known, name) for name in _OF_A_MASTER}
        # What the old master owed can come from the new one, once its list tells with which serial.
        owed = {
            **{name: QuarantineEntry(serial, now, now) for name, serial in missing.still_owed(self.missing)},
            **self.quarantine,
        }
        return replace(
            self,
            **{**taken, "incidents": in_quarantine(known.incidents, owed)},
            master=master,
            others=[*(one for one in self.others if one is not known), replace(left, incidents=apart)][-OTHERS_KEPT:],
            another_master=True,
            quarantine={name: replace(one, synced=None, waiting=True) for name, one in owed.items()},
            missing={},
        )


def in_quarantine(incidents: Mapping[str, Incident], quarantine: Mapping[str, QuarantineEntry]) -> dict[str, Incident]:
    """Return the incidents; those of packages in quarantine know that."""
    marked = {name: replace(incidents[name], in_quarantine=True) for name in quarantine if name in incidents}
    return {**incidents, **marked}
