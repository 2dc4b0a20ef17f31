"""What is too old to be let in."""

from __future__ import annotations

from typing import Any

import pytest

from bandersnatch_freshness.core.guard import Index, IndexGuard, IndexRefusedError, measure
from bandersnatch_freshness.core.incidents import Incident
from bandersnatch_freshness.core.observations import Observation
from bandersnatch_freshness.core.quarantine import QuarantineEntry
from bandersnatch_freshness.core.run import KnownPages
from bandersnatch_freshness.core.variants import PLAIN
from bandersnatch_freshness.core.verdicts import Verdict

HOUR = 3600
NOON = 1_539_691_200
KNOWN = Index(50, NOON - HOUR, 100)


def index_of(serial: int | None, projects: int) -> dict[str, Any]:
    """Return an index with this serial and so many projects."""
    listed = [{"name": f"p{number}", "_last-serial": serial and 1} for number in range(projects)]
    return {"meta": {"_last-serial": serial}, "projects": listed}


def observation(serial: int) -> Observation:
    """Return what one copy of the index showed."""
    return Observation(PLAIN, 200, serial)


def guard(known: Index | None = KNOWN, synced: int = 50, *, another_master: bool = False, own: int = 0) -> IndexGuard:
    """Return a guard of a mirror that is at this serial, with so many projects of its own."""
    made = IndexGuard(known, another_master=another_master)
    made.expect(synced, lambda: own)
    return made


@pytest.mark.parametrize(
    ("made", "serial", "projects", "refusal"),
    [
        pytest.param(guard(), 50, 100, "", id="as-before"),
        pytest.param(guard(), 60, 101, "", id="newer"),
        pytest.param(guard(), 49, 100, "its serial 49 is older than the mirror's own, 50", id="older"),
        pytest.param(guard(), None, 100, "it carries no serial", id="no-serial"),
        pytest.param(guard(), 60, 0, "it lists no project", id="empty"),
        pytest.param(guard(), 60, 49, "it lists 49 projects, and listed 100 before", id="less-than-half"),
        pytest.param(guard(), 60, 50, "", id="half"),
        pytest.param(guard(None), 49, 100, "its serial 49 is older than", id="nothing-remembered"),
        pytest.param(guard(None), 50, 1, "", id="nothing-to-compare-with"),
        pytest.param(guard(None, own=100), 60, 49, "it lists 49 projects, the mirror has 100", id="own-projects"),
        pytest.param(guard(None, own=10), 60, 49, "", id="a-mirror-of-a-part"),
        pytest.param(guard(None, 0), 1, 0, "", id="a-new-mirror-of-an-empty-upstream"),
        pytest.param(guard(synced=45), 49, 100, "", id="newer-than-the-mirror"),
        pytest.param(guard(synced=0), 49, 100, "its serial 49 is older than", id="begins-anew"),
        pytest.param(guard(None, 99, another_master=True), 9, 10, "", id="another-master"),
        pytest.param(guard(KNOWN, 99, another_master=True), 49, 100, "its serial 49", id="another-master-known"),
    ],
)
def test_an_index_is_admitted_or_refused(made: IndexGuard, serial: int | None, projects: int, refusal: str) -> None:
    """By the mirror's own serial, and by what the index was before."""
    if not refusal:
        made.admit_index(index_of(serial, projects))
        assert made.refusal == ""
        return
    with pytest.raises(IndexRefusedError, match=refusal):
        made.admit_index(index_of(serial, projects))
    index, sighting, is_right = made.after(NOON, 6 * HOUR)
    assert (index == KNOWN or index is None, is_right) == (True, False)
    assert sighting is not None
    assert sighting.required_serial == made.least


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
    after, sighting, is_right = made.after(now, 6 * HOUR)
    assert after == index
    assert is_right is not is_stuck
    if is_stuck:
        assert sighting is not None
        assert (sighting.required_serial, sighting.got, sighting.verdict) == (51, 50, Verdict.UNKNOWN)
        assert [one["variant"] for one in sighting.evidence] == ["plain"]
    else:
        assert sighting is None


def test_a_run_that_did_not_ask_says_nothing() -> None:
    """As one that goes on with a todo list."""
    assert guard().after(NOON + 99 * HOUR, 6 * HOUR) == (KNOWN, None, False)


@pytest.mark.parametrize(
    ("changes", "since", "refused"),
    [
        pytest.param({"foo": 51}, 50, False, id="changes"),
        pytest.param({}, 50, False, id="no-changes"),
        pytest.param({"foo": 49}, 50, True, id="changes-of-before"),
        pytest.param({f"p{number}": number for number in range(101)}, None, False, id="all"),
        pytest.param({f"p{number}": 49 for number in range(101)}, None, True, id="all-older"),
        pytest.param({f"p{number}": 51 for number in range(49)}, None, True, id="half-of-all"),
    ],
)
def test_xml_rpc_is_judged_by_what_it_lists(changes: dict[str, int], since: int | None, refused: bool) -> None:
    """It has no serial of its own."""
    made = guard()
    if refused:
        with pytest.raises(IndexRefusedError):
            made.admit_changes(changes, since)
    else:
        made.admit_changes(changes, since)
        assert made.after(NOON, 6 * HOUR)[1:] == (None, True)


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
    assert made.after(NOON, 6 * HOUR)[0] == Index(60, NOON, 100, 1)


