"""A server that wants fewer requests, run after run: bare Bandersnatch beside the suite."""

from __future__ import annotations

import json
import time
from email.utils import formatdate

import pytest

from bandersnatch_freshness.formatting import seconds, timestamp
from bandersnatch_freshness.lab.origin import Answer
from bandersnatch_freshness.lab.server import Lab

from ..conftest import MakeMirror, StartLab
from .cron import DAY, HOUR, MINUTE, NOON, Cron, cron, side_by_side, state
from .observe import metadata, pages
from .quarantining import ASIDE, ONE, freeze, in_quarantine, synced


def asked(lab: Lab, cron: Cron, *times: int) -> list[tuple[str, str, str]]:
    """Run at these times; return what was asked for, in which way."""
    lab.forget()
    cron.run(*times)
    return sorted((one.method, one.path, one.header("Accept-Encoding") or "") for one in metadata(lab))


def asked_otherwise(lab: Lab, cron: Cron, *times: int) -> int:
    """Run at these times; return how often a page was asked for in another way."""
    return sum(path.startswith("/pypi/") and not encoding for _, path, encoding in asked(lab, cron, *times))


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("status", "retry_after", "is_kept"),
    [
        pytest.param(429, "7200", True, id="seconds"),
        pytest.param(503, "date", True, id="a-date"),
        pytest.param(429, "", False, id="429-alone"),
        pytest.param(403, "soon", False, id="403-garbled"),
    ],
)
def test_a_later_run_asks_for_no_more_than_bare_until_then(
    status: int, retry_after: str, is_kept: bool, start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """Without a time, that is for the rest of the run; a clock that jumps back is no reason to wait for ever."""
    lab = start_lab("gzip-stale", projects=2)
    with side_by_side(make_mirror, lab) as (_, mirror, bare, suite):
        bare.run(0)
        suite.run(0)
        lab.release()
        # By the server's own clock, which is not that of the runs.
        wanted = formatdate(time.time() + 7200, usegmt=True) if retry_after == "date" else retry_after
        refused = Answer(status, {"Retry-After": wanted} if wanted else {}, b"")
        for name in lab.names:
            lab.plant(name, refused, ["identity"])
        assert asked_otherwise(lab, suite, HOUR) == 1
        bare.run(HOUR)
        kept = state(mirror).get("refusal")
        assert (kept is not None) is is_kept
        if kept:
            assert kept["at"] == timestamp(NOON + HOUR)
            assert abs(seconds(kept["until"]) - NOON - 3 * HOUR) <= 60
            # The index, too, is not looked at in other ways.
            assert asked(lab, suite, HOUR + 10 * MINUTE) == asked(lab, bare, HOUR + 10 * MINUTE)
            assert state(mirror)["refusal"] == kept
            assert asked_otherwise(lab, suite, 30 * MINUTE) == 1, "the clock has jumped back"
            assert asked_otherwise(lab, suite, 2 * HOUR) == 0
            assert asked_otherwise(lab, suite, 3 * HOUR) == 1
        else:
            assert asked_otherwise(lab, suite, HOUR + 10 * MINUTE) == 1


def test_nothing_in_quarantine_is_asked_for_again_until_then(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Not even for the older page that is worth syncing: that comes later."""
    lab = start_lab(projects=3)
    mirror = make_mirror(lab, "freshness")
    with cron(mirror) as runs:
        runs.run(-HOUR)
        lab.behave(ONE)
        lab.release()
        freeze(runs)
        at, until = timestamp(NOON + ASIDE - MINUTE), timestamp(NOON + ASIDE + HOUR)
        path = mirror.directory / "freshness.json"
        path.write_text(json.dumps({**state(mirror), "refusal": {"at": at, "until": until}}))
        lab.forget()
        runs.run(ASIDE)
        assert pages(lab) == {"lab-00": 1}
        assert in_quarantine(mirror)
        assert not synced(mirror, lab, "lab-00")
        runs.run(2 * DAY)
        assert synced(mirror, lab, "lab-00")
