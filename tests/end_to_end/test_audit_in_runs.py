"""What a mirror has lost comes back by runs alone, a slice of the audit in each; bare Bandersnatch beside the suite."""

from __future__ import annotations

import os
import shutil
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from bandersnatch_freshness.lab.behaviours import COPIES, Behaviour
from bandersnatch_freshness.lab.mirrors import Mirror
from bandersnatch_freshness.lab.origin import Answer
from bandersnatch_freshness.lab.server import Lab

from ..cli.test_status import command
from ..conftest import MakeMirror, StartLab
from .cron import DAY, HOUR, Cron, cron, state
from .observe import SIMPLE, is_fresh, needs_simple, pages
from .test_audit import audit, simple

pytestmark = needs_simple

EVERY = 12 * HOUR
RUNS = range(EVERY, DAY + EVERY, EVERY)  # in which a round begins and ends


class Pair:
    """A bare mirror and one with the suite, each with its runs; both are complete at first."""

    def __init__(self, lab: Lab, bare: tuple[Mirror, Cron], suite: tuple[Mirror, Cron]) -> None:
        """Run both for the first time."""
        self.lab = lab
        self.bare, self.mirror = bare[0], suite[0]
        self._runs = bare[1], suite[1]
        self.asked: list[Counter[str]] = []
        self.run(0)

    def run(self, *times: int, ended: str = "0") -> list[str]:
        """Run both at each of these times; return what the suite said. What each asked for is in `asked`."""
        self.asked = []
        said: list[str] = []
        for one in self._runs:
            self.lab.forget()
            said = one.run(*times, ended=ended)
            self.asked.append(pages(self.lab))
        return said

    def lose(self, *names: str) -> None:
        """Delete the pages of these projects."""
        for one in (self.bare, self.mirror):
            for name in names:
                shutil.rmtree(simple(one, name))


@contextmanager
def pair(
    start_lab: StartLab,
    make_mirror: MakeMirror,
    projects: int,
    filter_of: tuple[str, str, dict[str, str]] | None = None,
    every: str = "1d",
) -> Iterator[Pair]:
    """Return a pair of mirrors, with a filter of this name, section and options; a round is to be over in a day."""
    lab = start_lab(projects=projects)
    bare, mirror = make_mirror(lab, mirror=SIMPLE), make_mirror(lab, mirror=SIMPLE, options={"audit_every": every})
    plugin, section, options = filter_of or ("", "", {})
    for one, plugins in ((bare, ""), (mirror, "freshness\n")):
        one.configure("plugins", enabled=f"{plugins}{plugin}")
        if section:
            one.configure(section, **options)
    with cron(bare) as bares, cron(mirror) as runs:
        yield Pair(lab, (bare, bares), (mirror, runs))


def truncate(directory: Path) -> None:
    """Cut off all files in a directory."""
    for page in directory.iterdir():
        page.write_bytes(page.read_bytes()[:50])


