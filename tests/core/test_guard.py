"""What is too old to be let in."""

from __future__ import annotations

import contextlib
from typing import Any

import pytest
from msgspec.structs import astuple

from bandersnatch_freshness.core.ceiling import Ceiling
from bandersnatch_freshness.core.guard import IndexGuard
from bandersnatch_freshness.core.index import Index, IndexAfter, IndexRefusedError, KnownIndex
from bandersnatch_freshness.core.index_age import Mark
from bandersnatch_freshness.core.observations import Observation
from bandersnatch_freshness.core.variants import PLAIN
from bandersnatch_freshness.core.verdicts import Verdict

HOUR = 3600
NOON = 1_539_691_200
# Known for so long that no healthy cache has an older one.
LONG = (Mark(50, NOON - 2 * HOUR),)
KNOWN = Index(50, NOON - HOUR, 100, marks=LONG)


def facts(index: Index | None) -> tuple[object, ...]:
    """Return what is remembered of an index, but for its age."""
    assert index is not None
    return astuple(index)[:4]


def index_of(serial: int | None, projects: int, highest: int | None = 1) -> dict[str, Any]:
    """Return an index with this serial and so many projects, of which the first has the `highest` serial."""
    listed = [{"name": f"p{number}", "_last-serial": serial and 1} for number in range(projects)]
    if listed and serial:
        listed[0]["_last-serial"] = highest
    return {"meta": {"_last-serial": serial}, "projects": listed}


def observation(serial: int) -> Observation:
    """Return what one copy of the index showed."""
    return Observation(PLAIN, 200, serial)


def guard(known: Index | KnownIndex | None = KNOWN, synced: int = 50, *, own: int = 0, now: int = NOON) -> IndexGuard:
    """Return a guard of a mirror that is at this serial, with so many projects of its own."""
    made = IndexGuard(known if isinstance(known, KnownIndex) else KnownIndex(known), now=now)
    made.expect(synced, lambda: own)
    return made


def runs(
    known: KnownIndex,
    index: dict[str, Any],
    account: int | None = None,
    *,
    synced: int = 50,
    times: int = 3,
    asked: list[int] | None = None,
    begin: int = 0,
) -> list[IndexGuard]:
    """Return the guards of runs half an hour apart, which all see the same index; the master says `account`.

    `asked` gets the times at which it was asked; the first run is `begin` seconds after noon.
    """
    made = []
    for number in range(times):
        now = NOON + begin + number * HOUR // 2
        one = guard(known, synced, now=now)
        with contextlib.suppress(IndexRefusedError):
            one.admit_index(index)
        if one.wants_account:
            if asked is not None:
                asked.append(now)
            with contextlib.suppress(IndexRefusedError):
                one.hear(account)
        known = one.after(now, 6 * HOUR).known
        made.append(one)
    return made


@pytest.mark.parametrize(
    ("made", "serial", "projects", "refusal"),
    [
        pytest.param(guard(), 50, 100, "", id="as-before"),
        pytest.param(guard(), 60, 101, "", id="newer"),
        pytest.param(guard(), 49, 100, "its serial 49 is older than the mirror's own, 50", id="older"),
        pytest.param(guard(), None, 100, "it carries no serial", id="no-serial"),
        pytest.param(guard(), None, 0, "it carries no serial", id="no-serial-no-project"),
        pytest.param(guard(None), 49, 100, "its serial 49 is older than", id="nothing-remembered"),
        pytest.param(guard(None), 50, 1, "", id="nothing-to-compare-with"),
        pytest.param(guard(None, own=10), 60, 49, "", id="a-mirror-of-a-part"),
        pytest.param(guard(None, 0), 1, 0, "", id="a-new-mirror-of-an-empty-upstream-which-it-waits-for"),
        pytest.param(guard(synced=45), 49, 100, "", id="newer-than-the-mirror"),
        pytest.param(guard(synced=0), 49, 1, "", id="begins-anew"),
        pytest.param(guard(), 50 + 10**9, 100, "is higher than can be true", id="far-too-high"),
    ],
)
def test_an_index_is_admitted_or_refused(made: IndexGuard, serial: int | None, projects: int, refusal: str) -> None:
    """By the mirror's own serial, and by what can be true."""
    if not refusal:
        made.admit_index(index_of(serial, projects))
        assert made.refusal == ""
        return
    with pytest.raises(IndexRefusedError, match=refusal):
        made.admit_index(index_of(serial, projects))
    after = made.after(NOON, 6 * HOUR)
    assert (after.known.seen == KNOWN or after.known.seen is None, after.is_right) == (True, False)
    assert after.wrong is not None
    assert after.wrong.required_serial == made.least


