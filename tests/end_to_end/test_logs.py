"""The log-configs of the docs, and others, with the real commands."""

from __future__ import annotations

import json
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

from bandersnatch_freshness.lab.mirrors import Mirror

from ..cli.test_status import command
from ..conftest import MakeMirror, StartLab
from ..staged import ahead
from .cron import HOUR, ONE_STALE

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations"

ROOT_ONLY = """\
[loggers]
keys = root
[handlers]
keys = file
[formatters]
keys =
[logger_root]
level = INFO
handlers = file
[handler_file]
class = FileHandler
args = ("/var/log/bandersnatch/bandersnatch.log",)
"""


def log_to(mirror: Mirror, log_config: str) -> Path:
    """Make a mirror use this log-config, but log to a file beside its configuration; return that file."""
    log = mirror.config.with_name("bandersnatch.log")
    path = mirror.config.with_name("log-config.ini")
    assert "/var/log/bandersnatch/bandersnatch.log" in log_config
    path.write_text(log_config.replace("/var/log/bandersnatch/bandersnatch.log", str(log)))
    mirror.configure(**{"log-config": str(path)})
    return log


def run(mirror: Mirror, *options: str, clock: Mapping[str, str] | None = None) -> subprocess.CompletedProcess[str]:
    """Run `bandersnatch-freshness run mirror` as cron does.

    Without what some Bandersnatch says in every run: 3.6 of `blacklist:plugins`, 4.4 of storage backends that nobody
    asked for, and whose libraries are not there.
    """
    ended = subprocess.run(
        [sys.executable, "-m", "bandersnatch_freshness", *options, "-c", str(mirror.config), "run", "mirror"],
        env={**mirror.environment(), **(clock or {})},
        cwd=mirror.config.parent,
        capture_output=True,
        text=True,
        timeout=120,
        check=False,
    )
    own = ("Enabling Plugins keys will move", "Unable to load entry point swift_plugin")
    lines = ended.stderr.splitlines(keepends=True)
    ended.stderr = "".join(line for line in lines if not any(one in line for one in own))
    return ended


@pytest.mark.smoke
def test_cron_mails_only_what_matters(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Nothing while all is well or may end by itself; then one line, and all of them in the file."""
    lab = start_lab(ONE_STALE, projects=3)
    mirror = make_mirror(lab, "freshness", options={"quarantine_after": "never"})
    log = log_to(mirror, (OPERATIONS / "log-config.ini").read_text())
    first = run(mirror, "--quiet")
    assert (first.returncode, first.stdout, first.stderr) == (0, "", "")
    lab.release(["lab-00"])
    for hours in range(2):
        quiet = run(mirror, "--quiet", clock=ahead(hours * HOUR))
        assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    loud = run(mirror, "--quiet", clock=ahead(2 * HOUR))
    assert loud.stdout == ""
    (line,) = loud.stderr.splitlines()
    assert line.startswith("WARNING: lab-00 has been stale for ")
    assert " INFO bandersnatch.freshness: lab-00 is stale, no way gets serial " in log.read_text()
    assert " INFO bandersnatch.mirror: " in log.read_text()


@pytest.mark.smoke
def test_without_a_log_config_quiet_is_quiet(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """INFO is not shown; without the option it is."""
    mirror = make_mirror(start_lab(projects=2), "freshness")
    quiet = run(mirror, "--quiet")
    assert (quiet.returncode, quiet.stdout, quiet.stderr) == (0, "", "")
    assert "INFO" in run(mirror).stderr
    mirror.run()
    later = command("run", mirror, "--quiet", "mirror")
    assert (later.returncode, "INFO" in later.stderr) == (0, False)


@pytest.mark.smoke
@pytest.mark.parametrize("command", ["bandersnatch", "run"])
def test_fields_arrive_as_json(command: str, start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Beside the text, in both commands."""
    lab = start_lab("gzip-stale", projects=2)
    mirror = make_mirror(lab, "freshness")
    log = log_to(mirror, (OPERATIONS / "log-config-json.ini").read_text())
    lab.release(["lab-00"])
    if command == "run":
        run(mirror)
    else:
        mirror.run()
    lines = [json.loads(line) for line in log.read_text().splitlines()]
    (cured,) = [one for one in lines if "lab-00 was stale, cured by" in one["message"]]
    assert cured["name"] == "bandersnatch.freshness"
    assert {name: value for name, value in cured.items() if name.startswith("freshness_")} == {
        "freshness_project": "lab-00",
        "freshness_required_serial": lab.serial,
        "freshness_got_serial": lab.serial,
        "freshness_variant": "strip",
    }


@pytest.mark.smoke
@pytest.mark.parametrize("command", ["bandersnatch", "run"])
def test_a_log_config_that_does_not_name_us_loses_no_line(
    command: str, start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """`logging` switches off what exists before; the suite does, in `run`."""
    lab = start_lab("gzip-stale", projects=2)
    mirror = make_mirror(lab, "freshness")
    log = log_to(mirror, ROOT_ONLY)
    lab.release(["lab-00"])
    if command == "run":
        run(mirror)
    else:
        mirror.run()
    assert log.read_text().count("lab-00 was stale, cured by strip") == 1
