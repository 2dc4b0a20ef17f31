"""The facts beside the status page."""

from __future__ import annotations

import json
from typing import Any

import pytest
from msgspec.structs import replace

from bandersnatch_freshness.core.incidents import MIRROR, Level
from bandersnatch_freshness.reporting.published import NAMED, NotPublishedError, OwnSerials, publish, read

from .examples import (
    ACCEPTED,
    ASIDE,
    CRITICAL,
    HOUR,
    NOW,
    STALE,
    WARNING,
    incident,
    of_mirror,
    run,
    runs,
    summary,
)

WRITTEN = "2018-10-16T12:00:00Z"


def facts(*incidents: Any, own: OwnSerials = OwnSerials(), **more: Any) -> dict[str, Any]:  # noqa: B008 - a constant
    """Return the document as a program reads it."""
    found: dict[str, Any] = json.loads(publish(summary(*incidents, **more), own))
    return found


def test_a_mirror_that_is_complete() -> None:
    """What is known of it, with times as text."""
    found = facts(own=OwnSerials(41, {"foo": 42}))
    assert (found["format"], found["written"], found["verdict"], found["severity"]) == (1, WRITTEN, "fresh", "ok")
    assert (found["complete_at"], found["since"]) == ("2018-10-16T11:57:00Z", None)
    assert (found["serial"], found["announced"], found["serial_lag"], found["index_serial"]) == (42, 42, 0, 41)
    assert (found["newest"], found["waiting"], found["warn_after"]) == ({"foo": 42}, 0, HOUR)
    assert found["last_run"] == {
        "started": "2018-10-16T11:54:50Z",
        "finished": "2018-10-16T11:55:00Z",
        "outcome": "fresh",
        "serial": 42,
        **dict.fromkeys(("fresh", "stale", "failing", "gone"), 0),
    }
    assert found["advances"] == [{"at": "2018-10-16T11:55:00Z", "serial": 42}]


def test_how_often_runs_begin() -> None:
    """Once there were some."""
    assert facts(runs=runs(60, 300))["usual_interval"] == 300
    assert facts(runs=runs(60, 300)[:2])["usual_interval"] is None


def test_incidents_and_quarantine_are_counted_by_level() -> None:
    """With the names of some; what is in quarantine without an incident, and not what was accepted."""
    many = [incident(f"p{number:02}") for number in range(NAMED + 5)]
    aside = {"bar": ASIDE, "qux": ASIDE, "quux": ACCEPTED}
    found = facts(WARNING, CRITICAL, *many, quarantine=aside)
    levels = {level: one["count"] for level, one in found["incidents"].items()}
    assert levels == {"stale": NAMED + 5, "warning": 1, "critical": 1}
    assert found["incidents"]["stale"]["names"] == [f"p{number:02}" for number in range(NAMED)]
    assert {level: one["names"] for level, one in found["quarantine"].items()} == {
        "stale": [],
        "warning": ["bar"],
        "critical": [],
        "none": ["qux"],
    }
    assert (found["verdict"], found["severity"], found["since"]) == ("stale", "critical", "2018-10-14T12:00:00Z")
    assert found["reason"].startswith("baz has been stale for 2 d: ")


def test_what_is_no_package_has_its_name_in_words() -> None:
    """As no package is named."""
    found = facts(of_mirror(Level.WARNING, 2 * HOUR), STALE)
    assert found["incidents"]["warning"]["names"] == ["the mirror"]
    assert MIRROR not in json.dumps(found["incidents"])


def test_when_the_serial_got_higher() -> None:
    """Each time once; from the last time that it got lower on, as after a restore."""
    serials = ((50, 7, "fresh"), (40, 5, "fresh"), (30, 5, "errors"), (20, 0, "failed"), (10, 8, "fresh"))
    past = tuple(replace(run(ago * 60, outcome), serial=serial) for ago, serial, outcome in serials)
    assert facts(runs=past)["advances"] == [
        {"at": "2018-10-16T11:20:00Z", "serial": 5},
        {"at": "2018-10-16T11:50:00Z", "serial": 8},
    ]


def test_a_mirror_of_which_nothing_is_known_yet() -> None:
    """Null, not zero."""
    found = facts(runs=(), serial=None, complete_at=0, begun=NOW - 60)
    assert [found[name] for name in ("serial", "announced", "serial_lag", "complete_at", "last_run")] == [None] * 5
    assert (found["verdict"], found["advances"], found["newest"]) == ("first-sync", [], {})


def test_names_from_outside_are_printable() -> None:
    """As on the page: no control characters."""
    hostile = "\x1b[31mfoo"
    found = facts(incident(hostile), own=OwnSerials(None, {hostile: 1}))
    assert "\x1b" not in "".join([*found["incidents"]["stale"]["names"], *found["newest"], found["reason"]])


def test_comes_back_as_it_was() -> None:
    """Times as seconds; a later release's fields are left out."""
    text = publish(summary(WARNING), OwnSerials(41, {"foo": 42}))
    known = read(text.encode())
    assert (known.written, known.advances[0].serial, known.newest) == (NOW, 42, {"foo": 42})
    assert read(json.dumps({**json.loads(text), "later": 1}).encode()) == known


@pytest.mark.parametrize(
    "text",
    [
        pytest.param("<html>", id="html"),
        pytest.param("[" * 100_000, id="deep"),
        pytest.param('{"format": 2}', id="another-format"),
        pytest.param(publish(summary()).replace(WRITTEN, "yesterday"), id="no-time"),
        pytest.param(publish(summary()).replace('"serial": 42', '"serial": -1'), id="no-serial"),
    ],
)
def test_what_is_none_is_refused(text: str) -> None:
    """With what is wrong with it."""
    with pytest.raises(NotPublishedError, match=r"."):
        read(text.encode())
