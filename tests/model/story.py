"""A story: what happens at random to a world and its mirrors, run by run. All chance comes from one seed."""

from __future__ import annotations

import functools
from collections import Counter
from collections.abc import Iterable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from pathlib import Path
from random import Random

from ..zygote import Zygote
from . import faults, invariants
from .edge import Edge
from .faults import COPIES, Fault
from .mirrors import HAS_BOTH_WAYS, IS_OF_REQUESTS, Mirror
from .server import Server
from .world import DAY, HOUR, MINUTE, World

FULL = ("freshness",)
NONE: tuple[str, ...] = ()
PARTS = ("freshness_guard", "freshness_escalation", "freshness_quarantine")
PLUGIN_SETS = (FULL, PARTS, NONE, *((one,) for one in PARTS))

# What is lost of a mirror's own pages, which nothing tells the suite.
LOSSES = ("page lost", "pages restored")

# What befalls the mirrors' machine, or is done by those who run them.
DOINGS = (
    *("killed", "clock back", "clock ahead", "plugins switched", "filter on", "master respelled", "master swapped"),
    *LOSSES,
)

KINDS = (*faults.KINDS, *DOINGS)

# How many runs it takes until all heals, at least and at most.
EPISODE = (30, 60)

# After how long all has to be well, and how often is looked: at first as by cron.
HEALING = [5 * MINUTE, 10 * MINUTE, *[20 * MINUTE] * 9, *[HOUR] * 45]


def stem(kind: str) -> str:
    """Return what all begins with that is counted of a kind."""
    return kind.removesuffix(" switched")


def _weight(kind: str) -> int:
    """Return how often a kind is drawn: faults of pages concern few of them, those of the index all."""
    return 3 if kind in faults.OF_PAGES or kind in ("killed", "plugins switched") else 1


def _lasting(kind: str) -> tuple[int, int]:
    """Return how long a kind lasts, at least and at most, in seconds."""
    if kind in faults.ALL_BREAKS:
        return 5 * MINUTE, 6 * HOUR
    if kind in faults.XMLRPC_BREAKS:  # it is asked rarely
        return 12 * HOUR, 3 * DAY
    return (HOUR, 3 * DAY) if kind in faults.OF_PAGES else (5 * MINUTE, DAY)


class BrokenInvariantError(AssertionError):
    """Something is as it must never be."""


