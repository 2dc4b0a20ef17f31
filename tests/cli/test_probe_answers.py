"""The command `probe` and what comes from outside: addresses, hostile text, secrets, proxies, errors."""

from __future__ import annotations

import socket
from typing import Any

import pytest

from bandersnatch_freshness.exit_codes import ProbeExit
from bandersnatch_freshness.lab.behaviours import Behaviour

from ..conftest import StartLab
from ..end_to_end.proxy import running_proxy
from .probing import Probe

FRESH, SOME, _, UNDETERMINED = ProbeExit


def test_each_address_of_a_host_is_asked(start_lab: StartLab, probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    """One that refuses is an answer; and a curl command asks the same one."""
    lab = start_lab(projects=1)
    port = int(lab.https_url.rpartition(":")[2])
    look_up = socket.getaddrinfo

    def two_addresses(host: str, *args: Any, **kwargs: Any) -> Any:
        found = [one for one in look_up(host, *args, **kwargs) if one[0] == socket.AF_INET]
        other = [(*one[:4], ("127.0.0.2", one[4][1])) for one in found]
        return found + (other if host == "localhost" else [])

    monkeypatch.setattr("socket.getaddrinfo", two_addresses)
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(lab.ca_file))
    probed = probe(None, "--master", f"https://localhost:{port}", "lab-00", "--json")
    by_address = {one["address"]: one for one in probed.document["answers"]}
    assert by_address["127.0.0.2"]["problem"] == "connection refused"
    assert by_address["127.0.0.1"]["fresh"] is True
    assert probed.code == FRESH
    printed = probe(None, "--master", f"https://localhost:{port}", "lab-00", "--curl").output
    assert f"--resolve localhost:{port}:127.0.0.2 " in printed


HOSTILE = "1 | <script>\x9b31m`rm -rf`$(reboot) [x](javascript:y)" + "A" * 5000


def test_nothing_hostile_gets_through(start_lab: StartLab, probe: Probe) -> None:
    """Neither to the terminal, nor to Markdown, nor to a shell."""
    lab = start_lab(Behaviour("hostile", serial_header=HOSTILE), projects=1)
    for form in ([], ["--markdown"], ["--json"], ["--curl"]):
        probed = probe(lab, "lab-00", *form)
        assert "\x9b" not in probed.output
        assert "A" * 101 not in probed.output
    markdown = probe(lab, "lab-00", "--markdown").output
    assert all(line.count(" | ") == 7 for line in markdown.splitlines() if line.startswith("| "))


def test_no_secret_gets_through(start_lab: StartLab, probe: Probe) -> None:
    """A password in the master's URL is used, and not shown."""
    lab = start_lab("gzip-stale", projects=1)
    lab.release()
    probe(lab, "lab-00")
    lab.forget()
    master = lab.https_url.replace("https://", "https://operator:hunter2@")
    for form in ([], ["--markdown"], ["--json"], ["--curl"]):
        probed = probe(None, "--master", master, "lab-00", *form)
        assert probed.code == SOME
        assert "hunter2" not in probed.output + probed.errors
        assert "b3BlcmF0b3I6aHVudGVyMg" not in probed.output
    pages = [one for one in lab.requests if one.is_metadata]
    assert {one.header("Authorization") for one in pages} == {"Basic b3BlcmF0b3I6aHVudGVyMg=="}


def test_markdown_is_a_report(start_lab: StartLab, probe: Probe) -> None:
    """Title, diagnosis, a table with a row for each answer."""
    lab = start_lab("gzip-stale", projects=1)
    lab.release()
    lines = probe(lab, "lab-00", "--markdown").output.splitlines()
    assert lines[0] == f"### lab-00 at {lab.https_url}"
    assert any(line.startswith("What decides is the Accept-Encoding") for line in lines)
    assert sum(line.startswith("| ") for line in lines) >= 24


