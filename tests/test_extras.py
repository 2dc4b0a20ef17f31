"""What is not installed is refused where it is asked for, in one line that says how to get it; the rest goes on."""

from __future__ import annotations

import configparser
import importlib.util
import os
import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
import requests

import bandersnatch_freshness
from bandersnatch_freshness.cli import parser as cli
from bandersnatch_freshness.extras import Extra
from bandersnatch_freshness.host import configuration
from bandersnatch_freshness.lab.server import Lab
from bandersnatch_freshness.probe import clients
from bandersnatch_freshness.probe.ways import Client
from bandersnatch_freshness.settings import PLUGINS, OptionError

from .conftest import MakeMirror, StartLab

ROOT = Path(__file__).parent.parent
NOTIFY = "pip install 'bandersnatch-freshness[notify]'"

Lacking = Callable[[Extra], None]


@pytest.fixture
def lacking(monkeypatch: pytest.MonkeyPatch) -> Lacking:
    """Return what makes an extra's module as good as not installed."""
    return lambda extra: monkeypatch.setitem(sys.modules, extra.value, None)  # which stops an import, and find_spec


def configured(notify: str, *plugins: str) -> configparser.ConfigParser:
    """Return a configuration of Bandersnatch's that notifies by these lines."""
    made = configparser.ConfigParser()
    made.read_dict({"plugins": {"enabled": "\n".join(("", *plugins))}, "freshness": {"notify": notify}})
    return made


@pytest.mark.parametrize("extra", Extra)
def test_each_brings_its_module_and_is_in_all(extra: Extra) -> None:
    """By the very name that the command has, in the metadata."""
    setup = configparser.ConfigParser()
    setup.read(ROOT / "setup.cfg")
    extras = setup["options.extras_require"]
    (name,) = re.findall(r"\[(\w+)\]", extra.command)
    wanted = {line.partition(" ")[0] for line in extras[name].split("\n") if line}
    assert extra.value in wanted
    assert wanted <= {line.partition(" ")[0] for line in extras["all"].split("\n")}
    assert not wanted & {line.partition(" ")[0] for line in setup["options"]["install_requires"].split("\n")}


@pytest.mark.parametrize("plugin", ["freshness", "freshness_escalation"])
def test_a_channel_of_apprises_is_refused(plugin: str, lacking: Lacking) -> None:
    """With its line, without its URL, and with what may be there instead."""
    lacking(Extra.NOTIFY)
    line = (
        "[freshness] notify = (line 2, of 28 characters): Apprise is not installed; "
        f"allowed: alertmanager://host:port; or Apprise's, after {NOTIFY}"
    )
    found = configured("\nalertmanager://127.0.0.1:9093\njson://user:s3cret@127.0.0.1", plugin)
    with pytest.raises(OptionError, match=f"^{re.escape(line)}$"):
        configuration.read_settings(found)
    with pytest.raises(OptionError, match=f"^{re.escape(line)}$"):
        configuration.read_tracking(found)


def test_alertmanager_needs_nothing(lacking: Lacking) -> None:
    """Nor does a configuration that tells nobody."""
    lacking(Extra.NOTIFY)
    for notify in ("alertmanager://127.0.0.1:9093\nalertmanagers://host.example", ""):
        tracking = configuration.read_settings(configured(notify, *PLUGINS)).tracking
        assert tracking
        assert tracking.notify == tuple(notify.split())


def test_a_run_is_refused_before_its_first_request(
    start_lab: StartLab, make_mirror: MakeMirror, tmp_path: Path
) -> None:
    """By Bandersnatch's own command: one line, exit code 2, and nothing of the mirror is touched."""
    lab = start_lab(projects=1)
    mirror = make_mirror(lab, "freshness", options={"notify": "json://127.0.0.1"})
    (tmp_path / "sitecustomize.py").write_text("import sys; sys.modules['apprise'] = None")
    run = subprocess.run(
        mirror.command("mirror"),
        env={**mirror.environment(), "PYTHONPATH": str(tmp_path)},
        stdout=subprocess.PIPE,
        stderr=subprocess.STDOUT,
        text=True,
        check=False,
    )
    assert run.returncode == 2
    (line,) = (line for line in run.stdout.splitlines() if " ERROR: " in line)
    assert f" ERROR: {mirror.config}: [freshness] notify = (line 1, of 16 characters): Apprise is not installed" in line
    assert NOTIFY in line
    assert "Traceback" not in run.stdout
    assert lab.requests == []