class Story:
    """One world, and what happens in it."""

    def __init__(
        self, seed: str, kinds: Sequence[str], bare: Mirror, suite: Mirror, server: Server, world: World
    ) -> None:
        """`seed` decides everything; `kinds` are those of the faults and doings that there may be."""
        self.seed = seed
        self.random = Random(seed)  # noqa: S311 - no secret
        self.world = world
        self.edges = server.edges
        self.server = server
        self.bare = bare
        self.suite = suite
        self.number = 0
        self.happened: Counter[str] = Counter()
        self.log: list[str] = []
        self._kinds = kinds
        self._deck: list[str] = []
        self._drew_all = False
        self._skew = 0
        self._kills = False
        self._plugins: tuple[str, ...] = FULL
        self._blocked: set[str] = set()
        # Projects that may be older than they should, by the serials up to which: see `_excused`.
        self._forgiven: dict[str, int] = {}
        self._lost: set[str] = set()
        self._deceived: set[str] = set()
        self._was_ahead = False
        self._generations = invariants.Generations(suite)
        self._behind = invariants.Behind()
        self._heal_at = 0
        self._master = 0
        self._spelling = "{}"
        for number in range(self.random.randint(6, 15)):
            self.world.release(f"Model.{number:02}" if number % 5 == 3 else f"model-{number:02}")
        self._begin_episode()

    # What happens.

    def step(self) -> None:
        """Let time pass and things happen, run both mirrors, and look at them."""
        self.number += 1
        self.world.now += self._pause()
        self._origin_moves()
        if self.random.random() < 0.6:
            self._begins(self._draw())
        self._ends()
        kill_at = self.random.randint(1, 60) if self._kills else 0
        self._kills = False
        self._run(kill_at)
        if self.number >= self._heal_at:
            self.heal()

    def _pause(self) -> int:
        kind = self.random.random()
        if kind < 0.7:
            return self.random.randint(5 * MINUTE, 30 * MINUTE)
        return self.random.randint(HOUR, 6 * HOUR) if kind < 0.93 else self.random.randint(12 * HOUR, DAY)

    def _origin_moves(self) -> None:
        names = self.world.names
        if self.random.random() < 0.6:
            for name in self.random.sample(names, self.random.randint(1, 3)):
                self.world.release(name)
        faulty = sorted({name for fault in self.edges[self._master].faults for name in fault.names})
        if faulty and self.random.random() < 0.3:
            self.world.release(self.random.choice(faulty))
        if self.random.random() < 0.04:
            name = self.random.choice(names)
            if self.world.page(name).versions:
                self.world.delete(name, stays_listed=self.random.random() < 0.5)
                self._says(f"{name} is deleted")
        if self.random.random() < 0.04:
            self.world.withdraw(self.random.choice(names))
        if self.random.random() < 0.03 and len(names) < 20:
            self.world.release(f"model-{len(names):02}")

    def _draw(self) -> str:
        """Return the next kind of fault: in each order that chance gives them, but none again before all were there.

        First each once, so that a short story meets them all.
        """
        if not self._deck:
            self._deck = [kind for kind in self._kinds for _ in range(_weight(kind) if self._drew_all else 1)]
            self._drew_all = True
            self.random.shuffle(self._deck)
        return self._deck.pop()

    def _begins(self, kind: str) -> None:
        if kind in DOINGS:
            self._does(kind)
            return
        names = frozenset(self.random.sample(self.world.names, self.random.choice([1, 1, 2, 4])))
        copies = frozenset(COPIES)
        if kind == "all pages are stale":
            names = frozenset(self.world.names)
        if kind in faults.OF_ONE_COPY or (kind in faults.PAGE_BREAKS and self.random.random() < 0.5):
            copies = frozenset(self.random.sample(COPIES, self.random.choice([1, 2])))
        least, most = _lasting(kind)
        lasts = int(least * (most / least) ** self.random.random())
        edges = frozenset(self.random.choice(["ab", "ab", "a", "b"]))
        fault = Fault(kind, self.world.now, self.world.now + lasts, names, copies, edges, self.random.randrange(100))
        self._says(f"{kind}: {','.join(sorted(names))} {','.join(sorted(copies))} at {fault.edges} for {lasts} s")
        for edge in self.edges:
            edge.faults.append(fault)
        if self.random.random() < 0.8:  # what it changes is to be seen
            self.world.now += 1
            for name in self.random.sample(sorted(names), self.random.randint(1, len(names))):
                if self.world.page(name).versions:
                    self.world.release(name)

    def _ends(self) -> None:
        for edge in self.edges:
            edge.faults = [one for one in edge.faults if one.end > self.world.now]
        if self._plugins != FULL and self.random.random() < 0.2:
            self._plugins = FULL
            self._says("plugins: all again")
        if self._blocked and self.random.random() < 0.15:
            self._unblock()
        if self._skew and self.random.random() < 0.3:
            self._skew = 0
            self._says("the clock is right again")

    def _does(self, kind: str) -> None:
        self._says(kind)
        if kind == "killed":
            self._kills = True
        elif kind == "clock back":
            self._skew, self.happened[kind] = -self.random.randint(MINUTE, 6 * HOUR), self.happened[kind] + 1
        elif kind == "clock ahead":
            self._skew, self.happened[kind] = self.random.randint(MINUTE, 2 * DAY), self.happened[kind] + 1
        elif kind == "plugins switched":
            self._plugins = self.random.choice([one for one in PLUGIN_SETS if one != self._plugins])
            self.happened[f"plugins: {' '.join(self._plugins) or 'none'}"] += 1
            self._says(f"plugins: {self._plugins}")
        elif kind == "filter on":
            self._blocked = {self.random.choice(self.world.names)}
            self.happened[kind] += 1
            self._says(f"blocked: {self._blocked}")
        elif kind == "master respelled":
            self._spelling = self.random.choice(["{}/", "HOST", "{}"])
            self.happened[kind] += 1
        elif kind == "master swapped":
            self._master = 1 - self._master
            self.happened[kind] += 1
        elif kind in LOSSES:
            self._lose(kind)

    def _lose(self, kind: str) -> None:
        """Lose pages of both mirrors: one, or what a backup from before lacks. It is found by what runs audit."""
        has = {name: self.suite.simple_page(name)[0] for name in self.world.names}
        if kind == "pages restored":
            for one in (self.bare, self.suite):
                one.restore()
        elif there := sorted(name for name, generation in has.items() if generation):
            # More than one that is missing is a mirror that was made partial by hand.
            name, how = self.random.choice(there), "cut" if 0 in has.values() else "deleted"
            for one in (self.bare, self.suite):
                one.lose(name, how)
        lost = [name for name, generation in has.items() if self.suite.simple_page(name)[0] != generation]
        self._lost.update(lost)
        for name in lost:
            self._forgiven[name] = self.world.serial
            self._generations.forget(name)
        self.happened[kind] += bool(lost)
        self._says(f"lost: {lost}")

    def _unblock(self) -> None:
        """Take the filter off: what was released meanwhile is not asked for, with the suite or without."""
        for name in self._blocked:
            self._forgiven[name] = self.world.serial
        self._says(f"unblocked: {self._blocked}")
        self._blocked = set()

    # What the mirrors do.

    def _run(self, kill_at: int = 0, *, with_bare: bool = True) -> None:
        address = self.edges[self._master].base
        master = (
            address.replace("localhost", "LOCALHOST") if self._spelling == "HOST" else self._spelling.format(address)
        )
        spelled = "" if master == address else f", as {master.replace(address, '…')}"
        self._says(f"run: plugins {' '.join(self._plugins) or 'none'}{spelled}, skew {self._skew}, kill at {kill_at}")
        self.server.lines.clear()
        for edge in self.edges:
            edge.forget()
        now = self.world.now + self._skew
        self.suite.configure(master, self._plugins, sorted(self._blocked))
        code = self.suite.run(now, kill_at)
        self.requests = list(self.server.lines)
        for edge in self.edges:  # what it asked for last is what it acts on
            self.world.tell_of(edge.changes)
            if edge.listing is not None:
                self.world.tell(edge.listing.projects, edge.listing.serial)
        deceived = set[str]().union(*(edge.deceived for edge in self.edges))
        if with_bare:
            self.bare.configure(master, (), sorted(self._blocked))
            self.bare.run(now, kill_at)
        self.happened["killed"] += code == -9
        state = self.suite.state()
        for part in ("incidents", "quarantine", "missing"):  # no faults: what they led to
            self.happened[f"runs that left {part}"] += bool(state.get(part))
        self._expect(["exit code 70"] if code == 70 else [])
        text = self.suite.log.read_text()
        self._expect(["an error inside the suite"] if "inside bandersnatch-freshness" in text else [])
        guards = not {"freshness", "freshness_guard"}.isdisjoint(self._plugins)
        older = self._generations.look(self.world)
        # What the mirror has of another master is not held against this one, until a full sync.
        is_anothers = self.suite.state().get("another_master", False)
        self._expect(older if guards and not is_anothers else [])
        # Without the guard a mirror may be led to a serial that never was; with it, it gets back.
        is_ahead = self.suite.serial > self.world.serial
        self._expect([f"its serial is {self.suite.serial}"] if guards and is_ahead and not self._was_ahead else [])
        self._was_ahead = is_ahead
        if is_ahead:
            return
        excused = self._excused(deceived)
        self._expect(invariants.lost(self.world, self.suite, excused))
        luck = set[str]().union(*(edge.understated for edge in self.edges))
        self._expect(self._behind.look(self.world, self.bare, self.suite, excused, luck, ran=code == 0))

    def _excused(self, deceived: Iterable[str] = ()) -> set[str]:
        """Return what may be older than it should, until its next release.

        That is what a filter of Bandersnatch's own keeps away, or kept away; and what an answer said to be gone, or to
        be new, while parts of the suite were switched off.
        """
        if self._plugins not in (FULL, PARTS):
            for name in deceived:
                self._forgiven[name] = self.world.page(name).serial
                self._deceived.add(name)
        forgiven = {name for name, serial in self._forgiven.items() if self.world.page(name).serial <= serial}
        return forgiven | self._blocked

    def heal(self) -> None:
        """End all that is wrong; in time, the mirror must have all that there is, and bare begins as that."""
        self._says("all heals")
        if self._blocked:
            self._unblock()
        self.world.now += MINUTE
        for edge in self.edges:
            edge.faults.clear()
        self._skew, self._plugins, self._master, self._spelling = 0, FULL, 0, "{}"
        for name in self.world.names:
            # What was never there is no loss that an audit would mend unasked, and without an index there is none.
            # Neither is an old page found that says it is the newest, as bare Bandersnatch may have taken.
            was_there = name in self._lost or self.suite.simple_page(name)[0]
            is_audited = self.suite.sees_index and was_there and name not in self._deceived
            is_behind = self.world.is_concealed(name) or name in self._excused()
            if is_behind and self.world.page(name).versions and not is_audited:
                self.world.release(name)  # by which it is found again
        moves = self.random.choice(self.world.names)  # the others are not to be found by their next release
        for pause in HEALING:
            self.world.now += pause
            self.world.release(moves)
            self._run(with_bare=False)
            check = self.suite.run(self.world.now, command="check")
            if "are missing that were here" in self.suite.log.read_text():
                self._says("consents")  # which it takes where two are lost at once, as by a backup
                self.suite.run(self.world.now, command="audit --repair")
            left = list(invariants.unhealed(self.world, self.suite, check))
            if not left:
                break
        else:
            self._expect(left)
        self.bare.begin_as(self.suite)
        self._begin_episode()

    def _begin_episode(self) -> None:
        for one in (self.bare, self.suite):
            one.back_up()
        self._heal_at = self.number + self.random.randint(*EPISODE)

    # What is said.

    def _says(self, text: str) -> None:
        self.log.append(f"{self.number:4} {self.world.now} {text}")

    def _expect(self, wrong: Iterator[str] | list[str]) -> None:
        found = list(wrong)
        if found:
            tail = [*self.log[-60:], "", "What the suite asked:", *self.requests, "", self.suite.log.read_text()]
            raise BrokenInvariantError("\n".join([f"seed {self.seed}, run {self.number}:", *found, "", *tail]))

    @property
    def met(self) -> Counter[str]:
        """How many answers each kind of fault has changed, and how often each thing was done."""
        return self.happened + functools.reduce(Counter.__add__, (edge.met for edge in self.edges))


@contextmanager
def story(seed: str, directory: Path, kinds: Sequence[str] = KINDS) -> Iterator[Story]:
    """Make a world, its edges and its mirrors."""
    random = Random(f"{seed} world")  # noqa: S311 - no secret
    world, is_proxy = World(), random.random() < 0.3
    edges = [Edge(world, name, is_proxy=is_proxy) for name in "ab"]
    options = {"api-method": ["xmlrpc", "simple"][int(seed) % 2]} if HAS_BOTH_WAYS else {}
    with ExitStack() as stack:
        server = stack.enter_context(Server(edges, directory, tls=IS_OF_REQUESTS))
        zygote = stack.enter_context(Zygote(server.ca_file))
        bare, suite = (Mirror(directory / name, options, zygote) for name in ("bare", "suite"))
        yield Story(seed, kinds, bare, suite, server, world)
