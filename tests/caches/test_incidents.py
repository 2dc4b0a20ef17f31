"""Every incident on every cache that it can happen on: what bare Bandersnatch comes to, and what the suite does."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from concurrent.futures import Future, ThreadPoolExecutor
from pathlib import Path

import pytest

from .incidents import CACHES, INCIDENTS, Ending, Player, Replay, applicable
from .replay import endings_in_docs, section

pytestmark = [pytest.mark.caches, pytest.mark.usefixtures("servers")]

# Bare Bandersnatch mostly sleeps.
_AT_ONCE = 4

FRESH, _, LOST, STALE = Ending

# The table of this run, as the docs have it.
MADE = Path(__file__).parents[2] / "build" / "incidents.md"

# Of all incidents that are not named here, the mirror stays stale.
BARE = {"identity-stale": FRESH, "stale-node": FRESH, "cached-404": LOST}

Replays = Mapping[tuple[str, str], Future[Replay]]


@pytest.fixture(scope="module")
def replays(
    request: pytest.FixtureRequest, servers: None, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Replays]:
    """Begin to replay what there are tests for, some at once."""
    parameters = [item.callspec.params for item in request.session.items if hasattr(item, "callspec")]
    wanted = [(one["incident"], one["cache"]) for one in parameters if one.keys() == {"incident", "cache"}]
    player = Player(tmp_path_factory.mktemp("incidents"))
    with ThreadPoolExecutor(_AT_ONCE) as pool:
        begun = {pair: pool.submit(player.play, *pair) for pair in wanted}
        yield begun
        pool.shutdown(cancel_futures=True)
    if [*begun] == applicable() and not any(one.exception() for one in begun.values()):
        MADE.parent.mkdir(exist_ok=True)
        MADE.write_text(section([one.result() for one in begun.values()]))


@pytest.mark.parametrize(("incident", "cache"), applicable())
def test_incident(incident: str, cache: str, replays: Replays) -> None:
    """Proved first, then run by both; and the docs say the same."""
    replay = replays[incident, cache].result()
    assert replay.proof
    expected = BARE.get(incident, STALE), FRESH
    assert (replay.bare.ending, replay.suite.ending) == expected, replay.suite.output
    assert endings_in_docs()[incident, cache] == tuple(ending.value for ending in expected)
    assert "An error inside bandersnatch-freshness" not in replay.suite.output


def test_the_docs_have_all_and_nothing_else() -> None:
    """A row for each."""
    assert list(endings_in_docs()) == applicable()
    assert {incident for incident, _ in applicable()} == INCIDENTS.keys()
    assert {cache for _, cache in applicable()} == CACHES.keys()
