"""`freshness_guard`, through the real `bandersnatch`: nothing older than what the mirror has gets in."""

from __future__ import annotations

import json
import subprocess
import sys
import threading
from pathlib import Path
from typing import Any

import pytest
from packaging.version import Version

from bandersnatch_freshness.core.observations import serial_in_html
from bandersnatch_freshness.lab.behaviours import ALL_COPIES, Behaviour
from bandersnatch_freshness.lab.mirrors import Mirror
from bandersnatch_freshness.lab.origin import SIMPLE_JSON
from bandersnatch_freshness.lab.server import Lab

from ..cli.test_status import command
from ..conftest import MakeMirror, StartLab
from .cron import HOUR, MINUTE, cron, state
from .observe import BANDERSNATCH, SIMPLE, is_fresh, lines, metadata, needs_simple, needs_sync, needs_xmlrpc, pages

XMLRPC = {"api-method": "xmlrpc"}

STUCK_INDEX = Behaviour("all copies of the index are stuck", stuck_index=ALL_COPIES)


def index_requests(lab: Lab) -> list[str]:
    """Return the methods of the requests for the index that were answered with it."""
    return [asked.method for asked in lab.requests if asked.path == "/simple/"]


def untouched(mirror: Mirror) -> dict[str, Any]:
    """Return what must stay as it is where the index is refused: content, and when it was written."""
    web = mirror.directory / "web"
    paths = [mirror.directory / "status", mirror.directory / "todo", *web.rglob("*")]
    return {str(path): (path.read_bytes(), path.stat().st_mtime_ns) for path in paths if path.is_file()}