def test_a_lab_without_https_serves_all_the_same(lacking: Lacking) -> None:
    """By http."""
    lacking(Extra.LAB)
    with Lab(1) as lab:
        assert not lab.speaks_https
        assert requests.get(f"{lab.url}/pypi/lab-00/json", timeout=10).status_code == 200


@pytest.mark.parametrize(
    ("arguments", "code", "line"),
    [
        pytest.param(
            ["lab", "--https-port", "8443"],
            1,
            "bandersnatch-freshness lab: --https-port 8443: trustme is not installed: "
            "pip install 'bandersnatch-freshness[lab]'\n",
            id="https",
        ),
        pytest.param(
            ["demo"],
            1,
            "bandersnatch-freshness demo: trustme is not installed: pip install 'bandersnatch-freshness[lab]'\n",
            id="demo",
        ),
        pytest.param(
            ["--print-completion", "bash"],
            1,
            "bandersnatch-freshness: shtab is not installed: pip install 'bandersnatch-freshness[completion]'\n",
            id="completion",
        ),
    ],
)
def test_a_command_says_what_it_lacks(
    arguments: list[str], code: int, line: str, lacking: Lacking, capsys: pytest.CaptureFixture[str]
) -> None:
    """In one line on standard error."""
    lacking(Extra.LAB)
    lacking(Extra.COMPLETION)
    try:
        ended = cli.main(arguments)
    except SystemExit as left:
        ended = left.code  # type: ignore[assignment]
    assert ended == code
    assert capsys.readouterr().err == line


def test_what_a_lab_prints_without_https_can_be_mirrored() -> None:
    """The lines for bandersnatch.conf are of http, and say what for https is missing."""
    code = (
        "import sys; sys.modules['trustme'] = None; from bandersnatch_freshness.cli.parser import main; main(['lab'])"
    )
    environment = {**os.environ, "PYTHONUNBUFFERED": "1"}
    with subprocess.Popen([sys.executable, "-c", code], stdout=subprocess.PIPE, text=True, env=environment) as lab:
        assert lab.stdout
        said = []
        for line in lab.stdout:
            said.append(line.strip())
            if line.startswith("Of one project"):
                break
        lab.terminate()
    assert "allow-non-https = true" in said
    assert any(re.fullmatch(r"master = http://127\.0\.0\.1:\d+", line) for line in said)
    assert any(line.endswith("pip install 'bandersnatch-freshness[lab]'") for line in said)
    assert not any("https://" in line for line in said)


def test_the_probe_asks_by_the_clients_that_are_here(lacking: Lacking) -> None:
    """So `requests` is left out as curl is."""
    assert Client.REQUESTS in clients.others()
    lacking(Extra.REQUESTS)
    assert Client.REQUESTS not in clients.others()


def test_the_adapter_says_what_it_lacks(lacking: Lacking) -> None:
    """Where it is imported."""
    lacking(Extra.REQUESTS)
    with pytest.raises(ImportError, match=re.escape("pip install 'bandersnatch-freshness[requests]'")):
        _ = bandersnatch_freshness.FreshAdapter


@pytest.mark.skipif(not importlib.util.find_spec("bandersnatch.storage"), reason="3.6 is of another kind")
def test_no_command_of_a_mirror_needs_one() -> None:
    """Each module but theirs can be imported with none installed."""
    code = (
        "import sys, pkgutil, importlib, bandersnatch_freshness as suite\n"
        f"for name in {[extra.value for extra in Extra] + ['urllib3']}: sys.modules[name] = None\n"
        "for one in pkgutil.walk_packages(suite.__path__, 'bandersnatch_freshness.'):\n"
        "    try:\n"
        "        one.name.endswith('__main__') or importlib.import_module(one.name)\n"
        "    except ImportError as error:\n"
        "        print(one.name.removeprefix('bandersnatch_freshness.'))\n"
    )
    found = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout.split()
    assert found == ["cli.completion", "host.requests_host", "transports.requests_adapter"]