@pytest.mark.parametrize(
    ("made", "projects", "reason"),
    [
        pytest.param(guard(), 0, "it lists no project", id="empty"),
        pytest.param(guard(), 97, "it lists 97 projects, and listed 100 before", id="fewer"),
        pytest.param(guard(), 98, "", id="a-few-less"),
        pytest.param(guard(Index(50, NOON - HOUR, 3)), 2, "", id="one-of-few"),
        pytest.param(guard(Index(50, NOON - HOUR, 3)), 1, "it lists 1 projects", id="two-of-few"),
        pytest.param(guard(None, own=100), 49, "it lists 49 projects, the mirror has 100", id="own-projects"),
        pytest.param(guard(None, own=100), 50, "", id="half-of-what-the-mirror-has"),
        pytest.param(guard(own=1000), 99, "", id="a-mirror-that-keeps-what-is-listed-no-more"),
        pytest.param(guard(synced=0), 1, "", id="begins-anew"),
    ],
)
def test_a_listing_that_has_shrunk_is_used_and_doubted(made: IndexGuard, projects: int, reason: str) -> None:
    """As long as there is another copy it is refused; what it lists is synced, but the mirror's serial waits."""
    if reason:
        with pytest.raises(IndexRefusedError, match=reason):
            made.admit_index(index_of(60, projects), is_last=False)
        made.reconsider()
    made.admit_index(index_of(60, projects))
    assert made.holds_serial is bool(reason)
    assert [reason in warning for warning in made.warnings] == [True] * bool(reason)


def test_three_runs_believe_a_listing_that_has_shrunk() -> None:
    """It is said when it is doubted, and when it counts, and the serial waits no longer."""
    first, second, third = runs(KnownIndex(KNOWN), index_of(60, 40))
    assert [one.holds_serial for one in (first, second, third)] == [True, True, False]
    assert [len(one.warnings) for one in (first, second, third)] == [1, 0, 1]
    after = third.after(NOON + HOUR, 6 * HOUR).known
    assert (after.seen and after.seen.projects, after.doubt) == (40, None)


@pytest.mark.parametrize("synced", [50, 0])
def test_a_list_of_nothing_is_never_believed(synced: int) -> None:
    """However many runs see it, and where the mirror begins anew too: it says nothing of what the mirror lacks."""
    made = runs(KnownIndex(KNOWN if synced else None), index_of(60, 0), synced=synced, times=9)
    assert all(one.holds_serial for one in made)
    assert sum(len(one.warnings) for one in made) == 1


