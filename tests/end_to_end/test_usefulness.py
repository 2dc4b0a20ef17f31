"""What the edge as PyPI's teaches: which ways are no use, what is old only once, and what is known to be stale."""

from __future__ import annotations

from contextlib import ExitStack
from urllib.request import Request, urlopen

import pytest

from bandersnatch_freshness.lab.documents import SIMPLE_JSON
from bandersnatch_freshness.lab.mirrors import Mirror
from bandersnatch_freshness.lab.origin import Lifetimes
from bandersnatch_freshness.lab.server import Lab

from ..conftest import MakeMirror, StartLab
from .cron import MINUTE, Cron, cron, side_by_side, state
from .observe import SIMPLE, is_fresh, metadata, pages

REVALIDATING = Lifetimes(index=0, while_revalidate=300, other=0)
PURGE_BROKEN_RUNS = (5 * MINUTE, 40 * MINUTE, 75 * MINUTE)


def ask_in_all_copies(lab: Lab, *paths: str) -> None:
    """Ask for pages as others do."""
    for path in paths:
        for encoding in ("gzip", "deflate", "identity"):
            with urlopen(Request(f"{lab.url}{path}", headers={"Accept-Encoding": encoding, "Accept": SIMPLE_JSON})):  # noqa: S310
                pass
    lab.forget()


def warm(lab: Lab) -> None:
    """Fill the edge with all copies of each page."""
    ask_in_all_copies(lab, *(f"/pypi/{name}/json" for name in lab.names))


def release(lab: Lab, *names: str) -> None:
    """Release projects, or all; the index shows it at once."""
    lab.release(names or None)
    ask_in_all_copies(lab, "/simple/")


def said(runs: Cron) -> list[str]:
    """Return what is said above DEBUG of a page that is not fresh."""
    return [line for line in runs.lines if "stale" in line.lower() or not line.startswith("INFO")]


def requests(lab: Lab) -> int:
    """Return how many pages were asked for, and forget them."""
    found = sum(pages(lab).values())
    lab.forget()
    return found


@pytest.mark.parametrize("others_ask", [False, True], ids=["first-to-ask", "all-copies-are-kept"])
def test_what_was_just_released_is_no_incident(others_ask: bool, start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Nothing is said of it, while bare Bandersnatch reports each page at ERROR.

    In no more requests, and without a pause; a third for a page whose other copies were asked for by others before.
    """
    labs = [start_lab("healthy", "pypi", lifetimes=REVALIDATING) for _ in range(2)]
    bare, mirror = make_mirror(labs[0], mirror=SIMPLE), make_mirror(labs[1], "freshness", mirror=SIMPLE)
    with ExitStack() as stack:
        runs = [stack.enter_context(cron(one)) for one in (bare, mirror)]
        for lab, one in zip(labs, runs, strict=True):
            one.run(0)
            if others_ask:
                warm(lab)
            release(lab)
            one.run(5 * MINUTE)
        by_bare, by_suite = map(requests, labs)
        assert [line for line in runs[0].lines if line.startswith("ERROR") and "Attempt 1" in line]
        assert said(runs[1]) == []
    assert is_fresh(bare, labs[0])
    assert is_fresh(mirror, labs[1])
    assert state(mirror)["incidents"] == {}
    assert by_bare == 2 * len(labs[0].names)
    assert by_suite <= (3 * len(labs[0].names) if others_ask else by_bare)


def learned(lab: Lab, mirror: Mirror, runs: Cron) -> None:
    """Run until the parameter and no-cache are left out, as purging is broken for 24 projects; then all is fresh."""
    runs.run(0)
    warm(lab)
    lab.behave("purge-broken")
    release(lab)
    for now in PURGE_BROKEN_RUNS:
        assert "idle_cache_bust" not in state(mirror) or len(state(mirror)["idle_cache_bust"]["pages"]) >= 20
        runs.run(now)
    lab.heal()
    runs.run(80 * MINUTE)
    assert is_fresh(mirror, lab)


def test_what_makes_no_difference_is_left_out(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """At PyPI's edge plain, strip and deflate are left; a page that is old once in each is fresh in the next try."""
    lab = start_lab("healthy", "pypi", projects=24, lifetimes=REVALIDATING)
    mirror = make_mirror(lab, "freshness", mirror=SIMPLE)
    with cron(mirror) as runs:
        learned(lab, mirror, runs)
        warm(lab)
        release(lab, "lab-03")
        runs.run(85 * MINUTE)
        assert said(runs) == []
        sent = [(asked.header("Accept-Encoding"), asked.query) for asked in metadata(lab) if "lab-03" in asked.path]
        assert sent == [("gzip, deflate", ""), (None, ""), ("deflate", ""), ("gzip, deflate", "")]
        assert state(mirror)["incidents"] == {}
        assert is_fresh(mirror, lab)
        # A week later both are tried again, and stay as they make no difference.
        lab.behave("purge-broken")
        release(lab, "lab-03")
        for now, queries in ((8 * 24 * 60 * MINUTE, True), (8 * 24 * 60 * MINUTE + 5 * MINUTE, False)):
            runs.run(now)
            assert any(asked.query for asked in metadata(lab) if "/pypi/" in asked.path) is queries
            lab.forget()


def test_what_cures_never_leaves_the_ladder(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """At an edge that heeds the query, in run after run in which only that helps, as in pypa/bandersnatch#56."""
    lab = start_lab("purge-broken", projects=24)
    mirror = make_mirror(lab, "freshness", mirror=SIMPLE)
    with cron(mirror) as runs:
        for number in range(5):
            lab.release()
            runs.run(number * 40 * MINUTE)
            assert is_fresh(mirror, lab)
    assert "idle_cache_bust" not in state(mirror)


def test_a_known_stale_edge_costs_less_than_bare(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """In every run; and what one copy cures later is found, which bare Bandersnatch never asks for."""
    lab = start_lab("healthy", "pypi", projects=24)
    with side_by_side(make_mirror, lab, mirror=SIMPLE) as (bare, mirror, bare_runs, runs):
        for one in (bare_runs, runs):
            one.run(0)
        warm(lab)
        lab.behave("purge-broken")
        release(lab)
        counts = []
        for now in (*PURGE_BROKEN_RUNS, *range(80 * MINUTE, 105 * MINUTE, 5 * MINUTE)):
            found = []
            for one in (bare_runs, runs):
                one.run(now)
                found.append(requests(lab))
            counts.append(found)
        assert "*" in state(mirror)["incidents"]
        by_bare, by_suite = zip(*counts[len(PURGE_BROKEN_RUNS) :], strict=True)
        assert by_bare == (3 * 24,) * 5
        assert max(by_suite) <= 24 + 10 * 2
        assert min(by_suite) == 24
        for name in lab.names:
            lab.plant(name, lab.page(name), ["deflate"])
        for one in (bare_runs, runs):
            one.run(110 * MINUTE, 115 * MINUTE)
    assert is_fresh(mirror, lab)
    assert not is_fresh(bare, lab)
