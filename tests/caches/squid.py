"""Squid, as a corporate proxy."""

from __future__ import annotations

import shutil
import signal
from collections.abc import Collection, Iterator
from contextlib import contextmanager
from itertools import product
from pathlib import Path
from urllib.parse import urlsplit

from bandersnatch_freshness.lab.behaviours import ALL_COPIES
from bandersnatch_freshness.lab.plain_edge import COPY_HEADER
from bandersnatch_freshness.lab.server import HOST, Lab

from .cache import ASKED_BY, BYSTANDER, Cache, accepted
from .processes import running

_CONFIGURATION = """\
http_port {host}:{port}
visible_hostname squid.lab
pid_filename none
pinger_enable off
cache_log {directory}/cache.log
logformat targets %rm %ru
access_log stdio:{directory}/asked targets
buffered_logs off
coredump_dir {directory}
cache_mem 16 MB
memory_cache_shared off
netdb_filename none
shutdown_lifetime 0 seconds
negative_ttl 15 minutes
refresh_pattern . 0 20% 4320 {refresh}
acl purge method PURGE
acl of_machine src {host}
reply_header_access {copy_header} deny all
http_access deny purge !of_machine
http_access allow of_machine
http_access deny all
{more}
"""

# What answers for each URL under which name it is kept: sed does, line by line.
_DROP_QUERY = """
store_id_program {sed} -u -E -f {directory}/store-id.sed
store_id_children 1 startup=1
store_id_access allow all
"""
_STORE_ID = r"s/^([^?[:space:]]*).*/OK store-id=\1/"


class Squid(Cache):
    """A running Squid."""

    def __init__(self, master: str, proxy: str, directory: Path) -> None:
        """`directory` has its log."""
        super().__init__(master, proxy)
        self._directory = directory

    def purge(self, path: str, copies: Collection[str] = ALL_COPIES, node: int | None = None) -> None:
        """PURGE them one by one, each asked for as those do whose it is.

        Each PURGE takes with it what Squid finds a page's other copies by, until somebody asks again.
        """
        encodings = [value for copy in copies for value in ASKED_BY[copy]]
        for accept, accept_encoding in product(accepted(path), encodings):
            self.ask(path, BYSTANDER)
            self.ask(path, accept_encoding, accept=accept, method="PURGE")
        self.ask(path, BYSTANDER)

    def requests(self) -> int:
        """Return how many its log has."""
        asked = [line.partition(" ") for line in self.lines(self._directory / "asked")]
        return sum(
            method in ("GET", "HEAD") and urlsplit(url).path.startswith(("/simple", "/pypi"))
            for method, _, url in asked
        )


@contextmanager
def squid(lab: Lab, *, query: bool = True, no_cache: bool = True) -> Iterator[Squid]:
    """Does it count the query, honour no-cache?"""

    def prepare(directory: Path, port: int) -> list[str]:
        directory.chmod(0o777)  # it works as another user, where it is started by root
        configuration = _CONFIGURATION.format(
            directory=directory,
            host=HOST,
            port=port,
            copy_header=COPY_HEADER,
            refresh="" if no_cache else "ignore-reload",
            more="" if query else _DROP_QUERY.format(directory=directory, sed=shutil.which("sed")),
        )
        (directory / "store-id.sed").write_text(_STORE_ID)
        (directory / "squid.conf").write_text(configuration)
        return ["squid", "-N", "-f", str(directory / "squid.conf")]

    # it has nothing to lose, and takes two seconds to end otherwise
    with running(prepare, stop_by=signal.SIGKILL) as (directory, port):
        yield Squid(lab.url, f"http://{HOST}:{port}", directory)
