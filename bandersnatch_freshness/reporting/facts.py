"""The facts: what is known of a mirror as plain data, which `status --json` prints."""

from __future__ import annotations

import json
from typing import Any

from ..formatting import timestamp
from ..state import document as states
from .standing import standing
from .summary import Summary


def as_json(summary: Summary) -> dict[str, Any]:
    """Return the summary in the form that docs/schemas/status.json describes."""
    state = summary.state
    document = json.loads("".join(states.dump(state, summary.now)))
    return {
        "directory": summary.directory,
        "master": summary.master,
        "verdict": standing(summary).freshness.value,
        "complete_at": timestamp(state.complete_at) if state.complete_at else None,
        "serial": summary.serial,
        "serial_lag": summary.serial_lag,
        "waiting": summary.waiting,
        "problem": summary.problem,
        "obstacle": summary.obstacle,
        "incidents": document["incidents"],
        "quarantine": document["quarantine"],
        "audit": document.get("audit"),
        "runs": document["runs"],
    }
