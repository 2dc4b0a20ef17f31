"""The command `probe`, against labs: what it prints, and what it exits with."""

from __future__ import annotations

import json
import re
import subprocess
import sys
from dataclasses import replace
from pathlib import Path

import pytest
import requests

from bandersnatch_freshness.exit_codes import ProbeExit
from bandersnatch_freshness.lab.behaviours import BEHAVIOURS
from bandersnatch_freshness.lab.origin import Lifetimes
from bandersnatch_freshness.lab.server import LabRequest

from ..conftest import StartLab
from .probing import Probe

FRESH, SOME, ALL, UNDETERMINED = ProbeExit


def noon() -> float:
    """Return the time of a clock that stands still, in seconds."""
    return 1_000_000.0


WITHOUT_PAUSE = """
import sys
from bandersnatch_freshness.cli.parser import main
from bandersnatch_freshness.probe import asking
asking.PAUSE = 0
sys.exit(main())
"""


def probe_configured(config: Path, *packages: str) -> subprocess.CompletedProcess[str]:
    """Probe as a configuration says, in a process of its own: Bandersnatch reads only one in each."""
    command = [sys.executable, "-c", WITHOUT_PAUSE, "probe", "-c", str(config), *packages]
    return subprocess.run(command, capture_output=True, check=False, text=True)


# Outcome and deciding differences of each behaviour; on the edges of the kinds that differ.
VERDICTS: dict[tuple[str, str], tuple[ProbeExit, list[str], str | None]] = {
    ("healthy", "cdn"): (FRESH, [], None),
    ("identity-stale", "cdn"): (SOME, ["accept_encoding"], None),
    ("gzip-stale", "cdn"): (SOME, ["accept_encoding", "method", "cache_bust"], "strip"),
    ("gzip-stale", "pypi"): (SOME, ["accept_encoding", "method"], "strip"),
    ("gzip-stale", "proxy"): (SOME, ["accept_encoding", "method", "cache_bust", "no_cache"], "strip"),
    ("gzip-and-identity-stale", "cdn"): (SOME, ["accept_encoding", "method", "cache_bust"], "strip+cache-bust"),
    ("gzip-and-identity-stale", "pypi"): (SOME, ["accept_encoding", "method"], "deflate"),
    ("fallback", "pypi"): (SOME, ["accept_encoding", "method"], "strip"),
    ("purge-broken", "cdn"): (SOME, ["method", "cache_bust"], "strip+cache-bust"),
    ("purge-broken", "pypi"): (SOME, ["method"], None),
    ("purge-broken", "proxy"): (SOME, ["method", "cache_bust", "no_cache"], "strip+cache-bust"),
    ("some-gzip-stale", "pypi"): (SOME, ["accept_encoding", "method"], "strip"),
    ("origin-stale", "cdn"): (ALL, [], None),
    ("origin-stale", "pypi"): (ALL, [], None),
    ("no-serial", "cdn"): (FRESH, [], None),
    ("malformed-serial", "cdn"): (FRESH, [], None),
    ("cached-404", "pypi"): (SOME, ["accept_encoding", "method"], "strip"),
    ("stale-node", "pypi"): (SOME, [], None),
    ("gone", "cdn"): (ALL, [], None),
    ("server-error", "cdn"): (UNDETERMINED, [], None),
    ("reset", "cdn"): (UNDETERMINED, [], None),
    ("truncated", "cdn"): (UNDETERMINED, [], None),
    ("garbled", "cdn"): (FRESH, [], None),
    ("index-stale", "cdn"): (FRESH, [], None),
    ("index-empty", "cdn"): (FRESH, [], None),
    ("index-half", "cdn"): (FRESH, [], None),
    ("index-html", "cdn"): (FRESH, [], None),
    ("index-no-serial", "cdn"): (FRESH, [], None),
    ("index-truncated", "cdn"): (FRESH, [], None),
    ("index-static", "cdn"): (FRESH, [], None),
}


# Where no one way of asking is always fresh: the plugins meet another node, or ask the origin.
ONLY_PLUGINS_HELP = {("stale-node", "pypi"), ("purge-broken", "pypi")}


@pytest.mark.parametrize(("behaviour", "kind"), VERDICTS)
def test_every_behaviour_of_the_lab(behaviour: str, kind: str, start_lab: StartLab, probe: Probe) -> None:
    """The outcome, the difference that decides, and the cure: that of the plugins."""
    lab = start_lab(behaviour, kind, projects=4)
    project = lab.release()[0]
    lab.forget()
    probed = probe(lab, project, "--json")
    outcome, decides, cure = VERDICTS[behaviour, kind]
    document = probed.document
    assert (document["outcome"], document["decides"]) == (outcome.name.lower().replace("_", "-"), decides)
    assert probed.code == outcome
    if outcome is SOME and (behaviour, kind) not in ONLY_PLUGINS_HELP:
        assert document["fresh_variants"][0] == (cure or "plain")
    assert bool(document["advice"]) is (cure is not None or (behaviour, kind) in ONLY_PLUGINS_HELP)
    assert len(lab.requests) <= 40  # with the index, and what is asked again
    assert all(one.query.startswith("cache-bust=") or not one.query for one in lab.requests)


