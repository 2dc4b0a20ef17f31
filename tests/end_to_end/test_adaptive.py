"""`freshness`, the adaptive ladder, through the real command."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace

import pytest

from bandersnatch_freshness.lab.behaviours import Behaviour

from ..conftest import MakeMirror, StartLab
from .observe import BANDERSNATCH, as_sent, is_fresh, lines, metadata, pages


@pytest.mark.smoke
def test_a_healthy_edge_sees_what_bare_bandersnatch_sends(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """The same requests and headers, and no line of ours."""
    lab = start_lab()
    make_mirror(lab).run()
    bare = as_sent(lab.requests)
    lab.forget()
    mirror = make_mirror(lab, "freshness")
    run = mirror.run()
    assert run.returncode == 0
    assert as_sent(lab.requests) == bare
    assert is_fresh(mirror, lab)
    assert lines(run, "(aiohttp_session.py") == []


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("behaviour", "kind", "extra"),
    [
        pytest.param("gzip-stale", "cdn", 1, id="gzip-stale"),
        pytest.param("gzip-stale", "pypi", 1, id="gzip-stale-on-pypi"),
        pytest.param("gzip-and-identity-stale", "cdn", 2, id="gzip-and-identity-stale"),
        pytest.param("gzip-and-identity-stale", "pypi", 3, id="gzip-and-identity-stale-on-pypi"),
        pytest.param("purge-broken", "cdn", 2, id="purge-broken"),
        pytest.param("fallback", "cdn", 1, id="fallback-without-serial"),
        pytest.param("stale-node", "cdn", 8, id="stale-node"),
        pytest.param("identity-stale", "cdn", 0, id="identity-stale"),
        pytest.param("no-serial", "cdn", 0, id="no-serial"),
        pytest.param("malformed-serial", "cdn", 0, id="malformed-serial"),
    ],
)
def test_cures_a_stale_edge(
    behaviour: str, kind: str, extra: int, start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """All is fresh in one run, for about one extra request where the edge is stale throughout."""
    lab = start_lab(behaviour, kind)
    mirror = make_mirror(lab, "freshness")
    lab.release()
    run = mirror.run()
    assert run.returncode == 0
    assert run.stale_errors == 0
    assert is_fresh(mirror, lab)
    assert sum(pages(lab).values()) == len(lab.names) + extra


@pytest.mark.parametrize(
    "body",
    [
        pytest.param(lambda page: page[: len(page) // 2], id="cut-off"),
        pytest.param(lambda page: b"<html>Login</html>", id="html"),
        pytest.param(lambda page: page.replace(b'"last_serial": ', b'"last_serial": 1, "was": '), id="older"),
    ],
)
def test_only_a_whole_page_is_a_cure(
    body: Callable[[bytes], bytes], start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """A copy that is fresh by its header, and isn't whole, is left for the next; bare Bandersnatch stays stale."""
    lab = start_lab(projects=2)
    bare, mirror = make_mirror(lab), make_mirror(lab, "freshness")
    for one in (bare, mirror):
        one.run()
    old = lab.page("lab-00")
    lab.release(["lab-00"])
    new = lab.page("lab-00")
    lab.plant("lab-00", old, ["gzip"])
    lab.plant("lab-00", replace(new, body=body(new.body)), ["identity"])
    run = mirror.run()
    assert is_fresh(mirror, lab)
    (line,) = lines(run, "lab-00 was stale, cured by")
    assert "cured by strip+cache-bust" in line
    bare.run()
    assert not is_fresh(bare, lab)