@pytest.mark.parametrize(
    ("master", "problem"),
    [
        pytest.param("http://127.0.0.1:9", "connection refused", id="refused"),
        pytest.param("http://nowhere.invalid", "name not found", id="name"),
    ],
)
def test_nothing_works(master: str, problem: str, probe: Probe) -> None:
    """One clear sentence, and no thirty requests for it."""
    probed = probe(None, "--master", master, "foo", "--json")
    assert probed.code == UNDETERMINED
    assert {one["problem"] for one in probed.document["answers"]} == {problem}
    assert probed.document["diagnosis"] == [f"No way of asking gets the page: {problem}."]
    assert len(probed.document["answers"]) <= 4
    assert "Traceback" not in probed.errors


def test_a_certificate_that_nobody_vouches_for(start_lab: StartLab, probe: Probe) -> None:
    """An answer for each client."""
    lab = start_lab(projects=1)
    probed = probe(None, "--master", lab.https_url, "lab-00", "--json")
    assert probed.code == UNDETERMINED
    problems = {one["problem"] for one in probed.document["answers"]}
    assert all(problem.startswith("TLS: ") for problem in problems)


def test_a_server_that_never_answers(start_lab: StartLab, probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    """Time-outs, and an end to them."""
    lab = start_lab("silent", projects=1)
    monkeypatch.setattr("bandersnatch_freshness.probe.clients.SECONDS", 0.3)
    probed = probe(lab, "lab-00", "--json")
    assert probed.code == UNDETERMINED
    assert {one["problem"] for one in probed.document["answers"]} == {"time-out"}


def test_a_proxy_from_the_environment(start_lab: StartLab, probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    """Every client goes through it; none does where no_proxy says so; one that is down is an answer."""
    lab = start_lab("gzip-stale", projects=1)
    lab.release()
    with running_proxy() as proxy:
        monkeypatch.setenv("https_proxy", proxy.url)
        probed = probe(lab, "lab-00", "--json")
        assert probed.code == SOME
        assert len(proxy.targets) == len(probed.document["answers"]) + 1
        proxy.targets.clear()
        monkeypatch.setenv("no_proxy", "127.0.0.1")
        assert probe(lab, "lab-00").code == SOME
        assert proxy.targets == []
    monkeypatch.delenv("no_proxy")
    monkeypatch.setenv("https_proxy", "http://user:hunter2@127.0.0.1:9")
    probed = probe(lab, "lab-00", "--json")
    assert probed.code == UNDETERMINED
    assert all("proxy" in one["problem"] or one["client"] == "curl" for one in probed.document["answers"])
    assert "hunter2" not in probed.output + probed.errors


def test_an_authority_from_any_variable(start_lab: StartLab, probe: Probe, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each client honours what any of them would; two files are both believed."""
    lab, other = start_lab(projects=1), start_lab(projects=1)
    monkeypatch.setenv("SSL_CERT_FILE", str(lab.ca_file))
    assert probe(None, "--master", lab.https_url, "lab-00").code == FRESH
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(other.ca_file))
    for one in (lab, other):
        probed = probe(None, "--master", one.https_url, "lab-00", "--json")
        assert probed.code == FRESH
        assert not [answer for answer in probed.document["answers"] if "problem" in answer]


def test_a_redirect_keeps_the_question(start_lab: StartLab, probe: Probe) -> None:
    """Whoever has another way to write the master still gets an answer."""
    lab = start_lab(projects=1)
    probe(lab, "lab-00")
    assert probe(None, "--master", f"{lab.https_url}/", "lab-00").code == FRESH


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        pytest.param(["--master", "ftp://x", "foo"], "--master ftp://x: not a URL; allowed:", id="master"),
        pytest.param(["--master", "http://x/simple/", "foo"], ": leave out /simple, as in", id="simple"),
        pytest.param(["--master", "http://x", "../etc"], "'../etc': not the name of a package; allowed:", id="name"),
        pytest.param(["--master", "http://x", "--expect", "3", "a", "b"], "--expect 3: goes with one", id="expect"),
        pytest.param(["--master", "http://x", "--expect", "0"], "allowed: a serial above 0", id="zero"),
        pytest.param(["-c", "/nowhere.conf"], "/nowhere.conf", id="no-configuration"),
    ],
)
def test_bad_input(arguments: list[str], words: str, probe: Probe) -> None:
    """One line, and exit code 3: nothing was determined."""
    probed = probe(None, *arguments)
    assert probed.code == UNDETERMINED
    assert words in probed.errors
    assert len(probed.errors.splitlines()) == 1
