"""`freshness_quarantine`, through the real `bandersnatch` over many runs."""

from __future__ import annotations

from collections.abc import Callable

import pytest
from packaging.version import Version

from bandersnatch_freshness.core.incidents import EDGE, MIRROR
from bandersnatch_freshness.lab.behaviours import ALL_COPIES, Behaviour
from bandersnatch_freshness.lab.server import Lab

from ..conftest import MakeMirror, StartLab
from .cron import DAY, HOUR, MINUTE, cron, levels, side_by_side, state
from .observe import BANDERSNATCH, is_fresh, pages
from .quarantining import (
    ASIDE,
    HALF,
    ONE,
    QUARTER,
    SEEN,
    freeze,
    in_quarantine,
    others,
    second_copy,
    synced,
)

BLOCKLIST, ALLOWLIST = ("blocklist", "allowlist") if BANDERSNATCH.major > 3 else ("blacklist", "whitelist")


@pytest.mark.smoke
@pytest.mark.parametrize("plugins", [("freshness",), ("freshness_quarantine", "freshness_escalation")])
def test_one_bad_package_does_not_freeze_the_mirror(
    plugins: tuple[str, ...], start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """Up to `quarantine_after` nothing changes; within two runs from then on all others are synced in every run."""
    lab = start_lab(projects=21)
    mirror = make_mirror(lab, *plugins)
    with cron(mirror) as runs:
        runs.run(0)
        before = mirror.serial
        lab.behave(ONE)
        lab.release()
        for number in range(1, 7):
            runs.run(number * HOUR)
            assert (mirror.serial, sorted(in_quarantine(mirror))) == (before, [])
            lab.release(others(lab))
        # the incident began with the run at one o'clock
        first, *_ = runs.run(7 * HOUR)
        assert "INFO" in first  # as it was said before
        assert "lab-00 has been stale for 6 h, and now in quarantine: the mirror goes on without it" in first
        for number in range(8, 20):
            lab.release(others(lab))
            runs.run(number * HOUR)
            assert mirror.serial == lab.serial
            assert all(synced(mirror, lab, name) for name in others(lab))
            assert in_quarantine(mirror).keys() == {"lab-00"}
        lab.heal()
        ended = runs.run(30 * HOUR)
    assert is_fresh(mirror, lab)
    assert any("lab-00 is no longer stale: it is fresh again" in line for line in ended)
    assert state(mirror)["incidents"] == in_quarantine(mirror) == {}
    assert second_copy(mirror) == ""


def test_what_the_origin_has_is_synced_once(start_stale: Callable[..., Lab], make_mirror: MakeMirror) -> None:
    """No newer content exists; the package stays on record until the serials meet."""
    lab = start_stale()
    mirror = make_mirror(lab, "freshness")
    with cron(mirror) as runs:
        freeze(runs)
        assert not synced(mirror, lab, "lab-00")
        lab.forget()
        runs.run(ASIDE)
        assert synced(mirror, lab, "lab-00")
        assert pages(lab)["lab-00"] == 8  # a climb, and the page that it found
        assert in_quarantine(mirror)["lab-00"].items() >= {"synced": lab.serial - 3, "required": lab.serial - 2}.items()
        for number in range(1, 20):
            lab.forget()
            runs.run(ASIDE + number * HOUR)
            assert sum(pages(lab).values()) <= 1
            assert not [asked for asked in lab.requests if asked.path.startswith("/packages/")]
        assert in_quarantine(mirror).keys() == state(mirror)["incidents"].keys() == {"lab-00"}
        assert state(mirror)["incidents"]["lab-00"]["verdict"] == "origin-stale"


@pytest.mark.parametrize("form", ["HTML", "JSON"])
def test_a_page_older_than_the_mirrors_is_not_synced(form: str, start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Even where PyPI itself has no newer one."""
    if form == "JSON" and Version("6") > BANDERSNATCH:
        pytest.skip("mirrors have pages in JSON from 6.0 on")
    lab = start_lab(projects=3)
    mirror = make_mirror(lab, "freshness", mirror={"simple-format": form})
    with cron(mirror) as runs:
        runs.run(0)
        lab.behave(Behaviour("far behind", origin_behind=9, every=1000))
        lab.release(["lab-00"])
        runs.run(*(HOUR + time for time in (*SEEN, ASIDE, ASIDE + MINUTE)))
    assert in_quarantine(mirror)["lab-00"]["synced"] is None
    assert mirror.versions("lab-00") == ["1.0"]
    assert mirror.serial == lab.serial


@pytest.mark.smoke
def test_a_new_release_is_noticed_at_once(start_stale: Callable[..., Lab], make_mirror: MakeMirror) -> None:
    """However rarely the package is asked for by then."""
    lab = start_stale()
    mirror = make_mirror(lab, "freshness")
    with cron(mirror) as runs:
        freeze(runs)
        runs.run(ASIDE, ASIDE + MINUTE, ASIDE + 5 * DAY)
        lab.forget()
        runs.run(ASIDE + 5 * DAY + MINUTE)
        assert pages(lab) == {}
        lab.release(["lab-00"])  # the origin is still one behind
        runs.run(ASIDE + 5 * DAY + HOUR)  # when the master may be asked again where it is
        assert synced(mirror, lab, "lab-00")
        assert in_quarantine(mirror)["lab-00"]["required"] == mirror.serial == lab.serial
        lab.behave("healthy")
        lab.release(["lab-00"])
        runs.run(ASIDE + 5 * DAY + 2 * HOUR)
    assert is_fresh(mirror, lab)
    assert in_quarantine(mirror) == {}


def test_asks_ever_more_rarely(start_stale: Callable[..., Lab], make_mirror: MakeMirror) -> None:
    """In every run at first, once a day in the end, and never with more than one request where nothing has changed."""
    lab = start_stale()
    mirror = make_mirror(lab, "freshness")
    asked = []
    with cron(mirror) as runs:
        freeze(runs)
        runs.run(ASIDE)
        for number in range(1, 12 * 12):
            lab.forget()
            runs.run(ASIDE + number * 5 * MINUTE)
            assert sum(pages(lab).values()) <= 1
            asked.append(sum(pages(lab).values()))
        days = []
        for number in range(3, 16):
            lab.forget()
            runs.run(*(ASIDE + number * DAY + hour * HOUR for hour in range(0, 24, 3)))
            days.append(sum(pages(lab).values()))
    assert asked[:10] == [1] * 10
    assert sum(asked[:60]) > 2 * sum(asked[-60:]) > 0
    assert days[-4:] == [1] * 4


@pytest.mark.slow
def test_asks_within_its_share_of_a_run(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """A twentieth of a run's requests, however many are in quarantine; all of them get their turn, and heal."""
    lab = start_lab(projects=48)
    mirror = make_mirror(lab, "freshness")
    healthy = [name for number, name in enumerate(lab.names) if number % 4]
    lab.behave(QUARTER)
    lab.release()
    with cron(mirror) as runs:
        freeze(runs)
        runs.run(ASIDE)
        assert len(in_quarantine(mirror)) == 12
        asked: set[str] = set()
        for number in range(1, 15):
            lab.release(healthy)
            lab.forget()
            runs.run(ASIDE + number * HOUR)
            again = {name: count for name, count in pages(lab).items() if name not in healthy}
            assert 0 < sum(again.values()) <= 0.05 * len(lab.requests)
            asked |= again.keys()
        assert len(asked) == 12
        lab.heal()
        for number in range(15, 28):
            lab.release(healthy)
            runs.run(ASIDE + number * HOUR)
    assert is_fresh(mirror, lab)
    assert in_quarantine(mirror) == {}


def test_old_copies_that_differ_take_no_more(start_stale: Callable[..., Lab], make_mirror: MakeMirror) -> None:
    """An older answer than was ever had is no news: one request in a run that has nothing else to ask."""
    lab = start_stale(Behaviour("mixed", origin_behind=1, stuck=frozenset({"gzip", "identity"}), every=4), projects=12)
    mirror = make_mirror(lab, "freshness")
    with cron(mirror) as runs:
        freeze(runs)
        runs.run(ASIDE)
        assert state(mirror)["incidents"]["lab-00"]["verdict"] == "edge-stale"
        for number in range(1, 10):
            lab.forget()
            runs.run(ASIDE + number * HOUR)
            assert sum(pages(lab).values()) <= 1


def test_what_is_in_quarantine_already_hides_no_flood(start_stale: Callable[..., Lab], make_mirror: MakeMirror) -> None:
    """Nearly all of what has changed is stale: that is systemic, however much is held."""
    lab = start_stale(QUARTER, projects=48)
    healthy = [name for number, name in enumerate(lab.names) if number % 4]
    mirror = make_mirror(lab, "freshness")
    with cron(mirror) as runs:
        freeze(runs)
        runs.run(ASIDE, ASIDE + MINUTE)
        assert len(in_quarantine(mirror)) == 12
        lab.behave(Behaviour("all", origin_behind=1, stuck=ALL_COPIES))
        lab.release(healthy[:11])
        runs.run(*(DAY + number * HOUR for number in range(8)))
    assert len(in_quarantine(mirror)) == 12
    assert "*" in state(mirror)["incidents"]


@pytest.mark.smoke
def test_it_can_be_had_alone(start_stale: Callable[..., Lab], make_mirror: MakeMirror) -> None:
    """Without the ladder, and without saying what persists: Bandersnatch's own lines are as they are."""
    lab = start_stale()
    mirror = make_mirror(lab, "freshness_quarantine")
    with cron(mirror) as runs:
        said = runs.run(*SEEN)
        assert levels(said) == []
        assert [line for line in runs.lines if line.startswith("ERROR") and "lab-00" in line]
        said = runs.run(ASIDE)
        assert ["and now in quarantine" in line for line in said if line.startswith("WARNING")] == [True]
        lab.release(others(lab))
        runs.run(ASIDE + MINUTE)
        assert mirror.serial == lab.serial
        assert in_quarantine(mirror).keys() == {"lab-00"}
        lab.heal()
        runs.run(ASIDE + 2 * MINUTE)
    assert is_fresh(mirror, lab)
    assert in_quarantine(mirror) == {}


def test_switched_off_it_hands_all_back(start_stale: Callable[..., Lab], make_mirror: MakeMirror) -> None:
    """By `never`: the serial waits for it again, and it leaves when it is synced."""
    lab = start_stale()
    mirror = make_mirror(lab, "freshness")
    with cron(mirror) as runs:
        freeze(runs)
        runs.run(ASIDE)
        assert mirror.serial == lab.serial
    mirror.configure("freshness", quarantine_after="never")
    lab.release(others(lab))
    with cron(mirror) as runs:
        before = mirror.serial
        runs.run(DAY, DAY + HOUR)
        assert mirror.serial == before
        assert in_quarantine(mirror).keys() == {"lab-00"}
        lab.heal()
        runs.run(DAY + 2 * HOUR)
    assert is_fresh(mirror, lab)
    assert in_quarantine(mirror) == {}


@pytest.mark.parametrize("behaviour", [HALF, Behaviour("all", origin_behind=1)])
def test_a_flood_is_not_in_quarantine_before_it_is_critical(
    behaviour: Behaviour, start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """Half of all packages stale is one incident, and the serial waits; for a day, then the mirror goes on.

    Bare Bandersnatch beside it stays where it was.
    """
    lab = start_lab(projects=40)
    with side_by_side(make_mirror, lab) as (bare, mirror, bare_runs, runs):
        bare_runs.run(0)
        runs.run(0)
        before = mirror.serial
        lab.behave(behaviour)
        lab.release()
        runs.run(*(number * HOUR for number in range(1, 12)))
        assert state(mirror)["incidents"].keys() == {EDGE, MIRROR}
        assert (mirror.serial, in_quarantine(mirror)) == (before, {})
        said = runs.run(DAY + HOUR, DAY + 2 * HOUR, DAY + 3 * HOUR)
        assert [line.split()[0] for line in said if not line.startswith("INFO")] == ["CRITICAL"]
        assert len(in_quarantine(mirror)) >= 20
        lab.behave("healthy")
        lab.release(others(lab)[:1])
        said = runs.run(DAY + 4 * HOUR)
        bare_runs.run(DAY + 4 * HOUR)
        assert (mirror.serial, bare.serial) == (lab.serial, before)
        assert "*" in state(mirror)["incidents"]
        lab.heal()
        runs.run(*(DAY + number * HOUR for number in range(5, 9)))
    assert is_fresh(mirror, lab)
    assert state(mirror)["incidents"] == in_quarantine(mirror) == {}


def test_a_batch_of_which_half_stays_stale_freezes_nothing_for_ever(
    start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """Ten of eighteen, with an origin that is behind for weeks, as in pypi/warehouse#12933."""
    lab = start_lab(projects=36)
    with side_by_side(make_mirror, lab) as (bare, mirror, bare_runs, runs):
        for one in (bare_runs, runs):
            one.run(0)
        lab.behave(HALF)
        lab.release([*lab.names[0:20:2], *lab.names[21:36:2]])
        for one in (bare_runs, runs):
            one.run(*(number * 6 * HOUR for number in range(1, 8)))
        lab.release(lab.names[1::2])
        for one in (bare_runs, runs):
            one.run(3 * DAY)
    assert (mirror.serial == lab.serial) > (bare.serial == lab.serial)
    # Also the newest pages that there are of the stale ones, which report a serial too low.
    assert is_fresh(mirror, lab)


@pytest.mark.slow
def test_a_few_that_are_left_of_many_are_no_flood(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """A mirror that stood still before the suite came has only the stale ones left on its list."""
    lab = start_lab(projects=48)
    mirror = make_mirror(lab)
    mirror.run()
    lab.behave(QUARTER)
    lab.release()
    mirror.run()
    assert len((mirror.directory / "todo").read_text().splitlines()) == 13
    mirror.configure("plugins", enabled="freshness")
    with cron(mirror) as runs:
        freeze(runs)
        runs.run(ASIDE)
    assert len(in_quarantine(mirror)) == 12
    assert mirror.serial == lab.serial
