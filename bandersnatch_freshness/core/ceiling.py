"""The ceiling: the last serial that the master has given out, by its own account. No I/O, no clock."""

from __future__ import annotations

from msgspec import Struct
from msgspec.structs import replace

from .agreement import are_three_runs

# A master that gives no account is asked so many times as rarely.
NO_ACCOUNT = 24


class Ceiling(Struct, frozen=True):
    """What the master said when it was asked, last `at`, for the last serial that it had given out.

    A `serial` of 0: it gave no account. It has said none that is higher `since`; so many `runs` then saw an index
    that was above it, the first of them at the serial `above`. The account `is_refuted` where it stood still over
    three runs while the index went on, as that of a dead replica does. Times are in seconds since 1970.
    """

    serial: int
    at: int
    since: int = 0
    above: int = 0
    runs: int = 0
    is_refuted: bool = False

    @property
    def counts_to(self) -> int:
        """The serial that counts, 0 if none does."""
        return 0 if self.is_refuted else self.serial

    def is_recent(self, now: int, apart: int) -> bool:
        """Return whether it is too early to ask again: within `apart` seconds, or a day of such hours without one."""
        return self.at <= now < self.at + (apart if self.counts_to else apart * NO_ACCOUNT)

    def told(self, account: int, now: int) -> Ceiling:
        """Return it after another account, 0 if none was given."""
        stands = 0 < account <= self.serial and self.since <= now
        return replace(self, serial=account, at=now) if stands else Ceiling(account, now, now)

    def against(self, index: int, apart: int) -> Ceiling:
        """Return it after the run that was told it has seen an index with this serial."""
        if not 0 < self.serial < index:
            return self
        above, runs = self.above or index, self.runs + 1
        has_gone_on = index > above and are_three_runs(runs, self.since, self.at, apart)
        return replace(self, above=above, runs=runs, is_refuted=self.is_refuted or has_gone_on)
