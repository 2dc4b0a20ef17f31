"""Mirrors of a lab that are run again and again from where they were, on a file system in memory."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path

from bandersnatch_freshness.lab.mirrors import Mirror
from bandersnatch_freshness.lab.server import Lab

from .environments import BARE, Environment
from .measuring import OUTPUT, Cost, cost, instructions

MEMORY = Path("/dev/shm")  # noqa: S108 - a disk's own time would be most of what is measured


@contextmanager
def scratch() -> Iterator[Path]:
    """Provide a directory in memory, where there is such a file system."""
    place = tempfile.mkdtemp(prefix="freshness-bench-", dir=MEMORY if MEMORY.is_dir() else None)
    try:
        yield Path(place)
    finally:
        shutil.rmtree(place, ignore_errors=True)


class Measured:
    """A mirror of a lab, by bare Bandersnatch or with plugins."""

    def __init__(
        self,
        directory: Path,
        lab: Lab,
        environment: Environment = BARE,
        plugin: str = "",
        options: Mapping[str, str] | None = None,
        mirror: Mapping[str, str] | None = None,
    ) -> None:
        """Configure it: `options` of `[freshness]`, and of `[mirror]`."""
        self.lab = lab
        self.environment = environment
        more = {"global-timeout": "3600", **(mirror or {})}
        self.mirror = Mirror(directory, lab, [plugin] if plugin else [], options, more)

    def run(self, *arguments: str, code: int = 0) -> Cost:
        """Run `bandersnatch`, by default `mirror`, and return what it took."""
        command = self._command(*(arguments or ("mirror",)))
        return cost(command, self.mirror.config.parent, self.mirror.environment(), self.lab, code)

    def again(self, serial: int) -> Cost:
        """Run from an earlier serial on: all that was released since is to be synced."""
        self._set_back(serial)
        return self.run()

    def first(self) -> Cost:
        """Run where nothing has been synced yet."""
        self._clear()
        return self.run()

    def lines(self) -> int:
        """Return how many lines the last run printed."""
        return len((self.mirror.config.parent / OUTPUT).read_text().splitlines())

    def counted(self, serial: int) -> int:
        """Run from an earlier serial on, and return how many instructions it took."""
        self._set_back(serial)
        return self._instructions()

    def counted_first(self) -> int:
        """Run where nothing has been synced yet, and return the same."""
        self._clear()
        return self._instructions()

    def _instructions(self) -> int:
        command = [self.environment.program("python"), *self._command("mirror")]
        return instructions(command, self.mirror.config.parent, self.mirror.environment())

    def is_fresh(self) -> bool:
        """Tell whether it has all that the lab has."""
        return self.mirror.serial == self.lab.serial

    def _command(self, *arguments: str) -> list[str]:
        return [self.environment.program("bandersnatch"), *self.mirror.command(*arguments)[1:]]

    def _clear(self) -> None:
        shutil.rmtree(self.mirror.directory, ignore_errors=True)

    def _set_back(self, serial: int) -> None:
        self.mirror.directory.mkdir(exist_ok=True)
        (self.mirror.directory / "status").write_text(str(serial))
        (self.mirror.directory / "generation").write_text("5")  # or Bandersnatch begins anew, as with an old mirror
        (self.mirror.directory / "todo").unlink(missing_ok=True)
