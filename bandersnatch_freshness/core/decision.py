"""What is required of a page, and what to do about what came of asking for it. No I/O."""

from __future__ import annotations

import enum
from typing import Any

from msgspec import Struct

from .causes import cause_of
from .climb import PageResult, RecheckBudget
from .missing import NotFound
from .run import Run
from .variants import Variant


class PageRequirement(Struct, frozen=True):
    """What is required of a project's page.

    Bandersnatch asked for `requested_serial`; the mirror has the page at the serial `floor`, and
    `announced` is what is known to be announced of it where Bandersnatch asks for nothing, as in
    a `sync`. `required_serial` is the highest of these. A `budget` of None is no limit.
    """

    project: str
    requested_serial: int
    floor: int
    announced: int
    required_serial: int
    budget: RecheckBudget | None


class PageAction(enum.Enum):
    """What to do about a page that was asked for."""

    TAKE = "the page is fresh"
    KEEP_OWN = "the mirror's own page stays, as nothing newer is to be had"
    WAIT = "the package stays in quarantine, or missing, and its failure is not the run's"
    FAIL = "the error is Bandersnatch's to handle"
    GIVE_UP = "the page is stale, and waiting for it was no use in the last runs"
    STALE = "the page is stale"


class PageDecision(Struct, frozen=True):
    """What to do about a page.

    If `older_serial` is set, ask for a page of at least that serial first, beginning with the `older_variant` if one is
    known to get it; `action` applies only if none arrives.
    """

    action: PageAction
    older_serial: int | None = None
    older_variant: Variant | None = None


_TAKE = PageDecision(PageAction.TAKE)


def decide(run: Run | None, requirement: PageRequirement, result: PageResult[Any]) -> PageDecision:
    """Record the result of asking for a page, and return what to do about it; in a `sync` there is no run."""
    project, not_found = requirement.project, None
    if result.is_missing:
        not_found = NotFound(requirement.requested_serial, result.is_proven_gone)
    if run is not None and result.error is not None and not not_found:  # nothing is known of the page
        run.fails(project, requirement.required_serial, f"its page: {cause_of(result.error)}")
    elif run is not None:
        fresh = result.response is not None
        run.saw(project, requirement.required_serial, result.observations, fresh=fresh, not_found=not_found)
    if result.response is not None:
        return _TAKE
    is_recheck = run is not None and project in run.rechecks
    is_excused = run is not None and not not_found and run.excuses(project)
    if result.error is not None:
        return PageDecision(PageAction.WAIT if is_excused else PageAction.FAIL)
    older: tuple[int | None, Variant | None] = None, None
    if run is not None:
        seen = run.older_page(project) if is_recheck else None
        older = (seen.serial, seen.variant) if seen else older
    elif requirement.announced > requirement.floor:
        older = requirement.floor, None
    if requirement.requested_serial == 0 and requirement.floor > 0:
        return PageDecision(PageAction.KEEP_OWN, *older)
    if is_excused:
        return PageDecision(PageAction.WAIT, *older)
    is_persistent = run is not None and run.is_persistent(project)
    return PageDecision(PageAction.GIVE_UP if is_persistent else PageAction.STALE, *older)
