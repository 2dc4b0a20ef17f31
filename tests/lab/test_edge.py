"""The lab's edge: stale where it says so, and nowhere else."""

from __future__ import annotations

import pytest

from bandersnatch_freshness.core.observations import SERIAL_HEADER
from bandersnatch_freshness.lab.behaviours import BEHAVIOURS, COPIES
from bandersnatch_freshness.lab.edge import COPY_HEADER, KINDS, Edge, Request, copy_for
from bandersnatch_freshness.lab.origin import SIMPLE_JSON, Origin

NAMES = [f"lab-{number:02}" for number in range(5)]


def edge(behaviour: str, kind: str = "cdn") -> Edge:
    """Return an edge whose origin has just released every project for the second time."""
    origin = Origin()
    for name in NAMES:
        origin.publish(name)
    made = Edge(origin, BEHAVIOURS[behaviour], KINDS[kind], "http://lab")
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
def test_copies_are_stale_as_named(behaviour: str, stale_copies: set[str]) -> None:
    """A page's copy per Accept-Encoding is either of the release before or of this one."""
    asked = edge(behaviour)
    for copy in COPIES:
        expected = len(NAMES) if copy in stale_copies else 0
        for path in (f"/pypi/{NAMES[-1]}/json", f"/simple/{NAMES[-1]}/"):
            assert behind(asked, path, accept_encoding="" if copy == "identity" else copy) == expected


def test_the_index_is_stale_to_different_degrees() -> None:
    """The gzip copy furthest, identity less so, deflate not at all; pages are fresh."""
    asked = edge("index-stale")
    asked.release(NAMES)
    lags = [behind(asked, "/simple/", accept_encoding=coding) for coding in ("gzip", "", "deflate")]
    assert lags == [10, 1, 0]
    assert behind(asked, f"/pypi/{NAMES[-1]}/json", accept_encoding="gzip") == 0


@pytest.mark.parametrize(
    ("behaviour", "affected", "others"),
    [("some-gzip-stale", 5, 0), ("origin-stale", 1, 0), ("fallback", None, None)],
)
def test_only_some_projects_are_affected(behaviour: str, affected: int | None, others: int | None) -> None:
    """Of five, the fifth is one of every fourth; a fallback's answers carry no serial."""
    asked = edge(behaviour)
    assert behind(asked, "/pypi/lab-04/json", accept_encoding="gzip") == affected
    asked.release(["lab-03"])
    assert behind(asked, "/pypi/lab-03/json", accept_encoding="gzip") == others


def test_a_new_project_is_hidden_by_its_404() -> None:
    """The gzip copy is from before it was there."""
    asked = edge("cached-404")
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
        answer, hit = asked.answer(Request(path, accept_encoding="gzip, deflate"))
        assert not hit
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
    assert copy_for(accept_encoding) == copy
