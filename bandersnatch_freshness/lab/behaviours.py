"""Behaviours: named faults of an edge or of the origin behind it.

Each reproduces an incident that real mirrors of PyPI have had.
"""

from __future__ import annotations

from dataclasses import dataclass

# The copies an edge keeps of one page, one per Accept-Encoding it distinguishes; PyPI's distinguishes no `br`.
COPIES = ("br", "gzip", "deflate", "identity")
ALL_COPIES = frozenset(COPIES)


@dataclass(frozen=True)
class Behaviour:
    """What goes wrong, and where."""

    summary: str
    incident: str = ""
    # Copies of project pages, and copies of the index, that no purge reaches.
    stuck: frozenset[str] = frozenset()
    stuck_index: frozenset[str] = frozenset()
    # Copies of the index that every purge reaches one release late.
    late_index: frozenset[str] = frozenset()
    # What is wrong with the origin's index: "empty", "half", "html", "no-serial", "truncated", "error"
    # (a 503) or "static" (like the index a mirror writes, without the projects' serials).
    index: str = ""
    # The edge answers HEAD with 405.
    refuses_head: bool = False
    # The edge answers no HEAD at all, and keeps the connection open.
    hangs_on_head: bool = False
    # The status with which OPTIONS are refused, instead of being passed on.
    refuses_options: int = 0
    # There is no XML-RPC: a 404.
    refuses_xmlrpc: bool = False
    # XML-RPC does not say which serial was given out last.
    gives_no_account: bool = False
    # XML-RPC always says that it was this one, as a dead replica does; 0: it says the true one.
    stuck_account: int = 0
    # Only every nth project is affected.
    every: int = 1
    # Stuck copies carry no serial header, as from a fallback backend.
    unlabelled: bool = False
    # Which of two nodes purges don't reach.
    stuck_node: int | None = None
    # The serial header of every page: unchanged (None), missing ("") or this text.
    serial_header: str | None = None
    # How far the serial on a project's page is below the one the index announces.
    origin_behind: int = 0
    # Releases create new projects; the stuck copies hold the 404 from before.
    new_projects: bool = False
    # Pages are gone from the origin, though announced.
    gone: bool = False
    # The origin answers 503, so that an edge has only what it still keeps.
    origin_down: bool = False
    # What goes wrong with requests for pages: "error", "reset", "truncated", "silent" or "garbled".
    fault: str = ""
    # What is wrong with release files: "missing" (a 404) or "altered", so that their checksum is wrong.
    file_fault: str = ""


BEHAVIOURS = {
    "healthy": Behaviour("every copy is purged on release"),
    "identity-stale": Behaviour(
        "the copy for requests without Accept-Encoding is stale, the others are fresh",
        "pypi/legacy#578",
        stuck=frozenset({"identity"}),
    ),
    "gzip-stale": Behaviour(
        "the gzip copy of every page is stale, the others are fresh", "pypa/bandersnatch#56", stuck=frozenset({"gzip"})
    ),
    "gzip-and-identity-stale": Behaviour(
        "a day later: the copy without Accept-Encoding is stale as well",
        "pypa/bandersnatch#56",
        stuck=frozenset({"gzip", "identity"}),
    ),
    "index-stale": Behaviour(
        "the index: gzip copy long stale, identity copy a release behind, deflate fresh; pages are fresh",
        "pypi/warehouse#5494",
        stuck_index=frozenset({"gzip"}),
        late_index=frozenset({"identity"}),
    ),
    "index-empty": Behaviour("the index lists no project", index="empty"),
    "index-half": Behaviour("the index lists every third project only", index="half"),
    "index-html": Behaviour("the index is in HTML, whatever is asked for", index="html"),
    "index-no-serial": Behaviour("the index has no serial, in its header or in its body", index="no-serial"),
    "index-truncated": Behaviour("the index breaks off halfway", index="truncated"),
    "index-static": Behaviour("the index is as a static mirror's, with no serials of projects", index="static"),
    "fallback": Behaviour(
        "the gzip copy of every page is old and carries no serial header",
        "pypi/warehouse#8568",
        stuck=frozenset({"gzip"}),
        unlabelled=True,
    ),
    "purge-broken": Behaviour(
        "every cached copy of every page is stale; only a request that misses the cache helps",
        "pypi/warehouse#11949",
        stuck=ALL_COPIES,
    ),
    "some-gzip-stale": Behaviour(
        "the gzip copy of every fourth project is stale", "pypi/warehouse#12214", stuck=frozenset({"gzip"}), every=4
    ),
    "origin-stale": Behaviour(
        "the origin's page of every fourth project reports a serial one lower than the index announces",
        "pypi/warehouse#12933",
        origin_behind=1,
        every=4,
    ),
    "no-serial": Behaviour("no answer carries a serial header", "devpi/devpi#972", serial_header=""),
    "malformed-serial": Behaviour("every serial header is malformed", "devpi/devpi#972", serial_header="4869648-devpi"),
    "cached-404": Behaviour(
        "releases are of new projects; the gzip copy of their page is the 404 from before",
        "a cached 404, measured with Bandersnatch 8.2",
        stuck=frozenset({"gzip"}),
        new_projects=True,
    ),
    "stale-node": Behaviour(
        "one of two nodes is never purged; a page's requests go to the nodes by turns",
        "SocketDev/socket-python-cli#290",
        stuck=ALL_COPIES,
        stuck_node=1,
    ),
    "gone": Behaviour("every fourth project is announced, but gone from the origin", every=4, gone=True),
    "server-error": Behaviour("the page of every fourth project answers 503", every=4, fault="error"),
    "reset": Behaviour("the page of every fourth project resets the connection", every=4, fault="reset"),
    "truncated": Behaviour("the page of every fourth project breaks off halfway", every=4, fault="truncated"),
    "silent": Behaviour("the page of every fourth project never answers", every=4, fault="silent"),
    "garbled": Behaviour("the page of every fourth project is no JSON", every=4, fault="garbled"),
}
