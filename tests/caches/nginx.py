"""nginx with `proxy_cache`, as in front of many a mirror."""

from __future__ import annotations

from collections.abc import Collection, Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from bandersnatch_freshness.lab.behaviours import ALL_COPIES
from bandersnatch_freshness.lab.plain_edge import COPY_HEADER
from bandersnatch_freshness.lab.server import HOST

from .cache import BYSTANDER, Cache, Upstream
from .nginx_command import nginx_command
from .processes import running

_HTTP = """\
    log_format paths "$request_uri";
    access_log {directory}/asked paths;
    proxy_cache_path {directory}/pages keys_zone=pages:1m inactive=1d use_temp_path=off;

    map $http_cache_control $wants_news {{
        default 0;
        "~no-cache" 1;
    }}

    server {{
        listen {host}:{port};
        location / {{
            proxy_pass http://{origin};
            proxy_http_version 1.1;
            proxy_cache pages;
            proxy_cache_key {key};
            proxy_cache_valid 404 15m;
            proxy_hide_header {copy_header};
            {more}
        }}
    }}
"""

_HONOUR_NO_CACHE = "proxy_cache_bypass $wants_news;"

# One copy of all, which nginx itself compresses for those who take it so.
_ONE_COPY = """\
proxy_set_header Accept-Encoding "";
            gzip on;
            gzip_vary on;
            gzip_types *;
            gzip_min_length 1;"""

_SAY_STATE = "add_header X-Cache $upstream_cache_status always;"


class Nginx(Cache):
    """A running nginx, with its files in a directory."""

    def __init__(self, url: str, directory: Path, *, apart: bool) -> None:
        """`apart`: it keeps a copy for each Accept-Encoding."""
        super().__init__(url)
        self.keeps_encodings_apart = apart
        self._directory = directory

    def purge(self, path: str, copies: Collection[str] = ALL_COPIES, node: int | None = None) -> None:
        """Delete their files: a cache without the commercial module has no other way.

        A page's other copies are found by the one that came first, or whatever takes its place. What was
        asked for before is in its file once the next answer comes: there is one worker.
        """
        self.ask(path, BYSTANDER)
        for file in (self._directory / "pages").iterdir():
            try:
                head = file.read_bytes().partition(b"\r\n\r\n")[0]
            except FileNotFoundError:  # the bystander's, on its way to its name
                continue
            key = head.partition(b"\nKEY: ")[2].partition(b"\n")[0].decode().partition("?")[0]
            labels = {f"{COPY_HEADER}: {copy}".encode() for copy in copies}
            if key == path and labels & set(head.split(b"\r\n")):
                file.unlink(missing_ok=True)
        self.ask(path, BYSTANDER)

    def requests(self) -> int:
        """Return how many its log has."""
        asked = self.lines(self._directory / "asked")
        return sum(target.startswith(("/simple", "/pypi")) for target in asked)


@contextmanager
def nginx(
    upstream: Upstream, *, query: bool = True, no_cache: bool = False, encodings: bool = True, says_state: bool = False
) -> Iterator[Nginx]:
    """Does it count the query, honour no-cache, keep a copy for each Accept-Encoding, and say what it did?"""
    more = [
        *([_HONOUR_NO_CACHE] if no_cache else []),
        *([] if encodings else [_ONE_COPY]),
        *([_SAY_STATE] if says_state else []),
    ]

    def prepare(directory: Path, port: int) -> list[str]:
        http = _HTTP.format(
            directory=directory,
            host=HOST,
            port=port,
            origin=urlsplit(upstream.url).netloc,
            key="$uri$is_args$args" if query else "$uri",
            copy_header=COPY_HEADER,
            more="\n            ".join(more),
        )
        return nginx_command(directory, http)

    with running(prepare) as (directory, port):
        yield Nginx(f"http://{HOST}:{port}", directory, apart=encodings)
