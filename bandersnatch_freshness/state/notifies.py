"""What the memory needs of whoever sends notifications."""

from __future__ import annotations

from typing import Any, Protocol

from .document import State


class Notifies(Protocol):
    """Sends the notifications after a run: plans them, delivers them and records what arrived."""

    def plan(self, state: State, now: int) -> dict[Any, Any]:
        """Return what to send, and record in the state that it is under way."""

    def deliver(self, plan: Any) -> Any:
        """Send it, and return which parts arrived."""

    def settle(self, state: State, plan: Any, arrived: Any, now: int) -> bool:
        """Record in the state what arrived, and return whether that changed anything."""

    def alarm(self, state: State, file: str, since: int, now: int, *, is_told: bool) -> bool:
        """Send that the state can't be written, and return whether all messages arrived."""
