"""The parts of the state file, as its JSON has them, with what each field means.

From these types come the check of a document that is read, and docs/schemas/state.json. In Python, fields have
the names that the core gives them; the name in JSON, where it differs, is given by `field`. A field that has its
default is left out.

Annotations are evaluated here, once, with no `from __future__ import annotations`: msgspec would compile each from its
text in every run.
"""

from typing import Annotated, Any, Literal

from msgspec import UNSET, Meta, Struct, UnsetType, field

from ..core.verdicts import Verdict
from .audit_parts import Audit
from .part import Counts, Number, Part, Seconds

FORMAT = 1

LevelName = Literal["stale", "warning", "critical"]
Outcome = Literal["fresh", "errors", "failed", "interrupted", "overlapping"]


class Evidence(Part):
    """What one way of asking got. What says nothing is missing."""

    variant: Annotated[str, Meta(description="the way of asking, of the [ladder](requests.md#the-ladder)")]
    status: Annotated[Number, Meta(description="the HTTP status")] | UnsetType = UNSET
    serial: Annotated[Number, Meta(description="the serial got")] | UnsetType = UNSET
    problem: Annotated[str, Meta(description="why there is no page, or no serial")] | UnsetType = UNSET
    served_by: Annotated[str, Meta(description="`X-Served-By`: the nodes that answered")] | UnsetType = UNSET
    x_cache: Annotated[str, Meta(description="`X-Cache`: hit or miss")] | UnsetType = UNSET
    cache_status: Annotated[str, Meta(description="`Cache-Status`, the standardized form of that")] | UnsetType = UNSET
    age: Annotated[str, Meta(description="`Age`: seconds in caches")] | UnsetType = UNSET
    via: Annotated[str, Meta(description="`Via`: the proxies on the way")] | UnsetType = UNSET
    etag: Annotated[str, Meta(description="`ETag`: which version of the page it is")] | UnsetType = UNSET


class Incident(Part):
    """What is not as it should be, from first to last sight."""

    level: Annotated[LevelName, Meta(description="how bad it is by now")]
    verdict: Annotated[Verdict, Meta(description="who holds the old page")]
    since: Annotated[Seconds, Meta(description="first sight")]
    seen: Annotated[Seconds, Meta(description="last sight")]
    runs: Annotated[Number, Meta(description="in how many runs it was seen")]
    required_serial: Annotated[Number, Meta(description="the serial wanted")] = field(name="required")
    got: Annotated[Number | None, Meta(description="the best serial got in the last run; null where none was")]
    newest: Annotated[Number | None, Meta(description="the highest serial ever got; null where none was")]
    count: Annotated[Number, Meta(description="of the whole edge: how many packages")] = 1
    examples: Annotated[tuple[str, ...], Meta(description="of the whole edge: some of the packages")] = ()
    released: (
        Annotated[Seconds, Meta(description="when it was last released from the quarantine by hand")] | UnsetType
    ) = UNSET
    climbed: Annotated[Seconds, Meta(description="when a run last asked in all ways, in vain")] | UnsetType = UNSET
    cause: Annotated[str, Meta(description="why it fails, in words; absent where it is stale")] = ""
    is_explained: Annotated[bool, Meta(description="what there is to say of it is said of another incident")] = False
    evidence: Annotated[
        tuple[Evidence, ...], Meta(description="one object for each way of asking; kept for 1,000 incidents")
    ] = ()


class Quarantined(Part):
    """A package that the mirror goes on without."""

    required_serial: Annotated[Number, Meta(description="the highest serial that was announced of it")] = field(
        name="required"
    )
    synced: Annotated[
        Number | None,
        Meta(description="the serial of the older page that the mirror took, where PyPI has no newer one; else null"),
    ]
    since: Annotated[Seconds, Meta(description="when it went into quarantine")]
    last_asked: Annotated[Seconds, Meta(description="when it was asked for last; at first the same as `since`")] = (
        field(name="asked")
    )
    asks: Annotated[Number, Meta(description="how often it has been asked for since then")]
    waiting: Annotated[
        bool,
        Meta(
            description="the serial wanted is another master's, and the list of the present one has not been seen since"
        ),
    ] = False
    is_accepted: Annotated[bool, Meta(description="accepted by hand: no incident until its serials change")] = field(
        name="accepted", default=False
    )


