"""What a mirror loses, an audit finds, and runs bring it back after a repair; bare Bandersnatch beside the suite."""

from __future__ import annotations

import json
import shutil
import subprocess
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from bandersnatch_freshness.lab.behaviours import COPIES, Behaviour
from bandersnatch_freshness.lab.mirrors import Mirror
from bandersnatch_freshness.lab.origin import Answer
from bandersnatch_freshness.lab.server import Lab

from ..cli.test_status import command
from ..conftest import MakeMirror, StartLab
from .observe import BANDERSNATCH, is_fresh, pages

HAS_FORMATS = BANDERSNATCH.major >= 6


def audit(mirror: Mirror, *arguments: str) -> tuple[int, dict[str, str]]:
    """Audit a mirror; return the exit code, and what is named, by package."""
    shown = command("audit", mirror, "--list", *arguments)
    assert shown.stderr == ""
    return shown.returncode, {line.split("\t")[0]: line.split("\t")[1] for line in shown.stdout.splitlines()}


def simple(mirror: Mirror, name: str) -> Path:
    """Return the directory of a project's pages."""
    return mirror.directory / "web" / "simple" / name


def both(lab: Lab, make_mirror: MakeMirror, **given: Any) -> tuple[Mirror, Mirror]:
    """Return a bare mirror and one with the suite, both complete."""
    mirrors = make_mirror(lab, **given), make_mirror(lab, "freshness", **given)
    assert [one.run().returncode for one in mirrors] == [0, 0]
    return mirrors


def complete(lab: Lab, make_mirror: MakeMirror, **given: Any) -> Mirror:
    """Return a mirror with the suite, which is complete and found to be so."""
    mirror = make_mirror(lab, "freshness", **given)
    assert mirror.run().returncode == 0
    assert audit(mirror) == (0, {})
    return mirror


def assert_heals(lab: Lab, bare: Mirror, mirror: Mirror, lost: dict[str, str]) -> None:
    """Check that an audit finds what is lost, that a repair and a run bring it back, and that no run of bare's does.

    Nothing but what was lost is asked for.
    """
    assert audit(mirror, "--repair") == (1, lost)
    lab.forget()
    assert mirror.run().returncode == 0
    assert pages(lab) == dict.fromkeys(lost, 1)
    assert audit(mirror) == (0, {})
    assert is_fresh(mirror, lab)
    assert bare.run().returncode == 0
    assert audit(bare) == (1, lost)


