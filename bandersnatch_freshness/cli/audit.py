"""The command `bandersnatch-freshness audit`: is the mirror complete?"""

from __future__ import annotations

import argparse
import json
import logging
import signal
import sys
from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

from .. import host
from ..audit.announced import Announced, NoIndexError
from ..audit.comparison import Tally
from ..audit.file_findings import FileTally
from ..audit.report import SHOWN, AuditReport, finding_as_json
from ..exit_codes import AuditExit
from ..formatting import printable, timestamp
from ..host.release_files import be_gentle
from ..table import Table
from . import terminal

if TYPE_CHECKING:
    from ..host.auditing import Auditor, Explained
    from ..host.file_audit import FileAudit


def main(options: argparse.Namespace) -> int:
    """Audit the mirror, or explain some packages of it, and return the exit code.

    Raises:
        OSError, ValueError: if that can't be.
    """
    if options.packages and (options.repair or options.list or options.files):
        raise ValueError("--repair, --list and --files go without a PACKAGE: they are of the whole mirror")
    if (options.hash or options.resume) and not options.files:
        raise ValueError("--hash and --resume go with --files")
    logging.getLogger("bandersnatch.freshness").addHandler(logging.StreamHandler())
    auditor = host.auditor(options.config)
    if options.repair:
        auditor.check_repair()
    try:
        announced = auditor.announced()
    except NoIndexError as error:
        raise ValueError(f"the index of {auditor.files.master} is nothing to compare with: {error}") from error
    if options.packages:
        return _explain(auditor, announced, options)
    report = _report(auditor, announced, options)
    _print(report, options)
    return report.outcome


def _report(auditor: Auditor, announced: Announced, options: argparse.Namespace) -> AuditReport:
    # By the end of the comparison, `announced` has none left.
    projects = sorted(announced.projects) if options.files else []
    with terminal.progress("audit", len(announced.projects), " packages") as bar:
        tally = auditor.audit(announced, bar.update)
    files, about_files = None, ""
    if options.files:
        audit = auditor.file_audit(hashes=options.hash)
        if audit is None:
            about_files = "There are no release files to look for: the mirror keeps none, by `release-files = false`."
        else:
            files = _audit_files(audit, projects, resume=options.resume)
            about_files = f"Had it been interrupted, it could not go on: {audit.problem}" if audit.problem else ""
    repaired = auditor.repair(tally, files) if options.repair else None
    return AuditReport(
        auditor.files.directory,
        auditor.files.master,
        auditor.known.serial,
        announced.serial,
        tuple(map(str, auditor.copies.places)),
        tally,
        repaired.packages if repaired else None,
        repaired.seconds if repaired else None,
        auditor.problem,
        files,
        about_files,
    )


def _audit_files(audit: FileAudit, projects: Sequence[str], *, resume: bool) -> FileTally:
    """Audit the release files, which may take days: whatever ends it, such as `timeout`, it can be gone on with."""
    signal.signal(signal.SIGTERM, signal.default_int_handler)
    be_gentle()
    with terminal.progress("files", len(projects), " packages") as bar:

        def advance(more: int) -> None:
            if not bar.n:  # what was looked at before took none of this one's time
                bar.initial = more
            bar.update(more)

        try:
            return audit.audit(projects, advance, resume=resume)
        except KeyboardInterrupt:
            bar.close()
            how = audit.problem or f"at {audit.progress.project}; with `--resume` it goes on from there"
            print(f"bandersnatch-freshness audit: interrupted {how}", file=sys.stderr)  # noqa: T201
            raise


def _print(report: AuditReport, options: argparse.Namespace) -> None:
    if options.json:
        terminal.show(json.dumps(report.as_json(), indent=2))
        return
    if options.list:
        for line in report.lines():
            terminal.show(line)
        return
    terminal.show(f"{terminal.styled(report.directory, 'bold')}, a mirror of {report.master}")
    serial = "no serial yet" if report.serial is None else f"serial {report.serial}"
    terminal.show(f"{serial}, compared with the index of serial {report.index}\n")
    files = report.files
    for shown in (report.summary(), files and files.summary(), report.findings(), files and files.findings(SHOWN)):
        if shown:
            terminal.show(shown, "")
    terminal.show(*report.conclusion())


def _explain(auditor: Auditor, announced: Announced, options: argparse.Namespace) -> int:
    found, unknown = auditor.explain(announced, options.packages)
    if options.json:
        places = tuple(map(str, auditor.copies.places))
        terminal.show(json.dumps([_explained_as_json(one, places) for one in found], indent=2))
    else:
        for one in found:
            _show(one, auditor)
    tally = Tally()
    for one in found:
        if not one.is_dropped:
            tally.add(one.finding)
    if unknown:
        raise ValueError(f"{', '.join(unknown)}: neither announced nor here")
    return AuditExit.COMPLETE if tally.is_complete else AuditExit.FINDINGS


def _show(one: Explained, auditor: Auditor) -> None:
    finding = one.finding
    what = "dropped by the mirror's filters" if one.is_dropped else finding.kind.value
    terminal.show(f"{terminal.styled(printable(finding.project), 'bold')}: {what}")
    table = Table(("", "", ""))
    announced = "not at all" if finding.announced is None else f"serial {finding.announced or 'unknown'}"
    if not one.is_dropped:
        table.add("announced", announced, "")
    table.add("the mirror", "no serial yet" if auditor.known.serial is None else f"serial {auditor.known.serial}", "")
    for path, serial, time in one.places:
        what = "none" if serial is None else f"serial {serial}" if serial else "unreadable"
        table.add(path, what, timestamp(time) if time is not None else "")
    if one.required is not None:
        table.add("in quarantine", f"until it has serial {one.required}", "")
    if one.is_missing:
        table.add("a 404", "in an earlier run", "")
    table.add("todo list", "is on it" if one.is_on_todo else "is not on it", "")
    terminal.show(table, "")


def _explained_as_json(one: Explained, places: tuple[str, ...]) -> dict[str, Any]:
    document = finding_as_json(one.finding, places)
    times = {
        place: timestamp(time) if time is not None else None
        for place, (*_, time) in zip(places, one.places, strict=True)
    }
    return {
        **document,
        "finding": None if one.is_dropped else document["finding"],
        "times": times,
        "required": one.required,
        "on_todo": one.is_on_todo,
        "missing": one.is_missing,
        "dropped": one.is_dropped,
    }
