"""The command `bandersnatch-freshness notify`: a test message by every channel, and what came of each."""

from __future__ import annotations

import argparse
import json
import socket
from typing import Any

from ..exit_codes import NotifyExit
from ..settings import TrackingSettings
from ..state.document import State
from . import terminal


def main(options: argparse.Namespace) -> int:
    """Send the test, say what came of it, and return the exit code."""
    from .. import host
    from ..notify.notifier import Notifier

    files = host.files(options.config)
    tracking = files.tracking
    if not tracking.notify and not (tracking.heartbeat and options.heartbeat):
        told = "notify is" if tracking.heartbeat or not options.heartbeat else "notify and heartbeat are"
        raise ValueError(f"{options.config}: [freshness] {told} empty: nobody is told of anything")
    notifier = Notifier(tracking, socket.gethostname(), files.directory)
    problems = notifier.test(State(files.master), host.clock(), beats=options.heartbeat)
    channels = [
        {"line": channel.number, "service": channel.scheme, "arrived": not problem, "problem": problem}
        for channel, (problem,) in problems.items()
    ]
    heart = _heart(tracking, channels.pop() if channels and not channels[-1]["line"] else None)
    document = {"channels": channels, "heartbeat": heart, "enabled": tracking.escalates}
    if options.json:
        print(json.dumps(document, indent=2))  # noqa: T201
    else:
        _show(document)
    has_failed = any(one["arrived"] is False for one in (*channels, heart or {"arrived": True}))
    return NotifyExit.FAILED if has_failed else NotifyExit.ARRIVED


def _heart(tracking: TrackingSettings, asked: dict[str, Any] | None) -> dict[str, Any] | None:
    """Return how the heartbeat is set, None if it is not; what came of it is null where it was not `asked`."""
    from ..notify.heartbeat import convention

    if not tracking.heartbeat:
        return None
    came = {name: asked[name] if asked else None for name in ("arrived", "problem")}
    return {"convention": convention(tracking.heartbeat), **came}


def _show(document: dict[str, Any]) -> None:
    lines = [f"notify line {one['line']} ({one['service']}): {_came(one)}" for one in document["channels"]]
    heart = document["heartbeat"]
    if heart:
        came = "set, and not asked; --heartbeat tells it of a success" if heart["arrived"] is None else _came(heart)
        lines.append(f"heartbeat (by the convention of {heart['convention']}): {came}")
    if not document["enabled"]:
        lines.append("But no run sends anything: neither freshness nor freshness_escalation is enabled")
    terminal.show(*lines)


def _came(one: dict[str, Any]) -> str:
    return "arrived" if one["arrived"] else f"not delivered: {one['problem']}"