class Missing(Part):
    """A package that was announced, and of which nothing but a 404 is to be had."""

    serial: Annotated[Number, Meta(description="the serial that was announced")]
    since: Annotated[Seconds, Meta(description="since when; where it is proven, since then")]
    last_asked: Annotated[Seconds, Meta(description="when it was asked for last")] = field(name="asked")
    asks: Annotated[Number, Meta(description="how often it was asked for since then")]
    is_proven: Annotated[
        bool, Meta(description="the origin itself has no page, or the index lists it no more: it is gone")
    ] = field(name="proven", default=False)
    unlisted: Annotated[Seconds, Meta(description="since when the index has not listed it")] | UnsetType = UNSET
    keeps_files: Annotated[
        bool, Meta(description="Bandersnatch is to delete the mirror's files of it, which waits for a second proof")
    ] = False


class Run(Part):
    """One run of `bandersnatch mirror`."""

    started: Annotated[Seconds, Meta(description="when it began")]
    finished: Annotated[Seconds, Meta(description="when it ended")]
    outcome: Annotated[
        Outcome,
        Meta(
            description="`errors`: some packages failed, or the index was refused; `failed`: it ended early with an "
            "error, or could not be remembered; `interrupted`: it was ended; `overlapping`: it got to its end while "
            "another run was under way"
        ),
    ]
    serial: Annotated[Number, Meta(description="the mirror's serial after it")]
    target: Annotated[Number, Meta(description="the highest serial that was announced; 0 where none was")]
    fresh: Annotated[Number, Meta(description="packages whose pages were fresh")]
    stale: Annotated[Number, Meta(description="packages whose pages were stale")]
    gone: Annotated[Number, Meta(description="packages that are gone from PyPI")]
    extra_requests: Annotated[Number, Meta(description="how many requests went beyond one for a page")]
    cured: Annotated[Counts, Meta(description="pages that took more than one request, by the variant that got them")]
    failing: Annotated[Number, Meta(description="packages that failed otherwise than by being stale")] = 0


class Batch(Part):
    """How many packages there were to sync, on the way to a serial."""

    target: Annotated[Number, Meta(description="that serial")]
    size: Annotated[Number, Meta(description="how many packages")]
    at: Annotated[Seconds, Meta(description="when the index that says so was asked for")] | UnsetType = UNSET
    left: Annotated[Number, Meta(description="how many were left when a run last looked")] = 0


class Mark(Part):
    """A serial that the index had at a time."""

    serial: Annotated[Number, Meta(description="that serial")]
    at: Annotated[Seconds, Meta(description="that time")]


class Look(Part):
    """When a newer index was last looked for."""

    at: Annotated[Seconds, Meta(description="that time")]
    times: Annotated[Number, Meta(description="how often since one was found")]


class Index(Part):
    """The newest index seen."""

    serial: Annotated[Number, Meta(description="its serial")]
    moved: Annotated[Seconds, Meta(description="since when that has not moved")]
    projects: Annotated[Number, Meta(description="how many projects it listed")]
    highest: Annotated[
        Number, Meta(description="the highest serial of a project in it, 0 if unknown; the lag is against this")
    ] = 0
    marks: Annotated[tuple[Mark, ...], Meta(description="its serials of the last 65 minutes, and one before")] = ()
    look: Annotated[Look | None, Meta(description="when a newer one was last looked for")] = None


class Doubt(Part):
    """What runs in a row saw of an index that differs from what is remembered of it, and is not believed yet."""

    kind: Annotated[str, Meta(description="how it differs")]
    serial: Annotated[Number, Meta(description="its serial, in the last of these runs")]
    projects: Annotated[Number, Meta(description="how many projects it listed, in the last of these runs")]
    first: Annotated[Seconds, Meta(description="when the first of these runs began")]
    last: Annotated[Seconds, Meta(description="when the last of these runs began")]
    runs: Annotated[Number, Meta(description="how many runs these are")]


