"""The lab's edge: stale where it says so, and nowhere else."""

from __future__ import annotations

import pytest

from bandersnatch_freshness.core.observations import SERIAL_HEADER
from bandersnatch_freshness.lab.behaviours import BEHAVIOURS, COPIES
from bandersnatch_freshness.lab.documents import SIMPLE_JSON
from bandersnatch_freshness.lab.edge import KINDS, Edge, Request
from bandersnatch_freshness.lab.origin import Origin
from bandersnatch_freshness.lab.plain_edge import COPY_HEADER, PlainEdge
from bandersnatch_freshness.lab.pypi_edge import PyPIEdge

from ..conftest import NO_WAITING

NAMES = [f"lab-{number:02}" for number in range(5)]


def edge(behaviour: str, kind: str = "cdn") -> Edge:
    """Return an edge whose origin has just released every project for the second time."""
    origin = Origin(lifetimes=NO_WAITING)
    for name in NAMES:
        origin.publish(name)
    faults = BEHAVIOURS[behaviour]
    made: Edge = PlainEdge(origin, faults, KINDS[kind], "http://lab")
    if KINDS[kind].is_pypis:
        made = PyPIEdge(origin, faults, "http://lab", clock=lambda: 0, otherwise=0)
    made.release(NAMES)
    return made


def behind(asked: Edge, path: str, **request: object) -> int | None:
    """Return by how many serials an answer is behind the origin; None where it has none."""
    answer, _ = asked.answer(Request(path, accept=SIMPLE_JSON, **request))  # type: ignore[arg-type]
    serial = answer.headers.get(SERIAL_HEADER)
    return None if serial is None else asked.origin.serial - int(serial)


@pytest.mark.parametrize(
    ("behaviour", "stale_copies"),
    [
        ("healthy", set()),
        ("gzip-stale", {"gzip"}),
        ("identity-stale", {"identity"}),
        ("gzip-and-identity-stale", {"gzip", "identity"}),
        ("purge-broken", set(COPIES)),
    ],
)
@pytest.mark.parametrize("kind", ["cdn", "pypi"])
def test_copies_are_stale_as_named(kind: str, behaviour: str, stale_copies: set[str]) -> None:
    """A page's copy per Accept-Encoding is either of the release before or of this one."""
    asked = edge(behaviour, kind)
    for copy in asked.copies:
        expected = len(NAMES) if copy in stale_copies else 0
        for path in (f"/pypi/{NAMES[-1]}/json", f"/simple/{NAMES[-1]}/"):
            assert behind(asked, path, accept_encoding="" if copy == "identity" else copy) == expected


@pytest.mark.parametrize("kind", ["cdn", "pypi"])
def test_the_index_is_stale_to_different_degrees(kind: str) -> None:
    """The gzip copy furthest, identity less so, deflate not at all; pages are fresh."""
    asked = edge("index-stale", kind)
    asked.release(NAMES)
    lags = [behind(asked, "/simple/", accept_encoding=coding) for coding in ("gzip", "", "deflate")]
    assert lags == [10, 1, 0]
    assert behind(asked, f"/pypi/{NAMES[-1]}/json", accept_encoding="gzip") == 0


@pytest.mark.parametrize(
    ("behaviour", "affected", "others"),
    [("some-gzip-stale", 5, 0), ("origin-stale", 1, 0), ("fallback", None, None)],
)
@pytest.mark.parametrize("kind", ["cdn", "pypi"])
def test_only_some_projects_are_affected(kind: str, behaviour: str, affected: int | None, others: int | None) -> None:
    """Of five, the fifth is one of every fourth; a fallback's answers carry no serial."""
    asked = edge(behaviour, kind)
    assert behind(asked, "/pypi/lab-04/json", accept_encoding="gzip") == affected
    asked.release(["lab-03"])
    assert behind(asked, "/pypi/lab-03/json", accept_encoding="gzip") == others


@pytest.mark.parametrize("kind", ["cdn", "pypi"])
def test_a_new_project_is_hidden_by_its_404(kind: str) -> None:
    """The gzip copy is from before it was there."""
    asked = edge("cached-404", kind)
    (new,) = asked.release(["lab-01"])
    statuses = [asked.answer(Request(f"/pypi/{new}/json", accept_encoding=coding))[0].status for coding in ("gzip", "")]
    assert statuses == [404, 200]


def test_nodes_take_turns() -> None:
    """First the one that purges miss, then the other."""
    asked = edge("stale-node")
    answers = [asked.answer(Request("/pypi/lab-00/json"))[0].headers for _ in range(4)]
    assert [headers["X-Served-By"][-1] for headers in answers] == ["2", "1", "2", "1"]
    assert len({headers[SERIAL_HEADER] for headers in answers[::2]}) == 1
    assert answers[0][SERIAL_HEADER] < answers[1][SERIAL_HEADER]


