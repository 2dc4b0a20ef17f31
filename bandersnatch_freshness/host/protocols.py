"""The attributes of Bandersnatch's objects that are read and written, and what a host adapter is."""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from pathlib import Path
from typing import Any, Protocol

from ..transports.climber import AdaptiveClimber


class HostMaster(Protocol):
    """`bandersnatch.master.Master`: whom a mirror asks."""

    url: str


class HostMirror(Protocol):
    """`bandersnatch.mirror.BandersnatchMirror`, in 3.6 `Mirror`: a mirror during a run.

    `packages_to_sync` has serials by name, as projects spell them. The serial may advance where
    `need_wrapup`, and the list of all projects is written anew where `need_index_sync`.
    """

    homedir: Path
    webdir: Path
    todolist: Path
    hash_index: bool
    master: HostMaster
    stop_on_error: bool
    errors: bool
    synced_serial: int | None
    target_serial: int | None
    packages_to_sync: dict[str, int]
    need_wrapup: bool
    need_index_sync: bool


class HostAdapter(Protocol):
    """What differs between a Bandersnatch that asks through aiohttp and one that asks through requests.

    It also has the methods that the seams of its `client` name.
    """

    # The HTTP client by which the table of seams tells them apart.
    client: str

    def storage(self, configuration: Any) -> Any:
        """Return the storage backend of a configuration."""

    def storage_of(self, mirror: Any) -> Any:
        """Return the storage backend of a mirror."""

    def climber(self, master: Any) -> AdaptiveClimber | None:
        """Return what climbs for a master; None where what that asks for is not the suite's business."""

    def spelled(self, mirror: Any, projects: Collection[str] | None = None) -> Mapping[str, str]:
        """Return how Bandersnatch spells projects (None: all), where that differs from their normalized names."""

    def fetch_index(self, configuration: Any) -> bytes:
        """Return the body of the master's index, by one request.

        Raises:
            NoIndexError: if it can't be had.
        """

    def run_command(self, start: Callable[[Any], None], *, quiet: bool) -> object:
        """Run the command `bandersnatch`, with its configuration started first; return its exit code.

        If `quiet`, the console shows nothing below WARNING.
        """