@pytest.mark.smoke
def test_what_is_lost_of_single_packages_comes_back(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """A page that is deleted, cut off, or an older one; and a document."""
    lab = start_lab(projects=6)
    old = make_mirror(lab)
    old.run()
    lab.release()
    bare, mirror = both(lab, make_mirror)
    for one in (bare, mirror):
        shutil.rmtree(simple(one, "lab-00"))
        for page in simple(one, "lab-01").iterdir():
            page.write_bytes(page.read_bytes()[:50])
        shutil.copytree(simple(old, "lab-02"), simple(one, "lab-02"), dirs_exist_ok=True)
        shutil.copyfile(old.directory / "web/json/lab-02", one.directory / "web/json/lab-02")
        (one.directory / "web/json/lab-03").unlink()
        shutil.copyfile(simple(old, "lab-04") / "index.html", simple(one, "lab-04") / "index.html")
    lost = {
        "lab-00": "missing",
        "lab-01": "unreadable",
        "lab-02": "older",
        "lab-03": "places disagree",
        "lab-04": "places disagree",
    }
    assert_heals(lab, bare, mirror, lost)


def test_a_restored_web_comes_back(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Of an older backup, while `status` and the suite's files are of now."""
    lab = start_lab(projects=4)
    bare, mirror = both(lab, make_mirror)
    for one in (bare, mirror):
        shutil.copytree(one.directory / "web", one.directory / "backup", symlinks=True)
    lab.release(["lab-00", "lab-02"])
    for one in (bare, mirror):
        one.run()
        shutil.rmtree(one.directory / "web")
        (one.directory / "backup").rename(one.directory / "web")
    assert_heals(lab, bare, mirror, {"lab-00": "older", "lab-02": "older"})


def test_what_was_dropped_from_the_todo_list_comes_back(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """It is found while the list is there, as the next run would pass it, and after that run."""
    lab = start_lab(projects=4)
    bare, mirror = both(lab, make_mirror)
    lab.release(["lab-00", "lab-01"])
    for one in (bare, mirror):
        (one.directory / "todo").write_text(f"{lab.serial}\nlab-01 {lab.serial}")
    assert audit(mirror) == (1, {"lab-00": "older"})
    bare.run(), mirror.run()
    assert_heals(lab, bare, mirror, {"lab-00": "older"})


def test_a_404_that_bare_bandersnatch_believed_comes_back(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """It happened before the suite came."""
    lab = start_lab(projects=4)
    bare, mirror = both(lab, make_mirror)
    mirror.configure("plugins", enabled="")
    lab.release(["lab-00", "lab-01"])
    lab.plant("lab-00", Answer(404), COPIES)
    bare.run(), mirror.run()
    assert bare.serial == mirror.serial == lab.serial
    lab.heal()
    mirror.configure("plugins", enabled="freshness")
    assert_heals(lab, bare, mirror, {"lab-00": "older"})


def test_what_a_filter_kept_out_comes_back(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """While the filter is on it is not missed; switched off, nobody else asks for what was released meanwhile."""
    lab = start_lab(projects=4)
    word = "blocklist" if BANDERSNATCH.major >= 4 else "blacklist"
    bare, mirror = make_mirror(lab), make_mirror(lab, "freshness")
    for one, plugin in ((bare, ""), (mirror, "freshness")):
        one.configure("plugins", enabled=f"{plugin}\n{word}_project".strip())
        one.configure(word, packages="lab-01")
        assert one.run().returncode == 0
        assert not simple(one, "lab-01").exists()
        if one is mirror:
            assert audit(one) == (0, {})
            explained = command("audit", one, "lab-01")
            assert (explained.returncode, explained.stdout.splitlines()[0]) == (
                0,
                "lab-01: dropped by the mirror's filters",
            )
        one.configure("plugins", enabled=plugin)
    assert_heals(lab, bare, mirror, {"lab-01": "missing"})


def test_without_a_status_the_next_run_asks_for_all(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """So nothing is to be repaired, and the mirror is not called complete."""
    lab = start_lab(projects=2)
    mirror = complete(lab, make_mirror)
    shutil.rmtree(simple(mirror, "lab-00"))
    (mirror.directory / "status").unlink()
    shown = command("audit", mirror)
    assert shown.returncode == 1
    assert "The mirror has no serial: its first sync, or one that begins anew, is not over." in shown.stdout
    assert audit(mirror) == (1, {})
    mirror.run()
    assert audit(mirror) == (0, {})


def test_what_upstream_took_down_is_named_first(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """And stays as it is: it may be malware, and it may be all that is left of something."""
    lab = start_lab(projects=3)
    mirror = complete(lab, make_mirror)
    shutil.rmtree(simple(mirror, "lab-00"))
    lab.remove("lab-02")
    assert audit(mirror, "--repair") == (1, {"lab-02": "not announced any more", "lab-00": "missing"})
    mirror.run()
    assert audit(mirror) == (1, {"lab-02": "not announced any more"})
    assert simple(mirror, "lab-02").exists()


def test_what_is_gone_is_not_missed(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """A project without a release, by a proven 404; PyPI's index lists thousands."""
    lab = start_lab("healthy", "pypi", projects=3)
    lab.empty("lab-00")
    mirror = make_mirror(lab, "freshness")
    assert mirror.run().returncode == 0
    assert audit(mirror) == (0, {})
    assert json.loads(command("audit", mirror, "--json").stdout)["counts"]["gone"] == 1


@pytest.mark.parametrize(
    "given",
    [
        pytest.param({"hash-index": "true"}, id="hash-index"),
        pytest.param({"json": "false"}, id="no-documents"),
        pytest.param({"release-files": "false", "root_uri": "https://files.example"}, id="no-files"),
        pytest.param({"keep_index_versions": "2"}, id="versions-of-pages"),
        *(
            pytest.param({"simple-format": one}, id=one, marks=pytest.mark.skipif(not HAS_FORMATS, reason="new in 6.0"))
            for one in ("HTML", "JSON")
        ),
    ],
)
def test_a_mirror_is_audited_as_it_is_configured(
    given: dict[str, str], start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """What it does not write is not missed, and what it writes is."""
    lab = start_lab(projects=2)
    lab.release()
    mirror = complete(lab, make_mirror, mirror=given)
    directory = mirror.directory / "web/simple" / ("l" if "hash-index" in given else "") / "lab-01"
    shutil.rmtree(directory)
    assert audit(mirror, "--repair") == (1, {"lab-01": "missing"})
    mirror.run()
    assert audit(mirror) == (0, {})


@pytest.mark.skipif(BANDERSNATCH.major < 4, reason="Bandersnatch 3.6 has no metadata filters")
def test_a_metadata_filter_leaves_what_was_never_synced_unknown(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """What was synced once, it lets through."""
    lab = start_lab(projects=3)
    mirror = make_mirror(lab, "freshness\nregex_project_metadata")
    mirror.configure("regex_project_metadata", **{"not-null:info.name": "lab-0[12]"})
    mirror.run()
    assert audit(mirror) == (0, {})
    assert json.loads(command("audit", mirror, "--json").stdout)["counts"]["unknown by filter"] == 1
    (simple(mirror, "lab-01") / "index.html").unlink()
    assert list(audit(mirror)[1]) == ["lab-01"]


def test_pages_without_files_are_pages(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """All releases are filtered out; the page is there, with its serial."""
    lab = start_lab(projects=2)
    mirror = make_mirror(lab, "freshness")
    word = "blocklist" if BANDERSNATCH.major >= 4 else "blacklist"
    mirror.configure("plugins", enabled=f"freshness\n{word}_release")
    mirror.configure(word, packages="lab-00>=0")
    assert mirror.run().returncode == 0
    assert ".whl" not in (simple(mirror, "lab-00") / "index.html").read_text()
    assert audit(mirror) == (0, {})


@pytest.mark.smoke
def test_while_a_run_is_under_way(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """What it is about to sync is not lost, and what is repaired then the next run syncs."""
    lab = start_lab(projects=4)
    mirror = complete(lab, make_mirror, mirror={"timeout": "30"})
    shutil.rmtree(simple(mirror, "lab-03"))
    lab.behave(Behaviour("silent", fault="silent"))
    lab.release(["lab-00", "lab-01"])
    arrived = lab.expect("/pypi/lab-00/json")
    process = subprocess.Popen(
        mirror.command("mirror"), env=mirror.environment(), cwd=mirror.config.parent, stderr=subprocess.DEVNULL
    )
    try:
        assert arrived.wait(30)
        assert audit(mirror, "--repair") == (1, {"lab-03": "missing"})
    finally:
        process.kill()
        process.wait(30)
    assert audit(mirror) == (0, {"lab-03": "in quarantine"})
    lab.heal()
    mirror.run()
    assert audit(mirror) == (0, {})
    assert is_fresh(mirror, lab)


Prepare = Callable[[Lab, Mirror], object]


@pytest.mark.parametrize(
    ("prepare", "reason"),
    [
        pytest.param(lambda lab, _: [lab.remove(name) for name in lab.names[:2]], "it lists 4 projects", id="fewer"),
        pytest.param(lambda lab, _: lab.behave("index-static"), "carries no serials", id="no-serials"),
        pytest.param(lambda lab, _: lab.behave("index-html"), "not a simple index in JSON", id="html"),
        pytest.param(
            lambda _, mirror: mirror.configure(master="https://127.0.0.1:9"), "it can't be had: ", id="nobody-there"
        ),
    ],
)
def test_without_an_index_it_can_not_tell(
    prepare: Prepare, reason: str, start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """Exit code 3 and one line, and nothing is called missing."""
    lab = start_lab(projects=6)
    mirror = make_mirror(lab, "freshness")
    mirror.run()
    prepare(lab, mirror)
    shown = command("audit", mirror)
    assert (shown.returncode, shown.stdout) == (3, "")
    assert shown.stderr.count("\n") == 1
    assert reason in shown.stderr
