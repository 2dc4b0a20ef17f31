"""What the commands print, through real processes: colour, width, encodings, pipes, completion."""

from __future__ import annotations

import os
import pty
import select
import shlex
import subprocess
import sys
import termios
from pathlib import Path

import pytest

from bandersnatch_freshness.lab.mirrors import Mirror

from ..caches.processes import require
from ..conftest import MakeMirror, StartLab

COMMAND = [sys.executable, "-m", "bandersnatch_freshness"]
LONG = "a-name-of-a-package-that-is-rather-long-" * 2


def environment(**more: str) -> dict[str, str]:
    """Return an environment in which nothing is said of colour or width but this."""
    said = {"NO_COLOR", "FORCE_COLOR", "CLICOLOR", "TERM", "COLUMNS", "TTY_COMPATIBLE", "PYTHONIOENCODING"}
    return {name: value for name, value in os.environ.items() if name not in said} | more


def piped(*arguments: str, **more: str) -> subprocess.CompletedProcess[bytes]:
    """Run a command whose output is a pipe."""
    return subprocess.run([*COMMAND, *arguments], env=environment(**more), capture_output=True, timeout=60, check=False)


def on_a_terminal(*arguments: str, **more: str) -> bytes:
    """Run a command on a terminal, and return what arrives there."""
    ours, theirs = pty.openpty()
    termios.tcsetwinsize(theirs, (24, 100))
    with subprocess.Popen([*COMMAND, *arguments], env=environment(**more), stdout=theirs, stderr=theirs) as process:
        os.close(theirs)
        shown = b""
        try:
            while some := os.read(ours, 4096):
                shown += some
        except OSError:  # Linux says so at the end
            pass
        os.close(ours)
    assert process.returncode == 0
    return shown


@pytest.fixture
def stale(start_lab: StartLab, make_mirror: MakeMirror) -> Mirror:
    """Return a mirror whose state has one incident, of a long name."""
    mirror = make_mirror(start_lab(projects=1), "freshness")
    assert mirror.run().returncode == 0
    path = mirror.directory / "freshness.json"
    text = path.read_text()
    assert '"incidents": {}' in text
    incident = (
        '{"since": "2018-10-16T12:00:00Z", "seen": "2018-10-16T12:00:00Z", "runs": 1, "required": 2, '
        '"got": 1, "newest": null, "verdict": "unknown", "level": "critical"}'
    )
    path.write_text(text.replace('"incidents": {}', f'"incidents": {{"{LONG}": {incident}}}'))
    return mirror


def test_pipes_get_no_colour_and_whole_lines(stale: Mirror) -> None:
    """Nothing is folded or cut that grep looks for, unless COLUMNS asks for it."""
    ended = piped("-c", str(stale.config), "status")
    assert ended.returncode == 0
    assert b"\x1b" not in ended.stdout
    folded = piped("-c", str(stale.config), "status", COLUMNS="60")
    # The first lines are folded by the terminal alone: what it is, and what to do.
    assert [one.stdout.count(LONG.encode()) for one in (ended, folded)] == [3, 2]


def test_colour_is_the_user_s_choice(stale: Mirror) -> None:
    """NO_COLOR, FORCE_COLOR and TERM as everywhere."""
    arguments = ("-c", str(stale.config), "status")
    assert b"\x1b[1;31m" in on_a_terminal(*arguments, TERM="xterm", COLUMNS="200")
    assert b"[31m" not in on_a_terminal(*arguments, TERM="xterm", COLUMNS="200", NO_COLOR="1")
    assert b"\x1b[" not in on_a_terminal(*arguments, TERM="dumb", COLUMNS="200")
    assert b"\x1b[1;31m" in piped(*arguments, FORCE_COLOR="1", TERM="xterm").stdout


def test_progress_is_for_a_terminal(start_lab: StartLab) -> None:
    """A bar that vanishes there, and not a byte of it elsewhere."""
    lab = start_lab(projects=1)
    arguments = ("probe", "--master", lab.url, "lab-00")
    shown = on_a_terminal(*arguments, TERM="xterm")
    assert b"\rlab-00:   0%|" in shown
    bar, _, answer = shown.partition(b"lab-00 at http")
    assert b"%|" not in answer
    assert bar.endswith(b" \r\x1b[32m")  # nothing of it is left
    ended = piped(*arguments)
    assert (ended.returncode, ended.stderr) == (0, b"")
    assert b"%|" not in ended.stdout


