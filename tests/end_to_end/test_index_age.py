"""How old an index may be before a newer one is looked for: bare Bandersnatch beside the suite at an edge as PyPI's."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack
from urllib.parse import urlsplit

import pytest

from bandersnatch_freshness.lab.behaviours import ALL_COPIES, Behaviour
from bandersnatch_freshness.lab.mirrors import Mirror
from bandersnatch_freshness.lab.origin import Lifetimes
from bandersnatch_freshness.lab.server import Lab

from ..conftest import MakeMirror, StartLab
from ..lab.clock import Clock
from .cron import DAY, HOUR, MINUTE, Cron, cron, side_by_side, state
from .observe import SIMPLE, is_fresh, needs_simple

pytestmark = needs_simple

LOOK = 65 * MINUTE
STUCK = Behaviour("no copy of the index is fetched anew", stuck_index=ALL_COPIES)
ONE_STUCK = Behaviour("the gzip copy of the index is not fetched anew", stuck_index=frozenset({"gzip"}))


class Day:
    """A lab and its mirrors, whose clocks go together."""

    def __init__(self, lab: Lab, clock: Clock, runs: Sequence[Cron]) -> None:
        """The clock is the lab's."""
        self.lab = lab
        self._clock = clock
        self._runs = runs

    def run(self, *times: int) -> list[str]:
        """Run at each of these seconds after noon, and return what the suite said."""
        said = []
        for time in times:
            self._clock.now = float(time)
            for one in self._runs:
                said += one.run(time)
        return said

    def asked(self) -> Counter[str]:
        """Return how often the index was asked for, by method, and XML-RPC, since it was last forgotten."""
        found = [asked for asked in self.lab.requests if asked.path in ("/simple", "/simple/", "/pypi")]
        return Counter("XML-RPC" if asked.path == "/pypi" else asked.method for asked in found if asked.status < 300)


@pytest.fixture
def start_day(start_lab: StartLab, make_mirror: MakeMirror) -> Iterator[Callable[..., tuple[Day, Mirror]]]:
    """Return a function that starts a lab as PyPI, and a mirror of it with the suite."""
    with ExitStack() as stack:

        def start(behaviour: Behaviour | str = "healthy", **options: str) -> tuple[Day, Mirror]:
            clock = Clock()
            lab = start_lab("healthy", "pypi", projects=6, lifetimes=Lifetimes(), clock=clock)
            mirror = make_mirror(lab, "freshness", mirror=SIMPLE, options={"index_max_age": "6h", **options})
            day = Day(lab, clock, [stack.enter_context(cron(mirror))])
            day.run(0)
            lab.behave(behaviour)
            lab.forget()
            return day, mirror

        yield start


@pytest.mark.slow
def test_a_healthy_day_costs_nothing(make_mirror: MakeMirror) -> None:
    """Not one request, nor one byte: runs every five minutes, releases, another point of presence twice."""
    costs, port, https_port = [], 0, 0
    for plugins in ((), ("freshness",)):
        clock = Clock()
        with Lab(6, "healthy", "pypi", lifetimes=Lifetimes(), clock=clock, port=port, https_port=https_port) as lab:
            # The same for both, as they are in the pages, which are compressed.
            port, https_port = (urlsplit(url).port or 0 for url in (lab.url, lab.https_url))
            mirror = make_mirror(lab, *plugins, mirror=SIMPLE)
            with cron(mirror) as runs:
                day = Day(lab, clock, [runs])
                for number in range(DAY // (5 * MINUTE)):
                    if number % 3 == 1:
                        lab.release([lab.names[number % len(lab.names)]])
                    if number in (100, 200):
                        lab.switch()
                    assert day.run(number * 5 * MINUTE) == []
            costs.append((len(lab.requests), sum(asked.size for asked in lab.requests), mirror.serial))
    assert costs[0] == costs[1]
    assert state(mirror)["incidents"] == {}


def test_one_stale_copy_is_looked_past_once_an_hour(start_day: Callable[..., tuple[Day, Mirror]]) -> None:
    """By one call, three small requests and one copy; in between, runs ask what Bandersnatch asks."""
    day, mirror = start_day(ONE_STUCK)
    for hour in range(1, 4):
        day.lab.release()
        day.lab.forget()
        day.run(*(hour * LOOK + number * 10 * MINUTE for number in range(-1, 3)))
        assert day.asked() == {"XML-RPC": 1, "HEAD": 3, "GET": 5}
    assert mirror.serial > day.lab.serial - 6 * 2


def test_stale_in_every_copy_the_master_itself_says_what_has_changed(
    start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """At most once in 65 minutes; bare Bandersnatch stands still without a word."""
    clock = Clock()
    lab = start_lab("healthy", "pypi", projects=6, lifetimes=Lifetimes(), clock=clock)
    given = {"mirror": SIMPLE, "options": {"index_max_age": "6h"}}
    with side_by_side(make_mirror, lab, **given) as (bare, mirror, bare_runs, runs):
        bare_day, day = Day(lab, clock, [bare_runs]), Day(lab, clock, [runs])
        for one in (bare_day, day):
            one.run(0)
        lab.behave(STUCK)
        lab.release()
        lab.forget()
        said = day.run(*range(10 * MINUTE, LOOK, 10 * MINUTE))
        assert said == []
        assert day.asked().keys() == {"GET"}
        said = day.run(LOOK)
        assert [line for line in said if "changes are from the master's changelog" in line]
        assert day.asked()["XML-RPC"] == 2
        assert is_fresh(mirror, lab)
        # The mirror is ahead of every cached copy now: that is no news.
        lab.forget()
        assert day.run(*range(LOOK + 10 * MINUTE, 2 * LOOK, 10 * MINUTE)) == []
        assert day.asked().keys() == {"GET"}
        lab.release()
        day.run(2 * LOOK + MINUTE)
        assert is_fresh(mirror, lab)
        bare_day.run(2 * LOOK + MINUTE)
        assert not is_fresh(bare, lab)
        assert state(mirror)["incidents"] == {}


def test_without_xml_rpc_the_copies_are_looked_at_ever_more_rarely(
    start_day: Callable[..., tuple[Day, Mirror]],
) -> None:
    """Up to `index_max_age`; after that it is an incident."""
    day, mirror = start_day(Behaviour("and no XML-RPC", stuck_index=ALL_COPIES, refuses_xmlrpc=True))
    day.lab.release()
    looks = []
    for number in range(1, 6 * 24):
        day.lab.forget()
        day.run(number * 10 * MINUTE)
        if day.asked()["HEAD"]:
            looks.append(number * 10 * MINUTE // HOUR)
    assert looks == [1, 3, 7, 13, 19]
    assert state(mirror)["incidents"].keys() == {"/simple/"}


def test_where_nothing_changes_the_master_is_asked_ever_more_rarely(
    start_day: Callable[..., tuple[Day, Mirror]],
) -> None:
    """By one call each time; it says that there is nothing, so there is no incident."""
    day, mirror = start_day()
    said = day.run(*(number * HOUR for number in range(1, 3 * 24)))
    assert said == []
    asked = day.asked()
    assert asked["HEAD"] == 0
    assert 10 <= asked["XML-RPC"] <= 15
    assert asked["GET"] == 3 * 24 - 1
    assert state(mirror)["incidents"] == {}
