"""The serials that are required of pages, by what earlier runs have left."""

from __future__ import annotations

import pytest

from bandersnatch_freshness.core.incidents import Incident
from bandersnatch_freshness.core.known_pages import KnownPages
from bandersnatch_freshness.core.quarantine import QuarantineEntry
from bandersnatch_freshness.core.verdicts import Verdict

NOON = 1_539_691_200


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
