"""A mirror whose last run was of an earlier release, with its state and every option that it had."""

from __future__ import annotations

import json
import shutil
from pathlib import Path

import pytest

from ..cli.test_status import command
from ..conftest import MakeMirror, StartLab
from .observe import is_fresh
from .quarantining import in_quarantine

# What 0.1.0 knew, with its defaults; notifications apart, which would go somewhere.
OPTIONS = {
    "accept_encoding": "auto",
    "cache_bust": "auto",
    "cache_bust_parameter": "cache-bust",
    "state": "freshness.json",
    "warn_after": "1h",
    "critical_after": "1d",
    "repeat_every": "1d",
    "quarantine_after": "6h",
    "index_max_age": "6h",
    "metrics_file": "freshness.prom",
    "status_page": "status.html",
}
RECORDED = Path(__file__).parents[1] / "state"
SINCE: dict[str, dict[str, str]] = {"0.1.0": {}, "1.0.0": {"ask_origin": "auto", "audit_every": "7d"}}


@pytest.mark.smoke
@pytest.mark.parametrize("release", SINCE)
def test_what_the_release_before_remembered_comes_home(
    release: str, start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """A package that it had put into quarantine, and an incident; nothing but their end is said."""
    lab = start_lab("healthy", projects=3)
    mirror = make_mirror(lab, "freshness", options=OPTIONS | SINCE[release])
    mirror.run()
    lost, stale = lab.names[:2]
    serials = {lost: lab.serial - 2, stale: lab.serial - 1}  # as they were released one after the other
    shutil.rmtree(mirror.directory / "web" / "simple" / lost)
    (mirror.directory / "web" / "json" / lost).unlink()
    document = json.loads((RECORDED / f"release-{release}.json").read_text())
    entry, incident = document["quarantine"]["foo"], document["incidents"]["foo"]
    document |= {
        "master": lab.https_url,
        "incidents": {name: incident | {"required": serial} for name, serial in serials.items()},
        "quarantine": {lost: entry | {"required": serials[lost]}},
        "index": document["index"] | {"serial": lab.serial, "projects": 3, "highest": lab.serial},
        "another_master": False,
    }
    (mirror.directory / "freshness.json").write_text(json.dumps(document))
    (mirror.directory / "freshness.quarantine").unlink(missing_ok=True)
    runs = [mirror.run(), mirror.run()]
    assert [run.returncode for run in runs] == [0, 0]
    loud = [line for run in runs for line in run.output.splitlines() if " WARNING: " in line or " ERROR: " in line]
    assert [line for line in loud if "fresh" in line and "is no longer stale" not in line] == []
    assert is_fresh(mirror, lab)
    assert in_quarantine(mirror) == {}
    assert command("check", mirror).returncode == 0
