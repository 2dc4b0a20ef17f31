"""Varnish: as PyPI's edge and shield are configured today, and as a plain CDN."""

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

from .cache import Cache, Upstream
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

# What a plain CDN keeps: what may be cached at all, and for how long.
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

# What both tiers of PyPI's do: pages live as long as the origin says, and both sign them.
# Where it says nothing, as of a 404, PyPI's keep it for a minute; a replay takes longer than that.
_TIER = """
import std;

sub vcl_backend_fetch {{
    unset bereq.http.Accept-Encoding;
}}

sub vcl_backend_response {{
    set beresp.ttl = 1d;
    set beresp.grace = 0s;
    if (beresp.http.Surrogate-Control ~ "max-age=") {{
        set beresp.ttl = std.duration(regsub(beresp.http.Surrogate-Control, "^.*max-age=(\\d+).*$", "\\1s"), 0s);
    }}
    if (beresp.status >= 500) {{
        set beresp.uncacheable = true;
    }}
    {fetched}
}}

sub vcl_deliver {{
    if (resp.http.X-Served-By) {{
        set resp.http.X-Served-By = resp.http.X-Served-By + ", cache-varnish-{name}";
    }} else {{
        set resp.http.X-Served-By = "cache-varnish-{name}";
    }}
    if (resp.http.X-Cache) {{
        set resp.http.X-Cache = resp.http.X-Cache + ", ";
    }}
    if (obj.hits > 0) {{
        set resp.http.X-Cache = resp.http.X-Cache + "HIT";
    }} else {{
        set resp.http.X-Cache = resp.http.X-Cache + "MISS";
    }}
    unset resp.http.Age;
    unset resp.http.Via;
    unset resp.http.X-Varnish;
    {delivered}
}}
"""

# It has one copy of each form of a page, and gives none that is older than it may be.
_SHIELD = """
sub vcl_recv {{
    if (req.method != "GET" && req.method != "HEAD") {{
        return (pass);
    }}
    unset req.http.Accept-Encoding;
    return (hash);
}}
"""

# Where a page's lifetime has ended, it gives the old one once more while it asks for the new one.
_FETCHED_BY_EDGE = f"""
    if (beresp.http.Surrogate-Control ~ "stale-while-revalidate=") {{
        set beresp.grace = std.duration(
            regsub(beresp.http.Surrogate-Control, "^.*stale-while-revalidate=(\\d+).*$", "\\1s"), 0s);
    }}
    set beresp.http.{COPY_HEADER} = bereq.http.{COPY_HEADER};
    set beresp.do_gzip = bereq.http.{COPY_HEADER} == "gzip";
"""

_DELIVERED_BY_EDGE = f"""
    unset resp.http.{COPY_HEADER};
    unset resp.http.Surrogate-Control;
    unset resp.http.Surrogate-Key;
"""

