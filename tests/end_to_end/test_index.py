"""The index, through the real `bandersnatch`: its freshest whole copy, and none older than the mirror."""

from __future__ import annotations

import json

import pytest
from packaging.version import Version

from bandersnatch_freshness.core.incidents import INDEX, MIRROR
from bandersnatch_freshness.lab.behaviours import ALL_COPIES, COPIES, Behaviour
from bandersnatch_freshness.lab.documents import SIMPLE_JSON
from bandersnatch_freshness.lab.server import Lab

from ..cli.test_status import command
from ..conftest import MakeMirror, StartLab
from .cron import HOUR, MINUTE, cron, side_by_side, state
from .observe import (
    BANDERSNATCH,
    SIMPLE,
    is_fresh,
    lines,
    metadata,
    needs_simple,
    needs_xmlrpc,
    pages,
    untouched,
)

XMLRPC = {"api-method": "xmlrpc"}

# After so long, an index that has not moved is in doubt.
LOOK = 65 * MINUTE

STUCK_INDEX = Behaviour("all copies of the index are stuck", stuck_index=ALL_COPIES)


def index_requests(lab: Lab) -> list[str]:
    """Return the methods of the requests for the index that were answered with it."""
    return [asked.method for asked in lab.requests if asked.path == "/simple/"]


