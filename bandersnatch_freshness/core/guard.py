"""The index guard: what of an index a run may act on, and what of it may be believed. No I/O, no clock."""

from __future__ import annotations

from collections.abc import Callable, Mapping, MutableMapping, Sequence
from typing import Any, NoReturn

from msgspec.structs import replace

from .agreement import HOUR, are_three_runs
from .ceiling import Ceiling
from .incidents import Sighting
from .index import (
    DAY,
    FEWER,
    HIGHER,
    LOWER,
    OLDER,
    Doubt,
    Index,
    IndexAfter,
    IndexRefusedError,
    KnownIndex,
    Listing,
    after_seeing,
    bound,
    how_fewer,
    plausible,
    read_changes,
    read_index,
)
from .index_age import IndexAge
from .observations import Observation
from .verdicts import Verdict, judge


class IndexGuard:
    """Decides what one run may act on of the index, by what earlier runs saw and by the master's own account.

    What is measured outranks what is remembered: whatever three runs agree on is believed, unless the master itself
    contradicts them, and a mirror that begins anew believes the index at once.
    """

    def __init__(
        self,
        known: KnownIndex | None = None,
        *,
        now: int = 0,
        warn_after: int = HOUR,
        longest: int = 0,
        counts: bool = True,
    ) -> None:
        """`now` is when the run began, in seconds since 1970; three runs span `warn_after` seconds, at most an hour.

        `longest` is the longest pause between two looks for a newer index, in seconds. `counts`: the run is one of the
        three.
        """
        self.refusal = ""
        self.is_judged = False
        self.observations: Sequence[Observation] = ()
        # What the run is to say at WARNING.
        self.warnings: list[str] = []
        self._known = known or KnownIndex()
        self._doubt = self._known.doubt
        seen = self._known.seen or Index(0, now)
        self.age = IndexAge(seen.marks, seen.moved, seen.look, now, longest, seen.serial)
        self._now = now
        self._apart = min(HOUR, warn_after)
        self._counts = counts
        self._synced = 0
        self._owed = 0
        self._is_held: Callable[[str], bool] | None = None
        self._count_own: Callable[[], int] = lambda: 0
        self._listing: Listing | None = None
        self._serial: int | None = None
        self._highest = 0
        # How many projects are listed, 0 where only changes are; and how that falls short of what it was.
        self._projects = 0
        self._fewer = ""
        # Whether a cache may have kept it; what comes by XML-RPC none keeps.
        self._may_be_kept = False
        # The index's serial before anything is left out, and how much of it is beyond doubt.
        self._claimed = 0
        self._sound = 0
        # What the master says of itself, and what it said in this run, before that was held against the index.
        self._ceiling = self._known.ceiling
        self._told: Ceiling | None = None

    def expect(
        self,
        synced: int,
        count_own: Callable[[], int],
        owed: int = 0,
        target: int = 0,
        is_held: Callable[[str], bool] | None = None,
    ) -> None:
        """Set the mirror's own serial, `synced`: no index may be older. 0: it begins anew.

        `count_own` returns how many projects the mirror has, for when the size of the earlier index is not
        remembered. `owed` is the highest serial that an open incident requires, `target` the one that a todo list
        leads to. `is_held` tells whether a project, as it is listed, is in quarantine; None if nothing is.
        """
        self._is_held = is_held
        self._synced = synced
        self._count_own = count_own
        self._owed = max(owed, target if target > (self._most_remembered or 0) else 0)

    # The look for a newer one.

    def compares(self, serial: int) -> bool:
        """Return whether to compare the copies: not if the master denies a newer one, or that cost a time-out today."""
        is_stalled = self._known.stalled_at <= self._now < self._known.stalled_at + DAY
        return not is_stalled and self._last_account != max(serial, self._synced)

    @property
    def wants_changelog(self) -> bool:
        """Whether to ask the master itself for what has changed, as no copy of the index is new enough."""
        is_behind = self._last_account > max(self._claimed, self._synced)
        return self.age.has_looked and is_behind and self.age.is_doubtful(self._claimed)

    def admit_changelog(self, changes: Mapping[str, int]) -> None:
        """Go by what the master itself says has changed, in place of the index: serials by project."""
        listing = read_changes(changes)
        self.refusal, self._doubt = "", None if self._counts else self._known.doubt
        self._listing, self._projects = listing, 0
        self._serial, self._highest = listing.measure()
        self._claimed = self._sound = self._serial or 0

    @property
    def least(self) -> int:
        """The lowest serial of an index that is acted on."""
        return self._synced

    # What of an index may be acted on.

    def admit_index(self, index: Any, *, is_last: bool = True) -> None:
        """Accept or reject a simple index in JSON; with fewer projects than before only if it `is_last` to be had.

        Raises:
            IndexRefusedError: if it is broken or older than the mirror.
        """
        try:
            listing = read_index(index)
            measured = listing.measure()
        except ValueError as error:
            self.refuse(str(error))
        before = self._known.seen.projects if self._known.seen else 0
        begins_anew = not self._synced and listing.projects
        self._fewer = "" if begins_anew else how_fewer(listing.projects, before, self._count_own)
        if self._fewer and not is_last:
            self.refuse(self._fewer)
        self._projects, self._may_be_kept = listing.projects, True
        self._admit(listing, *measured)

    def admit_changes(self, changes: Mapping[str, int], since: int | None, last: Any = None) -> None:
        """Accept or reject what XML-RPC answered, unless the simple index was judged already.

        `changes` are serials by project: of all projects if `since` is None, otherwise of those that changed since
        that serial. `last` is the last serial that XML-RPC reported, used when there are no changes.

        Raises:
            IndexRefusedError: if it is older than the mirror.
        """
        if self.is_judged:
            return
        listing = read_changes(changes, None if changes else last)
        self._projects = listing.projects if since is None else 0
        if since is None or changes or listing.own:
            self._admit(listing, *listing.measure())
        else:  # as far as we know, it has not moved
            self._serial = self.least or None

    def _admit(self, listing: Listing, serial: int | None, highest: int) -> None:
        self.is_judged = True
        if serial is None and (listing.projects or self._synced):
            self.refuse("it carries no serial")
        self._listing, self._serial, self._highest = listing, serial, highest
        self._claimed = serial or 0
        if self._is_held and listing.projects and self._is_held(listing.newest()):
            self._owed = max(self._owed, highest)  # the mirror's serial would follow a package that it goes on without
        is_consistent = listing.own >= highest or not listing.own
        sound, most = (self._claimed if is_consistent else listing.own), self._most_remembered
        self._sound = sound if most is None or sound <= most else 0
        if self._told:
            self._ceiling = self._told.against(self._claimed, self._apart)
        self._weigh()

    def _weigh(self) -> None:
        """Doubt the index where it differs from what is remembered, or from the master's own account.

        Raises:
            IndexRefusedError: if it is not to be acted on.
        """
        index = self._known.seen
        # A copy may only not have expired yet: less than 65 minutes ago, the index was no newer.
        is_kept = bool(self._synced) and self._may_be_kept
        is_news = not is_kept or (self.age.is_old(self._claimed) and not self.age.is_minded)
        if index and index.serial >= self.least > self._claimed and not is_news:
            self._doubt = None if self._counts else self._known.doubt
            return
        if self._claimed < self.least:
            self._doubts(OLDER)
            self.refuse(f"its serial {self._claimed} is older than the mirror's own, {self.least}")
        self._doubt = None if self._counts else self._known.doubt
        if self._listing and self._is_too_high(self._claimed):
            says = f"the master says {self._denial}" if self._denial else "no such serial can be true yet"
            says = f"The index announces serial {self._claimed}, but {says}: it counts for nothing"
            self._doubts(HIGHER, says)
            if self.is_believed:
                return
            self._serial, self._highest = self._listing.measure(self.most)
            if (self._serial or 0) < self.least:
                self.refuse(f"its serial {self._claimed} is higher than can be true")
        elif index and self._claimed < index.serial and is_news:
            self._doubts(LOWER)
        if self._fewer:
            says = f"The index is doubted, {self._fewer}: what it lists is synced, and the mirror's serial waits"
            self._doubts(FEWER, says)

    def _doubts(self, kind: str, says: str = "") -> None:
        """Doubt the index, as runs before this one may have; what it `says` is said by the first of them."""
        if not self._counts:
            return
        before, doubt = self._known.doubt, Doubt(kind, self._claimed, self._projects, self._now, self._now)
        if before and before.agrees(doubt):
            self._doubt = replace(doubt, first=before.first, runs=before.runs + 1)
            return
        self._doubt = doubt
        if says and says not in self.warnings:
            self.warnings.append(says)

    @property
    def is_confirmed(self) -> bool:
        """Whether three runs agree on what is doubted; not where it lists nothing, however often that comes."""
        doubt = self._doubt
        if doubt is None or doubt.is_of_nothing:
            return False
        return are_three_runs(doubt.runs, doubt.first, doubt.last, self._apart)

    @property
    def is_believed(self) -> bool:
        """Whether the index counts though it is higher than can be true: three runs agree, no master denies it."""
        return self._doubt is not None and self._doubt.kind == HIGHER and self.is_confirmed and not self._denial

    @property
    def holds_serial(self) -> bool:
        """Whether the mirror's serial has to wait, as the index may lack projects."""
        return self._doubt is not None and self._doubt.kind == FEWER and not self.is_confirmed

    @property
    def has_begun_anew(self) -> bool:
        """Whether the upstream is older than the mirror for good, as after a restore: then the mirror begins anew."""
        is_older = self._doubt is not None and self._doubt.kind == OLDER and self.is_confirmed
        return is_older and not self.has_given_out(self.least)

    # What of a serial counts.

    @property
    def _most_remembered(self) -> int | None:
        index, ceiling = self._known.seen, self._known.ceiling
        if ceiling and ceiling.counts_to:
            return plausible(ceiling.serial, ceiling.at, self._now)
        return plausible(index.serial, index.moved, self._now) if index and self._synced else None

    @property
    def most(self) -> int | None:
        """The highest serial that counts, None if there is no telling."""
        if self._account:
            return max(self._account, self._sound)
        return None if self.is_believed else self._most_remembered

    def _is_too_high(self, serial: int) -> bool:
        most = self.most
        return most is not None and serial > most

    def bound(self, packages: MutableMapping[str, int], target: int, known: Callable[[str], int]) -> int:
        """Replace impossibly high serials in a package list by what is `known`; return the serial it may lead to."""
        most = self.most
        return target if most is None else bound(packages, target, most, max(self._synced, self._sound), known)

    # The master's own account.

    @property
    def may_ask(self) -> bool:
        """Whether the master may be asked: at most once an hour, or a day where it gives no account."""
        return not self._told and not (self._ceiling and self._ceiling.is_recent(self._now, self._apart))

    @property
    def _last_account(self) -> int:
        """The last serial that the master has given out, by its own latest account; 0 if it gave none."""
        return self._ceiling.counts_to if self._ceiling else 0

    @property
    def _account(self) -> int:
        """That account, if it is of this run."""
        return self._last_account if self._told else 0

    @property
    def _denial(self) -> int:
        """That account, if it is too new to be asked for again."""
        return 0 if self.may_ask else self._last_account

    @property
    def wants_account(self) -> bool:
        """Whether the master is to be asked for the last serial that it has given out."""
        if not self.may_ask:
            return False
        is_doubtful = self._sound < self._claimed or (
            self._doubt is not None and self._doubt.kind in (OLDER, LOWER) and self.is_confirmed
        )
        return is_doubtful or self._owed > self._last_account

    def hear(self, account: int | None) -> None:
        """Take the master's account, None if it gives none, and weigh again what it listed.

        Raises:
            IndexRefusedError: if that is not to be acted on.
        """
        self._told = (self._ceiling or Ceiling(0, self._now)).told(account or 0, self._now)
        self._ceiling = self._told.against(self._claimed, self._apart)
        if self._listing is not None and not self.refusal:
            self.warnings.clear()
            self._weigh()

    def has_given_out(self, serial: int) -> bool:
        """Return whether the master has given out this serial, by its own latest account."""
        return self._last_account >= serial

    def reconsider(self) -> None:
        """Judge another copy of an index that was refused."""
        self.refusal = self._fewer = ""
        self.is_judged = False
        self._doubt = self._known.doubt

    def refuse(self, reason: str) -> NoReturn:
        """Record the reason and raise.

        Raises:
            IndexRefusedError: always.
        """
        self.refusal = reason
        self.is_judged = True
        raise IndexRefusedError(reason)

    # After the run.

    def after(self, now: int, max_age: int) -> IndexAfter:
        """Return what the run leaves; if it did not request the index, that proved neither right nor wrong.

        `now` is in seconds since 1970; an index that has not moved for `max_age` seconds is wrong.
        """
        ceiling, stalled_at = self._ceiling, self._known.stalled_at
        if self.observations[1:]:
            stalled_at = now if any(one.problem.endswith("TimeoutError") for one in self.observations) else 0
        index = self._known.seen
        if index and self._account and index.serial > max(self._account, self._sound):
            self.warnings.append(f"The index was remembered at serial {index.serial}: the master has never been there")
            index = None
        if self.refusal or self._serial is None:
            wrong = self._sighting(self.least) if self.refusal else None
            if index:
                index = replace(index, look=self.age.look_after(found=False, moved=False))
            return IndexAfter(KnownIndex(index, self._doubt, ceiling, stalled_at), wrong, False)
        doubt = self._doubt
        is_lower = doubt is not None and doubt.kind == LOWER
        if index and is_lower and (not self._synced or (self.is_confirmed and not self.has_given_out(index.serial))):
            self.warnings.append(
                f"The index was remembered at serial {index.serial}, and is at {self._serial}: that counts from now on"
            )
            index = doubt = None
        projects = self._projects
        if doubt and doubt.kind == FEWER and self.is_confirmed:
            self.warnings.append(f"The index lists {projects} projects in three runs: that counts from now on")
            doubt = None
        elif (doubt and doubt.kind == FEWER) or not projects:
            projects = index.projects if index else 0
        if self.is_believed:
            doubt = None
        seen = max((one.serial for one in self.observations if one.serial is not None), default=0)
        wrong = self._sighting(seen) if self._serial < seen and not self._is_too_high(seen) else None
        highest = self._highest or (index.highest if index else 0)
        has_moved = index is None or self._serial > index.serial
        look = self.age.look_after(found=has_moved, moved=has_moved)
        index, has_news = after_seeing(index, Index(self._serial, now, projects, highest, look=look))
        # That nothing happens is wrong in the end, unless the master itself says so.
        is_quiet = ceiling is not None and ceiling.counts_to == index.serial and now - ceiling.at < max_age
        if wrong is None and not has_news and not is_quiet and now - index.moved >= max_age:
            wrong = replace(self._sighting(index.serial + 1), cause=index.stands())
        return IndexAfter(KnownIndex(index, doubt, ceiling, stalled_at), wrong, wrong is None)

    def _sighting(self, required_serial: int) -> Sighting:
        got = max((one.serial for one in self.observations if one.serial is not None), default=self._serial)
        got = self._serial if self._serial is not None else got
        verdict = judge(self.observations, required_serial)
        if verdict is Verdict.FRESH:  # by its serial alone: it is broken otherwise, or could not be fetched
            verdict = Verdict.UNKNOWN if self.refusal else Verdict.EDGE_STALE
        evidence = {one.variant: one.evidence() for one in self.observations}
        return Sighting(required_serial, got, verdict, tuple(evidence.values()))
