"""How rarely what is known to be stale is climbed for."""

from __future__ import annotations

from msgspec.structs import replace

from bandersnatch_freshness.core.back_off import EXTRA_REQUESTS, BackOff, is_due
from bandersnatch_freshness.core.climb import RecheckBudget
from bandersnatch_freshness.core.incidents import EDGE, Incident
from bandersnatch_freshness.core.observations import HIGHEST_SERIAL
from bandersnatch_freshness.core.quarantine import ENOUGH_TO_TELL
from bandersnatch_freshness.core.verdicts import Verdict

HOUR, DAY = 3600, 86400


def incident(name: str = "foo", climbed: int = 0, **more: object) -> Incident:
    """Return an incident of ten hours ago."""
    return replace(Incident(name, 0, 10 * HOUR, 9, 42, 41, Verdict.UNKNOWN, newest=41, climbed=climbed), **more)


def back_off(*incidents: Incident, now: int = 10 * HOUR, ways: int = 7, known: bool = True) -> BackOff:
    """Return the back-off of a run that begins now."""
    return BackOff({one.subject: one for one in incidents}, lambda _: known, now, ways)


def climbs(run: BackOff, names: list[str], *, cured: bool = False) -> list[str]:
    """Ask for packages one after the other; return those that are climbed for."""
    found = []
    for name in names:
        if run.budget(name) is None:
            found.append(name)
        run.ended(name, in_vain=not cured)
    return found


def test_the_pause_grows_with_the_age() -> None:
    """A tenth of it, and a day at most; never climbed for is due, and so is one of a clock that was ahead."""
    assert is_due(incident(climbed=0), 0)
    assert not is_due(incident(climbed=10 * HOUR), 11 * HOUR - 1)
    assert is_due(incident(climbed=10 * HOUR), 11 * HOUR)
    assert not is_due(incident(climbed=90 * DAY), 91 * DAY - 1)
    assert is_due(incident(climbed=90 * DAY), 91 * DAY)
    assert is_due(incident(climbed=10 * HOUR), 9 * HOUR)


def test_what_is_not_due_is_asked_for_once() -> None:
    """Where the ladder starts, as bare Bandersnatch would ask; a newer page than ever is news."""
    run = back_off(incident(climbed=10 * HOUR - 60))
    assert run.budget("foo") == RecheckBudget(1, None, 41)
    assert run.budget("another") is None
    assert back_off(incident(climbed=10 * HOUR - 60), known=False).budget("foo") is None


def test_what_was_not_climbed_for_the_longest_comes_first() -> None:
    """As many as the limit allows, and one where even that is too many; with fewer ways, more of them."""
    names = [f"p{number}" for number in range(100)]
    known = [incident(name, climbed=1000 - number) for number, name in enumerate(names)]
    for ways in (7, 3):
        most = EXTRA_REQUESTS // (ways - 1)
        assert climbs(back_off(*known, ways=ways), names) == names[-most:]
    assert climbs(back_off(*known, ways=1000), names) == ["p99"]
    assert climbs(back_off(*known, ways=1), names) == names[-EXTRA_REQUESTS:]


def test_what_is_in_quarantine_takes_no_ones_place() -> None:
    """It is asked for by its own plan."""
    known = [incident(f"p{number}", in_quarantine=number < 50) for number in range(60)]
    assert climbs(back_off(*known), ["p55"]) == ["p55"]


def test_a_sample_tells_of_the_whole_edge() -> None:
    """Of those without an incident of their own; all others are asked for once, whatever they get."""
    names = [f"p{number}" for number in range(100)]
    run = back_off(incident(EDGE))
    assert climbs(run, names) == names[:ENOUGH_TO_TELL]
    assert run.budget("p50") == RecheckBudget(1, None, HIGHEST_SERIAL)
    assert climbs(back_off(incident(EDGE, climbed=10 * HOUR - 1)), names) == []


def test_what_a_climb_cures_makes_room_for_more() -> None:
    """No curable page waits, however many there are."""
    names = [f"p{number}" for number in range(100)]
    run = back_off(incident(EDGE))
    assert climbs(run, names, cured=True) == names
    assert climbs(run, names) == names[:ENOUGH_TO_TELL]


def test_both_share_the_limit() -> None:
    """Packages with an incident of their own, while the whole edge is stale."""
    known = [incident(f"p{number}") for number in range(50)]
    names = [one.subject for one in known] + [f"q{number}" for number in range(50)]
    assert len(climbs(back_off(incident(EDGE), *known), names)) == EXTRA_REQUESTS // 6