def test_each_kind_of_loss_comes_back_within_a_round(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Each is asked for once, and nothing else; bare Bandersnatch waits for the next release."""
    with pair(start_lab, make_mirror, 8) as both:
        for one in (both.bare, both.mirror):
            shutil.copytree(one.directory / "web", one.directory / "backup", symlinks=True)
        both.lab.release(["lab-02", "lab-03"])
        both.run(60)
        both.lose("lab-00")
        for one in (both.bare, both.mirror):
            truncate(simple(one, "lab-01"))
            shutil.copytree(one.directory / "backup/simple/lab-02", simple(one, "lab-02"), dirs_exist_ok=True)
            shutil.copyfile(one.directory / "backup/simple/lab-03/index.html", simple(one, "lab-03") / "index.html")
            shutil.copyfile(one.directory / "backup/json/lab-02", one.directory / "web/json/lab-02")
            (one.directory / "web/json/lab-04").unlink()
        lost = {
            "lab-00": "missing",
            "lab-01": "unreadable",
            "lab-02": "older",
            "lab-03": "places disagree",
            "lab-04": "places disagree",
        }
        assert audit(both.mirror) == audit(both.bare) == (1, lost)
        # lab-00 had been compared before it was lost, so it is the next round that finds it.
        said = both.run(*RUNS, DAY + EVERY)
        assert both.asked == [Counter(), Counter(lost.keys())]
        assert audit(both.mirror) == (0, {})
        assert audit(both.bare) == (1, lost)
        assert is_fresh(both.mirror, both.lab)
        assert not [line for line in said if not line.startswith(("INFO", "DEBUG"))]
        assert sum("and syncs them: " in line for line in said) >= 1
        found = state(both.mirror)["audit"]["last"]
        assert (found["found"], found["missing"], found["listed"]) == (1, 1, 8)


@pytest.mark.slow
@pytest.mark.parametrize("cause", ["a 404 that was believed", "a filter", "a todo list that was cut"])
def test_what_was_lost_before_the_suite_came_comes_back(
    start_lab: StartLab, make_mirror: MakeMirror, cause: str
) -> None:
    """Until its next release nobody else would ask for it."""
    lab = start_lab(projects=3)
    mirrors = [make_mirror(lab, mirror=SIMPLE, options={"audit_every": "1d"}) for _ in range(2)]
    for one in mirrors:
        if cause == "a filter":
            one.configure("blocklist", packages="lab-00")
            one.configure("plugins", enabled="blocklist_project")
        with cron(one) as runs:
            runs.run(0)
    lab.release(["lab-00", "lab-01"])
    if cause == "a 404 that was believed":
        lab.plant("lab-00", Answer(404), COPIES)
    for one in mirrors:
        if cause == "a todo list that was cut":
            (one.directory / "todo").write_text(f"{lab.serial}\nlab-01 {lab.serial}")
        with cron(one) as runs:
            runs.run(60)
        assert one.serial == lab.serial
    lab.heal()
    for one, plugin in zip(mirrors, ("", "freshness"), strict=True):
        one.configure("plugins", enabled=plugin)
        with cron(one) as runs:
            runs.run(*range(HOUR, 2 * DAY, EVERY))
    bare, mirror = mirrors
    assert audit(mirror) == (0, {})
    assert is_fresh(mirror, lab)
    assert list(audit(bare)[1]) == ["lab-00"]


def test_nothing_lost_nothing_asked_for(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Two rounds, in which nothing is said either."""
    with pair(start_lab, make_mirror, 4) as both:
        said = both.run(*RUNS, *range(DAY + 2 * EVERY, 2 * DAY + EVERY, EVERY))
        assert both.asked == [Counter(), Counter()]
        assert [line for line in said if "lacks" in line] == []
        assert state(both.mirror)["audit"]["last"]["found"] == 0


def test_a_mirror_that_was_made_partial_stays_so_without_consent(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """However often the rounds go; what is older in it is synced all the same. Consent is given once."""
    with pair(start_lab, make_mirror, 6) as both:
        both.lose("lab-00", "lab-01", "lab-02")
        truncate(simple(both.mirror, "lab-03"))
        both.run(*RUNS)
        both.run(DAY + EVERY, 2 * DAY, 2 * DAY + EVERY)
        assert audit(both.mirror) == (1, dict.fromkeys(["lab-00", "lab-01", "lab-02"], "missing"))
        found = state(both.mirror)["audit"]
        assert found["last"]["missing"] == 3
        assert "held" not in found
        command("audit", both.mirror, "--repair")
        both.run(3 * DAY)
        assert both.asked[1] == Counter(["lab-00", "lab-01", "lab-02"])
        both.lose("lab-03", "lab-04", "lab-05")
        both.run(*range(3 * DAY + EVERY, 4 * DAY + EVERY, EVERY))
        assert both.asked[1] == Counter(["lab-03", "lab-04", "lab-05"])
        assert audit(both.mirror) == (0, {})


def test_where_filters_may_have_kept_a_page_out_it_is_not_missed(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """A metadata filter drops a page by what it says, and nothing remembers that."""
    names = {"not-null:info.name": "lab-0[12]"}
    with pair(start_lab, make_mirror, 3, ("regex_project_metadata", "regex_project_metadata", names)) as both:
        both.lose("lab-01")  # whose document shows that it was synced before, while lab-00 never was
        assert not simple(both.mirror, "lab-00").exists()
        both.run(*RUNS)
        assert both.asked == [Counter(), Counter()]
        assert audit(both.mirror) == (1, {"lab-01": "missing"})
        assert state(both.mirror)["audit"]["last"]["missing"] == 1
        assert command("audit", both.mirror, "--repair").returncode == 1
        both.run(2 * DAY)
        assert both.asked[1] == Counter(["lab-01"])
        assert audit(both.mirror) == (0, {})


def test_what_the_mirror_drops_by_its_name_is_no_loss(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Neither is it asked for."""
    with pair(start_lab, make_mirror, 4, ("blocklist_project", "blocklist", {"packages": "lab-00"})) as both:
        assert not simple(both.mirror, "lab-00").exists()
        both.run(*RUNS)
        assert both.asked == [Counter(), Counter()]
        assert state(both.mirror)["audit"]["last"]["found"] == 0


def test_what_cannot_be_synced_holds_nothing(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """The serial goes on; it is tried again, an incident tells of it, and it is synced once it can be."""
    with pair(start_lab, make_mirror, 4) as both:
        truncate(simple(both.mirror, "lab-00"))
        both.lab.behave(Behaviour("the page of one project is a 503", every=9, fault="error"))
        for at in RUNS:
            both.lab.release(["lab-01"])
            both.run(at)
            assert both.mirror.serial == both.lab.serial
        assert list(state(both.mirror)["quarantine"]) == ["lab-00"]
        assert state(both.mirror)["incidents"]["lab-00"]["verdict"] == "failing"
        both.lab.heal()
        both.run(2 * DAY, 3 * DAY)
        assert audit(both.mirror) == (0, {})
        assert state(both.mirror)["quarantine"] == {}


def test_a_page_that_is_gone_upstream_leaves_the_quarantine(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """A project that is listed, and whose page is a 404 of the origin's own, is gone and no more missed."""
    with pair(start_lab, make_mirror, 4) as both:
        both.lab.empty("lab-00")
        both.lose("lab-00")
        both.run(*RUNS)
        assert both.asked[1].keys() == {"lab-00"}
        assert state(both.mirror)["quarantine"] == {}
        assert audit(both.mirror) == (0, {})


def test_a_pipe_in_the_place_of_a_page_holds_nothing_up(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Nobody writes into it; what is read to compare does not wait for that."""
    with pair(start_lab, make_mirror, 2) as both:
        for one in (both.bare, both.mirror):
            page = simple(one, "lab-00") / "index.html"
            page.unlink()
            os.mkfifo(page)
        both.run(*RUNS)
        assert both.asked[1].keys() == {"lab-00"}


def test_never_is_never(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Then only the command audits."""
    with pair(start_lab, make_mirror, 4, every="never") as both:
        truncate(simple(both.mirror, "lab-00"))
        both.run(*RUNS)
        assert both.asked == [Counter(), Counter()]
        assert "audit" not in state(both.mirror)
