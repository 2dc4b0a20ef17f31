"""Notifications of real runs, to real receivers."""

from __future__ import annotations

import subprocess
from pathlib import Path

import pytest
from packaging.version import Version

from bandersnatch_freshness.lab.behaviours import Behaviour
from bandersnatch_freshness.lab.server import Lab

from ..conftest import MakeMirror, StartLab
from ..notify.test_channels import active_alerts, patience
from ..notify.test_heartbeat import HEALTHCHECKS
from ..notify.test_heartbeat import receiver as heart
from ..receiver import receiver
from ..staged import ahead
from .cron import DAY, HOUR, MINUTE, ONE_STALE, cron, levels, state
from .observe import BANDERSNATCH, interrupt, is_fresh, lines, needs_ctrl_c

AM = "alertmanager"


@pytest.mark.slow
@pytest.mark.skipif(Version("6.6") > BANDERSNATCH, reason="needs allow-non-https, for 2,881 runs without TLS")
def test_ten_days_of_a_run_every_five_minutes(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Against one package that stays stale: 1 warning, 1 critical, 9 repeats, 1 recovery."""
    lab = start_lab(ONE_STALE, projects=1)
    with receiver() as server:
        # in quarantine, it is as new as it is to be had: a warning, for ever
        options = {"notify": f"json://{server.address}/", "quarantine_after": "never"}
        plain = {"master": lab.url, "allow-non-https": "true"}
        mirror = make_mirror(lab, "freshness", options=options, mirror=plain)
        lab.release(["lab-00"])
        with cron(mirror) as runs:
            loud = []
            for number in range(10 * 24 * 12 + 1):
                loud += [line for line in runs.run(number * 5 * MINUTE) if not line.startswith("INFO")]
                if number % 100 == 0:
                    lab.forget()
            lab.heal()
            loud += [line for line in runs.run(11 * DAY) if not line.startswith("INFO")]
    assert [one["title"].partition("]")[0][1:] for one in server.received] == [
        "WARNING",
        *["CRITICAL"] * 10,
        "RESOLVED",
    ]
    assert levels(loud) == ["WARNING", "CRITICAL", "WARNING"]


def test_runs_that_overlap_repeat_it_once(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Three real runs at once, when a message is due again."""
    lab = start_lab(ONE_STALE, projects=1)
    with receiver() as server:
        # in quarantine, it is as new as it is to be had: a warning, for ever
        given = {"notify": f"json://{server.address}/", "quarantine_after": "never"}
        mirror = make_mirror(lab, "freshness", options=given)
        lab.release(["lab-00"])
        with cron(mirror) as runs:
            runs.run(0, MINUTE, HOUR)
        assert [one["type"] for one in server.received] == ["warning"]
        server.bodies.clear()
        overlapping = [
            subprocess.Popen(
                mirror.command("mirror"), env=mirror.environment(), cwd=mirror.config.parent, stderr=subprocess.DEVNULL
            )
            for _ in range(3)
        ]
        ended = [process.wait(60) for process in overlapping].count(0)
    # Bandersnatch itself turns a run away that meets another one just starting
    assert ended >= 2
    # years later by the real clock, so critical by now, and said once
    assert [one["type"] for one in server.received] == ["failure"]
    outcomes = [past["outcome"] for past in state(mirror)["runs"]]
    assert len(outcomes) == 3 + ended
    assert state(mirror)["incidents"]["lab-00"]["runs"] <= len(outcomes) - outcomes.count("overlapping")


@pytest.mark.smoke
def test_a_run_that_stops_on_its_first_error_tells_of_it(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Bandersnatch ended it, nobody interrupted it: recorded as such, and sent."""
    lab = start_lab(ONE_STALE, projects=1)
    with receiver() as server:
        options = {"notify": f"json://{server.address}/"}
        mirror = make_mirror(lab, "freshness", options=options, mirror={"stop-on-error": "true"})
        lab.release(["lab-00"])
        for hours in range(3):
            assert mirror.run(environment=ahead(hours * HOUR)).returncode == 1
    assert [one["type"] for one in server.received] == ["warning"]
    assert [past["outcome"] for past in state(mirror)["runs"]] == ["errors"] * 3


@pytest.mark.smoke
@needs_ctrl_c
def test_a_run_that_is_interrupted_leaves_telling_to_the_next(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Ctrl-C ends it at once; what it saw is remembered."""
    lab = start_lab(ONE_STALE, projects=2)
    with receiver() as server:
        options = {"notify": f"json://{server.address}/"}
        mirror = make_mirror(lab, "freshness", options=options, mirror={"workers": "1"})
        lab.release(["lab-00"])
        with cron(mirror) as runs:
            runs.run(0, MINUTE)
        lab.behave(Behaviour("all", origin_behind=1))
        lab.release(["lab-01"])  # of which nothing is known yet, so that Bandersnatch pauses
        (mirror.directory / "todo").unlink()  # or it would be for a later run
        # years later by the real clock, so a message is due
        interrupt(mirror, "lab-01 is stale, no way gets")
        assert server.received == []
        assert [past["outcome"] for past in state(mirror)["runs"]] == ["errors", "errors", "interrupted"]
        assert state(mirror)["incidents"]["lab-00"]["level"] == "critical"
        mirror.run()
    assert [one["type"] for one in server.received] == ["failure"]


def test_a_notification_that_fails_stops_nothing(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Tried again in the next run, and said once a day; and no secret of its URL is in log or state."""
    lab = start_lab(ONE_STALE, projects=1)
    options = {"notify": "json://user:s3cret@127.0.0.1:1/t0ken"}
    mirror = make_mirror(lab, "freshness", options=options)
    lab.release(["lab-00"])
    with cron(mirror) as runs:
        runs.run(0, MINUTE)
        for number, is_said in ((2, True), (3, False), (4, False), (27, True)):
            found = runs.run(number * HOUR)
            assert bool([line for line in found if "notify line 1 (json): not delivered" in line]) is is_said
            assert not [line for line in runs.lines if "s3cret" in line or "t0ken" in line]
    text = (mirror.directory / "freshness.json").read_text()
    assert "s3cret" not in text
    assert "t0ken" not in text


DEBUG = """
[loggers]
keys = root
[handlers]
keys = all
[formatters]
keys = plain
[logger_root]
level = DEBUG
handlers = all
[handler_all]
class = StreamHandler
args = (sys.stdout,)
formatter = plain
[formatter_plain]
format = %(levelname)s: %(message)s
"""


def test_no_log_is_so_detailed_that_it_has_secrets(
    start_lab: StartLab, make_mirror: MakeMirror, tmp_path: Path
) -> None:
    """HTTP clients log what they ask for."""
    (tmp_path / "log.conf").write_text(DEBUG)
    lab = start_lab(ONE_STALE, projects=1)
    with receiver() as server:
        options = {"notify": "\n".join(f"{scheme}://user:s3cret@{server.address}/t0ken" for scheme in ("json", AM))}
        mirror = make_mirror(lab, "freshness", options=options, mirror={"log-config": str(tmp_path / "log.conf")})
        lab.release(["lab-00"])
        with cron(mirror) as runs:
            runs.run(0, MINUTE)
        run = mirror.run()
    assert len(server.received) == 2
    assert "\nCRITICAL: lab-00 has been stale" in run.output
    assert "s3cret" not in run.output
    assert "t0ken" not in run.output


def test_a_service_that_hangs_holds_no_run_up(start_lab: StartLab, make_mirror: MakeMirror, tmp_path: Path) -> None:
    """It never comes to the end of its answer, and the run does to its own."""
    seconds = patience()
    limit = f"from bandersnatch_freshness.notify import channels\nchannels.SECONDS = {seconds}\n"
    (tmp_path / "sitecustomize.py").write_text(limit)
    lab = start_lab(ONE_STALE, projects=1)
    with receiver(0) as server:
        options = {"notify": f"json://{server.address}\n{AM}://{server.address}"}
        mirror = make_mirror(lab, "freshness", options=options)
        lab.release(["lab-00"])
        with cron(mirror) as runs:
            runs.run(0, MINUTE)
        run = mirror.run(environment={"PYTHONPATH": str(tmp_path)})
        assert len(lines(run, f"not delivered, trying again in the next run: no answer in {seconds} seconds")) == 2
        assert server.left.wait(30)


def test_alertmanager_has_what_is_open(start_lab: StartLab, make_mirror: MakeMirror, alertmanager: str) -> None:
    """From when it is a warning until it is over."""
    lab = start_lab(ONE_STALE, projects=1)
    mirror = make_mirror(lab, "freshness", options={"notify": f"{AM}://{alertmanager}"})
    lab.release(["lab-00"])
    with cron(mirror) as runs:
        runs.run(0, MINUTE)
    assert active_alerts(alertmanager) == []
    for _ in range(2):
        mirror.run()
        assert active_alerts(alertmanager) == [("lab-00", "critical")]
    lab.heal()
    mirror.run()
    assert active_alerts(alertmanager) == []


@pytest.mark.smoke
def test_a_url_that_apprise_does_not_understand_stops_the_run_before_its_first_request(
    start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """In one line, without the URL, as any other value that is not allowed."""
    lab = start_lab(projects=1)
    mirror = make_mirror(lab, "freshness", options={"notify": "json://127.0.0.1\nmialto://user:s3cret@a/t0ken"})
    run = mirror.run()
    assert run.returncode == 2
    (line,) = lines(run, f" ERROR: {mirror.config}: ")
    refused = "(line 2, of 28 characters): not a URL that Apprise understands"
    allowed = "allowed: Apprise URLs and alertmanager://host:port, one a line"
    assert f" ERROR: {mirror.config}: [freshness] notify = {refused}; {allowed}" in line
    assert "s3cret" not in run.output
    assert "Traceback" not in run.output
    assert lab.requests == []
    assert not (mirror.directory / "freshness.run").exists()
    mirror.configure("freshness", notify="json://127.0.0.1")
    assert mirror.run().returncode == 0
    (channel,) = state(mirror)["channels"].values()
    assert channel == {"understood": True}


@pytest.mark.smoke
def test_a_heartbeat_tells_how_runs_end(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """A success once all is there, a failure once something is critical, nothing in between."""
    lab = start_lab(projects=1)
    with heart() as server:
        mirror = make_mirror(lab, "freshness", options={"heartbeat": server.url(HEALTHCHECKS)})
        with cron(mirror) as runs:
            runs.run(0)
            lab.behave(ONE_STALE)
            lab.release(["lab-00"])
            runs.run(HOUR, 2 * HOUR)
            quiet = list(server.asked)
            runs.run(3 * HOUR, 2 * DAY)
            lab.heal()
            runs.run(2 * DAY + HOUR)
    start, success, fail = (f"{HEALTHCHECKS}{end}" for end in ("/start", "", "/fail"))
    assert [path for _, path, _ in quiet] == [start, success, start, start]
    after = server.asked[len(quiet) :]
    # in quarantine by then, so that the mirror goes on without it
    assert [path for _, path, _ in after if path != start][-2:] == [fail, success]
    assert [body for _, path, body in after if path == fail] == ["critical: lab-00"]
    assert [path for _, path, _ in after].count(start) == 3


def test_a_heartbeat_says_that_bandersnatch_failed(make_mirror: MakeMirror) -> None:
    """As nobody answers; by the other convention, which knows no start."""
    with heart() as server:
        with Lab(1) as lab:
            mirror = make_mirror(lab, "freshness", options={"heartbeat": server.url("/api/push/t0ken")})
            mirror.run()
        mirror.run()
    assert [path.partition("?")[2].partition("&")[0] for _, path, _ in server.asked][:1] == ["status=up"]
    assert state(mirror)["runs"][-1]["outcome"] == "failed"
    assert server.asked[-1][1] == "/api/push/t0ken?status=down&msg=Bandersnatch+failed&ping="


def test_a_heartbeat_that_hangs_holds_no_run_up(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """It never comes to the end of its answer; the mirror is as a bare one is, and that is said once."""
    lab = start_lab(projects=2)
    with heart() as server:
        server.hangs = True
        options = {"heartbeat": server.url("/t0ken")}
        bare, mirror = make_mirror(lab), make_mirror(lab, "freshness", options=options)
        found = []
        for _ in range(2):
            lab.release()
            bare.run()
            found.append(mirror.run())
            assert is_fresh(bare, lab)
            assert is_fresh(mirror, lab)
        first, second = found
        server.hangs = False
        server.release.set()
        third = mirror.run()
    what = "heartbeat (http): not delivered, trying again in the next run: no answer in 2 seconds"
    assert [what in line for line in lines(first, "heartbeat (")] == [True]
    assert lines(second, "heartbeat (") == []
    assert ["what is sent arrives again" in line for line in lines(third, "heartbeat (")] == [True]
    assert "t0ken" not in first.output + second.output + third.output + str(state(mirror))
