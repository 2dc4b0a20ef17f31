"""Varnish: as PyPI's edge is configured today, and as a plain CDN."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Collection, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from urllib.parse import urlsplit

from bandersnatch_freshness.lab.behaviours import ALL_COPIES
from bandersnatch_freshness.lab.plain_edge import COPY_HEADER
from bandersnatch_freshness.lab.server import HOST, Lab

from .cache import Cache
from .processes import PATH, running

_NODES = 2

# Varnish compiles its configuration; that need not make good code.
_COMPILER = "exec gcc -std=gnu11 -g0 -O0 -pthread -fpic -shared -Wl,-x -o %o %s"

_ORIGIN = """\
vcl 4.1;

backend origin {{
    .host = "{host}";
    .port = "{port}";
}}
"""

# What both keep: what may be cached at all, and for how long.
_KEEPING = f"""
sub vcl_backend_response {{
    set beresp.ttl = 1d;
    set beresp.grace = 0s;
    if (beresp.status >= 500) {{
        set beresp.uncacheable = true;
    }}
    unset beresp.http.Surrogate-Control;
}}

sub vcl_deliver {{
    unset resp.http.{COPY_HEADER};
    if (obj.hits > 0) {{
        set resp.http.X-Cache = "HIT";
    }} else {{
        set resp.http.X-Cache = "MISS";
    }}
"""

# From the facts of PyPI's edge: few copies, no query, a redirect, no Age or Via, a PURGE that is not for everybody.
_PYPI = """
sub vcl_recv {{
    if (req.method == "PURGE") {{
        if (req.http.Purge-Password != "of the lab") {{
            return (synth(401, "Unauthorized"));
        }}
        return (purge);
    }}
    if (req.method != "GET" && req.method != "HEAD") {{
        return (pass);
    }}
    if (req.http.Accept-Encoding ~ "\\bbr\\b") {{
        set req.http.Accept-Encoding = "br";
    }} elsif (req.http.Accept-Encoding ~ "\\bgzip\\b") {{
        set req.http.Accept-Encoding = "gzip";
    }} elsif (req.http.Accept-Encoding ~ "\\bdeflate\\b") {{
        set req.http.Accept-Encoding = "deflate";
    }} else {{
        unset req.http.Accept-Encoding;
    }}
    if (req.url ~ "^/simple/" || req.url ~ "^/pypi/[^/?]+/json(\\?|$)") {{
        set req.url = regsub(req.url, "\\?.*", "");
    }}
    if (req.url ~ "^/simple(\\?|$)") {{
        return (synth(301, "Moved Permanently"));
    }}
    return (hash);
}}

sub vcl_synth {{
    if (resp.status == 301) {{
        set resp.http.Location = "/simple/";
        return (deliver);
    }}
}}
{keeping}
    set resp.http.X-Served-By = "cache-varnish-{node}";
    unset resp.http.Age;
    unset resp.http.Via;
    unset resp.http.X-Varnish;
}}
"""

# It has no cache of its own.
_DIRECTOR = """\
vcl 4.1;

import directors;

{backends}
sub vcl_init {{
    new nodes = directors.round_robin();
    {added}
}}

sub vcl_recv {{
    set req.backend_hint = nodes.backend();
    return (pass);
}}

