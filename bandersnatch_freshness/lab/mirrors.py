"""Mirrors of the lab, run with the real `bandersnatch` command."""

from __future__ import annotations

import configparser
import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

from .server import Lab

# Every option that Bandersnatch 3.6 and 4.4 require; later versions have defaults for most of them.
_MIRROR_DEFAULTS = {
    "json": "true",
    "timeout": "10",
    "global-timeout": "60",
    "workers": "3",
    "hash-index": "false",
    "stop-on-error": "false",
    "storage-backend": "filesystem",
    "verifiers": "3",
}


@dataclass(frozen=True)
class FinishedRun:
    """One finished run of `bandersnatch`."""

    returncode: int
    output: str
    seconds: float

    @property
    def stale_errors(self) -> int:
        """How many packages Bandersnatch gave up as stale."""
        return self.output.count("not updating. Giving up.")


class Mirror:
    """A mirror in a directory of its own."""

    def __init__(
        self,
        directory: Path,
        lab: Lab,
        plugins: Sequence[str] = (),
        options: Mapping[str, str] | None = None,
        mirror: Mapping[str, str] | None = None,
    ) -> None:
        """Write the mirror's configuration.

        `options` go into `[freshness]`; `mirror` overrides the defaults of `[mirror]`.
        """
        self.directory = directory / "mirror"
        self.config = directory / "bandersnatch.conf"
        self._ca_file = lab.ca_file
        directory.mkdir(parents=True, exist_ok=True)
        self._sections = {
            "mirror": {**_MIRROR_DEFAULTS, "directory": str(self.directory), "master": lab.https_url, **(mirror or {})},
            **({"plugins": {"enabled": "\n" + "\n".join(plugins)}} if plugins else {}),
            **({"freshness": dict(options)} if options else {}),
        }
        self.configure()

    def configure(self, section: str = "mirror", **options: str) -> None:
        """Change options of a section and rewrite the configuration."""
        self._sections.setdefault(section, {}).update(options)
        parser = configparser.ConfigParser(interpolation=None)
        parser.read_dict(self._sections)
        with self.config.open("w") as file:
            parser.write(file)

    def command(self, *arguments: str) -> list[str]:
        """Return the command line of a run."""
        return [bandersnatch_command(), "-c", str(self.config), *arguments]

    def environment(self) -> dict[str, str]:
        """Return the environment of a run, which trusts the lab's certificate authority."""
        return {**os.environ, **dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), str(self._ca_file))}

    def run(self, *arguments: str, environment: Mapping[str, str] | None = None, timeout: float = 120) -> FinishedRun:
        """Run `bandersnatch`, by default `bandersnatch mirror`, and wait until it ends; `timeout` is in seconds."""
        started = time.monotonic()
        finished = subprocess.run(
            self.command(*(arguments or ("mirror",))),
            cwd=self.config.parent,  # 4.4 writes a list of what it mirrored here
            env={**self.environment(), **(environment or {})},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
            timeout=timeout,
            check=False,
        )
        return FinishedRun(finished.returncode, finished.stdout, time.monotonic() - started)

    @property
    def serial(self) -> int:
        """The mirror's serial; 0 before its first sync."""
        status = self.directory / "status"
        return int(status.read_text()) if status.exists() else 0

    def versions(self, name: str) -> list[str]:
        """Return the versions that the mirror has of a project."""
        document = self.directory / "web" / "json" / name
        return list(json.loads(document.read_text())["releases"]) if document.exists() else []


def bandersnatch_command() -> str:
    """Return the path of `bandersnatch`, from this environment if it has one, else from the PATH.

    Raises:
        FileNotFoundError: if neither has it.
    """
    beside = Path(sys.executable).with_name("bandersnatch")
    found = str(beside) if beside.exists() else shutil.which("bandersnatch")
    if not found:
        raise FileNotFoundError("no `bandersnatch` beside this Python, nor on the PATH: pip install bandersnatch")
    return found