@pytest.mark.parametrize(
    ("kind", "by_query", "by_no_cache"), [("cdn", True, False), ("pypi", False, False), ("proxy", True, True)]
)
def test_kinds_differ_in_what_gets_past_them(kind: str, by_query: bool, by_no_cache: bool) -> None:
    """With every copy stale, a query or no-cache helps, or neither does."""
    asked = edge("purge-broken", kind)
    path = f"/pypi/{NAMES[-1]}/json"
    assert (behind(asked, path, query="cache-bust=1") == 0) is by_query
    assert (behind(edge("purge-broken", kind), path, no_cache=True) == 0) is by_no_cache


@pytest.mark.parametrize("behaviour", ["healthy", "purge-broken", "stale-node"])
def test_without_an_edge_all_is_the_origins(behaviour: str) -> None:
    """Nothing is stale, and a real cache in front is told what it may keep, and by what it keeps copies apart."""
    asked = edge(behaviour, "none")
    path = f"/pypi/{NAMES[-1]}/json"
    for _ in range(2):
        answer, state = asked.answer(Request(path, accept_encoding="gzip, deflate"))
        assert state == "MISS"
        assert answer.headers[SERIAL_HEADER] == str(asked.origin.serial)
        assert answer.headers["Vary"] == "Accept, Accept-Encoding"
        assert answer.headers[COPY_HEADER] == "gzip"
        assert answer.headers["Cache-Control"] == "max-age=900, public"
        assert {"X-Cache", "X-Served-By", "Age"}.isdisjoint(answer.headers)
    assert "Cache-Control" not in asked.answer(Request("/pypi/nothing/json"))[0].headers


@pytest.mark.parametrize(
    ("accept_encoding", "copy"),
    [
        ("gzip, deflate", "gzip"),
        ("deflate, gzip, br, zstd", "br"),
        ("deflate;q=0.5", "deflate"),
        ("identity", "identity"),
        ("", "identity"),
        ("zstd", "identity"),
    ],
)
def test_accept_encoding_is_reduced_to_a_copy(accept_encoding: str, copy: str) -> None:
    """To few values, each with its own copy."""
    assert edge("healthy").copy_for(accept_encoding) == copy


@pytest.mark.parametrize("kind", ["cdn", "proxy"])
def test_a_plain_edge_says_nothing_of_lifetimes(kind: str) -> None:
    """It has none."""
    answer, _ = edge("healthy", kind).answer(Request("/pypi/lab-00/json"))
    assert {"Cache-Control", "Surrogate-Control", "Surrogate-Key"}.isdisjoint(answer.headers)


@pytest.mark.parametrize("kind", ["cdn", "proxy", "none", "pypi"])
def test_other_methods_are_never_answered_from_a_cache(kind: str) -> None:
    """OPTIONS get what the origin has, whatever is stale; and they change nothing."""
    asked = edge("purge-broken", kind)
    path = f"/pypi/{NAMES[-1]}/json"
    old = behind(asked, path)
    passed, state = asked.pass_on(Request(path), "OPTIONS")
    assert passed.headers[SERIAL_HEADER] == str(asked.origin.serial)
    assert "HIT" not in state
    assert behind(asked, path) == old


@pytest.mark.parametrize("kind", ["cdn", "pypi"])
def test_projects_come_and_go_as_at_pypi(kind: str) -> None:
    """Without a release, in quarantine, out of it and deleted: each is an event, after which the page is purged."""
    asked = edge("healthy", kind)
    page, simple = "/pypi/lab-01/json", "/simple/lab-01/"

    def seen() -> tuple[bool, int, int, int]:
        """Return whether it is listed, the statuses of both pages, and how far the index has come."""
        answers = [asked.answer(Request(path, accept=SIMPLE_JSON))[0] for path in ("/simple/", page, simple)]
        assert answers[0].headers[SERIAL_HEADER] == str(asked.origin.serial)
        return b'"lab-01"' in answers[0].body, answers[1].status, answers[2].status, asked.origin.serial - first

    first = asked.origin.serial
    asked.quarantine("lab-01")
    assert seen() == (False, 404, 200, 1)
    asked.quarantine("lab-01", entered=False)
    assert seen() == (True, 200, 200, 2)
    asked.empty("lab-01")
    assert seen() == (True, 404, 200, 4)
    asked.invite("lab-01")
    assert seen() == (True, 404, 200, 5)
    asked.remove("lab-01", counts=True)
    assert seen() == (False, 404, 404, 6)