def test_a_listing_that_comes_back_is_doubted_no_more() -> None:
    """The runs that agree are runs in a row."""
    known = runs(KnownIndex(KNOWN), index_of(60, 40), times=2)[-1].after(NOON + HOUR // 2, 6 * HOUR).known
    assert known.doubt is not None
    assert known.seen is not None
    assert known.seen.projects == 100
    assert runs(known, index_of(60, 100), times=1)[0].after(NOON, 6 * HOUR).known.doubt is None


@pytest.mark.parametrize("account", [None, 49])
def test_three_runs_believe_an_upstream_that_is_older_than_the_mirror(account: int | None) -> None:
    """As after a restore, unless the master itself has been there: then it is a cache that is old."""
    guards = runs(KnownIndex(KNOWN), index_of(49, 100), account)
    assert [one.has_begun_anew for one in guards] == [False, False, True]
    assert all(one.refusal for one in guards)


def test_an_old_index_is_not_believed_against_the_masters_own_account() -> None:
    """However often it is seen; the master is asked once in an hour."""
    asked: list[int] = []
    guards = runs(KnownIndex(KNOWN), index_of(49, 100), 50, times=9, asked=asked)
    assert not any(one.has_begun_anew for one in guards)
    assert asked == [NOON + HOUR, NOON + 2 * HOUR, NOON + 3 * HOUR, NOON + 4 * HOUR]


def test_an_overlapping_run_is_none_of_the_three() -> None:
    """Neither does it begin a doubt, nor end one."""
    known = runs(KnownIndex(KNOWN), index_of(49, 100), times=2)[-1].after(NOON + HOUR // 2, 6 * HOUR).known
    for index in (index_of(49, 100), index_of(60, 100)):
        made = IndexGuard(known, now=NOON + HOUR, counts=False)
        made.expect(50, lambda: 0)
        with contextlib.suppress(IndexRefusedError):
            made.admit_index(index)
        assert not made.has_begun_anew
        assert made.after(NOON + HOUR, 6 * HOUR).known.doubt == known.doubt


def test_what_is_remembered_yields_to_three_runs() -> None:
    """A number that was seen once, before the mirror got anywhere near it."""
    high = KnownIndex(Index(90_000, NOON - HOUR, 100, marks=(Mark(90_000, NOON - 2 * HOUR),)))
    guards = runs(high, index_of(60, 100))
    assert [len(one.warnings) for one in guards] == [0, 0, 1]
    assert facts(guards[-1].after(NOON + HOUR, 6 * HOUR).known.seen) == (60, NOON + HOUR, 100, 1)


def test_what_is_remembered_holds_against_an_old_copy() -> None:
    """The master has been there, it says."""
    high = KnownIndex(Index(90_000, NOON - HOUR, 100, marks=(Mark(90_000, NOON - 2 * HOUR),)))
    guards = runs(high, index_of(60, 100), 90_000, times=6)
    assert not any(one.warnings for one in guards)
    known = guards[-1].after(NOON + HOUR, 6 * HOUR).known
    assert known.seen is not None
    assert known.seen.serial == 90_000


def test_a_mirror_that_begins_anew_believes_the_index_at_once() -> None:
    """As by `mirror --force-check`."""
    (made,) = runs(
        KnownIndex(Index(90_000, NOON - HOUR, 100, marks=(Mark(90_000, NOON - 2 * HOUR),))),
        index_of(60, 10),
        synced=0,
        times=1,
    )
    assert facts(made.after(NOON, 6 * HOUR).known.seen) == (60, NOON, 10, 1)


@pytest.mark.parametrize("account", [None, 60])
def test_a_serial_that_is_too_high_counts_for_nothing(account: int | None) -> None:
    """Its package is asked for at any serial, and the mirror's own does not follow; it is said once."""
    known = KnownIndex(KNOWN)
    for number, said in enumerate((1, 0)):
        (made,) = runs(known, index_of(60, 100, 10**9), account, times=1)
        packages = {"p0": 10**9, "p1": 55}
        assert made.bound(packages, 10**9, lambda _: 0) == 60
        assert packages == {"p0": 1, "p1": 55}
        assert len(made.warnings) == said, number
        known = made.after(NOON, 6 * HOUR).known
        assert known.seen is not None
        assert (known.seen.serial, known.seen.highest) == (60, 1)


def test_what_an_earlier_index_announced_counts_in_place_of_nonsense() -> None:
    """Else an old page would be fresh, and the mirror's serial would pass what it lacks."""
    (made,) = runs(KnownIndex(KNOWN), index_of(60, 100, 10**9), 60, times=1)
    packages = {"p0": 10**9, "p1": 10**9, "p2": 55}
    assert made.bound(packages, 10**9, lambda name: 58 if name == "p0" else 0) == 60
    assert packages == {"p0": 58, "p1": 1, "p2": 55}


def test_three_runs_believe_a_serial_that_the_master_does_not_deny() -> None:
    """An upstream may number anew. Asked for once: a master without XML-RPC is asked once a day."""
    guards = runs(KnownIndex(KNOWN), index_of(10**9, 100, 10**9))
    assert [bool(one.refusal) for one in guards] == [True, True, False]
    assert guards[-1].most is None
    known = guards[-1].after(NOON + HOUR, 6 * HOUR).known
    assert known.seen is not None
    assert known.seen.serial == 10**9


@pytest.mark.parametrize("first", [49, 55])
def test_three_runs_believe_an_index_that_goes_on_where_the_account_stands(first: int) -> None:
    """A dead replica counts for nothing, above the mirror's own serial or below it, and is asked daily from then on."""
    known, refused = KnownIndex(KNOWN), []
    for number in range(8):
        (made,) = runs(known, index_of(10**9 + number, 100, 10**9 + number), first, times=1, begin=number * HOUR)
        refused.append(bool(made.refusal))
        known = made.after(NOON + number * HOUR, 6 * HOUR).known
    assert refused == [True, True] + [False] * 6
    assert (known.seen and known.seen.serial, known.doubt) == (10**9 + 7, None)


def test_an_account_below_the_index_is_no_sign_that_nothing_happens() -> None:
    """It is another index's, or a dead replica's."""
    for account, is_right in ((50, True), (49, False)):
        made = guard(KnownIndex(KNOWN, ceiling=Ceiling(account, NOON + HOUR)), now=NOON + 6 * HOUR)
        made.admit_index(index_of(50, 100))
        assert made.after(NOON + 6 * HOUR, 6 * HOUR).is_right is is_right


def test_a_number_of_a_todo_list_is_held_against_the_masters_account() -> None:
    """No index is asked for then."""
    made = guard(KnownIndex(KNOWN))
    made.expect(50, lambda: 0, 6000)
    assert made.wants_account
    made.hear(60)
    packages = {"foo": 6000, "bar": 58}
    assert made.bound(packages, 6000, lambda _: 0) == 58
    assert packages == {"foo": 1, "bar": 58}
    known = made.after(NOON, 6 * HOUR).known
    assert known.ceiling == Ceiling(60, NOON, NOON)
    again = guard(known, now=NOON + 60)
    again.expect(50, lambda: 0, 6000)
    assert not again.wants_account  # within the hour


def test_healthy_runs_do_not_ask_the_master() -> None:
    """Neither for a newer index, nor for a copy that is a little older."""
    for serial in (50, 60, 5000):
        made = guard(Index(55, NOON - HOUR, 100))
        made.admit_index(index_of(serial, 100))
        assert not made.wants_account


@pytest.mark.parametrize(
    ("serial", "now", "index", "is_stuck"),
    [
        pytest.param(60, NOON, Index(60, NOON, 101, 1), False, id="moved"),
        pytest.param(50, NOON, Index(50, NOON - HOUR, 101, 1), False, id="not-moved"),
        pytest.param(50, NOON + 5 * HOUR - 1, Index(50, NOON - HOUR, 101, 1), False, id="not-for-long"),
        pytest.param(50, NOON + 5 * HOUR, Index(50, NOON - HOUR, 101, 1), True, id="for-too-long"),
        pytest.param(50, NOON - 2 * HOUR, Index(50, NOON - 2 * HOUR, 101, 1), False, id="clock-jumped-back"),
    ],
)
def test_an_index_that_does_not_move_is_noticed(serial: int, now: int, index: Index, is_stuck: bool) -> None:
    """Though it is acted on."""
    made = guard()
    made.observations = [Observation(PLAIN, 200, serial)]
    made.admit_index(index_of(serial, 101))
    after = made.after(now, 6 * HOUR)
    assert facts(after.known.seen) == facts(index)
    assert after.is_right is not is_stuck
    if is_stuck:
        assert after.wrong is not None
        assert (after.wrong.required_serial, after.wrong.got, after.wrong.verdict) == (51, 50, Verdict.UNKNOWN)
        assert [one["variant"] for one in after.wrong.evidence] == ["plain"]
    else:
        assert after.wrong is None


def test_a_run_that_did_not_ask_says_nothing() -> None:
    """As one that goes on with a todo list."""
    assert guard().after(NOON + 99 * HOUR, 6 * HOUR) == IndexAfter(KnownIndex(KNOWN), None, is_right=False)


@pytest.mark.parametrize(
    ("changes", "since", "refused"),
    [
        pytest.param({"foo": 51}, 50, False, id="changes"),
        pytest.param({}, 50, False, id="no-changes"),
        pytest.param({"foo": 49}, 50, True, id="changes-of-before"),
        pytest.param({f"p{number}": number for number in range(101)}, None, False, id="all"),
        pytest.param({f"p{number}": 49 for number in range(101)}, None, True, id="all-older"),
    ],
)
def test_xml_rpc_is_judged_by_what_it_lists(changes: dict[str, int], since: int | None, refused: bool) -> None:
    """It has no serial of its own; and changes are no listing that may have shrunk."""
    made = guard()
    if refused:
        with pytest.raises(IndexRefusedError):
            made.admit_changes(changes, since)
    else:
        made.admit_changes(changes, since)
        after = made.after(NOON, 6 * HOUR)
        assert (after.wrong, after.is_right) == (None, True)
        assert not made.holds_serial
        assert after.known.seen is not None
        assert after.known.seen.projects == (100 if since else len(changes))


@pytest.mark.parametrize(("last", "refused"), [(49, True), (50, False), (51, False), (None, False)])
def test_no_changes_may_be_those_of_a_backend_that_is_behind(last: int | None, refused: bool) -> None:
    """Its last serial tells."""
    made = guard()
    if refused:
        with pytest.raises(IndexRefusedError, match="its serial 49 is older"):
            made.admit_changes({}, 50, last)
    else:
        made.admit_changes({}, 50, last)


def test_what_was_judged_is_not_judged_again() -> None:
    """The changes that Bandersnatch takes from the simple index are few of its projects."""
    made = guard()
    made.admit_index(index_of(60, 100))
    made.admit_changes({"foo": 60}, None)
    assert facts(made.after(NOON, 6 * HOUR).known.seen) == (60, NOON, 100, 1)


def test_a_newer_index_that_is_not_to_be_had_is_wrong() -> None:
    """One of several nodes is stale: its index is acted on, but not in silence."""
    made = guard()
    made.observations = [observation(60), observation(61)]
    made.admit_index(index_of(60, 100))
    after = made.after(NOON, 6 * HOUR)
    assert (facts(after.known.seen), after.is_right) == ((60, NOON, 100, 1), False)
    assert after.wrong is not None
    assert (after.wrong.required_serial, after.wrong.got, after.wrong.verdict) == (61, 60, Verdict.EDGE_STALE)


@pytest.mark.parametrize("index", [None, [], "x", {}, {"projects": 5}, {"projects": [5]}])
def test_refuses_what_is_no_index(index: Any) -> None:
    """Instead of an error from inside."""
    with pytest.raises(IndexRefusedError, match="it is not a simple index in JSON"):
        guard().admit_index(index)


def test_the_highest_project_is_known_until_a_list_says_otherwise() -> None:
    """No change says nothing of it, nor does the number of the last event."""
    known = Index(50, NOON - HOUR, 100, 48)
    made = guard(known)
    made.admit_changes({}, 50, 52)
    assert facts(made.after(NOON, 6 * HOUR).known.seen) == (52, NOON, 100, 48)
    made = guard(known)
    made.admit_changes({"foo": 51}, 50)
    assert facts(made.after(NOON, 6 * HOUR).known.seen) == (51, NOON, 100, 51)
