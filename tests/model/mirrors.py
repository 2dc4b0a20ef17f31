"""The two mirrors: their configuration, their runs, and what there is in their directories."""

from __future__ import annotations

import configparser
import json
import re
import shutil
from collections.abc import Mapping, Sequence
from importlib.metadata import version
from pathlib import Path
from typing import Any

from packaging.utils import canonicalize_name
from packaging.version import Version

from ..zygote import Zygote
from .world import World, release_file

BANDERSNATCH = Version(version("bandersnatch"))
IS_OF_REQUESTS = BANDERSNATCH.major < 4
HAS_BOTH_WAYS = Version("6.8") <= BANDERSNATCH < Version("8")
HAS_XMLRPC = Version("8") > BANDERSNATCH

_FILTER, _SECTION = ("blacklist_project", "blacklist") if IS_OF_REQUESTS else ("blocklist_project", "blocklist")

# Where pages are, below the mirror's directory `web`.
_PAGES = ("simple", "json")

# One worker: so the n-th file operation is the same in each replay.
_DEFAULTS = {
    "json": "true",
    "timeout": "10",
    "global-timeout": "60",
    "workers": "1",
    "hash-index": "false",
    "stop-on-error": "false",
    "storage-backend": "filesystem",
    "verifiers": "1",
    "allow-non-https": "true",
}


class Mirror:
    """A mirror in a directory of its own."""

    def __init__(self, directory: Path, options: Mapping[str, str], zygote: Zygote) -> None:
        """`options` are for `[mirror]`."""
        self.directory = directory / "mirror"
        self.config = directory / "bandersnatch.conf"
        self.log = directory / "log"
        self._options = options
        self._zygote = zygote
        directory.mkdir(parents=True)

    @property
    def sees_index(self) -> bool:
        """Whether its runs read the whole index, and not only what has changed since."""
        return not HAS_XMLRPC or self._options.get("api-method") == "simple"

    def configure(self, master: str, plugins: Sequence[str], blocked: Sequence[str]) -> None:
        """Write the configuration."""
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_dict({"mirror": {**_DEFAULTS, **self._options, "master": master, "directory": str(self.directory)}})
        enabled = [*plugins, *([_FILTER] if blocked else [])]
        if plugins:
            parser.read_dict({"freshness": {"audit_every": "12h"}})
        if enabled:
            parser.read_dict({"plugins": {"enabled": "\n" + "\n".join(enabled)}})
        if blocked:
            parser.read_dict({_SECTION: {"packages": "\n" + "\n".join(blocked)}})
        with self.config.open("w") as file:
            parser.write(file)

    def run(self, now: int, kill_at: int = 0, command: str = "mirror") -> int:
        """Run at a time, in seconds since 1970, and return the exit code.

        It is killed at its n-th file operation that writes, `kill_at`, unless that is 0.
        """
        self.log.write_text("")
        line = [command] if command == "mirror" else ["bandersnatch-freshness", *command.split()]
        return self._zygote.run(line, self.config, self.log, now, kill_at=kill_at)

    @property
    def serial(self) -> int:
        """The mirror's serial, 0 before its first sync."""
        path = self.directory / "status"
        return int(path.read_text() or 0) if path.exists() else 0

    def listed(self) -> tuple[int, set[str]]:
        """Return up to which serial the mirror has or will have asked, and what is still on its todo list."""
        path = self.directory / "todo"
        if path.exists() and (text := path.read_text()):
            target, *lines = text.splitlines()
            return int(target), {canonicalize_name(line.split()[0]) for line in lines}
        return self.serial, set()

    def state(self) -> dict[str, Any]:
        """Return the suite's state, with what only the quarantine's second copy has; empty if there is none."""
        path, copy = self.directory / "freshness.json", self.directory / "freshness.quarantine"
        state: dict[str, Any] = json.loads(path.read_text()) if path.exists() else {}
        lines = copy.read_text().splitlines() if copy.exists() else []
        return state | {"quarantine": {line.split()[0]: {} for line in lines} | state.get("quarantine", {})}

    def simple_page(self, name: str) -> tuple[int, set[str]]:
        """Return the generation of a project's simple page, written last of it, and the versions it links to."""
        path = self.directory / "web" / "simple" / canonicalize_name(name) / "index.html"
        text = path.read_text() if path.exists() else ""
        generations = {int(one) for one in re.findall(r"0\.(\d+)\"", text)}
        assert len(generations) <= 1, text
        return max(generations, default=0), set(re.findall(r"-(\d+)-py3-none-any\.whl</a>", text))

    def document(self, name: str) -> int:
        """Return the generation of a project's JSON document."""
        for spelled in (canonicalize_name(name), name):
            path = self.directory / "web" / "json" / spelled
            if path.exists():
                found = re.search(r"generation (\d+)", path.read_text())
                return int(found[1]) if found else 0
        return 0

    def has(self, name: str, release: str) -> bool:
        """Tell whether the mirror has a release file, whole."""
        path, content = release_file(name, release)
        file = self.directory / "web" / path[1:]
        return file.exists() and file.read_bytes() == content

    def releases(self, world: World) -> set[tuple[str, str]]:
        """Return the releases that the origin has, and the mirror too."""
        return {
            (name, release)
            for name in world.names
            for release in self.simple_page(name)[1].intersection(world.page(name).versions)
            if self.has(name, release)
        }

    def lose(self, name: str, how: str) -> None:
        """Lose the simple page of a project, which is "deleted" or "cut"."""
        page = self.directory / "web" / "simple" / canonicalize_name(name)
        for path in page.glob("index*"):
            path.unlink() if how == "deleted" else path.write_bytes(path.read_bytes()[:40])

    def back_up(self) -> None:
        """Take a backup of all pages, in place of the one before."""
        backup = self.directory.with_name("backup")
        shutil.rmtree(backup, ignore_errors=True)
        for part in _PAGES:
            if (self.directory / "web" / part).exists():
                shutil.copytree(self.directory / "web" / part, backup / part, symlinks=True)

    def restore(self) -> None:
        """Put the pages of the backup in the place of those that there are."""
        backup = self.directory.with_name("backup")
        for part in _PAGES:
            if (backup / part).exists():
                shutil.rmtree(self.directory / "web" / part, ignore_errors=True)
                shutil.copytree(backup / part, self.directory / "web" / part, symlinks=True)

    def begin_as(self, other: Mirror) -> None:
        """Become what another mirror is, without the suite's own files."""
        shutil.rmtree(self.directory, ignore_errors=True)
        shutil.copytree(other.directory, self.directory, symlinks=True, ignore=shutil.ignore_patterns("freshness*"))
