"""The incidents, replayed: a behaviour of the lab made true on a real cache, and two mirrors behind it."""

from __future__ import annotations

import enum
import json
import shutil
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass, replace
from itertools import product
from pathlib import Path
from typing import NamedTuple

from bandersnatch_freshness.lab.behaviours import ALL_COPIES, BEHAVIOURS, Behaviour
from bandersnatch_freshness.lab.mirrors import FinishedRun, Mirror
from bandersnatch_freshness.lab.server import Lab

from ..staged import ahead
from . import varnish
from .cache import ASKED_BY, INDEX, Cache, accepted
from .nginx import nginx
from .squid import squid

HOUR = 3600
PROJECTS = 3
_NEWCOMER = "lab-new"

MakeCache = Callable[[Lab], AbstractContextManager[Cache]]

CACHES: Mapping[str, MakeCache] = {
    "pypi": varnish.pypi,
    "cdn": varnish.cdn,
    "nginx": nginx,
    "squid": squid,
}

# What each is, for a table.
CACHE_TITLES = {
    "pypi": "Varnish, as PyPI's edge",
    "cdn": "Varnish, a plain CDN",
    "nginx": "nginx, `proxy_cache`",
    "squid": "Squid, a corporate proxy",
}

INCIDENTS = {name: behaviour for name, behaviour in BEHAVIOURS.items() if behaviour.incident}

# What three runs have found stale, the next may quarantine, or ask the origin for: more runs change nothing.
_MOST_RUNS = 4


class NotAsClaimedError(Exception):
    """A cache is not stale where the incident has it stale, or is where it has not."""


class Ending(enum.Enum):
    """What a mirror came to."""

    FRESH = "fresh"  # it has all that the origin has
    QUARANTINED = "in quarantine"  # its serial goes on, and what is missing is remembered
    LOST = "lost"  # its serial goes on, and what is missing is forgotten
    STALE = "stale"  # its serial stays where it is


@dataclass(frozen=True)
class Played:
    """What a mirror came to, in so many runs."""

    ending: Ending
    requests: int
    seconds: float
    runs: int = 1
    output: str = ""


@dataclass(frozen=True)
class Replay:
    """One incident on one cache. `proof` is what plain requests showed before the mirrors ran."""

    incident: str
    cache: str
    proof: Sequence[str]
    bare: Played
    suite: Played


class Claim(NamedTuple):
    """The copies of a page that purges miss, and the serial that they have; None is a 404."""

    path: str
    stuck: frozenset[str]
    serial: int | None


def applicable() -> list[tuple[str, str]]:
    """Return all pairs of an incident and a cache that it can happen on."""
    return [
        (incident, cache)
        for incident, behaviour in INCIDENTS.items()
        for cache in CACHES
        if behaviour.stuck_node is None or cache == "pypi"  # the only one with several nodes
    ]


@contextmanager
def stale_cache(
    behaviour: Behaviour, make: MakeCache, projects: int = PROJECTS
) -> Iterator[tuple[Lab, Cache, list[str], list[str]]]:
    """Give a lab and a cache in front of it on which this has happened, the projects released, and the proof.

    The cache is filled, the origin releases, and a purge reaches only some of the copies.

    Raises:
        NotAsClaimedError: where it has not happened.
    """
    with Lab(projects, "healthy", "none") as lab, make(lab) as cache:
        names = [_NEWCOMER] if behaviour.new_projects else lab.names
        before = {name: None if behaviour.new_projects else lab.announced(name) for name in names}
        behaviour = replace(behaviour, new_projects=False)
        if behaviour.unlabelled:
            lab.behave("no-serial")
        cache.fill([INDEX, *(path for name in names for path in _pages(name))])
        lab.behave(behaviour)
        claims = [Claim(INDEX, behaviour.stuck_index, lab.serial)]
        if behaviour.late_index:
            lab.release(names)
            cache.purge(INDEX, ALL_COPIES - behaviour.stuck_index)
            cache.fill([INDEX])
            claims.append(Claim(INDEX, behaviour.late_index, lab.serial))
        lab.release(names)
        new = {INDEX: lab.serial}
        for name in names:
            affected = _affects(behaviour, name)
            for path in _pages(name):
                new[path] = lab.announced(name) - (behaviour.origin_behind if affected else 0)
                claims.append(Claim(path, behaviour.stuck if affected else frozenset(), before[name]))
        _purge(cache, claims, new, behaviour)
        proof = _prove(cache, claims, new, behaviour)
        _purge(cache, claims, new, behaviour)  # of what was fetched for the proof
        yield lab, cache, names, proof


def _purge(cache: Cache, claims: Sequence[Claim], paths: Iterable[str], behaviour: Behaviour) -> None:
    """Purge all copies but those that are claimed to be stuck."""
    for path, node in product(paths, range(len(cache.nodes))):
        cache.purge(path, ALL_COPIES - set().union(*_stuck(claims, path, node, behaviour)), node)


def _affects(behaviour: Behaviour, name: str) -> bool:
    number = name.rpartition("-")[2]
    return not number.isdigit() or int(number) % behaviour.every == 0


