"""Each kind of fault changes the answer to some request, and bare and suite are told the same."""

from __future__ import annotations

import xmlrpc.client

import pytest

from .edge import Edge, Request
from .faults import FILE_BREAKS, INDEX_BREAKS, INDEX_LIES, KINDS, XMLRPC_BREAKS, Answer, Fault
from .world import DAY, HOUR, World, release_file

NAME = "model-00"


def world() -> World:
    """Return a world in which two projects had a release an hour before and one two hours after the faults begin."""
    one = World()
    for name in (NAME, "model-01", "model-02"):
        one.release(name)
    one.now += 3 * HOUR
    one.release(NAME)
    one.now += 2 * HOUR
    return one


def ask(edge: Edge, kind: str) -> Answer:
    """Send the edge a request that a kind of fault is about."""
    if kind in XMLRPC_BREAKS:
        body = xmlrpc.client.dumps((), "changelog_last_serial").encode()
        return edge.answer(Request("POST", "/pypi", {}, body))
    if kind in FILE_BREAKS:
        return edge.answer(Request("GET", release_file(NAME, "1").path, {}))
    if kind in INDEX_LIES or kind in INDEX_BREAKS:
        return edge.answer(Request("GET", "/simple/", {"accept-encoding": "gzip"}))
    return edge.answer(Request("GET", f"/pypi/{NAME}/json", {"accept-encoding": "gzip"}))


@pytest.mark.parametrize("kind", KINDS)
def test_each_kind_is_seen_while_it_lasts(kind: str) -> None:
    """Before it begins, after its end and at the other edge it is not."""
    edge, other = Edge(world(), "a"), Edge(world(), "b")
    true, begin = ask(edge, kind), edge.world.now - 3 * HOUR
    fault = Fault(kind, begin, begin + DAY, frozenset([NAME]), edges=frozenset("a"))
    edge.faults.append(fault)
    other.faults.append(fault)
    assert ask(edge, kind) != true
    assert edge.met[kind]
    assert ask(other, kind) == true
    edge.faults[:] = [fault._replace(begin=edge.world.now + 1), fault._replace(end=edge.world.now)]
    assert ask(edge, kind) == true
    assert ask(edge, kind) == true


def test_a_proxy_is_passed_by_a_query() -> None:
    """There a stale copy and a cached 404 are not seen; the origin's own lies and errors are."""
    edge = Edge(world(), "a", is_proxy=True)
    busted = Request("GET", f"/pypi/{NAME}/json?cache-bust=1", {})
    true, since = edge.answer(busted), edge.world.now - 3 * HOUR
    for kind, is_passed in (
        ("a page is stale in each copy", True),
        ("page: cached 404", True),
        ("page: header low", False),
        ("page: 500", False),
    ):
        edge.faults[:] = [Fault(kind, since, since + DAY, frozenset([NAME]))]
        assert (edge.answer(busted) == true) is is_passed, kind


def test_what_an_index_conceals_is_known() -> None:
    """It is newer than the release that it lacks; one that is as old as it is consistent, and conceals nothing."""
    edge = Edge(world(), "a")
    since = edge.world.now - 3 * HOUR
    edge.faults[:] = [Fault("the index is stale in each copy", since, since + DAY)]
    ask(edge, "index: 404")
    assert edge.listing
    edge.world.tell(edge.listing.projects, edge.listing.serial)
    assert not edge.world.is_concealed(NAME)
    edge.world.release("model-01")
    edge.world.now += 2 * HOUR
    edge.faults[:] = [Fault("index: a project low", since, since + DAY, frozenset([NAME]))]
    ask(edge, "index: 404")
    edge.world.tell(edge.listing.projects, edge.listing.serial)
    assert edge.world.is_concealed(NAME)
    assert not edge.world.is_concealed("model-01")
