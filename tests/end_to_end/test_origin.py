"""The origin itself, asked past all caches, through the real `bandersnatch` over many runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace

import pytest

from bandersnatch_freshness.lab.behaviours import ALL_COPIES, BEHAVIOURS, Behaviour
from bandersnatch_freshness.lab.mirrors import Mirror
from bandersnatch_freshness.lab.origin import Lifetimes
from bandersnatch_freshness.lab.server import Lab, LabRequest

from ..conftest import MakeMirror, StartLab
from .cron import DAY, HOUR, MINUTE, Cron, cron, side_by_side, state
from .observe import is_fresh, pages
from .quarantining import ASIDE, SEEN, in_quarantine

PURGE_BROKEN = BEHAVIOURS["purge-broken"]
ASKED = "Asked the origin itself for"

# A lab is not PyPI.
WANTED = {"ask_origin": "100"}

# No page is kept for longer than is faked to pass: that all expires by itself is another matter.
FOR_LONG = Lifetimes(page=90 * DAY, index=0, while_revalidate=0, other=0)


def by_options(lab: Lab) -> list[LabRequest]:
    """Return the requests by OPTIONS."""
    return [asked for asked in lab.requests if asked.method == "OPTIONS"]


def names_of(requests: list[LabRequest]) -> list[str]:
    """Return the projects whose pages were asked for."""
    return [asked.path.split("/")[2] for asked in requests]


def break_purging(lab: Lab, behaviour: Behaviour = PURGE_BROKEN) -> None:
    """Release all projects, which no copy of a page shows."""
    lab.behave(behaviour)
    lab.release()


@contextmanager
def broken(
    start_lab: StartLab,
    make_mirror: MakeMirror,
    behaviour: Behaviour = PURGE_BROKEN,
    projects: int = 3,
    **options: str,
) -> Iterator[tuple[Lab, Mirror, Cron]]:
    """Return a lab as PyPI whose purging is broken since the first run of a mirror, which is about to quarantine."""
    lab = start_lab(kind="pypi", projects=projects, lifetimes=FOR_LONG)
    mirror = make_mirror(lab, "freshness", options={**WANTED, **options})
    with cron(mirror) as runs:
        runs.run(-HOUR)
        break_purging(lab, behaviour)
        runs.run(*SEEN)
        yield lab, mirror, runs


@contextmanager
def broken_for_both(
    start_lab: StartLab, make_mirror: MakeMirror, behaviour: Behaviour = PURGE_BROKEN, projects: int = 3
) -> Iterator[tuple[Lab, Mirror, Mirror, Cron, Cron]]:
    """Return the same for a bare mirror, and for one with the suite beside it, which are yet to run since then."""
    lab = start_lab(kind="pypi", projects=projects, lifetimes=FOR_LONG)
    with side_by_side(make_mirror, lab) as (bare, mirror, bare_runs, runs):
        mirror.configure("freshness", **WANTED)
        for one in (bare_runs, runs):
            one.run(-HOUR)
        break_purging(lab, behaviour)
        yield lab, bare, mirror, bare_runs, runs


@pytest.mark.smoke
def test_a_page_that_no_request_could_get_comes_home(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """In the first run in which it may be asked for, where bare Bandersnatch never gets it; and no cache keeps it."""
    with broken_for_both(start_lab, make_mirror) as (lab, bare, mirror, bare_runs, runs):
        runs.run(*SEEN)
        assert by_options(lab) == []
        assert not is_fresh(mirror, lab)
        lab.forget()
        said = runs.run(ASIDE)
        assert is_fresh(mirror, lab)
        assert in_quarantine(mirror) == state(mirror)["incidents"] == {}
        assert [line for line in said if ASKED in line] == [
            f"INFO bandersnatch.freshness {ASKED} 3 pages, of which 3 are fresh"
        ]
        assert sorted(names_of(by_options(lab))) == lab.names
        agents = {asked.header("User-Agent") or "" for asked in by_options(lab)}
        assert all("bandersnatch" in one and " bandersnatch-freshness/" in one for one in agents)
        assert not any(
            "bandersnatch-freshness" in (asked.header("User-Agent") or "")
            for asked in lab.requests
            if asked.method != "OPTIONS"
        )
        bare_runs.run(ASIDE + HOUR)
        assert not is_fresh(bare, lab)
        assert state(mirror)["runs"][-1]["cured"] == {"origin": 3}


def test_a_page_that_comes_to_nothing_has_had_its_turn(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """As a file of its is missing: it is asked for again after 6, 12 and 24 hours; bare does not get it either."""
    broken_file = replace(PURGE_BROKEN, file_fault="missing")
    with broken_for_both(start_lab, make_mirror, broken_file, 1) as (lab, bare, mirror, bare_runs, runs):
        runs.run(*SEEN, *(ASIDE + hour * HOUR for hour in range(24)))
        bare_runs.run(ASIDE + 24 * HOUR)
        assert len(by_options(lab)) == 3
        assert in_quarantine(mirror).keys() == {"lab-00"}
    assert not is_fresh(bare, lab)


def test_by_default_none_but_pypi_is_asked(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Whatever the operator's own master may make of such a request."""
    with broken(start_lab, make_mirror, ask_origin="auto") as (lab, mirror, runs):
        runs.run(ASIDE, ASIDE + HOUR)
        assert by_options(lab) == []
        assert in_quarantine(mirror).keys() == set(lab.names)


