"""The command line."""

from __future__ import annotations

import importlib.metadata
import os
import platform
import re
import signal
import subprocess
import sys

import pytest
import requests

from bandersnatch_freshness import __version__
from bandersnatch_freshness.cli import parser as cli

from ..conftest import interruptible


def test_without_a_command_it_helps(capsys: pytest.CaptureFixture[str]) -> None:
    """Help on standard output, exit 0."""
    assert cli.main([]) == 0
    assert "a small PyPI with caches that misbehave" in capsys.readouterr().out


@pytest.mark.parametrize(
    ("slip", "meant"),
    [
        (["stauts"], "; did you mean status?\n"),
        (["quarantine", "relase", "foo"], "; did you mean release?\n"),
        (["mirror"], "; that is Bandersnatch's own: bandersnatch-freshness run mirror\n"),
        (["xyz"], ")\n"),
    ],
)
def test_says_what_was_probably_meant(slip: list[str], meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    """Of commands and their actions; nothing where nothing is near."""
    with pytest.raises(SystemExit, match="2"):
        cli.main(slip)
    assert capsys.readouterr().err.endswith(meant)


@pytest.mark.parametrize(
    ("line", "usage", "meant"),
    [
        (["lab", "--behavior", "stale"], "lab", "; did you mean --behaviour?"),
        (["quarantine", "release", "--json"], "quarantine release", ""),
        (["--jsn"], "", ""),
    ],
)
def test_an_option_that_is_none(line: list[str], usage: str, meant: str, capsys: pytest.CaptureFixture[str]) -> None:
    """With the usage of the command that has none of that name, and what was probably meant."""
    with pytest.raises(SystemExit, match="2"):
        cli.main(line)
    said = capsys.readouterr().err
    assert said.startswith(f"usage: {f'bandersnatch-freshness {usage}'.strip()} [")
    assert said.rstrip().partition("error: ")[2].startswith("unrecognized arguments: ")
    assert said.rstrip().endswith(meant)


def test_says_its_version(capsys: pytest.CaptureFixture[str]) -> None:
    """And that of all it works with."""
    with pytest.raises(SystemExit, match="0"):
        cli.main(["--version"])
    assert capsys.readouterr().out == (
        f"bandersnatch-freshness {__version__} "
        f"(Bandersnatch {importlib.metadata.version('bandersnatch')}, Python {platform.python_version()})\n"
    )


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--behaviour", "slow"], "--behaviour slow: no such name; allowed: healthy, identity-stale, gzip-stale"),
        (["--edge", "moon"], "--edge moon: no such name; allowed: cdn, pypi, proxy, none"),
        (
            ["--behaviour", "orgin-stale"],
            "--behaviour orgin-stale: no such name; did you mean origin-stale?; allowed: ",
        ),
        (["--port", "80000"], "--port 80000: no port; allowed: 0 to 65535"),
        (["--projects", "0"], "--projects 0: at least 1"),
    ],
)
def test_bad_arguments_are_named(arguments: list[str], message: str, capsys: pytest.CaptureFixture[str]) -> None:
    """One line on standard error with what is allowed, exit 2."""
    assert cli.main(["lab", *arguments]) == 2
    assert capsys.readouterr().err.startswith(f"bandersnatch-freshness lab: {message}")


@pytest.mark.parametrize(
    ("arguments", "code"),
    [
        (["check", "--nonsense"], 3),
        (["-c", "x.conf", "check", "--nonsense"], 3),
        (["probe", "--expect", "x"], 3),
        (["audit", "--nonsense"], 3),
        (["status", "--nonsense"], 2),
        (["nonsense"], 2),
        (["check", "--help"], 0),
    ],
)
def test_a_usage_error_is_not_taken_for_an_answer(arguments: list[str], code: int) -> None:
    """Of a command whose other exit codes tell how fresh something is."""
    with pytest.raises(SystemExit) as ended:
        cli.main(arguments)
    assert ended.value.code == code


def test_a_monitoring_system_gets_its_line_where_it_reads(capsys: pytest.CaptureFixture[str]) -> None:
    """A usage error of `check` is one line on standard output, as its answers are."""
    with pytest.raises(SystemExit):
        cli.main(["check", "--warning", "soon"])
    out, err = capsys.readouterr()
    assert out.startswith("FRESHNESS UNKNOWN - argument -w/--warning: 'soon' is not a duration; allowed: ")
    assert (out.count("\n"), err) == (1, "")


