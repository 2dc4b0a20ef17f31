"""The comparison of one project, and what an audit adds up to."""

from __future__ import annotations

import pytest
from msgspec.structs import replace

from bandersnatch_freshness.audit.comparison import (
    Copies,
    Kind,
    Known,
    Tally,
    Terms,
    compare,
    is_current,
    seconds_to_sync,
)
from bandersnatch_freshness.core.history import PastRun
from bandersnatch_freshness.core.index import ANY_SERIAL
from bandersnatch_freshness.core.missing import Missing

NOW = 1_760_616_000
# Three pages and a document, and an index of serial 50.
TERMS = Terms(50, 3)
SYNCED = Known(serial=40)


def found(
    announced: int | None, copies: Copies, known: Known = SYNCED, terms: Terms = TERMS, project: str = "foo"
) -> Kind:
    """Return what a project is found to be."""
    return compare(project, announced, copies, known, terms).kind


@pytest.mark.parametrize(
    ("announced", "copies", "kind"),
    [
        pytest.param(30, (30, 30, 30, 30), Kind.CURRENT, id="current"),
        pytest.param(30, (None, None, None, None), Kind.MISSING, id="nothing"),
        pytest.param(30, (None, None, None, 30), Kind.MISSING, id="only-a-document"),
        pytest.param(30, (20, 20, 20, 20), Kind.OLDER, id="older"),
        pytest.param(30, (20, None, 10, 20), Kind.OLDER, id="older-everywhere"),
        pytest.param(30, (0, 30, 30, 30), Kind.UNREADABLE, id="a-page-is-cut-off"),
        pytest.param(30, (30, 30, 30, 0), Kind.UNREADABLE, id="the-document-is-cut-off"),
        pytest.param(30, (10**9,) * 4, Kind.UNREADABLE, id="a-serial-that-cannot-be-true"),
        pytest.param(None, (10**9,) * 4, Kind.UNANNOUNCED, id="not-announced-and-a-serial-that-cannot-be-true"),
        pytest.param(30, (30, 20, 30, 30), Kind.DISAGREEING, id="a-page-is-older"),
        pytest.param(30, (30, 30, None, 30), Kind.DISAGREEING, id="a-page-is-missing"),
        pytest.param(30, (30, 30, 30, None), Kind.DISAGREEING, id="the-document-is-missing"),
        pytest.param(30, (35, 35, 35, 35), Kind.NEWER, id="newer"),
        pytest.param(30, (60, 60, 60, 60), Kind.CURRENT, id="synced-since-this-copy-of-the-index"),
        pytest.param(0, (30, 30, 30, 30), Kind.CURRENT, id="announced-with-nonsense"),
        pytest.param(0, (None, None, None, None), Kind.MISSING, id="nonsense-and-nothing-here"),
        pytest.param(None, (30, 30, 30, 30), Kind.UNANNOUNCED, id="not-announced"),
        pytest.param(None, (0, None, None, None), Kind.UNANNOUNCED, id="not-announced-and-cut-off"),
        pytest.param(None, (None, None, None, 30), Kind.CURRENT, id="only-its-document-is-left"),
        pytest.param(None, (60, 60, 60, 60), Kind.CURRENT, id="this-copy-of-the-index-does-not-know-it-yet"),
    ],
)
def test_what_a_project_is_found_to_be(announced: int | None, copies: Copies, kind: Kind) -> None:
    """By its own serials alone, where nothing is on record."""
    assert found(announced, copies) is kind


def test_what_can_be_true_is_told_by_the_mirror_too() -> None:
    """A copy of the index may be weeks old, or have no serial of its own."""
    copies = (999_999,) * 4
    assert found(30, copies, Known(1_000_000)) is Kind.CURRENT
    assert found(30, copies, Known(1_000_000), Terms(0, 3)) is Kind.CURRENT
    assert found(30, copies, Known(800_000)) is Kind.UNREADABLE


OLDER = (20, 20, 20, 20)


