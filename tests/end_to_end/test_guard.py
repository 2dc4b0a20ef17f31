"""`freshness_guard`, through the real `bandersnatch`: no page older than the mirror's own gets in."""

from __future__ import annotations

import threading
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from bandersnatch_freshness.core.observations import SERIAL_HEADER, serial_in_html
from bandersnatch_freshness.lab.behaviours import ALL_COPIES, Behaviour
from bandersnatch_freshness.lab.mirrors import Mirror
from bandersnatch_freshness.lab.server import Lab

from ..cli.test_status import command
from ..conftest import MakeMirror, StartLab
from .cron import state
from .observe import (
    BANDERSNATCH,
    SIMPLE,
    is_fresh,
    lines,
    needs_simple,
    needs_sync,
    pages,
    untouched,
)

STALE = Behaviour("all copies of pages are stuck", stuck=ALL_COPIES)


def synced(lab: Lab, mirror: Mirror) -> None:
    """Set up a mirror with the second release of all projects, and an edge with only the first."""
    lab.behave(STALE)
    lab.release()  # the edge has the first in its cache
    stuck = lab.serial
    lab.heal()
    mirror.run()
    assert mirror.serial == stuck
    assert len(list((mirror.directory / "web" / "packages").rglob("lab_00-*.whl"))) == 2


