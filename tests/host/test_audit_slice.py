"""A slice of the audit ends in time, and finds no more than a run may ask for."""

from __future__ import annotations

import configparser
import itertools
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from bandersnatch_freshness.core.audit_round import AuditRound, PastRound
from bandersnatch_freshness.core.index import read_index
from bandersnatch_freshness.core.run import Run
from bandersnatch_freshness.host.audit_slice import take_slice
from bandersnatch_freshness.host.run_context import RunContext
from bandersnatch_freshness.state.audit_rounds import AuditRounds

from ..state.remembering import DAY, Clock
from ..state.test_records import NOON, records

NAMES = [f"p{number:02}" for number in range(50)]
BEFORE = PastRound(NOON - 8 * DAY, NOON - DAY, 5000, 0, 0)


def write(mirror: Path, name: str, serial: int) -> None:
    """Write the pages of a project."""
    page = mirror / "web/simple" / name
    page.mkdir(parents=True)
    for form in ("index.html", "index.v1_html"):
        (page / form).write_text(f"<html></html>\n<!--SERIAL {serial}-->")


def audited(mirror: Path, past: PastRound | None = BEFORE, drops: str = "") -> Run:
    """Let a run audit all that an index lists, with the mirror's filters dropping what contains this."""
    entries = [{"name": name, "_last-serial": 42} for name in NAMES]
    # The rest of what is listed: of five thousand, fifty are the first that are compared.
    rest = [{"name": f"rest-{number}", "_last-serial": 42} for number in range(4950)]
    listing = read_index({"meta": {"_last-serial": 42}, "projects": [*entries, *rest]})
    state = records(mirror)
    with state.lock():
        state.state.audit = AuditRound(NOON - DAY // 100, listed=5000, last=past)
    rounds, run = AuditRounds(state, DAY, Clock()), Run(NOON, {})
    part = rounds.next_slice(run, listing.projects)
    assert part
    assert (part.start, part.stop) == (0, 50)

    def drop(one: Any) -> None:
        for name in [name for name in one.packages_to_sync if drops and drops in name]:
            del one.packages_to_sync[name]

    configuration = configparser.ConfigParser()
    configuration.read_dict({"mirror": {"simple-format": "HTML"}})
    of: Any = SimpleNamespace(homedir=mirror, synced_serial=42, packages_to_sync={}, filters=None)
    disk: Any = SimpleNamespace(PATH_BACKEND=Path)
    adapter: Any = SimpleNamespace(spelled=lambda _: {})
    take_slice(RunContext(of, disk, listing=listing, slice=part), rounds, run, adapter, configuration, drop)
    return run


@pytest.fixture
def mirror(tmp_path: Path) -> Path:
    """Return a mirror that has all that is compared first."""
    for name in NAMES:
        write(tmp_path, name, 42)
    return tmp_path


def rewrite(mirror: Path, names: list[str], serial: int) -> None:
    """Give the pages of these projects another serial."""
    for name in names:
        for page in (mirror / "web/simple" / name).iterdir():
            page.write_text(f"<!--SERIAL {serial}-->")


def test_it_goes_as_far_as_is_due(mirror: Path) -> None:
    """Where nothing is lost, nothing is found."""
    run = audited(mirror)
    assert run.audit
    assert (run.audit.seen, run.audit.found, run.lost) == (50, 0, {})


def test_a_run_asks_for_twenty_at_most(mirror: Path) -> None:
    """And goes on from there in the next."""
    rewrite(mirror, NAMES[5:], 41)
    run = audited(mirror)
    assert run.audit
    assert run.lost == dict.fromkeys(NAMES[5:25], 42)
    assert run.audit.seen == 25


def test_it_ends_in_time(mirror: Path, mocker: Any) -> None:
    """A fiftieth of a second, where no run tells how long one takes."""
    rewrite(mirror, NAMES, 41)
    clock = itertools.count(step=0.005)
    mocker.patch("bandersnatch_freshness.host.audit_slice.time.monotonic", side_effect=lambda: next(clock))
    run = audited(mirror)
    assert run.audit
    assert 0 < run.audit.seen < 10
    assert list(run.lost) == NAMES[: run.audit.seen]


@pytest.mark.parametrize(("past", "lost"), [(BEFORE, NAMES[:3]), (None, [])])
def test_what_is_missing_waits_for_the_first_round(past: PastRound | None, lost: list[str], tmp_path: Path) -> None:
    """In a later one it is asked for at once."""
    for name in NAMES[3:]:
        write(tmp_path, name, 42)
    run = audited(tmp_path, past)
    assert run.audit
    assert (list(run.lost), run.audit.missing) == (lost, 3)


def test_what_the_mirrors_filters_drop_is_not_missed(mirror: Path) -> None:
    """They are asked about what is lost only."""
    rewrite(mirror, NAMES, 41)
    run = audited(mirror, drops="p0")
    assert list(run.lost) == NAMES[10:30]