def _pages(name: str) -> tuple[str, ...]:
    return f"/pypi/{name}/json", f"/simple/{name}/"


def _stuck(claims: Sequence[Claim], path: str, node: int, behaviour: Behaviour) -> dict[frozenset[str], int | None]:
    """Return the copies of a page that one node is to hold on to, with the serial they have."""
    if behaviour.stuck_node not in (None, node):
        return {}
    return {claim.stuck: claim.serial for claim in claims if claim.path == path}


def _prove(cache: Cache, claims: Sequence[Claim], new: Mapping[str, int], behaviour: Behaviour) -> list[str]:
    """Ask for every copy of every page, in all ways, and compare with what is claimed; say what they have.

    Raises:
        NotAsClaimedError: where they differ.
    """
    proof = []
    for path, node in product(new, range(len(cache.nodes))):
        stuck = _stuck(claims, path, node, behaviour)
        claimed = {
            copy: next((serial for copies, serial in stuck.items() if copy in copies), new[path])
            for copy in sorted(cache.copies)
        }
        for accept, copy in product(accepted(path), claimed):
            for accept_encoding in ASKED_BY[copy]:
                got = cache.ask(path, accept_encoding, node, accept=accept)
                if got.serial != claimed[copy]:
                    raise NotAsClaimedError(
                        f"{path} [{accept}] [{accept_encoding}] of node {node + 1}: "
                        f"{got.status} with serial {got.serial}, not {claimed[copy]}"
                    )
        proof.append(f"{path} of node {node + 1}: {', '.join(f'{copy} {claimed[copy]}' for copy in claimed)}")
    return proof


class Player:
    """Plays incidents, each on a cache of its own, with two mirrors that were fresh just before.

    May be used by several threads at once.
    """

    def __init__(self, directory: Path) -> None:
        """Make the mirror that all others start from, in a directory that is to be there all the time."""
        self._directory = directory
        with Lab(PROJECTS, "healthy", "none") as lab:
            self._fresh = _mirror(directory / "fresh", lab)
            self._fresh.run()
            if self._fresh.serial != lab.serial:
                raise RuntimeError("the first sync has failed")
            sent = {asked.header("Accept-Encoding") for asked in lab.requests if asked.is_metadata}
            if not sent <= set(ASKED_BY["gzip"]):
                raise RuntimeError(f"Bandersnatch sends another Accept-Encoding than caches are filled with: {sent}")

    def play(self, incident: str, cache: str, make: MakeCache | None = None) -> Replay:
        """Cause the incident, and run both mirrors: first bare Bandersnatch, because it never bypasses a cache.

        `make` is for a cache that isn't in the table.
        """
        behaviour = INCIDENTS[incident]
        place = self._directory / incident / cache
        with stale_cache(behaviour, make or CACHES[cache]) as (lab, running, names, proof):
            played = []
            for plugins in ([], ["freshness"]):
                mirror = self._copy(place / ("suite" if plugins else "bare"), lab, running, plugins)
                # of bare Bandersnatch, each run is as the first
                played.append(_run(mirror, lab, running, names, _MOST_RUNS if plugins else 1))
        shutil.rmtree(place)
        return Replay(incident, cache, proof, *played)

    def _copy(self, directory: Path, lab: Lab, cache: Cache, plugins: Sequence[str]) -> Mirror:
        mirror = _mirror(directory, lab, cache, plugins)
        shutil.copytree(self._fresh.directory, mirror.directory, symlinks=True)
        return mirror


def _mirror(directory: Path, lab: Lab, cache: Cache | None = None, plugins: Sequence[str] = ()) -> Mirror:
    options = {"master": cache.url if cache else lab.url, "allow-non-https": "true"}
    if cache and cache.proxy:
        options["proxy"] = cache.proxy
    # A cache on loopback is not PyPI, so that its origin is asked only if that is wanted.
    chosen = {"quarantine_after": "1h", "ask_origin": "100"} if plugins else None
    return Mirror(directory, lab, plugins, chosen, options)


def _run(mirror: Mirror, lab: Lab, cache: Cache, names: Sequence[str], most: int) -> Played:
    before, ending = cache.requests(), Ending.STALE
    runs: list[FinishedRun] = []
    while ending is not Ending.FRESH and len(runs) < most:
        # an hour after the one before: a replay is no place to wait for it
        runs.append(mirror.run(environment=ahead(len(runs) * HOUR)))
        ending = _ending(mirror, lab, names)
    seconds, output = sum(run.seconds for run in runs), "".join(run.output for run in runs)
    return Played(ending, cache.requests() - before, seconds, len(runs), output)


def _ending(mirror: Mirror, lab: Lab, names: Sequence[str]) -> Ending:
    missing = {name for name in {*lab.names, *names} if sorted(mirror.versions(name)) != sorted(lab.versions(name))}
    if mirror.serial != lab.serial:
        return Ending.STALE
    if not missing:
        return Ending.FRESH
    state = mirror.directory / "freshness.json"
    kept = json.loads(state.read_text())["quarantine"] if state.exists() else {}
    return Ending.QUARANTINED if missing <= set(kept) else Ending.LOST