@pytest.mark.parametrize("odd", [b"NaN", b'"\\ud800"'], ids=["not-a-number", "half-a-pair"])
def test_a_page_that_bare_bandersnatch_reads_is_taken(odd: bytes, start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Though JSON allows none of it: Python does."""
    lab = start_lab(projects=2)
    bare, mirror = make_mirror(lab), make_mirror(lab, "freshness")
    for one in (bare, mirror):
        one.run()
    lab.release(["lab-00"])
    page = lab.page("lab-00")
    body = page.body.replace(b'"last_serial": ', b'"odd": ' + odd + b', "last_serial": ')
    lab.plant("lab-00", replace(page, body=body))
    lab.forget()
    for one in (bare, mirror):
        one.run()
        assert is_fresh(one, lab)
    assert pages(lab) == {"lab-00": 2}


@pytest.mark.parametrize("workers", ["1", "10"])
def test_workers_learn_from_one_climb(workers: str, start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """They wait for what the first page teaches, so the edge sees one extra request, not ten."""
    lab = start_lab("gzip-stale", projects=20)
    mirror = make_mirror(lab, "freshness", mirror={"workers": workers})
    lab.release()
    mirror.run()
    assert is_fresh(mirror, lab)
    assert sum(pages(lab).values()) == 21


def test_only_a_stale_package_climbs(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """The last of eight: the others are asked for once, and as ever."""
    lab = start_lab(Behaviour("one", stuck=frozenset({"gzip"}), every=7))
    mirror = make_mirror(lab, "freshness")
    lab.release(["lab-07"])
    run = mirror.run()
    assert is_fresh(mirror, lab)
    assert pages(lab) == {name: 2 if name == "lab-07" else 1 for name in lab.names}
    plain = {
        asked.header("Accept-Encoding")
        for asked in metadata(lab)
        if "lab-07" not in asked.path and asked.method == "GET"
    }
    assert plain == {"gzip, deflate"}
    (line,) = lines(run, "cured by")
    assert "INFO: lab-07 was stale, cured by strip: plain got serial 4869656 from cache-lab-1" in line


def test_a_new_package_behind_a_cached_404_is_found(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Bare Bandersnatch takes it for deleted, and moves on for good."""
    lab = start_lab("cached-404")
    bare, suite = make_mirror(lab), make_mirror(lab, "freshness")
    new = lab.release(["lab-01"])[0]
    bare.run()
    lab.forget()
    run = suite.run()
    assert bare.serial == suite.serial == lab.serial
    assert (bare.versions(new), suite.versions(new)) == ([], ["1.0"])
    assert pages(lab)[new] == 2
    assert "cured by strip+cache-bust: plain got status 404" in run.output


def test_a_package_that_is_gone_costs_no_climb(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """A 404 that came past all caches is the origin's own; what a cache keeps is asked for in one other way."""
    lab = start_lab("gone")
    suite, bare, other = make_mirror(lab, "freshness"), make_mirror(lab), make_mirror(lab, "freshness")
    suite_run = suite.run()
    assert pages(lab) == dict.fromkeys(lab.names, 1)
    bare_run = bare.run()
    for words in ("lab-00 no longer exists on PyPI", "lab-04 no longer exists on PyPI", "New mirror serial"):
        assert len(lines(suite_run, words)) == len(lines(bare_run, words)) == 1
    assert suite.serial == bare.serial == lab.serial
    lab.forget()
    other.run()
    assert pages(lab) == {name: 2 if name in ("lab-00", "lab-04") else 1 for name in lab.names}
    assert other.serial == lab.serial


def test_an_old_copy_holds_up_nothing_that_is_gone(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """As of a project that PyPI has taken down: bare Bandersnatch, which meets the old copy, stands still."""
    lab = start_lab(projects=2)
    bare, mirror = make_mirror(lab), make_mirror(lab, "freshness")
    for one in (bare, mirror):
        one.run()
    old = lab.page("lab-00")
    lab.release()
    lab.behave(Behaviour("the first project is taken down", gone=True, every=1000))
    lab.plant("lab-00", old, ["gzip"])
    run = mirror.run()
    assert mirror.serial == lab.serial
    assert len(lines(run, "lab-00 no longer exists on PyPI")) == 1
    bare.run()
    assert bare.serial < lab.serial


def test_what_no_way_cures_climbs_once_and_fails_as_ever(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """An origin that is stale itself: Bandersnatch's three attempts, but one climb only."""
    lab = start_lab("origin-stale")
    mirror = make_mirror(lab, "freshness")
    lab.release(["lab-04"])
    run = mirror.run()
    assert run.stale_errors == 1
    assert pages(lab)["lab-04"] == 7 + 2
    assert (
        len(lines(run, "lab-04 is stale, no way gets serial 4869657: plain got serial 4869656 from cache-lab-1, strip"))
        == 1
    )
    if BANDERSNATCH.major > 3:  # before, no more is said than that it is stale
        assert "Expected PyPI serial 4869657 for request" in run.output
    assert [mirror.versions(name) for name in lab.names if name != "lab-04"] == [["1.0"]] * 7
    assert mirror.serial == 0


def test_an_edge_that_ignores_everything_is_not_cured(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Every copy stale, query and no-cache ignored, as on PyPI in 2022: said, not claimed cured."""
    lab = start_lab("purge-broken", "pypi", projects=2)
    mirror = make_mirror(lab, "freshness")
    lab.release()
    run = mirror.run()
    assert run.stale_errors == 2
    assert len(lines(run, "no way gets serial")) == 2
    assert "cured" not in run.output


def test_a_proxy_is_told_no_cache(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Where the parameter is switched off, a proxy that honours no-cache is still got past."""
    lab = start_lab("purge-broken", "proxy")
    mirror = make_mirror(lab, "freshness", options={"cache_bust": "never"})
    lab.release()
    run = mirror.run()
    assert is_fresh(mirror, lab)
    assert "cured by no-cache" in run.output
    assert not any(asked.query for asked in metadata(lab))


def test_stripping_first_and_climbing_from_there(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """With `freshness_encoding` too, no request ever carries Accept-Encoding."""
    lab = start_lab("gzip-and-identity-stale")
    mirror = make_mirror(lab, "freshness", "freshness_encoding")
    lab.release()
    mirror.run()
    assert is_fresh(mirror, lab)
    assert {asked.header("Accept-Encoding") for asked in metadata(lab)} == {None}


def test_the_next_run_starts_where_the_mirror_is(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """First sync, a release, a stale edge: what changed is asked for, and comes."""
    lab = start_lab("gzip-stale")
    mirror = make_mirror(lab, "freshness")
    mirror.run()
    lab.release(["lab-02", "lab-05"])
    lab.forget()
    run = mirror.run()
    assert run.stale_errors == 0
    assert is_fresh(mirror, lab)
    asked = pages(lab)
    assert asked.keys() == {"lab-02", "lab-05"}
    assert sum(asked.values()) == 3  # either may be the first
