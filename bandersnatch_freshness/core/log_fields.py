"""Log fields: the structured data that log lines carry in addition to their text.

They are passed as `extra=` to `logging`. The prefix keeps them apart from the attributes of a
`LogRecord`: `logging` raises KeyError if an extra field has the name of one of those.
"""

from __future__ import annotations

from .incidents import Change, Incident

PREFIX = "freshness_"

# The descriptions in docs/logs.md; the names are the arguments of `log_fields`.
FIELDS = {
    "project": "the package, normalized; `/simple/` is the index, `*` the whole edge",
    "required_serial": "the lowest serial that a fresh page may have",
    "got_serial": "the highest serial that any way of asking got; absent if no answer had one",
    "verdict": "who holds the old page: `edge-stale`, `origin-stale` or `unknown`",
    "variant": "the way of asking that got a fresh page",
    "level": "how bad the incident is: `stale`, `warning` or `critical`",
    "since": "when it was first seen, in seconds since 1970",
    "runs": "in how many runs it was seen",
    "ending": "how it ended: `fresh`, `gone`, `settled` or `edge`; absent while it is open",
    "channel": "which line of `notify` failed, by its number and service, or that the heartbeat did",
}

# The fields of a page, as constants: each stale page may log a line, and a key costs no call.
PROJECT, REQUIRED_SERIAL, GOT_SERIAL, VARIANT = (
    PREFIX + name for name in ("project", "required_serial", "got_serial", "variant")
)


def log_fields(
    *,
    project: str | None = None,
    required_serial: int | None = None,
    got_serial: int | None = None,
    verdict: str | None = None,
    variant: str | None = None,
    level: str | None = None,
    since: int | None = None,
    runs: int | None = None,
    ending: str | None = None,
    channel: str | None = None,
) -> dict[str, object]:
    """Return the `extra=` of a log line, without the fields that are None."""
    given = locals()
    return {PREFIX + name: given[name] for name in FIELDS if given[name] is not None}


def incident_fields(incident: Incident, ending: str | None = None) -> dict[str, object]:
    """Return the `extra=` of a log line about an incident."""
    return log_fields(
        project=incident.subject,
        required_serial=incident.required_serial,
        got_serial=incident.got,
        verdict=incident.verdict,
        level=str(incident.level),
        since=incident.since,
        runs=incident.runs,
        ending=ending,
    )


def change_fields(change: Change) -> dict[str, object]:
    """Return the `extra=` of a log line about an incident that has worsened or ended."""
    return incident_fields(change.incident, None if change.ending is None else change.ending.name.lower())
