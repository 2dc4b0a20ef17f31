"""What the second copy keeps and brings back."""

from __future__ import annotations

import pytest

from bandersnatch_freshness.core.missing import Missing
from bandersnatch_freshness.core.quarantine import QuarantineEntry
from bandersnatch_freshness.state.remembered import State
from bandersnatch_freshness.state.second_copy import count_quarantined, dump, recover

NOON = 1_539_691_200
DAY = 86400


def state(quarantine: dict[str, QuarantineEntry] | None = None, missing: dict[str, Missing] | None = None) -> State:
    """Return a state with these on record."""
    return State("https://pypi.example", quarantine=quarantine or {}, missing=missing or {})


def entry(serial: int = 42) -> QuarantineEntry:
    """Return what has been in quarantine for a day."""
    return QuarantineEntry(serial, NOON - DAY, NOON - DAY)


WHOLE = state(
    {"foo": entry(), "bar": entry(50)},
    {
        "new": Missing(60, NOON, NOON),
        "old": Missing(7, NOON - 8 * DAY, NOON, asks=5),
        "gone": Missing(8, NOON, NOON, is_proven=True),
        "foo": Missing(42, NOON, NOON),
    },
)
TEXT = "bar 50\nfoo 42\nnew 60 missing\n"


def test_keeps_what_would_be_lost() -> None:
    """Of each package its serial; what is gone is not lost."""
    assert dump(WHOLE) == TEXT
    assert count_quarantined(TEXT) == 2


def test_brings_back_what_the_state_has_lost() -> None:
    """Names and serials, of each the higher one; to be asked for in the next run."""
    found = state()
    assert recover(found, TEXT, NOON) == 3
    assert found.quarantine == {"foo": QuarantineEntry(42, NOON, NOON), "bar": QuarantineEntry(50, NOON, NOON)}
    assert found.missing == {"new": Missing(60, NOON, NOON)}


@pytest.mark.parametrize(("serial", "after"), [(42, 50), (60, 60)])
def test_takes_the_higher_serial(serial: int, after: int) -> None:
    """Of what both have."""
    found = state({"bar": entry(serial), "foo": entry()}, {"new": Missing(60, NOON - DAY, NOON, 3)})
    assert recover(found, TEXT, NOON) == 0
    assert found.quarantine["bar"] == entry(after)
    assert found.missing["new"].asks == 3


@pytest.mark.parametrize(
    "text", ["", "\n", "foo", "foo x\n", " 42", "\x00\xff", "foo 42 held", "foo 42 missing x", "../../etc 5"]
)
def test_a_copy_that_is_broken_brings_back_nothing(text: str) -> None:
    """And does no harm."""
    found = state()
    assert recover(found, text, NOON) == 0
    assert found == state()
    assert count_quarantined(text) == 0


def test_a_name_that_is_no_text_keeps_nothing_back() -> None:
    """The copy has it as the state's file has, or each run would find another one."""
    entry = QuarantineEntry(1, NOON, NOON)
    assert dump(state({"d\ud800": entry, "e": entry})).encode() == b"d? 1\ne 1\n"


def test_what_waits_for_its_serial_waits_on() -> None:
    """It would be right at any serial, and leave, else."""
    waits = QuarantineEntry(1, NOON - DAY, NOON - DAY, waiting=True)
    lost = state()
    assert recover(lost, dump(state({"foo": waits})), NOON) == 1
    assert lost.quarantine["foo"].is_untold