@pytest.mark.parametrize(
    ("known", "announced", "kind"),
    [
        pytest.param(Known(40), 40, Kind.OLDER, id="the-mirror-passed-it"),
        pytest.param(Known(40), 41, Kind.TO_SYNC, id="released-since"),
        pytest.param(Known(40, target=45), 41, Kind.OLDER, id="dropped-from-the-todo-list"),
        pytest.param(Known(40, target=45), 46, Kind.TO_SYNC, id="released-since-the-todo-list"),
        pytest.param(Known(40, target=45, todo={"foo"}), 41, Kind.TO_SYNC, id="on-the-todo-list"),
        pytest.param(Known(40, target=0, todo={"foo"}), 30, Kind.TO_SYNC, id="handed-back"),
        pytest.param(Known(40, target=0), 30, Kind.OLDER, id="a-todo-list-that-leads-nowhere"),
        pytest.param(Known(None), 30, Kind.TO_SYNC, id="the-next-run-begins-anew"),
        pytest.param(Known(None, target=45), 30, Kind.OLDER, id="a-first-sync-that-lost-it"),
        pytest.param(Known(40, quarantine={"foo"}), 30, Kind.QUARANTINED, id="in-quarantine"),
        pytest.param(Known(40, missing={"foo": Missing(30, NOW, NOW, is_proven=True)}), 30, Kind.GONE, id="gone"),
        pytest.param(Known(40, missing={"foo": Missing(30, NOW, NOW)}), 30, Kind.OLDER, id="a-404-without-proof"),
        pytest.param(
            Known(40, missing={"foo": Missing(25, NOW, NOW, is_proven=True)}), 30, Kind.OLDER, id="released-after-that"
        ),
    ],
)
def test_what_is_on_record_explains_it(known: Known, announced: int, kind: Kind) -> None:
    """Nothing is called lost that a run syncs by itself, and all that it does not."""
    assert found(announced, OLDER, known) is kind


def test_a_metadata_filter_explains_what_was_never_synced() -> None:
    """What has any copy was let through once."""
    filtered = Terms(50, 3, is_filtered=True)
    assert found(30, (None, None, None, None), terms=filtered) is Kind.FILTERED
    assert found(30, (None, None, None, 30), terms=filtered) is Kind.MISSING
    assert found(30, OLDER, terms=filtered) is Kind.OLDER


def test_what_is_on_record_does_not_explain_what_is_served_still() -> None:
    """Taken down upstream, and in quarantine here: that is said first."""
    assert found(None, OLDER, Known(40, quarantine={"foo"})) is Kind.UNANNOUNCED


def test_only_what_is_at_one_serial_is_current_at_a_glance() -> None:
    """Whatever is not takes a closer look."""
    assert is_current(30, (30, 30))
    assert not is_current(30, (30, None))
    assert not is_current(30, (30, 31))


def test_the_tally_tells_whether_all_is_there() -> None:
    """What is on record, or gone, takes nothing from that."""
    tally = Tally()
    for number, kind in enumerate((Kind.CURRENT, Kind.TO_SYNC, Kind.GONE, Kind.FILTERED, Kind.QUARANTINED)):
        tally.add(replace(compare("foo", 30, OLDER, SYNCED, TERMS), kind=kind, project=f"foo-{number}"))
    assert tally.is_complete
    assert [one.project for one in tally.named] == ["foo-4"]
    tally.add(compare("lost", 30, OLDER, SYNCED, TERMS))
    tally.add(compare("nonsense", 0, (None,) * 4, SYNCED, TERMS))
    tally.add(compare("a-404", 30, OLDER, SYNCED, TERMS))
    tally.add(compare("taken-down", None, OLDER, SYNCED, TERMS))
    assert not tally.is_complete
    missing = {"a-404": Missing(30, NOW, NOW), "lost": Missing(29, NOW, NOW)}
    assert tally.lost(missing) == {"lost": 30, "nonsense": ANY_SERIAL}


def test_past_runs_tell_how_long_a_repair_takes() -> None:
    """Those that synced enough, and came to their end."""
    runs = [
        PastRun(0, 100, "fresh", 1, fresh=50),
        PastRun(0, 999, "fresh", 1, fresh=1),
        PastRun(0, 999, "interrupted", 1, fresh=50),
    ]
    assert seconds_to_sync(10, runs) == 20
    assert seconds_to_sync(10, runs[1:]) is None