def test_no_behaviour_is_forgotten() -> None:
    """But the one that never answers, which has a test of its own."""
    assert {behaviour for behaviour, _ in VERDICTS} == BEHAVIOURS.keys() - {"silent"}


@pytest.mark.parametrize(
    ("behaviour", "verdict"),
    [
        pytest.param("origin-stale", "origin-stale", id="origin"),
        pytest.param("purge-broken", "edge-stale", id="all-copies-old"),
        pytest.param("gzip-stale", "edge-stale", id="one-copy"),
    ],
)
def test_who_is_behind(behaviour: str, verdict: str, start_lab: StartLab, probe: Probe) -> None:
    """As the plugins judge."""
    lab = start_lab(behaviour, "pypi", projects=1)
    lab.release()
    assert probe(lab, "lab-00", "--json").document["verdict"] == verdict


@pytest.mark.parametrize(
    ("behaviour", "kind", "code", "decides"),
    [
        pytest.param("healthy", "cdn", FRESH, [], id="healthy"),
        pytest.param("index-stale", "pypi", SOME, ["accept_encoding"], id="stale"),
        pytest.param("index-no-serial", "cdn", UNDETERMINED, [], id="no-serial"),
    ],
)
def test_the_index(
    behaviour: str, kind: str, code: ProbeExit, decides: list[str], start_lab: StartLab, probe: Probe
) -> None:
    """Without a package; it is compared by its headers, and never downloaded."""
    lab = start_lab(behaviour, kind, projects=2)
    lab.release()
    lab.forget()
    probed = probe(lab, "--json")
    assert (probed.code, probed.document["decides"]) == (code, decides)
    assert {one.path for one in lab.requests} == {"/simple/"}
    assert {one["bytes"] for one in probed.document["answers"]} == {None}


def test_an_index_older_than_the_mirror_is_stale(start_lab: StartLab, probe: Probe, tmp_path: Path) -> None:
    """However well its copies agree: the mirror's own serial is proof."""
    lab = start_lab(projects=1)
    config = tmp_path / "bandersnatch.conf"
    config.write_text(f"[mirror]\ndirectory = {tmp_path}\nmaster = {lab.https_url}\njson = true\nworkers = 3\n")
    (tmp_path / "status").write_text(str(lab.serial + 1))
    probe(lab, "--json")
    assert probe_configured(config).returncode == ALL


def test_the_configuration_tells_whom_to_ask_and_what_is_set(start_lab: StartLab, probe: Probe, tmp_path: Path) -> None:
    """The master, the parameter's name, and that nothing more is to be set."""
    lab = start_lab("purge-broken", projects=1)
    lab.release()
    config = tmp_path / "bandersnatch.conf"
    config.write_text(
        f"[mirror]\ndirectory = {tmp_path}\nmaster = {lab.https_url}\njson = true\nworkers = 3\n"
        "[plugins]\nenabled =\n    freshness\n[freshness]\ncache_bust_parameter = fresh-please\n"
    )
    probe(lab, "lab-00")
    lab.forget()
    probed = probe_configured(config, "lab-00")
    assert (probed.returncode, probed.stderr) == (SOME, "")
    assert "In bandersnatch.conf" not in probed.stdout
    assert {one.query.partition("=")[0] for one in lab.requests} == {"", "fresh-please"}


def test_several_packages(start_lab: StartLab, probe: Probe) -> None:
    """Each has its report, and the exit code is that of all of them together."""
    lab = start_lab("some-gzip-stale", "pypi", projects=2)
    lab.release()
    probed = probe(lab, "lab-00", "Lab.01", "--json")
    reports = json.loads(probed.output)["probes"]
    assert [(one["project"], one["outcome"]) for one in reports] == [("lab-00", "some-stale"), ("lab-01", "fresh")]
    assert probed.code == SOME


def test_the_table_names_all_and_marks_the_best_and_the_worst(start_lab: StartLab, probe: Probe) -> None:
    """For a person, also where there is no colour."""
    lab = start_lab("gzip-stale", "proxy", projects=1)
    lab.release()
    probed = probe(lab, "lab-00")
    assert re.search(r"as Bandersnatch asks \(gzip, deflate\S*\) +4869649 +1 \(stalest\) ", probed.output)
    assert re.search(r"no Accept-Encoding +4869650 +0 \(freshest\) +0 +MISS +cache-lab-1", probed.output)
    assert "What decides is the Accept-Encoding" in probed.output
    assert "    freshness\n" in probed.output
    assert "\x1b" not in probed.output