sub vcl_deliver {{
    unset resp.http.Age;
    unset resp.http.Via;
    unset resp.http.X-Varnish;
}}
"""

_CDN = """
sub vcl_recv {{
    if (req.method != "GET" && req.method != "HEAD") {{
        return (pass);
    }}
    {recv}
    return (hash);
}}
{keeping}
}}
"""

_DROP_QUERY = r'set req.url = regsub(req.url, "\?.*", "");'

# The old copy is replaced, for others too.
_HONOUR_NO_CACHE = 'if (req.http.Cache-Control ~ "no-cache") { set req.hash_always_miss = true; }'


class Varnish(Cache):
    """One Varnish or several; `directories` are those of the nodes, `front` is that of the one which clients ask."""

    def __init__(self, url: str, front: Path, nodes: Sequence[tuple[Path, int]], *, apart: bool) -> None:
        """`apart`: it keeps a copy for each Accept-Encoding."""
        super().__init__(url)
        self.nodes = tuple(f"http://{HOST}:{port}" for _, port in nodes)
        self.keeps_encodings_apart = apart
        self._directories = [directory for directory, _ in nodes]
        self._front = front

    def purge(self, path: str, copies: Collection[str] = ALL_COPIES, node: int | None = None) -> None:
        """Ban them."""
        for directory in self._directories if node is None else [self._directories[node]]:
            url, copy = f"^{path}([?]|$)", f"^({'|'.join(sorted(copies))})$"
            self._tell(directory, "varnishadm", "ban", "req.url", "~", url, "&&", f"obj.http.{COPY_HEADER}", "~", copy)

    def requests(self) -> int:
        """Return what Varnish counts; metadata is all that it is asked for.

        It counts when a connection ends: what is the same twice is final.
        """
        before = -1
        for _ in range(300):
            time.sleep(0.1)
            counted = int(self._tell(self._front, "varnishstat", "-1", "-f", "MAIN.client_req").split()[1])
            if counted == before:
                return counted
            before = counted
        raise TimeoutError("varnishstat: MAIN.client_req has not stood still for 30 s")

    def _tell(self, directory: Path, command: str, *arguments: str) -> str:
        finished = subprocess.run(
            [command, "-n", str(directory / "work"), *arguments],
            capture_output=True,
            check=True,
            text=True,
            timeout=30,
            env={"PATH": PATH},
        )
        return finished.stdout


def _origin(lab: Lab) -> str:
    parts = urlsplit(lab.url)
    return _ORIGIN.format(host=parts.hostname, port=parts.port)


@contextmanager
def _varnish(vcl: str, *, gzip: bool = False) -> Iterator[tuple[Path, int]]:
    def prepare(directory: Path, port: int) -> list[str]:
        (directory / "cache.vcl").write_text(vcl)
        parameters = {
            "cc_command": _COMPILER,
            # Varnish's own compression would make one copy of all.
            "http_gzip_support": "on" if gzip else "off",
            "thread_pools": "1",
            "thread_pool_min": "10",
            "vsl_space": "1M",
        }
        return [
            *("varnishd", "-F", "-j", "none", "-n", str(directory / "work"), "-s", "malloc,16m"),
            *("-a", f"{HOST}:{port}", "-f", str(directory / "cache.vcl")),
            *(word for name, value in parameters.items() for word in ("-p", f"{name}={value}")),
        ]

    with running(prepare) as made:
        yield made


@contextmanager
def pypi(lab: Lab) -> Iterator[Varnish]:
    """As PyPI's edge: two nodes, which take turns."""
    with ExitStack() as stack:
        nodes = [
            stack.enter_context(_varnish(_origin(lab) + _PYPI.format(node=number + 1, keeping=_KEEPING)))
            for number in range(_NODES)
        ]
        backends = "".join(
            f'backend node{number} {{ .host = "{HOST}"; .port = "{port}"; }}\n'
            for number, (_, port) in enumerate(nodes)
        )
        added = "\n    ".join(f"nodes.add_backend(node{number});" for number in range(_NODES))
        front, port = stack.enter_context(_varnish(_DIRECTOR.format(backends=backends, added=added)))
        yield Varnish(f"http://{HOST}:{port}", front, nodes, apart=True)


@contextmanager
def cdn(lab: Lab, *, query: bool = True, no_cache: bool = False, encodings: bool = True) -> Iterator[Varnish]:
    """As a plain CDN: does it count the query, honour no-cache, keep a copy for each Accept-Encoding?"""
    recv = "\n    ".join([*([] if query else [_DROP_QUERY]), *([_HONOUR_NO_CACHE] if no_cache else [])])
    with _varnish(_origin(lab) + _CDN.format(recv=recv, keeping=_KEEPING), gzip=not encodings) as (directory, port):
        yield Varnish(f"http://{HOST}:{port}", directory, [(directory, port)], apart=encodings)
