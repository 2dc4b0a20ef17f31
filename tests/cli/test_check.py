"""The command `check`, from outside."""

from __future__ import annotations

import functools
import json
import re
import subprocess
import sys
import time
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import pytest

from bandersnatch_freshness.cli import parser as cli

from ..conftest import MakeMirror, StartLab
from ..end_to_end.observe import SIMPLE, needs_simple
from ..http_server import Server, serving
from ..outside import site


class Quiet(SimpleHTTPRequestHandler):
    """A server of files that logs nothing."""

    def log_message(self, *_: object) -> None:
        """Log nothing."""


def check(web: Path, *arguments: str) -> tuple[int, str]:
    """Check what is served of a directory, as from another host; return the exit code and the output."""
    with Server(("127.0.0.1", 0), functools.partial(Quiet, directory=str(web))) as server, serving(server):
        url = f"http://127.0.0.1:{server.server_address[1]}"
        line = [sys.executable, "-m", "bandersnatch_freshness", "check", *(arguments or ["--url", "URL"])]
        finished = subprocess.run(
            [word.replace("URL", url) for word in line], capture_output=True, text=True, check=False, cwd="/"
        )
    assert finished.stderr == ""
    return finished.returncode, finished.stdout.replace(url, "URL")


@needs_simple
@pytest.mark.smoke
def test_a_mirror_that_a_run_has_made(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Its own facts, index and pages are of one mind; a page that a copy lacks is found, as it changed last."""
    lab = start_lab(projects=12)
    mirror = make_mirror(lab, "freshness", options={"status_page": "status.html"})
    mirror.configure(**SIMPLE)
    mirror.run()
    page = mirror.directory / "web/simple/lab-07/index.html"
    before = page.read_text()
    lab.release(["lab-07"])
    mirror.run()
    web = mirror.directory / "web"
    code, output = check(web)
    assert (code, output.partition(" as of ")[0]) == (0, "FRESHNESS OK - URL: complete")
    assert " older_copies=0;;;0 " in output
    page.write_text(before)
    code, output = check(web)
    copy = r"lab-07 \((JSON|HTML), (gzip|plain)\) at 127.0.0.1"  # all of them are as old
    assert re.search(rf"{copy} is at serial \d+, the mirror at {lab.serial}, for ", output)


def test_bare_bandersnatch_is_checked_too(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """By when it was synced last, which it says itself."""
    mirror = make_mirror(start_lab(projects=2))
    mirror.run()
    code, output = check(mirror.directory / "web")
    assert (code, output.partition(" synced ")[0]) == (0, "FRESHNESS OK - URL:")
    (mirror.directory / "web/last-modified").write_text("20181016T12:00:00\n")
    code, output = check(mirror.directory / "web")
    assert (code, output.partition(" synced ")[0]) == (2, "FRESHNESS CRITICAL - URL:")


def test_several_are_one_fleet(tmp_path: Path) -> None:
    """The worst decides; all options as they come."""
    site.write(tmp_path, site.NOW, int(time.time()))
    code, output = check(tmp_path, "--url", "URL", "--json", "--timeout", "20", "--url", "http://127.0.0.1:1", "URL")
    found = json.loads(output)
    assert code == found["exit_code"] == 2
    assert found["line"].startswith(
        "FRESHNESS CRITICAL - http://127.0.0.1:1: connection refused; 1 of 2 mirrors are OK | mirrors=2;;;0 not_ok=1;"
    )


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        pytest.param(["--url", "mirror.example"], "--url mirror.example: not the URL of a mirror", id="no-url"),
        pytest.param(["--url", "http://a,http://b"], "--url: a space, not a comma, is between", id="comma"),
        pytest.param(["--url", "ftp://a:b@c"], "--url (not shown): not the URL of a mirror", id="secret"),
    ],
)
def test_what_is_no_url_is_unknown(arguments: list[str], said: str, capsys: pytest.CaptureFixture[str]) -> None:
    """In one line on standard output."""
    assert cli.main(["check", *arguments]) == 3
    assert capsys.readouterr().out.startswith(f"FRESHNESS UNKNOWN - {said}")


@pytest.mark.parametrize("value", ["0", "-1", "soon", "nan", "3601"])
def test_a_timeout_is_seconds(value: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Anything else is a usage error, and so UNKNOWN."""
    with pytest.raises(SystemExit) as ended:
        cli.main(["check", "--url", "http://a", "--timeout", value])
    assert ended.value.code == 3
    assert "allowed: seconds, up to 3600" in capsys.readouterr().out


def imported_by(*arguments: str) -> set[str]:
    """Return the modules that a command has imported by its end."""
    code = f"import sys; from bandersnatch_freshness.cli import main; main({list(arguments)!r}); "
    line = [sys.executable, "-c", f"{code} print(*sys.modules, file=sys.stderr)"]
    return set(subprocess.run(line, capture_output=True, text=True, check=True).stderr.split())


def test_nothing_heavy_is_imported_for_it() -> None:
    """Neither Bandersnatch nor a client for HTTP, nor what other commands need."""
    heavy = {
        "bandersnatch",
        "aiohttp",
        "requests",
        "urllib3",
        "tqdm",
        "jinja2",
        "apprise",
        "asyncio",
        "prometheus_client",
    }
    assert not heavy & imported_by("check", "--url", "http://127.0.0.1:1")


def test_nothing_is_imported_for_the_local_form_before_bandersnatch() -> None:
    """What draws bars, and what asks from outside, is not for it."""
    found = imported_by("check", "-c", "/nowhere/none.conf")
    assert not {"tqdm", "jinja2", "bandersnatch_freshness.outside"} & found