@pytest.mark.parametrize("status", [403, 405])
def test_a_refusal_ends_it_for_a_day(status: int, start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """With one request, and all else goes on as without."""
    with broken(start_lab, make_mirror, replace(PURGE_BROKEN, refuses_options=status)) as (lab, mirror, runs):
        said = runs.run(ASIDE)
        assert [line for line in said if "refuses to be asked by OPTIONS" in line]
        assert mirror.serial == lab.serial
        assert in_quarantine(mirror).keys() == set(lab.names)
        said = runs.run(*(ASIDE + number * HOUR for number in range(1, 24)))
        assert len(by_options(lab)) == 1
        assert not [line for line in said if "OPTIONS" in line or ASKED in line]
        runs.run(ASIDE + DAY + MINUTE)
        assert len(by_options(lab)) == 2
        assert "wants fewer requests" not in "\n".join(runs.lines)
        lab.heal()
        runs.run(*(ASIDE + 2 * DAY + number * HOUR for number in range(4)))
        assert is_fresh(mirror, lab)


def test_an_origin_that_is_behind_is_not_asked(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Nothing shows that a cache holds the page back."""
    behind = Behaviour("reports a serial too low", origin_behind=1)
    with broken(start_lab, make_mirror, behind) as (lab, mirror, runs):
        runs.run(ASIDE, ASIDE + HOUR)
        assert in_quarantine(mirror).keys() == set(lab.names)
        assert by_options(lab) == []


def test_what_the_origin_does_not_have_either_is_asked_for_ever_more_rarely(
    start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """After 6 hours, 12 and then 24, each."""
    both = Behaviour("never purged, and the origin is behind", stuck=ALL_COPIES, origin_behind=1)
    with broken(start_lab, make_mirror, both) as (lab, mirror, runs):
        asked = []
        for number in range(2 * 24):
            lab.forget()
            runs.run(ASIDE + number * HOUR)
            asked += [number] * ("lab-02" in names_of(by_options(lab)))
            assert set(names_of(by_options(lab))) <= pages(lab).keys()  # in other ways first
        assert asked == [0, 6, 18, 42]
        assert {one["times"] for one in state(mirror)["origin"]["pages"].values()} == {4}


def test_a_flood_comes_home_bit_by_bit(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Twenty a run and so many a day, from six hours on; none of it is in quarantine before it is critical."""
    lab = start_lab(kind="pypi", projects=60, lifetimes=FOR_LONG)
    with side_by_side(make_mirror, lab) as (bare, mirror, bare_runs, runs):
        mirror.configure("freshness", ask_origin="50")
        for one in (bare_runs, runs):
            one.run(0)
        break_purging(lab)
        runs.run(*(number * HOUR for number in range(1, 7)))
        assert by_options(lab) == []
        by_run, home = [], set()
        for number in range(7, 33):
            lab.forget()
            runs.run(number * HOUR)
            asked = names_of(by_options(lab))
            home |= set(asked)
            assert len(asked) == len(set(asked))
            assert set(asked) <= pages(lab).keys()  # in other ways first
            by_run += [(number, len(asked))] * bool(asked)
            if len(home) == 60:
                break
            # three quarters of it are still to come home on the next day, and wait
            assert number >= DAY // HOUR or in_quarantine(mirror) == {}
        assert by_run == [(7, 20), (8, 20), (9, 10), (31, 10)]
        assert home == set(lab.names)
        assert is_fresh(mirror, lab)
        bare_runs.run(40 * HOUR)
        assert not is_fresh(bare, lab)


def test_a_proxy_that_answers_options_itself_does_no_harm(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """It has no page to give, and all goes on as without; its answer is no refusal."""
    with broken(start_lab, make_mirror, replace(PURGE_BROKEN, refuses_options=204)) as (lab, mirror, runs):
        runs.run(ASIDE, ASIDE + HOUR)
        assert sorted(names_of(by_options(lab))) == lab.names
        assert in_quarantine(mirror).keys() == set(lab.names)
        assert mirror.serial == lab.serial
        lab.heal()
        runs.run(*(ASIDE + DAY + number * HOUR for number in range(4)))
        assert is_fresh(mirror, lab)
