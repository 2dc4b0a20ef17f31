"""`freshness_quarantine`, through the real `bandersnatch` over many runs."""

from __future__ import annotations

import json
import os
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import filelock
import pytest
from packaging.version import Version

from bandersnatch_freshness.lab.behaviours import ALL_COPIES, Behaviour
from bandersnatch_freshness.lab.mirrors import Mirror
from bandersnatch_freshness.lab.origin import Answer
from bandersnatch_freshness.lab.server import Lab

from ..conftest import MakeMirror, StartLab
from ..staged import ahead, mortal
from ..test_status import command
from .cron import DAY, HOUR, MINUTE, Cron, cron, levels, state
from .observe import BANDERSNATCH, is_fresh, pages
from .test_memory import fill, make_read_only, small_disk

# The first project's page reports a serial one too low from its next release on.
ONE = Behaviour("one project reports a serial too low", origin_behind=1, every=1000)
HALF = Behaviour("half of all projects report a serial too low", origin_behind=1, every=2)
QUARTER = Behaviour("every fourth project reports a serial too low", origin_behind=1, every=4)

# So many runs does it take until a package is set aside: at these times it is seen stale.
SEEN = (0, HOUR, 2 * HOUR)
ASIDE = 6 * HOUR


def set_aside(mirror: Mirror) -> dict[str, Any]:
    """Return the quarantine as the state has it."""
    found: dict[str, Any] = state(mirror)["quarantine"]
    return found


def second_copy(mirror: Mirror) -> str:
    """Return the quarantine as the second copy has it."""
    return (mirror.directory / "freshness.quarantine").read_text()


def others(lab: Lab) -> list[str]:
    """Return all projects but the first."""
    return lab.names[1:]


def synced(mirror: Mirror, lab: Lab, name: str) -> bool:
    """Tell whether the mirror has all releases of a project."""
    return sorted(mirror.versions(name)) == sorted(lab.versions(name))


@pytest.fixture
def start_stale(start_lab: StartLab) -> Callable[..., Lab]:
    """Return a function that starts a lab whose behaviour comes with a release of all projects."""

    def start(behaviour: Behaviour = ONE, projects: int = 3) -> Lab:
        lab = start_lab("healthy", projects=projects)
        lab.behave(behaviour)
        lab.release()
        return lab

    return start


def freeze(runs: Cron) -> None:
    """Run until what is stale is about to be set aside."""
    runs.run(*SEEN)


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
            assert (mirror.serial, sorted(set_aside(mirror))) == (before, [])
            lab.release(others(lab))
        # the incident began with the run at one o'clock
        first, *_ = runs.run(7 * HOUR)
        assert "WARNING" in first
        assert "lab-00 is stale for 6 h, and set aside: the mirror goes on without it" in first
        for number in range(8, 20):
            lab.release(others(lab))
            runs.run(number * HOUR)
            assert mirror.serial == lab.serial
            assert all(synced(mirror, lab, name) for name in others(lab))
            assert set_aside(mirror).keys() == {"lab-00"}
        lab.heal()
        ended = runs.run(30 * HOUR)
    assert is_fresh(mirror, lab)
    assert any("lab-00 is no longer stale: it is fresh again" in line for line in ended)
    assert state(mirror)["incidents"] == set_aside(mirror) == {}
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
        assert set_aside(mirror)["lab-00"].items() >= {"synced": lab.serial - 3, "required": lab.serial - 2}.items()
        for number in range(1, 20):
            lab.forget()
            runs.run(ASIDE + number * HOUR)
            assert sum(pages(lab).values()) <= 1
            assert not [asked for asked in lab.asked if asked.path.startswith("/packages/")]
        assert set_aside(mirror).keys() == state(mirror)["incidents"].keys() == {"lab-00"}
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
    assert set_aside(mirror)["lab-00"]["synced"] is None
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
        runs.run(ASIDE + 5 * DAY + 2 * MINUTE)
        assert synced(mirror, lab, "lab-00")
        assert set_aside(mirror)["lab-00"]["required"] == mirror.serial == lab.serial
        lab.behave("healthy")
        lab.release(["lab-00"])
        runs.run(ASIDE + 5 * DAY + 3 * MINUTE)
    assert is_fresh(mirror, lab)
    assert set_aside(mirror) == {}


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
    """A twentieth of a run's requests, however many are set aside; all of them get their turn, and heal."""
    lab = start_lab(projects=48)
    mirror = make_mirror(lab, "freshness")
    healthy = [name for number, name in enumerate(lab.names) if number % 4]
    lab.behave(QUARTER)
    lab.release()
    with cron(mirror) as runs:
        freeze(runs)
        runs.run(ASIDE)
        assert len(set_aside(mirror)) == 12
        asked: set[str] = set()
        for number in range(1, 15):
            lab.release(healthy)
            lab.forget()
            runs.run(ASIDE + number * HOUR)
            again = {name: count for name, count in pages(lab).items() if name not in healthy}
            assert 0 < sum(again.values()) <= 0.05 * len(lab.asked)
            asked |= again.keys()
        assert len(asked) == 12
        lab.heal()
        for number in range(15, 28):
            lab.release(healthy)
            runs.run(ASIDE + number * HOUR)
    assert is_fresh(mirror, lab)
    assert set_aside(mirror) == {}


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


