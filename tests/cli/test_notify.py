"""The command `notify`, with receivers on loopback."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ..conftest import MakeMirror, StartLab
from ..docs.test_schemas import validate
from ..notify.test_heartbeat import HEALTHCHECKS
from ..notify.test_heartbeat import receiver as heart
from ..receiver import receiver
from .test_status import command


@pytest.mark.smoke
def test_says_what_came_of_each_channel(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """A line each, without secrets; the heartbeat is told of nothing unasked."""
    with receiver() as good, receiver(500) as bad, heart() as beats:
        urls = [
            f"json://user:s3cret@{good.address}/t0ken",
            f"json://{bad.address}/t0ken",
            f"alertmanager://{good.address}",
            "mialto://s3cret/t0ken",
        ]
        options = {"notify": "\n".join(urls), "heartbeat": beats.url(HEALTHCHECKS)}
        mirror = make_mirror(start_lab(projects=1), "freshness", options=options)
        found = command("notify", mirror)
    assert found.stdout.splitlines() == [
        "notify line 1 (json): arrived",
        "notify line 2 (json): not delivered: the service did not take it",
        "notify line 3 (alertmanager): arrived",
        "notify line 4 (mialto): not delivered: not a URL that Apprise understands",
        "heartbeat (by the convention of Healthchecks): set, and not asked; --heartbeat tells it of a success",
    ]
    assert (found.returncode, found.stderr, beats.asked) == (1, "", [])
    messages = {type(one).__name__: one for one in good.received}
    assert messages["dict"]["title"].startswith("[TEST] PyPI mirror ")
    assert f"for the mirror in {mirror.directory}. Nothing is wrong." in messages["dict"]["message"]
    assert messages["list"][0]["labels"]["alertname"] == "PyPIMirrorTest"
    assert not (mirror.directory / "freshness.json").exists()


@pytest.mark.parametrize(("path", "arrived"), [(HEALTHCHECKS, True), ("/ping/another", False)])
def test_tells_the_heartbeat_where_that_is_asked_for(
    path: str, arrived: bool, start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """And its JSON is as documented."""
    with heart() as beats:
        mirror = make_mirror(start_lab(projects=1), "freshness_guard", options={"heartbeat": beats.url(path)})
        found = command("notify", mirror, "--json", "--heartbeat")
    document: dict[str, Any] = json.loads(found.stdout)
    validate("notify", document)
    problem = "" if arrived else "no such check"
    heartbeat = {"convention": "Healthchecks", "arrived": arrived, "problem": problem}
    assert document == {"channels": [], "heartbeat": heartbeat, "enabled": False}
    assert (found.returncode, beats.asked) == (0 if arrived else 1, [("GET", path, "")])


def test_channels_of_plugins_that_send_nothing_are_said(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """The test arrives, and no notification ever would."""
    with receiver() as server:
        options = {"notify": f"alertmanager://{server.address}"}
        mirror = make_mirror(start_lab(projects=1), "freshness_guard", options=options)
        found = command("notify", mirror)
        validate("notify", json.loads(command("notify", mirror, "--json").stdout))
    assert found.returncode == 0
    assert found.stdout.splitlines()[1:] == [
        "But no run sends anything: neither freshness nor freshness_escalation is enabled"
    ]


@pytest.mark.parametrize(
    ("options", "arguments", "what"),
    [
        ({}, [], "notify is"),
        ({}, ["--heartbeat"], "notify and heartbeat are"),
        ({"heartbeat": "https://a/"}, [], "notify is"),
    ],
)
def test_nobody_to_tell_is_a_failure(
    options: dict[str, str], arguments: list[str], what: str, start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """One line."""
    mirror = make_mirror(start_lab(projects=1), "freshness", options=options)
    found = command("notify", mirror, *arguments)
    assert (found.returncode, found.stdout) == (1, "")
    assert found.stderr == (
        f"bandersnatch-freshness notify: {mirror.config}: [freshness] {what} empty: nobody is told of anything\n"
    )