def test_progress_has_no_need_of_a_standard_error(start_lab: StartLab) -> None:
    """It may be closed."""
    asked = [*COMMAND, "probe", "--master", start_lab(projects=1).url, "lab-00"]
    ended = subprocess.run(
        ["sh", "-c", f"{shlex.join(asked)} 2>&-"], env=environment(), capture_output=True, timeout=60, check=False
    )
    assert ended.returncode == 0
    assert b"lab-00 at http" in ended.stdout


def test_a_lab_says_at_once_where_it_is() -> None:
    """Also to a file, and where Python is not told to write unbuffered."""
    said = environment(PYTHONUNBUFFERED="")
    with subprocess.Popen([*COMMAND, "lab", "--projects", "1"], env=said, stdout=subprocess.PIPE) as process:
        try:
            assert process.stdout
            ready, _, _ = select.select([process.stdout], [], [], 60)
            assert ready
        finally:
            process.terminate()


def test_an_encoding_without_arrows_crashes_nothing(stale: Mirror) -> None:
    """Such as that of a cron job without a locale."""
    for more in ({"LC_ALL": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}, {"PYTHONIOENCODING": "ascii"}):
        for arguments in (("-c", str(stale.config), "status"), ("lab", "--list"), ("run", "--help"), ("--help",)):
            ended = piped(*arguments, **more)
            assert (ended.returncode, ended.stderr) == (0, b"")
            ended.stdout.decode("ascii")


@pytest.mark.parametrize(("arguments", "code"), [(("lab", "--list"), 1), (("status",), 1), (("check",), 3)])
def test_a_reader_that_goes_away_is_no_traceback(arguments: tuple[str, ...], code: int, stale: Mirror) -> None:
    """As with `| head -1`; and none of `check`'s answers is given."""
    reader, writer = os.pipe()
    os.close(reader)
    ended = subprocess.run(
        [*COMMAND, "-c", str(stale.config), *arguments],
        env=environment(),
        stdout=writer,
        stderr=subprocess.PIPE,
        timeout=60,
        check=False,
    )
    os.close(writer)
    assert (ended.returncode, ended.stderr) == (code, b"")


def test_bash_completes(tmp_path: Path) -> None:
    """Commands, options and files."""
    script = tmp_path / "completion"
    script.write_bytes(piped("--print-completion", "bash").stdout)
    (tmp_path / "bandersnatch.conf").touch()

    def completed(*words: str) -> set[str]:
        asked = (
            f'source {script}; complete -p bandersnatch-freshness >/dev/null || exit 9; COMP_WORDS=("$@"); '
            'COMP_CWORD=$(($# - 1)); COMP_LINE="$*"; COMP_POINT=${#COMP_LINE}; '
            '_shtab_bandersnatch_freshness "$1" "${@: -1}" "${@: -2:1}"; printf "%s\\n" "${COMPREPLY[@]}"'
        )
        ended = subprocess.run(
            ["bash", "-c", asked, "bash", "bandersnatch-freshness", *words],
            cwd=tmp_path,
            capture_output=True,
            text=True,
            check=True,
        )
        return set(ended.stdout.split())

    assert completed("sta") == {"status"}
    assert completed("quarantine", "") >= {"list", "release"}
    assert completed("probe", "--m") >= {"--master", "--markdown"}
    assert completed("--config", "bander") == {"bandersnatch.conf"}


@pytest.mark.parametrize("shell", ["bash", "zsh", "tcsh"])
def test_what_completes_is_understood_by_the_shell(shell: str) -> None:
    """It is parsed, not run."""
    ended = piped("--print-completion", shell)
    assert ended.returncode == 0
    assert b"quarantine" in ended.stdout
    require({shell: shell})
    subprocess.run([shell, "-n"], input=ended.stdout, check=True, capture_output=True)


def test_commands_that_need_no_bandersnatch_import_none() -> None:
    """The version is there at once, and where Bandersnatch is broken or missing."""
    code = (
        "import sys, runpy; sys.modules['bandersnatch'] = None; sys.argv = ['bandersnatch-freshness', '--version']; "
        "runpy.run_module('bandersnatch_freshness', run_name='__main__', alter_sys=True)"
    )
    ended = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, timeout=60, check=False)
    assert ended.returncode == 0, ended.stderr
    assert "(Bandersnatch " in ended.stdout