def test_lists_behaviours(capsys: pytest.CaptureFixture[str]) -> None:
    """By name, with the incident each shows."""
    assert cli.main(["lab", "--list"]) == 0
    out = capsys.readouterr().out
    assert "gzip-and-identity-stale" in out
    assert "pypa/bandersnatch#56" in out


def test_a_lab_serves_prints_and_ends_by_ctrl_c() -> None:
    """What is asked is printed as it arrives; a release is one POST away."""
    process = subprocess.Popen(
        [sys.executable, "-m", "bandersnatch_freshness", "lab", "--behaviour", "gzip-stale", "--projects", "2"],
        stdout=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONUNBUFFERED": "1"},
        preexec_fn=interruptible,
    )
    try:
        assert process.stdout is not None
        introduction = ""
        while "project=lab-00" not in introduction:
            introduction += process.stdout.readline()
        found = re.search(r"Or (http://\S+),", introduction)
        assert found
        url = found[1]
        gzip = requests.get(f"{url}/pypi/lab-01/json", headers={"Accept-Encoding": "gzip"}, timeout=10)
        fresh = requests.get(f"{url}/pypi/lab-01/json", headers={"Accept-Encoding": "identity"}, timeout=10)
        assert gzip.json()["info"]["version"] == "1.0"
        assert fresh.json()["info"]["version"] == "2.0"
        released = requests.post(f"{url}/+lab/release?project=lab-01", timeout=10).json()
        assert released["released"] == ["lab-01"]
        process.send_signal(signal.SIGINT)
        output, _ = process.communicate(timeout=30)
    finally:
        process.kill()
    assert process.returncode == 0
    assert "GET /pypi/lab-01/json [gzip] -> 200 HIT 4869650\n" in output
    assert "GET /pypi/lab-01/json [identity] -> 200 MISS 4869652\n" in output
    assert output.rstrip().endswith("2 requests, 2 of them for metadata: 1 hits, 1 misses")


def test_a_lab_as_pypi_says_how_fast_it_goes() -> None:
    """By default an hour is a minute; the other point of presence is one POST away."""
    command = [sys.executable, "-m", "bandersnatch_freshness", "lab", "--edge", "pypi", "--projects", "1"]
    for options, said in (([], "60 times"), (["--speed", "3600"], "3600 times")):
        process = subprocess.Popen(
            [*command, *options],
            stdout=subprocess.PIPE,
            text=True,
            env={**os.environ, "PYTHONUNBUFFERED": "1"},
        )
        try:
            assert process.stdout is not None
            introduction = ""
            while "those of shield and edge together" not in introduction:
                introduction += process.stdout.readline()
        finally:
            process.kill()
            process.communicate()
        assert f"Its lifetimes pass {said} as fast as PyPI's" in introduction
        assert "/+lab/switch" in introduction


def test_time_does_not_stand_still(capsys: pytest.CaptureFixture[str]) -> None:
    """Nor go back."""
    assert cli.main(["lab", "--speed", "0"]) == 2
    assert "--speed 0: more than 0; 1 is real" in capsys.readouterr().err


def test_a_port_in_use_is_one_clear_line(capsys: pytest.CaptureFixture[str]) -> None:
    """No traceback."""
    from bandersnatch_freshness.lab.server import Lab

    with Lab(1) as lab:
        port = lab.url.rpartition(":")[2]
        assert cli.main(["lab", "--port", port]) == 1
    assert re.match(r"bandersnatch-freshness lab: .*address already in use", capsys.readouterr().err)


@pytest.mark.parametrize("arguments", [["--print-completion", "bash"], ["--help"]])
def test_nobody_may_read_it_to_its_end(arguments: list[str]) -> None:
    """As by `| head -1`: no traceback."""
    reading, writing = os.pipe()
    os.close(reading)
    line = [sys.executable, "-m", "bandersnatch_freshness", *arguments]
    ended = subprocess.run(line, stdout=writing, stderr=subprocess.PIPE, text=True, check=False)
    os.close(writing)
    assert "Traceback" not in ended.stderr
