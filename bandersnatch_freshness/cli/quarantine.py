"""The command `bandersnatch-freshness quarantine`: list what is in quarantine, release packages by hand."""

from __future__ import annotations

import argparse
import json
import logging

import filelock
from packaging.utils import canonicalize_name

from ..core.observations import parse_serial
from ..formatting import timestamp
from ..host import todo
from ..host.layout import STATUS, TODO
from ..state.records import QUARANTINE_FILE
from . import status, terminal


def main(options: argparse.Namespace) -> int:
    """Run an action and return its exit code."""
    return {"list": _list, "release": _release}[options.action](options)


def _list(options: argparse.Namespace) -> int:
    summary = status.summarize(options)
    if summary.problem and not summary.state.quarantine:  # the second copy may still have it
        raise ValueError(summary.problem)
    console = terminal.console()
    if options.json:
        document = summary.as_json()["quarantine"]
        for name, entry in summary.state.quarantine.items():
            incident = summary.state.incidents.get(name)
            document[name] |= {
                "next": timestamp(entry.next_ask()),
                "got": incident.got if incident else None,
                "verdict": incident.verdict.value if incident else None,
            }
        console.print(json.dumps(document, indent=2), soft_wrap=True, markup=False)
    elif summary.state.quarantine:
        console.print(status.quarantined(summary))
    else:
        console.print("Nothing is in quarantine.")
    return 0


def _release(options: argparse.Namespace) -> int:
    """Put packages on Bandersnatch's todo list, and only then drop them from quarantine, so none can be lost."""
    from .. import host

    if bool(options.packages) is options.all:
        raise ValueError("name the packages to release, or give --all")
    files = host.files(options.config)
    log = logging.getLogger("bandersnatch.freshness")
    log.addHandler(logging.StreamHandler())
    records = files.records(host.clock)
    listed = files.store(TODO)
    if records.store.read() is None and files.store(QUARANTINE_FILE).read() is None:
        raise ValueError(f"{records.store.path}: no run is remembered yet")
    try:
        with files.lock(), records.run_lock(), records.lock():
            state = records.state
            named: list[str] = [canonicalize_name(name) for name in options.packages]
            names = list(dict.fromkeys(named)) or sorted(state.quarantine)
            unknown = [name for name in names if name not in state.quarantine]
            if unknown:
                raise ValueError(f"not in quarantine: {', '.join(unknown)}")
            content, reached = listed.read(), files.store(STATUS).read() or b""
            try:
                text = todo.add(
                    None if content is None else content.decode(),
                    {name: state.quarantine[name].required_serial for name in names},
                    parse_serial(reached.decode("ascii", "replace")) or 0,
                )
            except (todo.TodoError, UnicodeDecodeError) as error:
                raise ValueError(f"{listed.path}: {error}") from error
            if names:
                listed.write([text])
            for name in names:
                del state.quarantine[name]
                if name in state.incidents:
                    state.incidents[name] = state.incidents[name]._replace(in_quarantine=False, released=host.clock())
            records.write()
    except filelock.Timeout as error:
        raise ValueError(f"{files.directory}: a run of Bandersnatch is under way; try again after it") from error
    terminal.console().print(
        f"Handed back to Bandersnatch, for its next run: {', '.join(names)}" if names else "Nothing is in quarantine.",
        soft_wrap=True,
        markup=False,
    )
    return 0
