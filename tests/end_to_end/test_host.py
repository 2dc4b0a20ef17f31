"""Living with Bandersnatch: its errors, its options, its ends."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
from pathlib import Path

import pytest

from bandersnatch_freshness.lab.mirrors import Mirror
from bandersnatch_freshness.lab.server import Lab

from ..conftest import MakeMirror, StartLab, interruptible
from .observe import BANDERSNATCH, as_sent, is_fresh, lines, metadata, needs_sync, pages
from .proxy import running_proxy

# Whose errors a traceback ends with.
CLIENT = ("aiohttp.",) if BANDERSNATCH.major > 3 else ("requests.", "urllib3.")


@pytest.mark.smoke
def test_installed_but_not_enabled_is_not_there(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """No line, no file, no request of ours; an unused section is nobody's business either."""
    lab = start_lab("gzip-stale", projects=2)
    mirror = make_mirror(lab, "blocklist_project", options={"accept_encoding": "nonsense"})
    lab.release()
    run = mirror.run()
    assert "freshness" not in run.output
    assert not list(mirror.directory.glob("**/*freshness*"))
    assert run.stale_errors == 2
    assert pages(lab) == {"lab-00": 3, "lab-01": 3}


@pytest.mark.parametrize("behaviour", ["server-error", "reset", "truncated"])
def test_errors_reach_bandersnatch_unchanged(behaviour: str, start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """The same requests, the same error lines: only what breaks off may be whole in another copy."""
    lab = start_lab(behaviour)
    runs, asked = [], []
    for mirror in (make_mirror(lab), make_mirror(lab, "freshness")):
        lab.forget()
        runs.append(mirror.run())
        asked.append(pages(lab))
    climbed = {"lab-00": 7, "lab-04": 7} if behaviour == "truncated" else {}
    assert asked[1] == {**asked[0], **climbed}
    assert asked[0]["lab-00"] >= 1
    bare, suite = ([line.split(" ", 3)[3] for line in lines(run, "Error syncing")] for run in runs)
    assert sorted(bare) == sorted(suite)
    assert len(bare) == 2
    # the error itself, as the traceback ends
    bare_ends, suite_ends = (
        sorted(line for line in run.output.splitlines() if line.startswith(CLIENT)) for run in runs
    )
    assert bare_ends == suite_ends
    assert len(bare_ends) >= 2


def test_time_outs_reach_bandersnatch_unchanged(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Its attempts as ever, and the other packages are synced."""
    lab = start_lab("silent", projects=3)
    mirror = make_mirror(lab, "freshness", mirror={"timeout": "0.3"})
    run = mirror.run()
    said, attempts = (
        ("Timeout error for lab-00", 3) if BANDERSNATCH.major > 3 else ("Error syncing package: lab-00@", 1)
    )
    assert len(lines(run, said)) == 1
    assert pages(lab) == {"lab-00": attempts, "lab-01": 1, "lab-02": 1}
    assert mirror.versions("lab-02") == ["1.0"]


@pytest.mark.skipif(BANDERSNATCH.major < 4, reason="Bandersnatch 3.6 drops no error without a line")
@pytest.mark.smoke
def test_an_error_that_bandersnatch_drops_gets_a_line(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """A page that is no JSON freezes the serial; bare Bandersnatch says nothing at all."""
    lab = start_lab("garbled", projects=4)
    bare, suite = make_mirror(lab), make_mirror(lab, "freshness_escalation")
    assert lines(bare.run(), "lab-00: ") == []
    (line,) = lines(suite.run(), "lab-00: ")
    assert "INFO: lab-00: JSONDecodeError: Expecting property name" in line
    assert bare.serial == suite.serial == 0


@pytest.mark.smoke
def test_no_purge_is_sent(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Bandersnatch 4.4 and 5.3 send one per stale page, which PyPI refuses."""
    lab = start_lab("origin-stale", projects=1)
    mirror = make_mirror(lab, "freshness_encoding")
    lab.release()
    assert mirror.run().stale_errors == 1
    assert {asked.method for asked in lab.requests} <= {"GET", "POST"}


@pytest.mark.smoke
@pytest.mark.parametrize(
    ("plugins", "options", "message"),
    [
        pytest.param(
            ("freshness",),
            {"accept_encoding": "none"},
            "[freshness] accept_encoding = none: not a known value; allowed: auto, strip, keep",
            id="value",
        ),
        pytest.param(
            ("freshness",),
            {"cache_bust": "100%"},
            "[freshness] cache_bust = 100%: not a known value; allowed: auto, always, never",
            id="percent",
        ),
        pytest.param(
            ("freshness_encoding",),
            {"accept-encodings": "strip"},
            "[freshness] accept-encodings = strip: no such option; allowed: accept_encoding, cache_bust, ",
            id="option",
        ),
        pytest.param(
            ("blocklist_project", "freshness_encodng"),
            {},
            "[plugins] enabled = freshness_encodng: no such plugin; allowed: freshness, freshness_encoding, ",
            id="plugin",
        ),
    ],
)
def test_a_configuration_that_can_not_be_followed_ends_the_run(
    plugins: tuple[str, ...], options: dict[str, str], message: str, start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """One line that names file, section, option, value and what is allowed; no request, no traceback."""
    lab = start_lab(projects=1)
    mirror = make_mirror(lab, *plugins, options=options)
    run = mirror.run()
    assert run.returncode == 2
    (line,) = lines(run, f"{mirror.config}: ")
    assert f"ERROR: {mirror.config}: {message}" in line
    assert "Traceback" not in run.output
    assert lab.requests == []


def test_what_is_probably_a_slip_is_said_once(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """A section that nobody reads; the run goes on."""
    mirror = make_mirror(start_lab(projects=1), "freshness")
    mirror.configure("Freshness", warn_after="2h")
    run = mirror.run()
    assert run.returncode == 0
    (line,) = lines(run, "did you mean")
    assert f" WARNING: {mirror.config}: [Freshness]; did you mean freshness?" in line


def test_all_is_the_turnkey_plugin(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """`enabled = all` strips and busts nothing while pages are fresh, and cures what is stale."""
    lab = start_lab()
    bare, mirror = make_mirror(lab), make_mirror(lab, "all")
    sent = []
    # Bandersnatch's own plugins are all on as well; without settings they let everything pass
    for one in (bare, mirror):
        lab.forget()
        assert one.run().returncode == 0
        sent.append(as_sent(metadata(lab)))
    assert sent[0] == sent[1]
    lab.behave("gzip-and-identity-stale")
    lab.release()
    assert mirror.run().stale_errors == 0
    assert is_fresh(mirror, lab)


def test_stop_on_error_stops(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """The first package that can't be cured ends the run, with Bandersnatch's exit code."""
    lab = start_lab("origin-stale", projects=1)
    lab.release()
    runs = [make_mirror(lab, *plugins, mirror={"stop-on-error": "true"}).run() for plugins in ((), ("freshness",))]
    assert [run.returncode for run in runs] == [1, 1]
    assert all("Exiting early after error." in run.output for run in runs)


@pytest.mark.parametrize(
    "command",
    [
        ("verify",),
        ("verify", "--json-update"),
        ("delete", "lab-00"),
        pytest.param(("sync", "lab-00"), marks=needs_sync),
    ],
    ids=" ".join,
)
def test_other_commands_run_as_ever(command: tuple[str, ...], start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """On a healthy edge they send what they send without the suite."""
    lab = start_lab()
    asked = []
    for plugins in ((), ("freshness",)):
        mirror = make_mirror(lab, *plugins)
        mirror.run()
        # `delete` asks for documents that it doesn't have, `verify` for files
        for path in mirror.directory.rglob("json/lab-00" if command[0] == "delete" else "*.whl"):
            path.unlink()
        lab.forget()
        run = mirror.run(*command)
        assert run.returncode == 0
        asked.append(as_sent(lab.requests))
    assert asked[0] == asked[1]
    assert asked[0]


WRAPPED = """
import asyncio, sys
from unittest import mock
from pathlib import Path
import aiohttp
from bandersnatch.configuration import BandersnatchConfig
from bandersnatch.master import Master
from bandersnatch_freshness import host
from bandersnatch_freshness.transports.aiohttp_session import FreshSession

loaded = BandersnatchConfig(Path(sys.argv[1]))
config = getattr(loaded, "config", loaded)

async def main():
    master = Master(config.get("mirror", "master"))
    assert not hasattr(master, "session")
    async with master:
        before = master.session
        host.start(config)
        assert isinstance(master.session, FreshSession), "a session that is there already"
        assert master.session is master.session
        assert master.session.wrapped is before
    async with master:
        assert master.session.wrapped is not before, "a later one"
        real = master.session.wrapped
        for other in (mock.MagicMock(spec=aiohttp.ClientSession), mock.MagicMock(), object(), None):
            master.session = other
            assert master.session is other, other
        master.session = real
asyncio.run(main())
"""

MOUNTED = """
import sys
from unittest import mock
import requests
from bandersnatch.configuration import BandersnatchConfig
from bandersnatch.master import Master
from bandersnatch_freshness import host
from bandersnatch_freshness.transports.requests_adapter import FreshAdapter

config = BandersnatchConfig(sys.argv[1]).config
url = config.get("mirror", "master")

def adapter(master):
    try:
        master.get("https://127.0.0.1:1/none", None)
    except requests.RequestException:
        pass
    return master.session.get_adapter(url)

master = Master(url)
host.start(config)
mounted = adapter(master)
assert isinstance(mounted, FreshAdapter), "a session that is there already"
assert adapter(master) is mounted
assert isinstance(adapter(Master(url)), FreshAdapter), "a later one"
master.session = requests.Session()
assert adapter(master) is not mounted, "another one of the same master"
for other in (mock.MagicMock(spec=requests.Session), mock.MagicMock()):
    master.session = other
    master.get("/simple/", None)
    assert not other.mount.called, other
"""


def test_only_a_real_session_is_wrapped(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """One that exists already, and later ones; nothing that other programs put there."""
    mirror = make_mirror(start_lab(projects=1), "freshness")
    script = [sys.executable, "-c", WRAPPED if BANDERSNATCH.major > 3 else MOUNTED, str(mirror.config)]
    done = subprocess.run(script, env=mirror.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr


def test_works_through_a_proxy(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """The one of the environment, which every Bandersnatch uses."""
    lab = start_lab("gzip-and-identity-stale")
    mirror = make_mirror(lab, "freshness")
    lab.release()
    with running_proxy() as proxy:
        mirror.run(environment={"https_proxy": proxy.url})
    assert is_fresh(mirror, lab)
    assert lab.https_url.removeprefix("https://") in proxy.targets
    assert sum(pages(lab).values()) == 10


def test_ctrl_c_ends_it_as_ever(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """In the middle of a request: the same exit code, and no serial is saved."""
    lab = start_lab("silent", projects=1)
    codes = [_interrupted(make_mirror(lab, *plugins), lab) for plugins in ((), ("freshness",))]
    assert codes[0] == codes[1]
    assert (codes[0] == 0) is (BANDERSNATCH.major < 4)  # which takes it for success


def _interrupted(mirror: Mirror, lab: Lab) -> int:
    arrived = lab.expect("/pypi/lab-00/json")
    process = subprocess.Popen(
        mirror.command("mirror"),
        env=mirror.environment(),
        cwd=mirror.config.parent,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        preexec_fn=interruptible,
    )
    assert arrived.wait(30)
    process.send_signal(signal.SIGINT)
    assert process.wait(30) is not None
    assert (mirror.serial == 0) is (BANDERSNATCH.major > 3)
    return process.returncode


@pytest.mark.smoke
@pytest.mark.skipif(BANDERSNATCH.major < 5, reason="Bandersnatch 4.4 does not look for uvloop")
def test_works_with_uvloop(start_lab: StartLab, make_mirror: MakeMirror, tmp_path: Path) -> None:
    """Bandersnatch uses it where it is installed."""
    pytest.importorskip("uvloop")
    lab = start_lab("gzip-stale")
    mirror = make_mirror(lab, "freshness")
    lab.release()
    # the loop in use says so itself
    (tmp_path / "sitecustomize.py").write_text(
        "import atexit, asyncio\n"
        "atexit.register(lambda: print('policy:', type(asyncio.get_event_loop_policy()).__module__))\n"
    )
    run = mirror.run(environment={"PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"})
    assert "policy: uvloop" in run.output
    assert is_fresh(mirror, lab)


@pytest.mark.skipif(BANDERSNATCH.major < 6, reason="up to 5.3 Bandersnatch's loader keeps what it has looked up")
def test_verify_looks_entry_points_up_as_without_the_suite(
    start_lab: StartLab, make_mirror: MakeMirror, tmp_path: Path
) -> None:
    """Its loader is everybody's, and stays as it is."""
    (tmp_path / "sitecustomize.py").write_text(
        "import atexit, importlib.metadata\n"
        "look_up, calls = importlib.metadata.entry_points, []\n"
        "importlib.metadata.entry_points = lambda **group: calls.append(group) or look_up(**group)\n"
        "atexit.register(lambda: print('looked up:', len(calls)))\n"
    )
    environment = {"PYTHONPATH": f"{tmp_path}{os.pathsep}{os.environ.get('PYTHONPATH', '')}"}
    counts = {}
    for plugins in (("blocklist_project",), ("blocklist_project", "freshness")):
        mirror = make_mirror(start_lab(projects=4), *plugins)
        mirror.run()
        (line,) = lines(mirror.run("verify", environment=environment), "looked up: ")
        counts[plugins] = int(line.rpartition(" ")[2])
    bare, suite = counts.values()
    assert suite == bare >= 4


@pytest.mark.parametrize(
    ("broken", "said"),
    [
        pytest.param("climb.Ladder.order", "An error inside bandersnatch-freshness", id="in-a-request"),
        pytest.param("settings.read_settings", "bandersnatch-freshness can't start", id="at-start"),
    ],
)
def test_an_error_of_our_own_leaves_bandersnatch_to_itself(
    broken: str, said: str, start_lab: StartLab, make_mirror: MakeMirror, tmp_path: Path
) -> None:
    """A bug in the suite is logged, and then everything is as without it."""
    lab = start_lab()
    mirror = make_mirror(lab, "freshness")
    (tmp_path / "sitecustomize.py").write_text(
        "from bandersnatch_freshness import settings\n"
        "from bandersnatch_freshness.core import climb\n"
        "def bug(*_): raise RuntimeError('a bug of ours')\n"
        f"{broken} = bug\n"
    )
    run = mirror.run(environment={"PYTHONPATH": str(tmp_path)})
    assert len(lines(run, said)) == 1
    assert "a bug of ours" in run.output
    assert is_fresh(mirror, lab)
    # which builds the plugins anew for each package
    assert len(lines(mirror.run("verify", environment={"PYTHONPATH": str(tmp_path)}), said)) <= 1
