"""Clients the plugins don't use: `requests` and the `curl` command. Also the proxy and CA file of all clients."""

from __future__ import annotations

import os
import shutil
import subprocess
import tempfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from email.parser import BytesHeaderParser
from email.policy import HTTP
from pathlib import Path
from urllib.parse import urlsplit
from urllib.request import getproxies, proxy_bypass

from msgspec import Struct
from multidict import CIMultiDict

from ..extras import Extra
from .problems import CurlError
from .ways import Client

SECONDS = 10


class WayOut(Struct, frozen=True):
    """The proxy to use and the CA file to trust; "" means no proxy, or each client's default authorities."""

    proxy: str = ""
    ca_file: str = ""


def proxy_for(url: str) -> str:
    """Return the environment's proxy for a URL, "" if there is none."""
    parts, known = urlsplit(url), getproxies()
    if proxy_bypass(parts.hostname or ""):
        return ""
    return known.get(parts.scheme) or known.get("all") or ""


@contextmanager
def trusted_authorities() -> Iterator[str]:
    """Yield one CA file with everything the environment makes requests, curl and OpenSSL trust; "" if nothing.

    Without it the clients differ: Bandersnatch's reads only SSL_CERT_FILE, requests only the other two.
    """
    names = ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE")
    files = list(dict.fromkeys(os.environ[name] for name in names if os.path.isfile(os.environ.get(name, ""))))
    if len(files) < 2:
        yield "".join(files)
        return
    with tempfile.NamedTemporaryFile("wb", prefix="freshness-ca-", suffix=".pem") as bundle:
        for file in files:
            bundle.write(Path(file).read_bytes() + b"\n")
        bundle.flush()
        yield bundle.name


class Raw(Struct, frozen=True):
    """An answer as the client got it: the body is still encoded, and None if it was not read."""

    status: int
    headers: Mapping[str, str]
    body: bytes | None
    url: str
    sent: Mapping[str, str]


def others() -> tuple[Client, ...]:
    """Return the clients that are here, beside the plugins' own."""
    found = {Client.REQUESTS: Extra.REQUESTS.is_installed, Client.CURL: shutil.which("curl") is not None}
    return tuple(client for client, is_here in found.items() if is_here)


def by_requests(way_out: WayOut, url: str, headers: Mapping[str, str], read: bool) -> Raw:
    """GET with `requests`, which is an extra.

    Raises:
        requests.RequestException: from `requests` itself.
    """
    import requests
    from urllib3.util import SKIP_HEADER

    with requests.Session() as session:
        session.trust_env = False  # proxy and CA bundle come from `way_out`
        if way_out.proxy:
            session.proxies = {"http": way_out.proxy, "https": way_out.proxy}
        # http.client adds Accept-Encoding if the header is missing or None; only this marker keeps it off.
        sent = {"Accept-Encoding": SKIP_HEADER, **headers}
        verify = way_out.ca_file or True
        with session.get(url, headers=sent, timeout=SECONDS, verify=verify, stream=True) as response:
            body = response.raw.read(decode_content=False) if read else None
            went_out = response.request.headers.items()
            return Raw(
                response.status_code,
                response.headers,
                body,
                str(response.request.url),
                {name: str(value) for name, value in went_out if value != SKIP_HEADER},
            )


def by_curl(way_out: WayOut, url: str, headers: Mapping[str, str], read: bool) -> Raw:
    """GET with the `curl` command.

    Raises:
        CurlError: if curl fails.
    """
    command = ["curl", "--config", "-", "--max-time", str(SECONDS), *curl_arguments(headers)]
    # URL and proxy may hold secrets, so they go in on stdin: any user of the machine can read arguments.
    quiet = ["silent", "include", "suppress-connect-headers", "location", "max-redirs = 10"]
    settings = [*quiet, _curl_setting("url", url), _curl_setting("proxy", way_out.proxy)]
    if way_out.ca_file:
        settings.append(_curl_setting("cacert", way_out.ca_file))
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL) as curl:
        assert curl.stdin  # noqa: S101 - they are pipes
        assert curl.stdout  # noqa: S101
        curl.stdin.write("\n".join(settings).encode())
        curl.stdin.close()
        status, found = 0, BytesHeaderParser(policy=HTTP).parsebytes(b"")
        while first := curl.stdout.readline():
            status = int(first.split()[1])
            found = BytesHeaderParser(policy=HTTP).parsebytes(b"".join(iter(curl.stdout.readline, b"\r\n")))
            if not (status < 200 or (300 <= status < 400 and "Location" in found)):
                break
        body = curl.stdout.read() if read else None
        if not read:
            curl.terminate()
    if curl.returncode and (read or not status):
        raise CurlError(curl.returncode)
    received = CIMultiDict({name: str(value) for name, value in found.items()})
    return Raw(status, received, body, url, headers)


def _curl_setting(name: str, value: str) -> str:
    escaped = value.replace("\\", "\\\\").replace('"', '\\"')
    return f'{name} = "{escaped}"'


def curl_arguments(headers: Mapping[str, str]) -> Iterator[str]:
    """Yield curl's arguments for an HTTP/1.1 request with exactly these headers."""
    yield "--http1.1"
    for name, value in headers.items():
        if name.lower() == "user-agent":
            yield from ("--user-agent", value)
        else:
            yield from ("--header", f"{name}: {value}" if value else f"{name};")
