"""Runs that are killed at random moments, while PyPI releases, goes stale and heals: nothing is lost.

A short form runs with the other tests; `make soak` is the long one.
"""

from __future__ import annotations

import hashlib
import re
import subprocess
import time
from pathlib import Path
from random import Random

import pytest

from bandersnatch_freshness.lab.behaviours import ALL_COPIES, Behaviour
from bandersnatch_freshness.lab.mirrors import Mirror
from bandersnatch_freshness.lab.server import Lab

from ..conftest import MakeMirror, StartLab
from ..staged import mortal
from .cron import DAY, NOON, cron, state
from .observe import pages

pytestmark = pytest.mark.slow

SPELLS = (
    Behaviour("the origin of some is behind", origin_behind=1, every=3),
    Behaviour("the origin of one is behind", origin_behind=1, every=1000),
    Behaviour("some pages are stuck", stuck=ALL_COPIES, every=4),
    Behaviour("two copies are stuck", stuck=frozenset({"gzip", "identity"})),
    Behaviour("all pages are stuck", stuck=ALL_COPIES),
)

# About as many file operations as a run makes, and as many seconds as it takes.
OPERATIONS = 40
SECONDS = 0.8


def is_whole(path: Path) -> bool:
    """Tell whether a release file has the digest that its path says: up to 5.3 Bandersnatch can leave half of one."""
    return hashlib.blake2b(path.read_bytes(), digest_size=32).hexdigest() == "".join(path.parts[-4:-1])


# So many runs does the beginning take.
BEGINNING = 12


class Soak:
    """A mirror of a restless lab."""

    def __init__(self, lab: Lab, mirror: Mirror, random: Random) -> None:
        """All that is random comes from `random`, but for how long things take."""
        self.lab = lab
        self.mirror = mirror
        self.random = random
        self.killed = 0

    def begins(self, number: int) -> None:
        """Keep a third of the packages stale until they are in quarantine, while others have releases."""
        if number == 0:
            self.lab.behave(SPELLS[0])
            self.lab.release()
        else:
            self.lab.release(self.random.sample([name for name in self.lab.names if int(name[-2:]) % 3], 2))

    def something_happens(self) -> None:
        """Make the edge or the origin fail or heal, and publish releases, at random."""
        event = self.random.random()
        if event < 0.15:
            self.lab.behave(self.random.choice(SPELLS))
        elif event < 0.22:
            self.lab.heal()
        if self.random.random() < 0.5:
            self.lab.release(self.random.sample(self.lab.names, self.random.randint(1, 4)))

    def run(self) -> None:
        """Run the mirror; three times in four kill it, if it isn't through by then."""
        way = self.random.choice(["at a moment", "at an operation", "after its serial has moved", "not at all"])
        operation = {
            "at an operation": self.random.randint(1, OPERATIONS),
            "after its serial has moved": self.random.randint(1, 4),
        }.get(way, 0)
        process = subprocess.Popen(
            self.mirror.command("mirror"),
            env={
                **self.mirror.environment(),
                **mortal(operation, after="status" if way == "after its serial has moved" else ""),
            },
            cwd=self.mirror.config.parent,
            stderr=(self.mirror.config.with_name("log")).open("a"),
        )
        try:
            process.wait(self.random.uniform(SECONDS / 4, SECONDS) if way == "at a moment" else 60)
        except subprocess.TimeoutExpired:
            assert way == "at a moment"
            process.kill()
            process.wait()
        self.killed += process.returncode == -9
        assert process.returncode in (0, -9)

    def copy(self, name: str) -> int:
        """Return the serial of the mirror's copy of a project: of what it writes last of it."""
        page = self.mirror.directory / "web" / "simple" / name / "index.html"
        found = re.search(r"<!--SERIAL (\d+)-->", page.read_text()) if page.exists() else None
        return int(found[1]) if found else 0

    def listed(self) -> tuple[int, set[str]]:
        """Return up to which serial the mirror has or will have asked, and what is still on its todo list."""
        path = self.mirror.directory / "todo"
        if path.exists() and (text := path.read_text()):
            target, *lines = text.splitlines()
            return int(target), {line.split()[0] for line in lines}
        return self.mirror.serial, set()

    def in_quarantine(self) -> set[str]:
        """Return what the state and the second copy say."""
        path = self.mirror.directory / "freshness.quarantine"
        copied = {line.split()[0] for line in path.read_text().splitlines()} if path.exists() else set()
        written = (self.mirror.directory / "freshness.json").exists()
        return copied | (state(self.mirror)["quarantine"].keys() if written else set())

    def owed(self) -> set[str]:
        """Return what the mirror knows that it has to ask for, in the next run or the one after it."""
        reached, listed = self.listed()
        behind = {name for name in self.lab.names if self.lab.announced(name) > reached}
        return listed | behind | self.in_quarantine()

    def lost(self) -> set[str]:
        """Return what is older in the mirror than announced, and will not be asked for."""
        older = {name for name in self.lab.names if self.lab.announced(name) > self.copy(name)}
        return older - self.owed()

    def files(self) -> set[str]:
        """Return the release files that the mirror has, whole, by their path on the server."""
        web = self.mirror.directory / "web"
        return {f"/{path.relative_to(web)}" for path in (web / "packages").rglob("*.whl") if is_whole(path)}

    def downloaded(self) -> list[str]:
        """Return which release files were asked for."""
        return [asked.path for asked in self.lab.requests if asked.path.endswith(".whl")]


def test_nothing_is_lost(start_lab: StartLab, make_mirror: MakeMirror, request: pytest.FixtureRequest) -> None:
    """Whenever it is killed; and in peace the mirror equals the origin, with nothing asked for in vain."""
    runs, seed = request.config.getoption("--soak-runs"), request.config.getoption("--soak-seed")
    lab = start_lab("healthy", "pypi", projects=12)
    mirror = make_mirror(lab, "freshness", options={"quarantine_after": "1s"})
    soak = Soak(lab, mirror, Random(seed))  # noqa: S311 - no secret
    was_in_quarantine: set[str] = set()
    for number in range(runs):
        if number < BEGINNING:
            soak.begins(number)
        else:
            soak.something_happens()
        had = soak.files()
        lab.forget()
        soak.run()
        assert not had.intersection(soak.downloaded()), (seed, number)
        assert not soak.lost(), (seed, number)
        was_in_quarantine |= soak.in_quarantine()
    assert soak.killed > runs / 5
    assert was_in_quarantine

    lab.heal()
    lab.forget()
    owed, had = soak.owed(), soak.files()
    today = int(time.time()) - NOON
    with cron(mirror) as peace:
        for day in range(1, 20):
            peace.run(today + day * DAY)
            if not soak.owed():
                break
        assert pages(lab).keys() <= owed
        assert not had.intersection(soak.downloaded())
        assert len(soak.downloaded()) == len(set(soak.downloaded()))
        assert mirror.serial == lab.serial
        assert {name: soak.copy(name) for name in lab.names} == {name: lab.announced(name) for name in lab.names}
        assert {name: sorted(mirror.versions(name)) for name in lab.names} == {
            name: sorted(lab.versions(name)) for name in lab.names
        }
        assert len(soak.files()) == sum(len(lab.versions(name)) for name in lab.names)
        assert state(mirror)["incidents"] == {}
        lab.forget()
        peace.run(today + 30 * DAY)
        assert pages(lab) == {}
        assert soak.downloaded() == []
