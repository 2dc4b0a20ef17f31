"""The extras: what not every mirror needs, and is installed only by those who ask for it."""

from __future__ import annotations

import enum
import importlib.util


class Extra(enum.Enum):
    """An extra, by the name of the module that it brings."""

    NOTIFY = "apprise"
    LAB = "trustme"
    COMPLETION = "shtab"
    REQUESTS = "requests"

    @property
    def is_installed(self) -> bool:
        """Whether its module is there; it is not imported."""
        return importlib.util.find_spec(self.value) is not None

    @property
    def lacking(self) -> str:
        """What is missing without it, and how to get it, for the end of a sentence."""
        return f"{self.value} is not installed: {self.command}"

    @property
    def command(self) -> str:
        """The command that installs it."""
        return f"pip install 'bandersnatch-freshness[{self.name.lower()}]'"