# From the facts of PyPI's edge: three copies, one name for each form, no query, and a PURGE that is not for everybody.
_EDGE = f"""
sub vcl_recv {{
    if (req.method == "PURGE") {{
        if (req.http.Purge-Password != "of the lab") {{
            return (synth(401, "Unauthorized"));
        }}
        return (purge);
    }}
    if (req.http.Accept-Encoding ~ "\\bgzip\\b") {{
        set req.http.{COPY_HEADER} = "gzip";
    }} elsif (req.http.Accept-Encoding ~ "\\bdeflate\\b") {{
        set req.http.{COPY_HEADER} = "deflate";
    }} else {{
        set req.http.{COPY_HEADER} = "identity";
    }}
    if (req.url !~ "^/simple/") {{
        unset req.http.Accept;
    }} elsif (req.http.Accept ~ "vnd\\.pypi\\.simple\\.(v1|latest)\\+json") {{
        set req.http.Accept = "application/vnd.pypi.simple.v1+json";
    }} else {{
        set req.http.Accept = "application/vnd.pypi.simple.v1+html";
    }}
    if (req.url !~ "^/pypi" || req.url ~ "^/pypi/[^/?]+(/[^/?]+)?/json/?(\\?|$)") {{
        set req.url = regsub(req.url, "\\?.*", "");
    }}
    if (req.url ~ "^/pypi/.+/json/$") {{
        set req.http.Location = regsub(req.url, "/$", "");
        return (synth(301, "Moved Permanently"));
    }}
    if (req.method != "GET" && req.method != "HEAD") {{
        return (pass);
    }}
    return (hash);
}}

sub vcl_hash {{
    hash_data(req.http.{COPY_HEADER});
}}

sub vcl_synth {{
    if (resp.status == 301) {{
        set resp.http.Location = req.http.Location;
        return (deliver);
    }}
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
    """One Varnish or several, each in a directory of its own; `front` is that of the one which clients ask."""

    def __init__(
        self, url: str, front: Path, nodes: Sequence[tuple[Path, int]], *, apart: bool, shield: Path | None = None
    ) -> None:
        """`apart`: it keeps a copy for each Accept-Encoding. A `shield` has one of all, behind the nodes."""
        super().__init__(url)
        self._shield = shield
        if shield:
            self.copies = ("gzip", "deflate", "identity")
        self.nodes = tuple(f"http://{HOST}:{port}" for _, port in nodes)
        self.keeps_encodings_apart = apart
        self._directories = [directory for directory, _ in nodes]
        self._front = front

    def purge(self, path: str, copies: Collection[str] = ALL_COPIES, node: int | None = None) -> None:
        """Ban them, and the shield's, from which what is banned comes anew."""
        url = f"^{path}([?]|$)"
        for directory in self._directories if node is None else [self._directories[node]]:
            copy = f"^({'|'.join(sorted(copies))})$"
            self._tell(directory, "varnishadm", "ban", "req.url", "~", url, "&&", f"obj.http.{COPY_HEADER}", "~", copy)
        if self._shield and copies:
            self._tell(self._shield, "varnishadm", "ban", "req.url", "~", url)

    def lifetimes(self, path: str) -> list[tuple[int, int]]:
        """Return the seconds for which the shield and the first node keep a page, and for which it is of use after."""
        assert self._shield
        found = []
        for directory in (self._shield, self._directories[0]):
            log = self._tell(directory, "varnishlog", "-d", "-g", "vxid", "-q", f'BereqURL eq "{path}"', "-i", "TTL")
            words = [line.split() for line in log.splitlines() if " VCL " in line][-1]  # one for each that was set
            found.append((int(words[3]), int(words[4])))
        return found

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


def _origin(url: str) -> str:
    parts = urlsplit(url)
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
    """As PyPI's edge: two nodes, which take turns, behind one shield."""
    with ExitStack() as stack:
        tier = _TIER.format(name="shield", fetched="", delivered="")
        shield, port = stack.enter_context(_varnish(_origin(lab.url) + tier + _SHIELD.format()))
        nodes = []
        for number in range(_NODES):
            tier = _TIER.format(name=number + 1, fetched=_FETCHED_BY_EDGE, delivered=_DELIVERED_BY_EDGE)
            vcl = _origin(f"http://{HOST}:{port}") + tier + _EDGE
            nodes.append(stack.enter_context(_varnish(vcl, gzip=True)))
        backends = "".join(
            f'backend node{number} {{ .host = "{HOST}"; .port = "{port}"; }}\n'
            for number, (_, port) in enumerate(nodes)
        )
        added = "\n    ".join(f"nodes.add_backend(node{number});" for number in range(_NODES))
        front, port = stack.enter_context(_varnish(_DIRECTOR.format(backends=backends, added=added)))
        yield Varnish(f"http://{HOST}:{port}", front, nodes, apart=True, shield=shield)


@contextmanager
def cdn(upstream: Upstream, *, query: bool = True, no_cache: bool = False, encodings: bool = True) -> Iterator[Varnish]:
    """As a plain CDN: does it count the query, honour no-cache, keep a copy for each Accept-Encoding?"""
    recv = "\n    ".join([*([] if query else [_DROP_QUERY]), *([_HONOUR_NO_CACHE] if no_cache else [])])
    with _varnish(_origin(upstream.url) + _CDN.format(recv=recv, keeping=_KEEPING), gzip=not encodings) as (
        directory,
        port,
    ):
        yield Varnish(f"http://{HOST}:{port}", directory, [(directory, port)], apart=encodings)
