"""`freshness_encoding` and `freshness_cache_bust`, through the real command."""

from __future__ import annotations

import re
import time
from typing import Any

import pytest

from bandersnatch_freshness.lab.server import LabRequest

from ..conftest import MakeMirror, StartLab
from .observe import BANDERSNATCH, as_sent, is_fresh, metadata


def files(requests: Any) -> Any:
    """Return what is not for metadata: release files, their metadata, XML-RPC."""
    return as_sent(asked for asked in requests if not asked.is_metadata)


@pytest.mark.smoke
def test_encoding_strips_it_from_every_metadata_request(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Index and pages go without Accept-Encoding; all else is as bare Bandersnatch sends it."""
    lab = start_lab()
    make_mirror(lab).run()
    bare = lab.requests
    lab.forget()
    mirror = make_mirror(lab, "freshness_encoding")
    assert mirror.run().returncode == 0
    assert is_fresh(mirror, lab)
    assert len(lab.requests) == len(bare)
    assert {asked.header("Accept-Encoding") for asked in metadata(lab)} == {None}
    assert files(lab.requests) == files(bare)


@pytest.mark.smoke
def test_cache_bust_appends_another_timestamp_each_time(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Index and pages carry the parameter, also past the redirect, with ten workers at once."""
    lab = start_lab(projects=30)
    make_mirror(lab).run()
    bare = lab.requests
    lab.forget()
    mirror = make_mirror(lab, "freshness_cache_bust", mirror={"workers": "10"})
    assert mirror.run().returncode == 0
    assert is_fresh(mirror, lab)
    found = [re.fullmatch(r"cache-bust=(\d+)", asked.query) for asked in metadata(lab)]
    timestamps = [int(match[1]) for match in found if match]
    assert len(set(timestamps)) == len(found) == sum(asked.is_metadata for asked in bare)
    assert all(abs(timestamp / 1e9 - time.time()) < 600 for timestamp in timestamps)
    assert {asked.header("Accept-Encoding") for asked in metadata(lab)} == {
        asked.header("Accept-Encoding") for asked in bare if asked.is_metadata
    }
    assert files(lab.requests) == files(bare)


@pytest.mark.skipif(BANDERSNATCH.major < 7, reason="only Bandersnatch 7 and later ask for the index by themselves")
def test_both_survive_the_redirect_of_the_index(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """`/simple` redirects to `/simple/` without its query; both requests are dressed."""
    lab = start_lab()
    mirror = make_mirror(lab, "freshness_encoding", "freshness_cache_bust")
    mirror.run()
    index = [asked for asked in metadata(lab) if asked.path.startswith("/simple")]
    assert [(asked.path, asked.status) for asked in index] == [("/simple", 301), ("/simple/", 200)]
    assert len({asked.query for asked in index}) == 2
    assert all(asked.query.startswith("cache-bust=") for asked in index)
    assert {asked.header("Accept-Encoding") for asked in index} == {None}


def test_keep_and_never_leave_every_request_as_it_is(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """With both options off, the plugins change nothing."""
    lab = start_lab()
    make_mirror(lab).run()
    bare = as_sent(lab.requests)
    lab.forget()
    options = {"accept_encoding": "keep", "cache_bust": "never"}
    make_mirror(lab, "freshness_encoding", "freshness_cache_bust", options=options).run()
    assert as_sent(lab.requests) == bare


def test_the_parameter_may_have_another_name(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """`cache_bust_parameter` names it."""
    lab = start_lab()
    make_mirror(lab, "freshness_cache_bust", options={"cache_bust_parameter": "nocache"}).run()
    assert all(re.fullmatch(r"nocache=\d+", asked.query) for asked in metadata(lab))


@pytest.mark.parametrize(
    ("behaviour", "plugin"),
    [
        ("gzip-stale", "freshness_encoding"),
        ("gzip-and-identity-stale", "freshness_cache_bust"),
        ("purge-broken", "freshness_cache_bust"),
    ],
)
def test_each_cures_its_part_of_the_story(
    behaviour: str, plugin: str, start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """Stripping while only gzip is stale, busting when more is."""
    lab = start_lab(behaviour)
    mirror = make_mirror(lab, plugin)
    lab.release()
    assert mirror.run().stale_errors == 0
    assert is_fresh(mirror, lab)


@pytest.mark.parametrize("plugin", ["freshness_encoding", "freshness_cache_bust"])
def test_verify_and_sync_are_dressed_too(plugin: str, start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """`verify` fetches in another way, and loads the plugins after its first request only."""
    lab = start_lab()
    mirror = make_mirror(lab, plugin)
    mirror.run()
    lab.forget()
    synced = []
    if BANDERSNATCH.major > 3:  # before, there is no `sync`
        assert mirror.run("sync", "lab-01", "lab-02").returncode == 0
        synced = metadata(lab)
        assert len(synced) == 2
        lab.forget()
    assert mirror.run("verify", "--json-update").returncode == 0
    verified = metadata(lab)

    def is_dressed(asked: LabRequest) -> bool:
        strips, busts = asked.header("Accept-Encoding") is None, asked.query.startswith("cache-bust=")
        return (strips, busts) == (plugin == "freshness_encoding", plugin == "freshness_cache_bust")

    assert all(map(is_dressed, synced))
    assert len(verified) == 8
    # one request per verifier may be under way before any plugin is loaded, and arrive after later ones
    assert sum(map(is_dressed, verified)) >= 5
