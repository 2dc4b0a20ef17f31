"""A clock that stands still until it is moved."""

from __future__ import annotations

MINUTE, HOUR, DAY = 60, 3600, 86400


class Clock:
    """Seconds, as the lab is given them."""

    def __init__(self) -> None:
        """It begins at zero."""
        self.now = 0.0

    def __call__(self) -> float:
        """Return what it shows."""
        return self.now

    def move(self, seconds: float) -> None:
        """Let time pass."""
        self.now += seconds