def test_what_is_set_aside_already_hides_no_flood(start_stale: Callable[..., Lab], make_mirror: MakeMirror) -> None:
    """Nearly all of what has changed is stale: that is systemic, however much is held."""
    lab = start_stale(QUARTER, projects=48)
    healthy = [name for number, name in enumerate(lab.names) if number % 4]
    mirror = make_mirror(lab, "freshness")
    with cron(mirror) as runs:
        freeze(runs)
        runs.run(ASIDE, ASIDE + MINUTE)
        assert len(set_aside(mirror)) == 12
        lab.behave(Behaviour("all", origin_behind=1, stuck=ALL_COPIES))
        lab.release(healthy[:11])
        runs.run(*(DAY + number * HOUR for number in range(8)))
    assert len(set_aside(mirror)) == 12
    assert "*" in state(mirror)["incidents"]


def test_what_is_gone_leaves(start_stale: Callable[..., Lab], make_mirror: MakeMirror) -> None:
    """A 404, however it is asked for, is the end of it."""
    lab = start_stale()
    mirror = make_mirror(lab, "freshness")
    with cron(mirror) as runs:
        freeze(runs)
        runs.run(ASIDE)
        lab.remove("lab-00")
        found = runs.run(ASIDE + HOUR)
    assert any("lab-00 is no longer stale: it is gone from PyPI" in line for line in found)
    assert set_aside(mirror) == state(mirror)["incidents"] == {}
    assert mirror.serial == lab.serial


