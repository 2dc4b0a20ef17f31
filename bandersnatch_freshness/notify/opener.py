"""The HTTP client of heartbeat and Alertmanager: of the ways to ask from Python, urllib alone logs nothing.

It goes by the environment's proxies, and trusts the system's authorities, or those that SSL_CERT_FILE names.
"""

from __future__ import annotations

import base64
import ssl
import urllib.request
from typing import Any
from urllib.parse import SplitResult, unquote


def opener() -> urllib.request.OpenerDirector:
    """Return what opens URLs, following no redirect: that a page to log in on is there proves nothing."""
    # One for all requests, as to read the system's certificates takes 20 ms; a proxy may need them for http too.
    return urllib.request.build_opener(_NoRedirect, urllib.request.HTTPSHandler(context=ssl.create_default_context()))


def without_login(parts: SplitResult) -> tuple[SplitResult, dict[str, str]]:
    """Return a URL without its user and password, and the header that carries them instead."""
    login, _, host = parts.netloc.rpartition("@")
    if not login:
        return parts, {}
    known = unquote(login if ":" in login else f"{login}:")
    return parts._replace(netloc=host), {"Authorization": f"Basic {base64.b64encode(known.encode()).decode()}"}


class _NoRedirect(urllib.request.HTTPRedirectHandler):
    def redirect_request(self, *_: Any) -> None:
        """Follow none."""