@needs_simple
@pytest.mark.smoke
def test_the_index_is_taken_from_the_freshest_copy(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Compared by three small requests; bare Bandersnatch sees nothing to do."""
    lab = start_lab("index-stale")
    bare, mirror = make_mirror(lab, mirror=SIMPLE), make_mirror(lab, "freshness", mirror=SIMPLE)
    for one in (bare, mirror):
        one.run()
    lab.release()
    behind = lab.serial
    lab.release(["lab-01"])
    lab.forget()
    bare.run()
    assert bare.serial < behind
    lab.forget()
    run = mirror.run()
    assert is_fresh(mirror, lab)
    assert index_requests(lab) == ["GET", "HEAD", "HEAD", "HEAD", "GET"]
    (line,) = lines(run, "The index was stale")
    assert "cured by deflate" in line


@needs_simple
def test_a_fresh_index_is_fetched_once(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """With the requests that compare it, and none for projects that have not changed."""
    lab = start_lab()
    mirror = make_mirror(lab, "freshness_guard", mirror=SIMPLE)
    mirror.run()
    lab.forget()
    mirror.run()
    assert index_requests(lab) == ["GET", "HEAD", "HEAD", "HEAD"]
    assert pages(lab) == {}


@needs_simple
def test_where_head_is_not_answered_headers_are_enough(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """The copies are compared by GETs that end with the headers, three requests all the same."""
    lab = start_lab(
        Behaviour("no HEAD", refuses_head=True, stuck_index=frozenset({"gzip"}), late_index=frozenset({"identity"}))
    )
    mirror = make_mirror(lab, "freshness", mirror=SIMPLE)
    mirror.run()
    lab.release()
    lab.release()
    lab.forget()
    mirror.run()
    assert is_fresh(mirror, lab)
    assert index_requests(lab) == ["GET", "HEAD", "GET", "GET", "GET"]


@needs_simple
def test_a_head_that_hangs_costs_one_time_out_a_day(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Bare Bandersnatch sends none; the index is what it is without one."""
    lab = start_lab(Behaviour("silent to HEAD", hangs_on_head=True), projects=1)
    mirror = make_mirror(lab, "freshness", mirror={**SIMPLE, "timeout": "1"})
    with cron(mirror) as runs:
        for time, heads in ((0, 1), (HOUR, 0), (23 * HOUR, 0), (25 * HOUR, 1), (26 * HOUR, 0)):
            lab.release()
            lab.forget()
            runs.run(time)
            assert index_requests(lab).count("HEAD") == heads
            assert is_fresh(mirror, lab)


@needs_simple
@pytest.mark.parametrize(
    ("behaviour", "reason"),
    [
        pytest.param("index-html", "it is no JSON, but text/html", id="html"),
        pytest.param("index-no-serial", "it carries no serial", id="no-serial"),
        pytest.param("index-truncated", "it breaks off", id="truncated"),
        pytest.param("index-static", "it carries no serial", id="no-serial-of-a-project"),
    ],
)
def test_a_broken_index_is_never_acted_on(
    behaviour: str, reason: str, start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """Everything stays as it is, an incident opens, and the next run tries again; it ends as that of bare Bandersnatch.

    That fails of an index which it can't read, and takes one without serials for one without news.
    """
    lab = start_lab()
    bare, mirror = make_mirror(lab, mirror=SIMPLE), make_mirror(lab, "freshness", mirror=SIMPLE)
    bare.run()
    mirror.run()
    before = untouched(mirror)
    lab.behave(behaviour)
    lab.release()
    lab.forget()
    run = mirror.run()
    assert reason in "".join(lines(run, "The index"))
    assert untouched(mirror) == before
    assert run.returncode == bare.run().returncode == (behaviour in ("index-html", "index-truncated"))
    assert state(mirror)["incidents"].keys() == {"/simple/"}
    assert pages(lab) == {}
    lab.heal()
    mirror.run()
    assert is_fresh(mirror, lab)
    assert state(mirror)["incidents"] == {}


@needs_simple
@pytest.mark.parametrize(
    ("body", "kind", "copies"),
    [
        pytest.param('{"meta": {"_last-serial": 9', SIMPLE_JSON, ("deflate",), id="cut-off"),
        pytest.param("<html>Login</html>", "text/html", ("deflate", "identity"), id="html-twice"),
        pytest.param('{"meta": {"_last-serial": 9}, "projects": []}', SIMPLE_JSON, ("identity",), id="empty"),
        pytest.param(
            '{"meta": {}, "projects": [{"name": "lab-00", "_last-serial": 4900000}]}',
            SIMPLE_JSON,
            ("deflate", "identity"),
            id="one-project-twice",
        ),
    ],
)
def test_a_broken_copy_that_claims_to_be_newer_is_left_for_the_next_best(
    body: str, kind: str, copies: tuple[str, ...], start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """In every run, as long as it is there: bare Bandersnatch, which asks for the good copy only, is complete too."""
    lab = start_lab(projects=3)
    mirrors = [make_mirror(lab, *plugins, mirror=SIMPLE) for plugins in ((), ("freshness",))]
    for mirror in mirrors:
        mirror.run()
    for _ in range(2):
        lab.release()
        lab.plant_index(lab.serial + 1000, body, copies, kind)
        for mirror in mirrors:
            run = mirror.run()
            assert is_fresh(mirror, lab)
            assert run.returncode == 0
        assert len(lines(run, "A copy of the index is not used, the next best is")) == len(copies)
        assert not lines(run, "The index is not used")
        assert mirrors[0].serial == mirrors[1].serial == lab.serial


@needs_simple
def test_a_removal_upstream_leaves_no_lag(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Its event is the last of all, and no project's: bare Bandersnatch, too, is at the highest of these."""
    lab = start_lab(projects=3)
    mirrors = [make_mirror(lab, *plugins, mirror=SIMPLE) for plugins in ((), ("freshness",))]
    for mirror in mirrors:
        mirror.run()
    before = lab.serial
    for _ in range(2):
        lab.remove("lab-00", counts=True)
        for mirror in mirrors:
            assert mirror.run().returncode == 0
        assert [mirror.serial for mirror in mirrors] == [before, before]
        status = json.loads(command("status", mirrors[1], "--json").stdout)
        assert (status["serial_lag"], status["serial"]) == (0, before)
    lab.release(["lab-01"])
    for mirror in mirrors:
        mirror.run()
        assert mirror.serial == lab.serial


@needs_simple
def test_a_newer_index_that_is_not_got_at_once_is_asked_for_again(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """One of two nodes is stale, in all copies: a HEAD meets the fresh one, the next GET the other."""
    lab = start_lab(projects=3)
    mirror = make_mirror(lab, "freshness", mirror=SIMPLE)
    mirror.run()
    lab.behave(Behaviour("a node", stuck=ALL_COPIES, stuck_index=ALL_COPIES, stuck_node=1))
    lab.release(["lab-00"])
    run = mirror.run()
    assert index_requests(lab)[-6:] == ["GET", "HEAD", "HEAD", "HEAD", "GET", "GET"]
    assert len(lines(run, "The index was stale, cured by")) == 1
    assert is_fresh(mirror, lab)


@needs_simple
@pytest.mark.parametrize("hashed", ["false", "true"])
def test_a_broken_index_is_known_by_what_the_mirror_has(
    hashed: str, start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """In the first run with the suite, where nothing is remembered of the index."""
    lab = start_lab(projects=12)
    mirror = make_mirror(lab, mirror={**SIMPLE, "hash-index": hashed})
    mirror.run()
    before = mirror.serial
    mirror.configure("plugins", enabled="freshness_guard")
    lab.behave("index-half")
    lab.release()
    run = mirror.run()
    assert len(lines(run, "it lists 4 projects, the mirror has 12")) == 1
    assert mirror.serial == before


@needs_simple
@pytest.mark.smoke
@pytest.mark.parametrize("plugin", ["freshness", "freshness_guard"])
def test_an_index_older_than_the_mirror_is_never_acted_on(
    plugin: str, start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """Whatever is on the disk stays so."""
    lab = start_lab("healthy", "pypi")
    mirror = make_mirror(lab, plugin, mirror=SIMPLE)
    mirror.run()
    lab.behave(STUCK_INDEX)
    lab.release()
    old = lab.serial
    lab.behave("healthy")
    with cron(mirror) as runs:
        runs.run(0)
    mirror_serial = mirror.serial
    assert mirror_serial < old  # all copies are stuck at what the first run saw
    (mirror.directory / "status").write_text(str(old))
    before = untouched(mirror)
    with cron(mirror) as runs:
        (line, *_) = runs.run(HOUR)
        assert f"its serial {mirror_serial} is older than the mirror's own, {old}" in line
    assert untouched(mirror) == before
    incident = state(mirror)["incidents"]["/simple/"]
    assert (incident["required"], incident["got"]) == (old, mirror_serial)
    assert state(mirror)["runs"][-1]["outcome"] == "errors"
    lab.heal()
    with cron(mirror) as runs:
        runs.run(2 * HOUR)
    assert mirror.serial == lab.serial
    assert state(mirror)["incidents"] == {}


@needs_simple
def test_an_index_that_does_not_move_is_an_incident(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Even where every copy agrees; it is over with the next release."""
    lab = start_lab()
    mirror = make_mirror(lab, "freshness", options={"index_max_age": "2h"}, mirror=SIMPLE)
    with cron(mirror) as runs:
        runs.run(0, HOUR, 2 * HOUR - 1)
        assert state(mirror)["incidents"] == {}
        runs.run(2 * HOUR)
        assert state(mirror)["incidents"]["/simple/"]["got"] == lab.serial
        found = runs.run(3 * HOUR, 4 * HOUR)
        assert any(line.startswith("WARNING") and "the index has been stale for 2 h" in line for line in found)
        lab.release(["lab-00"])
        runs.run(5 * HOUR)
    assert state(mirror)["incidents"] == {}
    assert is_fresh(mirror, lab)


@needs_xmlrpc
def test_xml_rpc_is_guarded_too(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """A list of changes that does not move."""
    lab = start_lab()
    options = {"index_max_age": "2h"}
    mirror = make_mirror(lab, "freshness_guard", options=options, mirror=XMLRPC)
    with cron(mirror) as runs:
        runs.run(0)
        lab.release(["lab-00"])
        runs.run(HOUR)
        assert is_fresh(mirror, lab)
        runs.run(4 * HOUR)
        assert "/simple/" in state(mirror)["incidents"]


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


@needs_xmlrpc
def test_a_backend_of_xml_rpc_that_is_behind_is_noticed(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """It has no changes since the mirror's serial, because it has not got there yet."""
    lab = start_lab(projects=3)
    mirror = make_mirror(lab, "freshness", mirror=XMLRPC)
    lab.release(["lab-00"])
    mirror.run()
    before = untouched(mirror)
    lab.roll_back("lab-00", index=True)
    run = mirror.run()
    assert len(lines(run, f"its serial {lab.serial} is older than the mirror's own, {lab.serial + 1}")) == 1
    assert untouched(mirror) == before
    assert state(mirror)["incidents"].keys() == {"/simple/"}


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


@needs_simple
def test_an_upstream_without_serial_headers_is_usable(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """As a mirror of a mirror: the serials in the bodies count, and it is said once what that means."""
    lab = start_lab("no-serial", projects=3)
    mirror = make_mirror(lab, "freshness", mirror=SIMPLE)
    run = mirror.run()
    assert is_fresh(mirror, lab)
    assert len(lines(run, "No copy of the index has a serial in its header")) == 1
    lab.release()
    mirror.run()
    assert is_fresh(mirror, lab)
    assert state(mirror)["index"]["serial"] == lab.serial
    assert state(mirror)["incidents"] == {}


@pytest.mark.smoke
def test_run_tells_by_its_exit_code(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """0 where all is well, 1 where Bandersnatch failed, 2 with critical incidents; else as the command itself."""
    lab = start_lab(projects=3)
    mirror = make_mirror(lab, "freshness")
    run = command("run", mirror, "mirror")
    assert run.returncode == 0
    assert "Syncing" in run.stderr
    assert is_fresh(mirror, lab)
    lab.behave(Behaviour("one fails", fault="error", every=1000))
    lab.release(["lab-00"])
    assert command("run", mirror, "mirror").returncode == 1
    lab.behave(Behaviour("one is stale", origin_behind=1, every=1000))
    lab.release(["lab-00"])
    with cron(mirror) as runs:
        runs.run(0, MINUTE, HOUR)
    assert command("run", mirror, "mirror").returncode == 2
    assert command("run", mirror, "delete", "lab-01").returncode == 2
    assert mirror.versions("lab-01") == []
    assert command("run", mirror, "mirorr").returncode == 1
    assert command("run", mirror, "--nosuch", "mirror").returncode == 1
    mirror.configure("freshness", warn_after="soon")
    refused = command("run", mirror, "mirror")
    assert refused.returncode == 1
    assert "warn_after = soon: not a duration" in refused.stderr


def test_run_passes_on_what_it_is_given(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Options, help and version are Bandersnatch's; a configuration may stand on either side."""
    lab = start_lab(projects=1)
    mirror = make_mirror(lab, "freshness")
    program = [sys.executable, "-m", "bandersnatch_freshness"]

    def run(*arguments: str) -> subprocess.CompletedProcess[str]:
        environment = mirror.environment()
        return subprocess.run([*program, *arguments], capture_output=True, text=True, env=environment, check=False)

    config = str(mirror.config)
    for arguments in (["-c", config, "run", "mirror"], ["run", "-c", config, "mirror"]):
        done = run(*arguments)
        assert (done.returncode, "DEBUG" in done.stderr) == (0, False)
    assert "DEBUG" in run("run", f"--config={config}", "--debug", "mirror").stderr
    assert "--force-check" in run("run", "mirror", "--help").stdout
    assert run("run", "--version").stdout.strip().endswith(str(BANDERSNATCH))
    assert "Bandersnatch's own command" in run("run", "--help").stdout


def test_run_without_a_plugin_is_bandersnatch(start_lab: StartLab, make_mirror: MakeMirror, tmp_path: Path) -> None:
    """And says so; a configuration that is not there is Bandersnatch's business."""
    lab = start_lab(projects=1)
    mirror = make_mirror(lab)
    run = command("run", mirror, "mirror")
    assert run.returncode == 0
    assert "[plugins] enabled has no freshness plugin: as plain bandersnatch" in run.stderr
    assert is_fresh(mirror, lab)
    mirror.config.unlink()
    assert command("run", mirror, "mirror").returncode == 1


def test_metadata_requests_on_a_healthy_edge(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """The guard adds nothing where there is no index to compare, and no request for a page."""
    lab = start_lab()
    mirror = make_mirror(lab, "freshness_guard", mirror=XMLRPC if Version("8") > BANDERSNATCH else {})
    mirror.run()
    compared = 3 if Version("8") <= BANDERSNATCH else 0
    assert len([asked for asked in metadata(lab) if asked.method == "HEAD" and asked.path == "/simple/"]) == compared
    assert pages(lab) == dict.fromkeys(lab.names, 1)
