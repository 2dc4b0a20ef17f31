"""`check --url`, of mirrors behind real web servers and caches."""

from __future__ import annotations

import shutil
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from bandersnatch_freshness.cli import parser as cli

from ..outside import site
from .files import Files, files
from .nginx import nginx
from .varnish import cdn

pytestmark = [pytest.mark.caches, pytest.mark.usefixtures("servers")]

COMPLETE = "complete as of 1 min"
OLD = "older than the mirror itself has: "


@pytest.fixture
def mirror() -> Iterator[Files]:
    """Serve a mirror as it was four hours ago; `site.write` brings it up to date."""
    with files() as one:
        site.write(one.web, site.BEFORE, int(time.time()))
        yield one


class Checked:
    """What a check prints and ends with."""

    def __init__(self, capsys: pytest.CaptureFixture[str], *urls: str) -> None:
        """Check these URLs."""
        self.code = cli.main(["check", "--timeout", "30", "--url", *urls])
        self.output = capsys.readouterr().out
        text, _, figures = self.output.partition(" | ")
        self.text = text
        self.figures = dict(figure.split(";")[0].split("=") for figure in figures.split())


def now(mirror: Files) -> None:
    """Bring a mirror up to date."""
    site.write(mirror.web, site.NOW, int(time.time()))


def test_a_mirror_behind_nginx(mirror: Files, capsys: pytest.CaptureFixture[str]) -> None:
    """Is complete, in each form that there is."""
    now(mirror)
    checked = Checked(capsys, mirror.url)
    assert checked.code == 0
    assert checked.text.startswith(f"FRESHNESS OK - {mirror.url}: {COMPLETE}")
    assert (checked.figures["older_copies"], checked.figures["requests"]) == ("0", "15")


def test_nginx_as_a_cache_that_has_gone_stale(mirror: Files, capsys: pytest.CaptureFixture[str]) -> None:
    """Said by how much and since when, although all its copies agree: the facts come past it."""
    with nginx(mirror) as cache:
        Checked(capsys, cache.url)  # which fills it
        now(mirror)
        checked = Checked(capsys, cache.url)
    assert checked.code == 1
    assert f"{OLD}the index (JSON, gzip) at 127.0.0.1 is at serial 40, the mirror at 42, for 2 h" in checked.text
    assert COMPLETE in checked.text
    assert 7200 <= int(checked.figures["older_age"].removesuffix("s")) < 7300
    # Of index, foo and bar; but nginx drops some of the forms that are asked for at once.
    assert 2 < int(checked.figures["older_copies"]) <= 2 + 4 + 4


def test_a_cache_that_drops_the_query_has_old_facts_too(mirror: Files, capsys: pytest.CaptureFixture[str]) -> None:
    """Beside the server that it is in front of, its age shows; alone, once runs should have ended since."""
    with nginx(mirror, query=False) as cache:
        Checked(capsys, cache.url)
        now(mirror)
        checked = Checked(capsys, mirror.url, cache.url)
    assert checked.code == 1
    assert checked.text.startswith(
        f"FRESHNESS WARNING - {cache.url}: {OLD}status.json at 127.0.0.1 is at serial 41, the mirror at 43, for 2 h"
    )
    assert checked.text.endswith("1 of 2 mirrors are OK")


def test_varnish_with_one_stale_copy(mirror: Files, capsys: pytest.CaptureFixture[str]) -> None:
    """That copy is named, and no other."""
    with cdn(mirror) as cache:
        json = "application/vnd.pypi.simple.v1+json, application/vnd.pypi.simple.v1+html; q=0.1, text/html; q=0.01"
        assert cache.ask("/simple/foo/", "gzip, deflate", accept=json).serial == 39
        now(mirror)
        checked = Checked(capsys, cache.url)
        assert cache.ask("/simple/foo/", "identity", accept=json).serial == 42
    assert checked.code == 1
    assert f"{OLD}foo (JSON, gzip) at 127.0.0.1 (1.1 " in checked.text  # and its own name
    assert " is at serial 39, the mirror at 42, for 2 h" in checked.text
    assert checked.figures["older_copies"] == "1"


def test_a_copy_that_stopped(mirror: Files, capsys: pytest.CaptureFixture[str]) -> None:
    """As one of rsync's that nobody starts any more: among its like, at once; the worst decides."""
    with files() as copy:
        shutil.copytree(mirror.web, copy.web, dirs_exist_ok=True)
        now(mirror)
        checked = Checked(capsys, mirror.url, copy.url)
    assert checked.code == 1
    assert checked.text.startswith(f"FRESHNESS WARNING - {copy.url}: {OLD}status.json at 127.0.0.1 is at serial 41")
    assert "1 of 2 mirrors are OK" in checked.text


@pytest.mark.parametrize("with_facts", [True, False])
def test_a_directory_listing(mirror: Files, with_facts: bool, capsys: pytest.CaptureFixture[str]) -> None:
    """In place of pages: users get nothing."""
    now(mirror)
    if not with_facts:
        (mirror.web / "status.json").unlink()
    for page in mirror.web.glob("simple/*/index.*"):
        page.rename(page.with_name(page.name.replace("index", "page")))
    checked = Checked(capsys, mirror.url)
    assert checked.code == 2
    assert "pages fail, such as " in checked.text
    assert "at 127.0.0.1: a directory listing" in checked.text


def test_a_404(mirror: Files, capsys: pytest.CaptureFixture[str]) -> None:
    """In place of the index, and of each page."""
    now(mirror)
    shutil.rmtree(mirror.web / "simple")
    checked = Checked(capsys, mirror.url)
    assert checked.code == 2
    assert checked.text.startswith(
        f"FRESHNESS CRITICAL - {mirror.url}: the index (JSON, gzip) at 127.0.0.1 is not there: status 404; "
        f"8 of 8 pages fail, such as bar (JSON, gzip) at 127.0.0.1: status 404; {COMPLETE}"
    )


def test_a_404_that_a_cache_keeps(mirror: Files, capsys: pytest.CaptureFixture[str]) -> None:
    """Of a page that the mirror has by now: in that form it is not there, in others it is."""
    page: Path = mirror.web / "simple/foo"
    shutil.rmtree(page)
    with nginx(mirror) as cache:
        assert cache.ask("/simple/foo/", "identity", accept="text/html").status == 404
        now(mirror)
        checked = Checked(capsys, cache.url)
    assert checked.code == 1
    assert f"{OLD}foo (" in checked.text
    assert " is at a 404, the mirror at serial 42, for 2 h" in checked.text