def test_just_released(start_lab: StartLab, probe: Probe) -> None:
    """Each copy at PyPI's edge is old once: nothing is stale, and nothing to be set."""
    lab = start_lab(kind="pypi", projects=1, lifetimes=Lifetimes(index=0, other=0), clock=noon)
    probe(lab, "lab-00")
    lab.release()
    probed = probe(lab, "lab-00", "--json")
    assert probed.code == FRESH
    document = probed.document
    assert (document["verdict"], document["revalidated"]) == ("fresh", True)
    assert (document["advice"], document["fresh_variants"][0]) == ("", "plain")
    old = [one["fresh"] for one in document["answers"]].count(False)
    assert old == 7  # the page's three copies, and two of each simple page: none asks for deflate there
    again = probe(lab, "lab-00", "--json").document
    assert (again["outcome"], again["revalidated"]) == ("fresh", False)


def test_one_copy_was_just_asked_for(start_lab: StartLab, probe: Probe) -> None:
    """As by the mirror itself: the base line is fresh, the others are old once."""
    lab = start_lab(kind="pypi", projects=1, lifetimes=Lifetimes(index=0, other=0), clock=noon)
    probe(lab, "lab-00")
    lab.release()
    as_mirror = requests.get(f"{lab.url}/pypi/lab-00/json", headers={"Accept-Encoding": "gzip, deflate"}, timeout=10)
    assert as_mirror.status_code == 200
    document = probe(lab, "lab-00", "--json").document
    assert document["answers"][0]["fresh"] is True
    assert (document["outcome"], document["revalidated"]) == ("fresh", True)


@pytest.mark.parametrize(
    ("behaviour", "lines"),
    [
        pytest.param("healthy", ["fresh: every way", "serial", "asked", "to do   nothing", "all "], id="fresh"),
        pytest.param("origin-stale", ["origin-stale: ", "serial", "asked", "to do   report", "all "], id="origin"),
    ],
)
def test_five_lines_where_all_ways_agree(behaviour: str, lines: list[str], start_lab: StartLab, probe: Probe) -> None:
    """And all the rest of it with --all."""
    lab = start_lab(behaviour, "pypi", projects=1)
    lab.release()
    printed = probe(lab, "lab-00").output.rstrip("\n").splitlines()
    assert len(printed) == 5
    assert printed[0].startswith(f"lab-00 at {lab.https_url}: {lines[0]}")
    for line, beginning in zip(printed[1:], lines[1:], strict=True):
        assert line.startswith(beginning)
    assert len(probe(lab, "lab-00", "--all").output.splitlines()) > 20


def test_purging_is_broken(start_lab: StartLab, probe: Probe) -> None:
    """Every copy is old, the origin is not: the table shows it, and what to do is said."""
    lab = start_lab("purge-broken", "pypi", projects=1)
    lab.release()
    probed = probe(lab, "lab-00")
    assert probed.code == SOME
    assert f"Every cached copy is old, and the origin itself has serial {lab.serial}: purging is broken." in (
        probed.output
    )
    assert "ask_origin" in probed.output
    assert "    freshness\n" in probed.output
    assert "\nOPTIONS " in probed.output


@pytest.mark.parametrize("status", [204, 403, 405, 501])
def test_options_refused(status: int, start_lab: StartLab, probe: Probe) -> None:
    """It is as if they had not been asked, but for a row of the table."""
    lab = start_lab(replace(BEHAVIOURS["purge-broken"], refuses_options=status), "pypi", projects=1)
    lab.release()
    probed = probe(lab, "lab-00", "--json")
    assert (probed.code, probed.document["verdict"]) == (ALL, "unknown")
    assert probed.document["origin"] is None
    assert not any("failed" in sentence for sentence in probed.document["diagnosis"])
    assert len(probe(lab, "lab-00").output.rstrip("\n").splitlines()) == 5


def as_asked(asked: LabRequest) -> tuple[str, str, str, tuple[tuple[str, str], ...]]:
    """Return what must be the same when a request is repeated: all but a timestamp, and how the connection is kept."""
    query = re.sub(r"=\d+$", "=TIME", asked.query)
    headers = sorted((name.lower(), value) for name, value in asked.headers if name.lower() != "connection")
    return asked.method, asked.path, query, tuple(headers)


def test_curl_commands_ask_the_same(start_lab: StartLab, probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    """Typed into a shell, to the letter, one by one."""
    lab = start_lab("gzip-stale", projects=1)
    monkeypatch.setenv("no_proxy", "*")
    lab.forget()
    probed = probe(lab, "lab-00", "--expect", str(lab.serial), "--curl")
    asked = [as_asked(one) for one in lab.requests]
    commands = [line for line in probed.output.splitlines() if line.startswith("curl ")]
    assert len(commands) == len(asked)
    lab.forget()
    for command in commands:
        run = subprocess.run(
            ["sh", "-euc", command],
            env={"CURL_CA_BUNDLE": str(lab.ca_file), "PATH": "/usr/bin:/bin"},
            capture_output=True,
            check=True,
            text=True,
        )
        assert run.stdout.startswith("HTTP/1.1 200")
    assert sorted(as_asked(one) for one in lab.requests) == sorted(asked)
