"""nginx as it serves a mirror's files: pages by what a pip accepts, packed for those who take it so."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import NamedTuple

from bandersnatch_freshness.lab.server import HOST

from .nginx_command import nginx_command
from .processes import running

# Caches may keep what it serves for a day, as nobody purges them.
_HTTP = """\
    access_log off;
    gzip on;
    gzip_proxied any;
    gzip_types *;
    gzip_min_length 1;

    map $http_accept $form {{
        default index.html;
        "~application/vnd\\.pypi\\.simple\\.v1\\+json" index.v1_json;
    }}

    server {{
        listen {host}:{port};
        root {web};
        autoindex on;
        expires 1d;
        location /simple/ {{
            index $form index.html;
            types {{
                application/vnd.pypi.simple.v1+json v1_json;
                text/html html;
            }}
            add_header Vary "Accept, Accept-Encoding" always;
        }}
    }}
"""


class Files(NamedTuple):
    """A running nginx, and the `web` that it serves."""

    url: str
    web: Path


@contextmanager
def files() -> Iterator[Files]:
    """Serve a directory of its own, which is empty at first."""

    def prepare(directory: Path, port: int) -> list[str]:
        web = directory / "web"
        web.mkdir(exist_ok=True)
        return nginx_command(directory, _HTTP.format(host=HOST, port=port, web=web))

    with running(prepare) as (directory, port):
        yield Files(f"http://{HOST}:{port}", directory / "web")
