"""The files in docs/operations: each read by the program that it is for, where that is here."""

from __future__ import annotations

import getpass
import grp
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

OPERATIONS = Path(__file__).parents[2] / "docs" / "operations"
PROGRAM = "/opt/bandersnatch/bin/bandersnatch-freshness"


def tool(name: str) -> str:
    """Return a program of Debian's; skip where it isn't installed, fail where it must be."""
    found = shutil.which(name, path=f"{os.environ['PATH']}:/usr/sbin")
    if not found:
        (pytest.fail if os.environ.get("CI") else pytest.skip)(f"{name} is not installed")
    assert found
    return found


def test_systemd_understands_its_units(tmp_path: Path) -> None:
    """And would start what is there."""
    for unit in OPERATIONS.glob("bandersnatch-freshness*.*"):
        (tmp_path / unit.name).write_text(unit.read_text().replace(PROGRAM, sys.executable))
    ended = subprocess.run(
        [tool("systemd-analyze"), "verify", "--man=no", *map(str, sorted(tmp_path.iterdir()))],
        capture_output=True,
        text=True,
        check=False,
    )
    assert (ended.returncode, ended.stderr) == (0, "")


def test_logrotate_rotates_the_log_of_the_log_config(tmp_path: Path) -> None:
    """Which WatchedFileHandler takes note of."""
    path = "/var/log/bandersnatch/bandersnatch.log"
    assert path in (OPERATIONS / "log-config.ini").read_text()
    log, config = tmp_path / "bandersnatch.log", tmp_path / "logrotate"
    log.write_text("a line\n")
    text = (OPERATIONS / "logrotate-bandersnatch").read_text()
    assert path in text
    user = f"su {getpass.getuser()} {grp.getgrgid(os.getgid()).gr_name}"
    config.write_text(text.replace(path, str(log)).replace("su bandersnatch bandersnatch", user))
    subprocess.run([tool("logrotate"), "--force", "--state", str(tmp_path / "state"), str(config)], check=True)
    assert (tmp_path / "bandersnatch.log.1").read_text() == "a line\n"
    assert not log.exists()


def arguments_of(command_line: str) -> list[str]:
    """Return what follows the program in a line of shell."""
    return command_line.partition(f"{PROGRAM} ")[2].strip('" \n').split()


@pytest.mark.parametrize(
    ("name", "pattern", "count"),
    [
        ("cron.d-bandersnatch", r"^[*]/5 [*] [*] [*] [*] bandersnatch (.*)$", 1),
        ("bandersnatch-freshness.service", r"^ExecStart=(.*)$", 1),
        ("nagios.cfg", rf"^ +command_line +(.*{PROGRAM} -c.*)$", 2),
        ("nrpe.cfg", r"^command\[check_bandersnatch\]=(.*)$", 1),
        ("sudoers-bandersnatch", r"^nagios .*NOPASSWD: (.*)$", 1),
    ],
)
def test_the_command_takes_what_is_written(name: str, pattern: str, count: int, tmp_path: Path) -> None:
    """With a configuration that is not there it says so; a usage error says otherwise."""
    lines = re.findall(pattern, (OPERATIONS / name).read_text(), re.MULTILINE)
    assert len(lines) == count
    for line in lines:
        arguments = [one for one in arguments_of(line) if one not in ("-c", "/etc/bandersnatch.conf")]
        config = tmp_path / "none.conf"
        # `run` would have Bandersnatch make a configuration: its help is enough
        arguments = ["--help" if one == "mirror" else one for one in arguments]
        ended = subprocess.run(
            [sys.executable, "-m", "bandersnatch_freshness", "-c", str(config), *arguments],
            capture_output=True,
            text=True,
            check=False,
        )
        assert "usage: bandersnatch-freshness [-h]" not in ended.stderr
        assert ended.returncode == (3 if "check" in arguments else 0)
        if "check" in arguments:
            assert "none.conf" in ended.stdout


def test_sudo_lets_nagios_do_just_what_its_commands_say() -> None:
    """The file is one that sudo takes, and the command is that of both configurations, word for word."""
    sudoers = OPERATIONS / "sudoers-bandersnatch"
    subprocess.run([tool("visudo"), "--check", "--quiet", f"--file={sudoers}"], check=True)
    allowed = sudoers.read_text().rpartition("NOPASSWD: ")[2].strip()
    for name in ("nagios.cfg", "nrpe.cfg"):
        assert re.findall(r"sudo -n -u bandersnatch (.*)$", (OPERATIONS / name).read_text(), re.M) == [allowed]


def test_the_container_runs_the_command() -> None:
    """Each line is an instruction, and the last two make a command line that is there."""
    text = (OPERATIONS / "Containerfile").read_text().replace("\\\n", "")
    instructions = dict(line.split(" ", 1) for line in text.splitlines() if not line.startswith("#"))
    assert list(instructions) == ["FROM", "COPY", "RUN", "USER", "WORKDIR", "VOLUME", "ENTRYPOINT", "CMD"]
    assert (instructions["ENTRYPOINT"], instructions["CMD"]) == ('["bandersnatch-freshness"]', '["run", "mirror"]')


def test_the_page_names_every_file() -> None:
    """None is there that no page leads to."""
    pages = "".join((OPERATIONS.parent / name).read_text() for name in ("operations.md", "logs.md", "metrics.md"))
    assert {path.name for path in OPERATIONS.iterdir()} == set(re.findall(r"operations/([\w.-]+)[)>]", pages))