@needs_sync
@pytest.mark.smoke
@pytest.mark.parametrize("plugins", [("freshness",), ("freshness_guard",)])
@pytest.mark.parametrize(
    "how",
    [
        pytest.param({"json": "true"}, id="json"),
        pytest.param({"json": "false"}, id="simple-page"),
        pytest.param({"json": "false", "hash-index": "true"}, id="hash-index"),
        pytest.param({"json": "false", "keep_index_versions": "2"}, id="versions"),
        pytest.param({"json": "false", "simple-format": "JSON"}, id="simple-json"),
    ],
)
def test_sync_replaces_nothing_by_something_older(
    plugins: tuple[str, ...], how: dict[str, str], start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """What can be had in no way stays as it is, with one line; what can, is taken."""
    lab = start_lab(projects=3)
    mirror = make_mirror(lab, *plugins, mirror=how)
    synced(lab, mirror)
    before = untouched(mirror)
    lab.roll_back("lab-00")
    run = mirror.run("sync", "lab-00")
    assert len(lines(run, "lab-00: no way gets a page as new as the mirror's own")) == 1
    assert "Traceback" not in run.output
    index = mirror.directory / "web" / "simple" / "index"
    assert {p: c for p, c in untouched(mirror).items() if not p.startswith(str(index))} == {
        p: c for p, c in before.items() if not p.startswith(str(index))
    }
    lab.heal()
    lab.release(["lab-00"])
    run = mirror.run("sync", "lab-00")
    assert not lines(run, "no way gets")
    assert str(lab.serial) in "".join(
        path.read_text() for path in (mirror.directory / "web" / "simple").rglob("lab-00/index.*")
    )


class Reader:
    """A client that reads a page of the mirror again and again, as pip does."""

    def __init__(self, page: Path) -> None:
        """Start reading; enter to know what was seen in the end."""
        self.seen: list[bytes] = []
        self._page = page
        self._done = threading.Event()
        self._thread = threading.Thread(target=self._read)

    def _read(self) -> None:
        while not self._done.wait(0.001):  # or it would take a processor for itself
            text = self._page.read_bytes()
            if [text] != self.seen[-1:]:
                self.seen.append(text)

    def __enter__(self) -> Reader:
        """Start."""
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        """Stop."""
        self._done.set()
        self._thread.join()


@pytest.mark.skipif(Version("6.8") > BANDERSNATCH, reason="up to 5.3 Bandersnatch itself copies pages into place")
def test_pip_never_sees_a_broken_or_an_older_page(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Through runs, syncs and checks, while the origin goes back and forth."""
    lab = start_lab(projects=2)
    mirror = make_mirror(lab, "freshness")
    mirror.run()
    with Reader(mirror.directory / "web" / "simple" / "lab-00" / "index.html") as reader:
        for _ in range(3):
            lab.heal()
            lab.release()
            mirror.run()
            lab.roll_back("lab-00")
            mirror.run("sync", "lab-00")
            verify(mirror, "--delete")
    serials = [serial_in_html(text) for text in reader.seen]
    assert len(serials) > 2
    assert serials == sorted(serial for serial in serials if serial is not None)
    assert all(text.rstrip().endswith(b"-->") for text in reader.seen)


@needs_simple
def test_a_run_replaces_no_page_by_an_older_one(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Of an edge that is behind as a whole, where the mirror has meanwhile synced a newer page."""
    lab = start_lab(projects=3)
    mirror = make_mirror(lab, "freshness", mirror=SIMPLE)
    mirror.run()
    lab.release(["lab-00"])
    lab.release(["lab-00"])
    mirror.run("sync", "lab-00")
    had = mirror.versions("lab-00")
    assert len(had) == 3
    lab.roll_back("lab-00", index=True)
    mirror.run()
    assert mirror.versions("lab-00") == had
    assert "lab-00" in state(mirror)["incidents"]
    lab.release(["lab-00"])
    lab.release(["lab-00"])
    mirror.run()
    assert is_fresh(mirror, lab)
    assert state(mirror)["incidents"] == {}


@pytest.mark.smoke
@pytest.mark.parametrize("others", [True, False], ids=["fresh-elsewhere", "nowhere"])
def test_a_new_header_lets_no_older_page_in(others: bool, start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """The page's own serial counts: bare takes what it had before, the suite asks for another copy or keeps its own."""
    lab = start_lab(kind="pypi", projects=2)
    bare, mirror = make_mirror(lab), make_mirror(lab, "freshness")
    first = lab.page("lab-00")
    lab.release()
    bare.run(), mirror.run()
    lab.release()
    serial = lab.page("lab-00").headers[SERIAL_HEADER]
    planted = replace(first, headers={**first.headers, SERIAL_HEADER: serial})
    lab.plant("lab-00", planted, ["gzip"] if others else ALL_COPIES)
    bare.run()
    assert len(bare.versions("lab-00")) == 1
    mirror.run()
    assert len(mirror.versions("lab-00")) == (3 if others else 2)
    assert (mirror.serial == lab.serial) is others


@needs_sync
def test_sync_asks_for_what_was_announced(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Of a package that is known to be stale; and takes what there is, where nothing is newer."""
    lab = start_lab(Behaviour("behind", origin_behind=1), projects=1)
    mirror = make_mirror(lab, "freshness")
    mirror.run()
    lab.release(["lab-00"])
    mirror.run()
    assert "lab-00" in state(mirror)["incidents"]
    lab.forget()
    mirror.run("sync", "lab-00")
    assert pages(lab)["lab-00"] == 8  # a climb, and the page that is there
    assert mirror.versions("lab-00") == ["1.0", "2.0"]


@needs_sync
def test_sync_climbs(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Where one copy is as new as the mirror's own, it is taken."""
    lab = start_lab(projects=3)
    mirror = make_mirror(lab, "freshness")
    lab.behave("gzip-stale")
    lab.release()
    mirror.run()
    assert is_fresh(mirror, lab)
    lab.forget()
    run = mirror.run("sync", "lab-00")
    assert lines(run, "lab-00 was stale, cured by strip")
    assert is_fresh(mirror, lab)


def verify(mirror: Mirror, *arguments: str) -> Any:
    """Run `verify --json-update` with the suite from its first request on."""
    return command("run", mirror, "verify", "--json-update", *arguments)


@pytest.mark.smoke
@pytest.mark.parametrize("plugin", ["freshness", "freshness_guard"])
def test_verify_deletes_nothing_newer(plugin: str, start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Bare Bandersnatch takes the old document, and deletes the newest release file for it."""
    lab = start_lab(projects=3)
    bare, mirror = make_mirror(lab), make_mirror(lab, plugin)
    for one in (bare, mirror):
        one.run()
    synced(lab, bare)
    mirror.run()
    lab.roll_back("lab-00")

    def newest(one: Mirror) -> list[Path]:
        return list((one.directory / "web" / "packages").rglob("lab_00-2.0*.whl"))

    bare.run("verify", "--json-update", "--delete")
    assert not newest(bare)
    run = verify(mirror, "--delete")
    assert len([line for line in run.stderr.splitlines() if "lab-00: no way gets a page as new" in line]) == 1
    assert "Traceback" not in run.stderr
    assert newest(mirror)
    assert mirror.versions("lab-00") == ["1.0", "2.0"]
    assert not list((mirror.directory / "web" / "json").glob("*.new"))


def test_verify_keeps_what_a_cached_404_says_is_gone(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """A 404 in one copy is asked for again."""
    lab = start_lab("cached-404", projects=2)
    mirror = make_mirror(lab, "freshness_guard")
    mirror.run()
    (name,) = lab.release(["lab-00"])
    mirror.run()
    before = mirror.versions(name)
    assert before == lab.versions(name)
    run = verify(mirror, "--delete")
    assert run.returncode == 0
    assert mirror.versions(name) == before
    assert list((mirror.directory / "web" / "packages").rglob(f"{name.replace('-', '_')}*.whl"))


def test_another_master_is_believed(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Its serials are another's; nothing of the old one's holds up a full check, and one line says so."""
    old, new = start_lab(projects=3), start_lab(projects=3)
    for _ in range(5):
        old.release()
    mirror = make_mirror(old, "freshness_guard", mirror=SIMPLE if Version("6.8") <= BANDERSNATCH else {})
    mirror.run()
    assert mirror.serial == old.serial > new.serial
    mirror.configure(master=new.https_url)
    environment = dict.fromkeys(("SSL_CERT_FILE", "REQUESTS_CA_BUNDLE"), str(new.ca_file))
    run = mirror.run(environment=environment)
    assert len(lines(run, "The master was")) == 1
    if BANDERSNATCH.major > 3:  # before, there is no `sync`
        run = mirror.run("sync", "lab-00", environment=environment)
        assert not lines(run, "no way gets")
        assert mirror.versions("lab-00") == ["1.0"]
    run = mirror.run("mirror", "--force-check", environment=environment)
    assert mirror.serial == new.serial, run.output
    assert "another_master" not in state(mirror)