@needs_simple
@pytest.mark.parametrize("meta", [{"_last-serial": 1.0}, {}, None, []], ids=["floats", "empty", "null", "a-list"])
def test_an_index_that_bare_bandersnatch_reads_is_acted_on(
    meta: object, start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """As a proxy may write it that reads and writes JSON; an audit reads it too."""
    lab = start_lab(projects=3)
    with side_by_side(make_mirror, lab, mirror=SIMPLE) as (bare, mirror, bare_runs, runs):
        for one in (bare_runs, runs):
            one.run(0)
        lab.release()
        first = lab.serial - len(lab.names) + 1  # as they were released one after the other
        listed = [{"name": name, "_last-serial": float(first + at)} for at, name in enumerate(lab.names)]
        lab.plant_index(lab.serial, json.dumps({"meta": meta, "projects": listed}), COPIES)
        for one in (bare_runs, runs):
            one.run(LOOK)
    for made in (bare, mirror):
        assert all(sorted(made.versions(name)) == sorted(lab.versions(name)) for name in lab.names)
        assert made.serial == lab.serial
    assert command("audit", mirror).returncode == 0


@needs_simple
@pytest.mark.smoke
def test_the_index_is_taken_from_the_freshest_copy(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Compared by three small requests, once it is older than it may be; bare Bandersnatch sees nothing to do."""
    lab = start_lab("index-stale")
    with side_by_side(make_mirror, lab, mirror=SIMPLE) as (bare, mirror, bare_runs, runs):
        for one in (bare_runs, runs):
            one.run(0)
        lab.release()
        behind = lab.serial
        lab.release(["lab-01"])
        lab.forget()
        bare_runs.run(LOOK)
        assert bare.serial < behind
        lab.forget()
        said = runs.run(LOOK)
    assert is_fresh(mirror, lab)
    assert index_requests(lab) == ["GET", "HEAD", "HEAD", "HEAD", "GET"]
    (line,) = [line for line in said if "The index was stale" in line]
    assert "cured by deflate" in line


@needs_simple
def test_a_fresh_index_is_fetched_once(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """With nothing else, and nothing for projects that have not changed."""
    lab = start_lab()
    mirror = make_mirror(lab, "freshness_guard", mirror=SIMPLE)
    mirror.run()
    lab.forget()
    mirror.run()
    assert index_requests(lab) == ["GET"]
    assert pages(lab) == {}


@needs_simple
def test_where_head_is_not_answered_headers_are_enough(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """The copies are compared by GETs that end with the headers, three requests all the same."""
    lab = start_lab(
        Behaviour("no HEAD", refuses_head=True, stuck_index=frozenset({"gzip"}), late_index=frozenset({"identity"}))
    )
    mirror = make_mirror(lab, "freshness", mirror=SIMPLE)
    with cron(mirror) as runs:
        runs.run(0)
        lab.release()
        lab.release()
        lab.forget()
        runs.run(LOOK)
    assert is_fresh(mirror, lab)
    assert index_requests(lab) == ["GET", "HEAD", "GET", "GET", "GET"]


@needs_simple
def test_a_head_that_hangs_costs_one_time_out_a_day(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Bare Bandersnatch sends none; the index is what it is without one."""
    lab = start_lab(Behaviour("silent to HEAD", hangs_on_head=True, stuck_index=ALL_COPIES), projects=1)
    mirror = make_mirror(lab, "freshness", mirror={**SIMPLE, "timeout": "1"})
    with cron(mirror) as runs:
        runs.run(0)
        for time, heads in ((2 * HOUR, 1), (4 * HOUR, 0), (25 * HOUR, 0), (27 * HOUR, 1), (29 * HOUR, 0)):
            lab.release()
            lab.forget()
            runs.run(time)
            assert index_requests(lab).count("HEAD") == heads
            assert is_fresh(mirror, lab)  # by the changelog


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
    assert state(mirror)["incidents"].keys() == {INDEX, MIRROR}
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
    """In every look, as long as it is there: at last the one that Bandersnatch would have taken is, and then the
    master itself says what has changed.
    """
    lab = start_lab(Behaviour("stuck", stuck_index=frozenset({"gzip"})), projects=3)
    with side_by_side(make_mirror, lab, mirror=SIMPLE) as (bare, mirror, bare_runs, runs):
        for one in (bare_runs, runs):
            one.run(0)
        for number in (1, 2):
            lab.release()
            lab.plant_index(lab.serial + 1000, body, copies, kind)
            lab.forget()
            said = runs.run(number * LOOK)
            assert is_fresh(mirror, lab)
            # One look, each broken copy once, and then the one that was asked for first.
            assert index_requests(lab) == ["GET", "HEAD", "HEAD", "HEAD", *["GET"] * len(copies), "GET"]
            assert len([line for line in said if "A copy of the index is not used, the next best is" in line]) == len(
                copies
            )
            assert not [line for line in said if "The index is not used" in line]
        bare_runs.run(2 * LOOK)
        assert not is_fresh(bare, lab)


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
    with cron(mirror) as runs:
        runs.run(0)
        lab.behave(Behaviour("a node", stuck=ALL_COPIES, stuck_index=ALL_COPIES, stuck_node=1))
        lab.release(["lab-00"])
        lab.forget()
        said = runs.run(LOOK)
    assert index_requests(lab) == ["GET", "HEAD", "HEAD", "HEAD", "GET", "GET"]
    assert len([line for line in said if "The index was stale, cured by" in line]) == 1
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
    """Where every copy agrees, and the master does not say that this is all; it is over with the next release."""
    lab = start_lab(Behaviour("no XML-RPC", refuses_xmlrpc=True))
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
    assert state(mirror)["incidents"].keys() == {INDEX, MIRROR}


@needs_simple
def test_an_upstream_without_serial_headers_is_usable(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """As a mirror of a mirror: the serials in the bodies count, and no copies are compared."""
    lab = start_lab("no-serial", projects=3)
    mirror = make_mirror(lab, "freshness", mirror=SIMPLE)
    mirror.run()
    assert is_fresh(mirror, lab)
    lab.release()
    mirror.run()
    assert is_fresh(mirror, lab)
    assert state(mirror)["index"]["serial"] == lab.serial
    assert state(mirror)["incidents"] == {}


def test_metadata_requests_on_a_healthy_edge(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """The guard adds nothing where there is no index to compare, and no request for a page."""
    lab = start_lab()
    mirror = make_mirror(lab, "freshness_guard", mirror=XMLRPC if Version("8") > BANDERSNATCH else {})
    mirror.run()
    assert len([asked for asked in metadata(lab) if asked.path == "/simple/"]) == (Version("8") <= BANDERSNATCH)
    assert pages(lab) == dict.fromkeys(lab.names, 1)