def test_a_404_from_a_cache_is_no_end(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """A package with a cached 404 in one copy, when it is set aside, is cured by another one."""
    lab = start_lab("cached-404", "pypi", projects=3)
    mirror = make_mirror(lab, "freshness")
    with cron(mirror) as runs:
        runs.run(0)
        (name,) = lab.release(["lab-00"])
        lost = f"{name} {lab.serial}\n"
        (mirror.directory / "freshness.quarantine").write_text(lost)
        (mirror.directory / "status").write_text(str(lab.serial))
        runs.run(HOUR)
    assert mirror.versions(name) == lab.versions(name)
    assert set_aside(mirror) == {}


@pytest.mark.parametrize("cleans_up", [False, True])
def test_a_404_beside_old_pages_is_no_end(
    cleans_up: bool, start_stale: Callable[..., Lab], make_mirror: MakeMirror
) -> None:
    """Some copies are a 404, another one is the stale page as ever: nothing is gone, and nothing deleted."""
    if cleans_up and Version("8.2") > BANDERSNATCH:
        pytest.skip("delete_missing_packages is new in 8.2")
    lab = start_stale()
    mirror = make_mirror(lab, "freshness", mirror={"delete_missing_packages": "true"} if cleans_up else {})
    with cron(mirror) as runs:
        freeze(runs)
        runs.run(ASIDE)
        had = mirror.versions("lab-00")
        lab.plant("lab-00", Answer(404), ("gzip", "identity", "br"))
        for number in range(1, 8):
            runs.run(ASIDE + number * HOUR)
    assert set_aside(mirror).keys() == state(mirror)["incidents"].keys() == {"lab-00"}
    assert mirror.versions("lab-00") == had
    assert (mirror.directory / "web" / "simple" / "lab-00").exists()


def test_a_new_package_that_some_copies_know_nothing_of_is_not_lost(
    start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """A 404 in one copy, and a serial one too low in the others."""
    lab = start_lab(
        Behaviour("both", stuck=frozenset({"gzip"}), new_projects=True, origin_behind=1), "pypi", projects=3
    )
    mirror = make_mirror(lab, "freshness")
    with cron(mirror) as runs:
        runs.run(0)
        (name,) = lab.release(["lab-00"])
        runs.run(*(time + HOUR for time in SEEN))
        assert mirror.serial < lab.serial
        runs.run(HOUR + ASIDE)
    assert mirror.serial == lab.serial
    assert mirror.versions(name) == lab.versions(name)
    assert set_aside(mirror).keys() == {name}


@pytest.mark.parametrize("fault", ["error", "garbled", "reset"])
def test_other_failures_are_not_set_aside(fault: str, start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """They stop the serial as ever, however long they last."""
    lab = start_lab(Behaviour("one fails otherwise", fault=fault, every=1000), projects=3)
    mirror = make_mirror(lab, "freshness")
    with cron(mirror) as runs:
        runs.run(*SEEN, ASIDE, DAY)
        assert mirror.serial == 0
        assert set_aside(mirror) == state(mirror)["incidents"] == {}


def test_what_fails_otherwise_by_now_is_not_set_aside(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """It was stale for ten minutes, and answers 503 ever since."""
    lab = start_lab(projects=3)
    lab.behave(ONE)
    lab.release()
    mirror = make_mirror(lab, "freshness")
    with cron(mirror) as runs:
        runs.run(0, 5 * MINUTE, 10 * MINUTE)
        lab.behave(Behaviour("it fails", fault="error", every=1000))
        runs.run(*(number * HOUR for number in range(1, 8)))
        assert set_aside(mirror) == {}
        lab.behave(ONE)
        runs.run(8 * HOUR, 9 * HOUR)
    assert set_aside(mirror).keys() == {"lab-00"}


def test_what_is_set_aside_stops_nothing_by_failing_otherwise(
    start_stale: Callable[..., Lab], make_mirror: MakeMirror
) -> None:
    """A 503 when it is asked for again leaves it where it is, and the serial advances."""
    lab = start_stale()
    mirror = make_mirror(lab, "freshness", mirror={"stop-on-error": "true"})
    with cron(mirror) as runs:
        # stop-on-error ends a run by sys.exit
        for time in SEEN:
            runs.run(time, ended="1")
        runs.run(ASIDE)
        lab.behave(Behaviour("it fails", fault="error", every=1000))
        for number in range(1, 4):
            lab.release(others(lab))
            runs.run(ASIDE + number * MINUTE)
            assert mirror.serial == lab.serial
        assert set_aside(mirror).keys() == {"lab-00"}


def test_a_fresh_page_that_can_not_be_stored_stays_on_record(
    start_stale: Callable[..., Lab], make_mirror: MakeMirror
) -> None:
    """That is an error of the run as for any package; it is asked for again, and not lost."""
    lab = start_stale()
    mirror = make_mirror(lab, "freshness_quarantine")
    with cron(mirror) as runs:
        freeze(runs)
        runs.run(ASIDE)
        lab.heal()
        page = mirror.directory / "web" / "simple" / "lab-00"
        page.write_text("in the way")
        lab.release(others(lab))
        before = mirror.serial
        runs.run(ASIDE + MINUTE)
        assert mirror.serial == before
        assert set_aside(mirror).keys() == {"lab-00"}
        page.unlink()
        runs.run(ASIDE + 2 * MINUTE, ASIDE + 3 * MINUTE)
    assert is_fresh(mirror, lab)
    assert set_aside(mirror) == {}


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
        assert ["and set aside" in line for line in said if line.startswith("WARNING")] == [True]
        lab.release(others(lab))
        runs.run(ASIDE + MINUTE)
        assert mirror.serial == lab.serial
        assert set_aside(mirror).keys() == {"lab-00"}
        lab.heal()
        runs.run(ASIDE + 2 * MINUTE)
    assert is_fresh(mirror, lab)
    assert set_aside(mirror) == {}


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
        assert set_aside(mirror).keys() == {"lab-00"}
        lab.heal()
        runs.run(DAY + 2 * HOUR)
    assert is_fresh(mirror, lab)
    assert set_aside(mirror) == {}


@pytest.mark.parametrize("behaviour", [HALF, Behaviour("all", origin_behind=1)])
def test_a_flood_is_not_set_aside(behaviour: Behaviour, start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Half of all packages stale: that is one incident, and the serial waits for its end."""
    lab = start_lab(projects=40)
    mirror = make_mirror(lab, "freshness")
    with cron(mirror) as runs:
        runs.run(0)
        before = mirror.serial
        lab.behave(behaviour)
        lab.release()
        runs.run(*(number * HOUR for number in range(1, 12)))
        assert state(mirror)["incidents"].keys() == {"*"}
        assert (mirror.serial, set_aside(mirror)) == (before, {})
        lab.heal()
        runs.run(12 * HOUR)
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
    assert len(set_aside(mirror)) == 12
    assert mirror.serial == lab.serial


@pytest.mark.parametrize(
    ("spoil", "reason"),
    [
        pytest.param(fill, "can't be written, nothing more is set aside: [Errno 28] No space left", id="full"),
        pytest.param(make_read_only, "this run is not remembered: [Errno 30] Read-only file system", id="read-only"),
    ],
)
def test_nothing_is_set_aside_that_can_not_be_remembered(
    spoil: Callable[[Path], None],
    reason: str,
    start_stale: Callable[..., Lab],
    make_mirror: MakeMirror,
    tmp_path: Path,
) -> None:
    """The serial waits, as without the suite; once there is room, it goes on."""
    lab = start_stale()
    with small_disk(tmp_path / "disk") as disk:
        mirror = make_mirror(lab, "freshness", options={"state": str(disk / "state.json")})
        with cron(mirror) as runs:
            freeze(runs)
            spoil(disk)
            found = runs.run(ASIDE)
            assert sum(reason in line for line in found) == 1
            assert mirror.serial == 0
            if spoil is fill:
                (disk / "filler").unlink()
                runs.run(ASIDE + MINUTE)
                assert mirror.serial == lab.serial


@pytest.mark.parametrize("loss", ["deleted", "corrupt", "old"])
def test_a_lost_state_loses_nothing(loss: str, start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """What was set aside comes back from the second copy, and nothing else is asked for."""
    lab = start_lab(projects=8)
    mirror = make_mirror(lab, "freshness")
    path = mirror.directory / "freshness.json"
    with cron(mirror) as runs:
        runs.run(0)
        backup = path.read_bytes()
        lab.behave(ONE)
        lab.release()
        runs.run(*(HOUR + time for time in SEEN), HOUR + ASIDE, HOUR + ASIDE + MINUTE)
        assert set_aside(mirror).keys() == {"lab-00"}
        if loss == "deleted":
            path.unlink()
        else:
            path.write_bytes(backup if loss == "old" else b"{")
        lab.forget()
        found = runs.run(DAY)
        assert set_aside(mirror).keys() == {"lab-00"}
        assert pages(lab).keys() == {"lab-00"}
        assert any("doesn't know of 1 packages set aside: taken from" in line for line in found)
        lab.heal()
        lab.forget()
        runs.run(DAY + HOUR)
    assert pages(lab) == {"lab-00": 1}
    assert is_fresh(mirror, lab)


@pytest.mark.parametrize("how", ["old-backup", "suite-removed-for-a-while"])
def test_a_state_that_lags_the_mirror_downgrades_nothing(
    how: str, start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """It wants a serial that the mirror is past; an edge's old page between the two is not taken for fresh."""
    lab = start_lab(projects=3)
    mirror = make_mirror(lab, "freshness_quarantine")
    path = mirror.directory / "freshness.json"
    with cron(mirror) as runs:
        runs.run(0)
        lab.behave(ONE)
        lab.release(["lab-00"])
        runs.run(*(HOUR + time for time in SEEN), HOUR + ASIDE, HOUR + ASIDE + MINUTE)
    backup = path.read_bytes()
    assert set_aside(mirror)
    lab.heal()
    if how == "suite-removed-for-a-while":
        mirror.configure("plugins", enabled="")
    with cron(mirror) as runs:
        lab.release(["lab-00"])
        runs.run(DAY)
        old = lab.page("lab-00")
        lab.release(["lab-00"])
        runs.run(DAY + HOUR)
        assert is_fresh(mirror, lab)
    path.write_bytes(backup)
    lab.plant("lab-00", old)
    mirror.configure("plugins", enabled="\nfreshness_quarantine")
    with cron(mirror) as runs:
        runs.run(2 * DAY)
        assert is_fresh(mirror, lab)
        lab.heal()
        runs.run(3 * DAY)
    assert set_aside(mirror) == {}
    assert is_fresh(mirror, lab)


def test_a_new_master_with_a_cached_404_loses_nothing(start_stale: Callable[..., Lab], make_mirror: MakeMirror) -> None:
    """What is owed is asked for in other ways there too."""
    lab = start_stale()
    mirror = make_mirror(lab, "freshness")
    with cron(mirror) as runs:
        freeze(runs)
        runs.run(ASIDE)
    lab.heal()
    lab.plant("lab-00", Answer(404), ["gzip"])
    mirror.configure(master=lab.https_url.replace("127.0.0.1", "localhost"))
    with cron(mirror) as runs:
        runs.run(ASIDE + HOUR)
    assert synced(mirror, lab, "lab-00")
    assert set_aside(mirror) == {}


def test_another_master_is_asked_for_what_the_old_one_owed(
    start_stale: Callable[..., Lab], make_mirror: MakeMirror
) -> None:
    """Its page is taken as it is: no serial of the old one means anything there."""
    lab = start_stale()
    mirror = make_mirror(lab, "freshness_quarantine")
    with cron(mirror) as runs:
        freeze(runs)
        runs.run(ASIDE)
        assert not synced(mirror, lab, "lab-00")
    mirror.configure(master=lab.https_url.replace("127.0.0.1", "localhost"))
    with cron(mirror) as runs:
        runs.run(ASIDE + HOUR)
    assert synced(mirror, lab, "lab-00")
    assert set_aside(mirror) == {}


def freeze_and_free(mirror: Mirror) -> None:
    """Run until the mirror goes on without what is stale."""
    with cron(mirror) as runs:
        freeze(runs)
        runs.run(ASIDE, ASIDE + MINUTE)
    assert set_aside(mirror)


@pytest.mark.smoke
def test_released_it_is_bandersnatchs_again(start_stale: Callable[..., Lab], make_mirror: MakeMirror) -> None:
    """Also where the suite is then gone: on the todo list, in its format, and synced when the page is fresh."""
    lab = start_stale()
    mirror = make_mirror(lab, "freshness_quarantine")
    freeze_and_free(mirror)
    required = set_aside(mirror)["lab-00"]["required"]
    shown = command("quarantine", mirror, "list")
    assert "lab-00" in shown.stdout
    listed = json.loads(command("quarantine", mirror, "list", "--json").stdout)
    assert listed["lab-00"].items() >= {"required": required, "got": required - 1, "asks": 2}.items()
    released = command("quarantine", mirror, "release", "lab-00", "Lab.00")
    assert (released.returncode, released.stderr) == (0, "")
    assert released.stdout == "Handed back to Bandersnatch, for its next run: lab-00\n"
    assert (mirror.directory / "todo").read_text() == f"{lab.serial}\nlab-00 {required}"
    assert set_aside(mirror) == {}
    mirror.configure("plugins", enabled="")
    mirror.run()
    assert not synced(mirror, lab, "lab-00")
    lab.heal()
    lab.release(others(lab))
    mirror.run()
    mirror.run()
    assert is_fresh(mirror, lab)
    assert not (mirror.directory / "todo").exists()


def test_without_a_state_the_second_copy_tells(start_stale: Callable[..., Lab], make_mirror: MakeMirror) -> None:
    """What is set aside is listed and released all the same."""
    lab = start_stale()
    mirror = make_mirror(lab, "freshness_quarantine")
    freeze_and_free(mirror)
    (mirror.directory / "freshness.json").unlink()
    assert "lab-00" in command("quarantine", mirror, "list").stdout
    released = command("quarantine", mirror, "release", "--all")
    assert released.returncode == 0
    assert "lab-00 " in (mirror.directory / "todo").read_text()


@pytest.mark.skipif(BANDERSNATCH.major < 4, reason="3.6 writes its serial in place, as the last thing")
def test_the_state_is_written_before_the_serial_moves(start_stale: Callable[..., Lab], make_mirror: MakeMirror) -> None:
    """A run that sets aside, and is killed as soon as Bandersnatch has written its serial, has lost nothing."""
    lab = start_stale()
    mirror = make_mirror(lab, "freshness")
    with cron(mirror) as runs:
        freeze(runs)
    run = mirror.run(environment={**ahead(DAY), **mortal(1, after="status")})
    assert run.returncode == -9
    assert mirror.serial == lab.serial
    assert set_aside(mirror).keys() == {"lab-00"}


def test_released_it_has_its_time_again(start_stale: Callable[..., Lab], make_mirror: MakeMirror) -> None:
    """With the suite still there, the package is set aside anew after `quarantine_after`."""
    lab = start_stale()
    mirror = make_mirror(lab, "freshness", options={"quarantine_after": "1d"})
    with cron(mirror) as runs:
        freeze(runs)
        runs.run(DAY, DAY + MINUTE)
    assert command("quarantine", mirror, "release", "Lab.00").returncode == 0
    lab.release(others(lab))
    before = mirror.serial
    with cron(mirror) as runs:
        runs.run(DAY + HOUR, DAY + 2 * HOUR)
    assert mirror.serial == before
    assert set_aside(mirror) == {}
    assert state(mirror)["incidents"]["lab-00"]["since"] == "2018-10-16T12:00:00Z"


def test_what_can_not_be_released(start_stale: Callable[..., Lab], make_mirror: MakeMirror) -> None:
    """One line says why, and nothing has changed."""
    lab = start_stale()
    mirror = make_mirror(lab, "freshness_quarantine")

    def refused(*names: str) -> str:
        shown = command("quarantine", mirror, "release", *names)
        assert (shown.returncode, shown.stdout) == (1, "")
        assert shown.stderr.count("\n") == 1
        return shown.stderr

    mirror.directory.mkdir()
    assert "freshness.json: no run is remembered yet" in refused("lab-00")
    assert command("quarantine", mirror, "list").returncode == 1
    freeze_and_free(mirror)
    before = set_aside(mirror)
    assert "not set aside: foo, bar\n" in refused("lab-00", "foo", "bar")
    assert "name the packages to release, or give --all" in refused()
    assert "name the packages to release, or give --all" in refused("lab-00", "--all")
    with filelock.FileLock(mirror.directory / ".lock"):
        assert f"{mirror.directory}: a run of Bandersnatch is under way" in refused("lab-00")
    (mirror.directory / "todo").write_text("what\n")
    assert "todo: not a todo list of Bandersnatch" in refused("lab-00")
    (mirror.directory / "todo").unlink()
    assert set_aside(mirror) == before
    assert not (mirror.directory / "todo").exists()


def test_not_while_a_run_is_under_way(start_stale: Callable[..., Lab], make_mirror: MakeMirror) -> None:
    """Bandersnatch's own lock is free by then, but the todo list would be written over."""
    lab = start_stale()
    mirror = make_mirror(lab, "freshness_quarantine", mirror={"timeout": "60"})
    freeze_and_free(mirror)
    lab.behave(Behaviour("silent", fault="silent"))
    lab.release(others(lab))
    arrived = lab.expect("/pypi/lab-01/json")
    process = subprocess.Popen(
        mirror.command("mirror"), env=mirror.environment(), cwd=mirror.config.parent, stderr=subprocess.DEVNULL
    )
    try:
        assert arrived.wait(30)
        assert "a run of Bandersnatch is under way" in command("quarantine", mirror, "release", "--all").stderr
        assert command("quarantine", mirror, "list").returncode == 0
    finally:
        process.kill()
        process.wait(30)
    assert command("quarantine", mirror, "release", "--all").returncode == 0


BLOCKLIST, ALLOWLIST = ("blocklist", "allowlist") if BANDERSNATCH.major > 3 else ("blacklist", "whitelist")


@pytest.mark.parametrize("kind", [BLOCKLIST, ALLOWLIST])
def test_the_mirrors_own_filters_come_first(
    kind: str, start_stale: Callable[..., Lab], make_mirror: MakeMirror
) -> None:
    """What they drop is neither asked for nor set aside any longer; what is set aside does not get past them."""
    lab = start_stale()
    mirror = make_mirror(lab, "freshness")
    freeze_and_free(mirror)
    mirror.configure("plugins", enabled=f"\nfreshness\n{kind}_project")
    mirror.configure(BLOCKLIST, packages="lab-00")
    mirror.configure(ALLOWLIST, packages="lab-01")
    lab.forget()
    with cron(mirror) as runs:
        found = runs.run(ASIDE + HOUR)
    assert pages(lab) == {}
    assert any("lab-00 is dropped by the mirror's filters, and no longer set aside" in line for line in found)
    assert set_aside(mirror) == state(mirror)["incidents"] == {}
    assert second_copy(mirror) == ""


def test_a_full_check_leaves_it_set_aside(start_stale: Callable[..., Lab], make_mirror: MakeMirror) -> None:
    """`mirror --force-check` goes through with it, and so does `sync` of the package itself."""
    lab = start_stale()
    mirror = make_mirror(lab, "freshness")
    freeze_and_free(mirror)
    assert mirror.run("mirror", "--force-check").returncode == 0
    assert mirror.serial == lab.serial
    if BANDERSNATCH.major > 3:  # before, there is no `sync`
        assert mirror.run("sync", "lab-00").returncode == 0
    assert set_aside(mirror).keys() == {"lab-00"}
    lab.heal()
    with cron(mirror) as runs:
        runs.run(99 * 365 * DAY)  # these runs were not at a faked time
    assert is_fresh(mirror, lab)
    assert set_aside(mirror) == {}


@pytest.mark.skipif(Version("8.2") > BANDERSNATCH, reason="cleanup_todo and delete_missing_packages are new in 8.2")
def test_cleaning_up_what_is_missing(start_stale: Callable[..., Lab], make_mirror: MakeMirror) -> None:
    """A package that is set aside and then gone is deleted as any other; one that is stale never."""
    lab = start_stale()
    mirror = make_mirror(lab, "freshness", mirror={"cleanup_todo": "true", "delete_missing_packages": "true"})
    with cron(mirror) as runs:
        freeze(runs)
        runs.run(ASIDE, ASIDE + MINUTE)
        page = mirror.directory / "web" / "simple" / "lab-00" / "index.html"
        assert page.exists()
        lab.remove("lab-00")
        runs.run(ASIDE + HOUR)
    assert not page.exists()
    assert set_aside(mirror) == {}
    assert mirror.serial == lab.serial


def test_a_file_of_roots_stays_the_mirrors(start_stale: Callable[..., Lab], make_mirror: MakeMirror) -> None:
    """What root releases by hand, the mirror's own user can read in the next run."""
    lab = start_stale()
    mirror = make_mirror(lab, "freshness")
    freeze_and_free(mirror)
    try:
        for path in (mirror.directory, *mirror.directory.iterdir()):
            os.chown(path, 12345, 12345)
    except PermissionError:
        pytest.skip("takes root")
    assert command("quarantine", mirror, "release", "--all").returncode == 0
    for name in ("todo", "freshness.json", "freshness.quarantine"):
        assert (mirror.directory / name).stat().st_uid == 12345


def test_what_is_new_is_in_the_index_when_it_heals(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Also in a run that has no other news, where Bandersnatch leaves its list of projects alone."""
    lab = start_lab(ONE, projects=3)
    lab.release(["lab-00"])
    mirror = make_mirror(lab, "freshness_quarantine")
    with cron(mirror) as runs:
        freeze(runs)
        runs.run(ASIDE, ASIDE + MINUTE)
        index = mirror.directory / "web" / "simple" / "index.html"
        assert "lab-00" not in index.read_text()
        lab.heal()
        runs.run(ASIDE + 2 * MINUTE)
    assert "lab-00" in index.read_text()