class Ceiling(Part):
    """The highest serial that the master had given out, by its own account."""

    serial: Annotated[Number, Meta(description="that serial; 0 where it gave no account")]
    at: Annotated[Seconds, Meta(description="when it was asked")]
    since: Annotated[Seconds, Meta(description="since when it has named none that is higher")] | UnsetType = UNSET
    above: Annotated[Number, Meta(description="the serial of the first index above it since then; 0: none was")] = 0
    runs: Annotated[Number, Meta(description="how many runs saw one above it")] = 0
    is_refuted: Annotated[
        bool, Meta(description="it counts for nothing: it stood still over three runs, and the index went on")
    ] = field(name="refuted", default=False)


class Refusal(Part):
    """What a master said that wants fewer requests."""

    at: Annotated[Seconds, Meta(description="when it refused one")]
    until: Annotated[Seconds, Meta(description="until when it wants no more than are needed; at most a day later")]


class Idle(Part):
    """For which pages a way of asking made no difference; of 20 pages in three runs, it is left out for a week."""

    pages: Annotated[tuple[str, ...], Meta(description="these pages, at most 20")]
    runs: Annotated[Number, Meta(description="in how many runs")]
    first: Annotated[Seconds, Meta(description="when the first of these runs ended")]
    last: Annotated[Seconds, Meta(description="when the last of these runs ended")]


class Turn(Part):
    """When it was a page's turn to be asked for past all caches."""

    last: Annotated[Seconds, Meta(description="when that was last; it is again after 6 hours, then 12, then 24")]
    times: Annotated[Number, Meta(description="how often it was")]


class Origin(Part):
    """How much [the origin itself](origin.md) was asked for, past all caches."""

    since: Annotated[Seconds, Meta(description="when the 24 hours began of which this is")]
    asked: Annotated[Number, Meta(description="how many pages in these; what a run may yet ask for is counted before")]
    cured: Annotated[Number, Meta(description="how many of these pages were fresh")] = 0
    refused: (
        Annotated[Seconds, Meta(description="when it last refused that; it is not asked for a day")] | UnsetType
    ) = UNSET
    pages: Annotated[
        dict[str, Turn], Meta(description="pages that it did not get, or that no cache says it holds, by package")
    ] = field(default_factory=dict)


class Totals(Part):
    """Counted since the state began."""

    runs: Annotated[Counts, Meta(description="runs by outcome")]
    requests: Annotated[Counts, Meta(description="requests for pages and copies of the index, by variant")]
    notifications_sent: Annotated[Number, Meta(description="messages that arrived")]
    notifications_failed: Annotated[Number, Meta(description="messages that did not")]


class Hour(Part):
    """The worst that the runs of one hour ended with."""

    at: Annotated[Seconds, Meta(description="when the hour began")]
    lag: Annotated[Number, Meta(description="how many serials the mirror was behind")]
    stale: Annotated[Number, Meta(description="open incidents of that level")]
    warning: Annotated[Number, Meta(description="open incidents of that level")]
    critical: Annotated[Number, Meta(description="open incidents of that level")]


class Told(Part):
    """What a channel was told, one object for all incidents of which it was told the same."""

    level: Annotated[LevelName, Meta(description="the incident's level then")]
    verdict: Annotated[Verdict, Meta(description="its verdict then")]
    since: Annotated[Seconds, Meta(description="first sight of the incident")]
    at: Annotated[Seconds, Meta(description="when it was told; to Alertmanager, when the alert was posted first")]
    delivered: Annotated[bool, Meta(description="whether that message is known to have arrived")]
    ever: Annotated[bool, Meta(description="whether any about the incident has")]
    subjects: Annotated[tuple[str, ...], Meta(description="the incidents, by package")]


class Channel(Part):
    """How a notification channel stands, or the heartbeat. What says nothing is missing."""

    is_understood: Annotated[bool, Meta(description="Apprise has understood its URL")] = field(
        name="understood", default=False
    )
    failing: Annotated[Seconds, Meta(description="since when nothing arrives")] | UnsetType = UNSET
    said: Annotated[Seconds, Meta(description="when that was last said in the log")] | UnsetType = UNSET


