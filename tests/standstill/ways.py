"""The ways in which a mirror can stand still, and how the lab or the mirror's own machine makes each."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field

from packaging.version import Version

from bandersnatch_freshness.lab.behaviours import ALL_COPIES, Behaviour

from ..end_to_end.observe import BANDERSNATCH

MINUTE, HOUR, DAY = 60, 3600, 86400

# The lab's first project, of four, or of twelve where so many must fail that it is the whole edge.
_ONE = 4
_MANY = 12


@dataclass(frozen=True)
class Way:
    """One way.

    `behaviour` is the lab's, which answers nothing at all where it `is_gone`; `faults` are those of the mirror's
    machine, as of `tests.zygote`. `mirror` is for `[mirror]`. `has_runs` is false where cron has stopped.
    """

    title: str
    behaviour: Behaviour | None = None
    projects: int = _ONE
    is_gone: bool = False
    faults: Mapping[str, str] = field(default_factory=dict)
    has_runs: bool = True
    mirror: Mapping[str, str] = field(default_factory=dict)
    # When it must have been said at the latest, in seconds after it began; None where it is critical at once.
    warned_by: int | None = HOUR + 10 * MINUTE
    critical_by: int | None = DAY
    # Bandersnatch takes it for right, or does not run.
    tells_bare_nothing: bool = False
    # Why it can't happen on this Bandersnatch, empty if it can.
    not_here: str = ""


def _page(
    title: str,
    *,
    by: int | None = DAY,
    mirror: Mapping[str, str] | None = None,
    is_dropped: bool = False,
    **broken: object,
) -> Way:
    """Return a way in which one page is broken: critical `by` a time, None where it is a warning at most.

    It `is_dropped` where bare Bandersnatch drops the error without a line.
    """
    behaviour = Behaviour(title, every=_ONE, **broken)  # type: ignore[arg-type]
    return Way(title, behaviour, critical_by=by, mirror=mirror or {}, tells_bare_nothing=is_dropped)


_NO_INDEX = "Bandersnatch before 6.8 takes changes from XML-RPC" * (Version("6.8") > BANDERSNATCH)

WAYS = {
    "page-503": _page("The page of one package answers 503", fault="error"),
    "page-silent": _page("The page of one package never answers", fault="silent", mirror={"timeout": "2"}),
    "page-cut": _page("The page of one package breaks off", fault="truncated"),
    "page-reset": _page("The connection for the page of one package is reset", fault="reset"),
    "page-html": _page("The page of one package is no JSON", fault="garbled", is_dropped=True),
    "file-404": _page("A release file of one package is a 404", file_fault="missing"),
    "file-altered": _page("A release file of one package has a wrong checksum", file_fault="altered"),
    "page-stale": _page("The page of one package is stale in every copy", stuck=ALL_COPIES),
    # It is synced as new as it is to be had.
    "origin-behind": _page("The origin is one serial behind for one package", origin_behind=1, by=None),
    "stop-on-error": _page(
        "The page of one package answers 503, with `stop-on-error = true`",
        fault="error",
        mirror={"stop-on-error": "true"},
    ),
    "all-503": Way("Every page answers 503", Behaviour("every page is a 503", fault="error"), _MANY),
    "edge-stale": Way("Every page is stale in every copy", Behaviour("purging is broken", stuck=ALL_COPIES), _MANY),
    "index-503": Way("The index answers 503", Behaviour("the index is a 503", index="error"), not_here=_NO_INDEX),
    "index-html": Way("The index is HTML", Behaviour("the index is HTML", index="html"), not_here=_NO_INDEX),
    "index-cut": Way(
        "The index breaks off",
        Behaviour("the index breaks off", index="truncated"),
        not_here=_NO_INDEX,
    ),
    "index-empty": Way(
        "The index lists no project",
        Behaviour("the index lists no project", index="empty"),
        tells_bare_nothing=True,
        not_here=_NO_INDEX,
    ),
    "index-stands": Way(
        "The index never moves while others release, and there is no XML-RPC to tell",
        Behaviour("the index never moves", stuck_index=ALL_COPIES, refuses_xmlrpc=True),
        tells_bare_nothing=True,
        warned_by=8 * HOUR,  # healthy for `index_max_age`
        critical_by=None,  # a day after that: it is mended before
        not_here=_NO_INDEX,
    ),
    "nobody-answers": Way("Nobody answers", is_gone=True),
    "disk-full": Way("The disk is full", faults={"full": "mirror"}, warned_by=None, critical_by=5 * MINUTE),
    "killed": Way(
        "Runs are killed before they are done",
        faults={"kill_in": "/web/json/"},
        tells_bare_nothing=True,
        critical_by=DAY + HOUR,
    ),
    "cron-stopped": Way(
        "Cron has stopped", has_runs=False, tells_bare_nothing=True, warned_by=None, critical_by=DAY + HOUR
    ),
}
