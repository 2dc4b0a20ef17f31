"""Refusals: until when a server wants to be asked for no more than is needed. No I/O, no clock, no log."""

from __future__ import annotations

from datetime import UTC

from msgspec import Struct

# No server is heeded for longer than this, in seconds.
LONGEST = 24 * 60 * 60


class Refusal(Struct, frozen=True):
    """A server that was asked `at` a time wants fewer requests `until` another; both in seconds since 1970."""

    at: int
    until: int

    def holds(self, now: int) -> bool:
        """Return whether it is to be heeded, which it is not if the clock has jumped back, or longer than a day."""
        return self.at <= now < min(self.until, self.at + LONGEST)


def read_refusal(retry_after: str, date: str, now: int) -> Refusal | None:
    """Return what Retry-After says, None if that is nothing, or over. `date` is the answer's Date, "" if it has none.

    Source: RFC 9110, section 10.2.3: seconds, or a date, which is measured by the server's own clock where that tells.
    """
    text = retry_after.strip(" \t")
    if text.isascii() and text.isdigit():
        wait = int(text[:9]) if len(text) <= 9 else LONGEST  # no number is too long
    else:
        until = _seconds(text)
        if until is None:
            return None
        wait = until - (_seconds(date) or now)
    return Refusal(now, now + min(wait, LONGEST)) if wait > 0 else None


def _seconds(date: str) -> int | None:
    """Return the time of an HTTP-date in any of its three forms, in seconds since 1970; None if it is none."""
    from email.utils import parsedate_to_datetime  # which few runs need

    try:
        found = parsedate_to_datetime(date)
    except (TypeError, ValueError, LookupError, OverflowError):
        return None
    return int((found if found.tzinfo else found.replace(tzinfo=UTC)).timestamp())
