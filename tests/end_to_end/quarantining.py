"""How the tests of `freshness_quarantine` come to a package that is in quarantine, and what they look at."""

from __future__ import annotations

from typing import Any

from bandersnatch_freshness.lab.behaviours import ALL_COPIES, Behaviour
from bandersnatch_freshness.lab.mirrors import Mirror
from bandersnatch_freshness.lab.server import Lab

from .cron import HOUR, MINUTE, Cron, cron, state

# The first project's page reports a serial one too low from its next release on.
ONE = Behaviour("one project reports a serial too low", origin_behind=1, every=1000)
# No copy of its page is purged: what is to be had lacks that release.
STUCK = Behaviour("one project's copies are never purged", stuck=ALL_COPIES, every=1000)
HALF = Behaviour("half of all projects report a serial too low", origin_behind=1, every=2)
QUARTER = Behaviour("every fourth project reports a serial too low", origin_behind=1, every=4)

# So many runs does it take until a package is in quarantine: at these times it is seen stale.
SEEN = (0, HOUR, 2 * HOUR)
ASIDE = 6 * HOUR


def in_quarantine(mirror: Mirror) -> dict[str, Any]:
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


def freeze(runs: Cron) -> None:
    """Run until what is stale is about to go into quarantine."""
    runs.run(*SEEN)


def freeze_and_free(mirror: Mirror) -> None:
    """Run until the mirror goes on without what is stale."""
    with cron(mirror) as runs:
        freeze(runs)
        runs.run(ASIDE, ASIDE + MINUTE)
    assert in_quarantine(mirror)
