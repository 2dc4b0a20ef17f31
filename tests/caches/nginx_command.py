"""How nginx is started, whatever it does: with all its files in a directory of its own."""

from __future__ import annotations

import getpass
from pathlib import Path

_CONFIGURATION = """\
daemon off;
worker_processes 1;
{user}
pid {directory}/pid;
error_log {directory}/errors;

events {{
    worker_connections 256;
}}

http {{
    client_body_temp_path {directory}/body;
    proxy_temp_path {directory}/proxy;
    fastcgi_temp_path {directory}/fastcgi;
    uwsgi_temp_path {directory}/uwsgi;
    scgi_temp_path {directory}/scgi;
{http}
}}
"""


def nginx_command(directory: Path, http: str) -> list[str]:
    """Write a configuration with this in its `http` block, and return the command that follows it."""
    user = "user root;" if getpass.getuser() == "root" else ""  # so that the directory is its own
    (directory / "nginx.conf").write_text(_CONFIGURATION.format(user=user, directory=directory, http=http))
    return ["nginx", "-p", str(directory), "-c", str(directory / "nginx.conf"), "-e", str(directory / "errors")]
