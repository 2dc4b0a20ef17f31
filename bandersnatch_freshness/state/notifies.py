"""What memory needs of whoever sends notifications, which is in a room above."""

from __future__ import annotations

from typing import Any, Protocol

from .document import State


class Notifies(Protocol):
    """Sends the notifications after a run: plans them, delivers them and records what arrived."""

    def check(self, state: State) -> None:
        """Record in the state that the channels' URLs can be used, or raise an OptionError."""

    def begin(self) -> None:
        """Say, without waiting, that a run begins."""

    def plan(self, state: State, now: int) -> dict[Any, Any]:
        """Return what to send, and record in the state that it is under way."""

    def deliver(self, plan: Any) -> Any:
        """Send it, and return which parts arrived."""

    def settle(self, state: State, plan: Any, arrived: Any, now: int) -> bool:
        """Record in the state what arrived, and return whether that changed anything."""

    def alarm(self, state: State, file: str, since: int, now: int, *, is_told: bool) -> bool:
        """Send that the state can't be written, and return whether all messages arrived."""

    def end_alarm(self, file: str, since: int) -> None:
        """Send that the state can be written again, which it could not since then, in seconds since 1970."""