class Remembered(Part):
    """What is remembered of one master."""

    master: Annotated[
        str, Meta(description="the URL of the upstream all serials are of, without user, password and query")
    ]
    incidents: Annotated[
        dict[str, Incident],
        Meta(
            description="what is not as it should be, by package; `*` is the whole edge, `/simple/` the index, `/` the "
            "mirror itself"
        ),
    ]
    told: Annotated[
        dict[str, tuple[Told, ...]],
        Meta(description="what each notification channel, by a hash of its URL, was last told of each incident"),
    ]
    batch: Annotated[Batch, Meta(description="what there was to sync")] | UnsetType = UNSET
    index: Annotated[Index, Meta(description="the newest index seen")] | UnsetType = UNSET
    doubt: Annotated[Doubt, Meta(description="what was seen of another index, not believed yet")] | UnsetType = UNSET
    ceiling: (
        Annotated[Ceiling, Meta(description="the highest serial there is, by the master's own account")] | UnsetType
    ) = UNSET
    refusal: (
        Annotated[Refusal, Meta(description="until when nothing is asked for in other ways, by `Retry-After`")]
        | UnsetType
    ) = UNSET
    idle_cache_bust: Annotated[Idle, Meta(description="where the parameter made no difference")] | UnsetType = UNSET
    idle_no_cache: Annotated[Idle, Meta(description="where no-cache made no difference")] | UnsetType = UNSET
    upstream: (
        Annotated[Mark, Meta(description="which serial the index had while a todo list was worked off")] | UnsetType
    ) = UNSET
    origin: Annotated[Origin, Meta(description="how much its origin was asked for past all caches")] | UnsetType = UNSET
    audit: Annotated[Audit, Meta(description="how far the audit in every run is")] | UnsetType = UNSET
    newest: Annotated[dict[str, Number], Meta(description="the packages that changed last, with their serials")] = (
        field(default_factory=dict)
    )


class Other(Remembered, kw_only=True):
    """A master that the mirror had before."""

    left: Annotated[Seconds, Meta(description="when another one took its place")]


class Document(Remembered, kw_only=True):
    """What the plugins remember from run to run."""

    format: Annotated[Literal[1], Meta(description="a release leaves formats that it doesn't know alone")]
    written: Annotated[Seconds, Meta(description="when it was written")]
    by: Annotated[str, Meta(description="by which release")]
    others: Annotated[
        tuple[Other, ...],
        Meta(description="the masters before this one, at most two, the one left last at the end"),
    ] = ()
    another_master: Annotated[bool, Meta(description="the master has changed, and no full sync has ended since")] = (
        False
    )
    quarantine: Annotated[
        dict[str, Quarantined], Meta(description="what is [in quarantine](quarantine.md), by package")
    ]
    missing: Annotated[
        dict[str, Missing],
        Meta(
            description="announced packages whose page is [a 404](missing.md), by package: those that are gone are "
            "kept for 30 days, the others are asked for again"
        ),
    ] = field(default_factory=dict)
    complete: (
        Annotated[
            Seconds,
            Meta(
                description="when the index was asked for of which the mirror has all, but for what is in quarantine; "
                "absent before the first complete run"
            ),
        ]
        | UnsetType
    ) = UNSET
    drains: Annotated[
        bool,
        Meta(
            description="everything in quarantine is due, as most of what the last run asked for again came back fresh"
        ),
    ] = False
    unwritten: Annotated[
        dict[str, Seconds],
        Meta(description="`status_page` and `metrics_file`, with when it was last logged that it can't be written"),
    ] = field(default_factory=dict)
    stalled: (
        Annotated[
            Seconds,
            Meta(description="when a look at another copy of the index last met a time-out; none is for a day"),
        ]
        | UnsetType
    ) = UNSET
    channels: Annotated[
        dict[str, Channel], Meta(description="how the channels stand, and the heartbeat, by a hash of their URLs")
    ] = field(default_factory=dict)
    totals: Annotated[Totals, Meta(description="counted since the state began")]
    history: Annotated[tuple[Hour, ...], Meta(description="the last 7 days, an object for each hour with a run")]
    runs: Annotated[
        tuple[Run, ...],
        Meta(
            description="the last 100 runs of `bandersnatch mirror`, the newest last, "
            "among them the last one that got to its end"
        ),
    ]


class Head(Struct):
    """What tells a newer release's document."""

    format: Annotated[int, Meta(ge=1)]
    by: Any = ""