@pytest.mark.parametrize(
    ("own", "newest", "another_master", "least"),
    [
        pytest.param(60, None, False, 60, id="own"),
        pytest.param(60, 61, False, 61, id="seen-newer"),
        pytest.param(60, 59, False, 60, id="seen-older"),
        pytest.param(60, None, True, 0, id="of-another-master"),
        pytest.param(60, 41, True, 41, id="seen-of-this-one"),
    ],
)
def test_a_page_is_not_older_than_what_was_there(
    own: int, newest: int | None, another_master: bool, least: int
) -> None:
    """Not than the mirror's own, nor than any that this master was ever seen to have."""
    incidents = {"foo": Incident("foo", NOON, NOON, 3, 70, 41, Verdict.EDGE_STALE, newest=newest)}
    made = KnownPages(incidents, {}, another_master=another_master)
    assert made.floor("foo", own) == least
    assert made.floor("bar", own) == (0 if another_master else own)


def test_what_was_announced_of_a_page() -> None:
    """By the incident, or by what is in quarantine, whichever is newer."""
    incidents = {"foo": Incident("foo", NOON, NOON, 3, 70, 41, Verdict.EDGE_STALE)}
    made = KnownPages(incidents, {"foo": QuarantineEntry(71, NOON, NOON), "bar": QuarantineEntry(5, NOON, NOON)})
    assert [made.announced(name) for name in ("foo", "bar", "else")] == [71, 5, 0]


def test_a_newer_index_that_is_not_to_be_had_is_wrong() -> None:
    """One of several nodes is stale: its index is acted on, but not in silence."""
    made = guard()
    made.observations = [observation(60), observation(61)]
    made.admit_index(index_of(60, 100))
    index, sighting, is_right = made.after(NOON, 6 * HOUR)
    assert (index, is_right) == (Index(60, NOON, 100, 1), False)
    assert sighting is not None
    assert (sighting.required_serial, sighting.got, sighting.verdict) == (61, 60, Verdict.EDGE_STALE)


def test_a_mirror_that_another_master_left_behind_stands_still() -> None:
    """Its serial is higher than any of this one: nothing is synced, and that is wrong."""
    made = IndexGuard(None, another_master=True)
    made.expect(1000, lambda: 500)
    made.admit_index(index_of(60, 3))
    assert made.stands_still
    _, sighting, is_right = made.after(NOON, 6 * HOUR)
    assert sighting is not None
    assert (sighting.required_serial, sighting.got, is_right) == (1000, 60, False)


def test_another_master_may_be_smaller() -> None:
    """What the mirror has of the old one is no measure."""
    made = IndexGuard(None, another_master=True)
    made.expect(50, lambda: 500)
    made.admit_index(index_of(60, 3))
    assert not made.stands_still


@pytest.mark.parametrize(
    ("index", "measured"),
    [
        pytest.param({"meta": {"_last-serial": 42}, "projects": [{"_last-serial": 40}, {}]}, (42, 2, 40), id="pypi"),
        pytest.param({"meta": {"_last-serial": 42}, "projects": [{}, {}]}, (None, 2, 0), id="of-a-static-mirror"),
        pytest.param(
            {"meta": {"_last-serial": 42}, "projects": [{"_last-serial": 43}]}, (43, 1, 43), id="projects-newer"
        ),
        pytest.param({"meta": {"_last-serial": "42"}, "projects": []}, (42, 0, 0), id="text"),
        pytest.param({"meta": {"_last-serial": 10**18}, "projects": [{"_last-serial": 41}]}, (41, 1, 41), id="huge"),
        pytest.param({"meta": {"_last-serial": -1}, "projects": [{"_last-serial": 41}]}, (41, 1, 41), id="negative"),
        pytest.param(
            {"meta": {}, "projects": [{"_last-serial": 41}, {"_last-serial": 42}, {}]}, (42, 3, 42), id="of-projects"
        ),
        pytest.param({"projects": [{"name": "foo"}]}, (None, 1, 0), id="none"),
    ],
)
def test_measures_an_index(index: Any, measured: tuple[int | None, int, int]) -> None:
    """Its own serial, else that of its newest project, and that."""
    assert measure(index) == measured


@pytest.mark.parametrize("index", [None, [], "x", {}, {"projects": 5}, {"projects": [5]}, {"meta": 5, "projects": []}])
def test_refuses_what_is_no_index(index: Any) -> None:
    """Instead of an error from inside."""
    with pytest.raises(IndexRefusedError, match="it is not a simple index in JSON"):
        guard().admit_index(index)


def test_the_highest_project_is_known_until_a_list_says_otherwise() -> None:
    """No change says nothing of it, nor does the number of the last event."""
    known = Index(50, NOON - HOUR, 100, 48)
    made = guard(known)
    made.admit_changes({}, 50, 52)
    assert made.after(NOON, 6 * HOUR)[0] == Index(52, NOON, 100, 48)
    made = guard(known)
    made.admit_changes({"foo": 51}, 50)
    assert made.after(NOON, 6 * HOUR)[0] == Index(51, NOON, 100, 51)
