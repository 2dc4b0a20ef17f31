"""The status page of real runs."""

from __future__ import annotations

import functools
import json
import stat
import subprocess
import urllib.request
from http.server import SimpleHTTPRequestHandler
from pathlib import Path

import pytest

from bandersnatch_freshness.lab.mirrors import Mirror
from bandersnatch_freshness.lab.server import Lab

from ..conftest import MakeMirror, StartLab
from ..http_server import Server, serving
from ..reporting.test_status_page import Page
from .cron import DAY, HOUR, MINUTE, ONE_STALE, cron
from .observe import SIMPLE, is_fresh, lines, needs_simple
from .test_memory import BLOCK, fill, small_disk

OPTION = {"status_page": "status.html"}


def page(mirror: Mirror, name: str = "web/status.html") -> Page:
    """Read a mirror's page."""
    return Page((mirror.directory / name).read_text("utf-8"))


@pytest.mark.smoke
def test_a_mirror_serves_it_to_its_users(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """As HTML, beside its packages, where a server of files finds it; nothing is said of that."""
    lab = start_lab(ONE_STALE, projects=3)
    mirror = make_mirror(lab, "freshness", options=OPTION)
    mirror.run()
    assert page(mirror).words("h1") == ["This mirror has everything that was announced."]
    lab.release(["lab-00"])
    run = mirror.run()
    assert lines(run, "can't be written") == []
    handler = functools.partial(SimpleHTTPRequestHandler, directory=str(mirror.directory / "web"))
    with Server(("127.0.0.1", 0), handler) as server, serving(server):
        url = f"http://127.0.0.1:{server.server_address[1]}/status.html"
        with urllib.request.urlopen(url, timeout=10) as answer:
            served, kind = answer.read().decode(), answer.headers["Content-Type"]
    assert kind == "text/html"
    read = Page(served)
    assert read.words("h1") == ["This mirror is behind: 1 package waits for its newest page."]
    assert read.words("dd")[0] == f"1 serial at serial {lab.serial - 1:,}, of {lab.serial:,} announced"
    (row,) = read.rows()
    assert row.startswith("lab-00 stale ")
    assert "the origin itself is behind (origin-stale)" in row
    assert f"A mirror of {lab.https_url}" in read.words("p")


def test_a_full_disk_is_on_it(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Though no new page can be written there: the old one would say that all is well."""
    lab = start_lab(projects=1)
    mirror = make_mirror(lab, "freshness", options=OPTION)
    with small_disk(mirror.directory, "2m"):
        mirror.run()
        assert page(mirror).words("h1") == ["This mirror has everything that was announced."]
        fill(mirror.directory, BLOCK)
        lab.release()
        mirror.run()
        assert page(mirror).words("h1") == ["The freshness of this mirror is unknown."]
        assert any("freshness.json can't be written: no room is left" in text for text in page(mirror).words("p"))
        facts = json.loads((mirror.directory / "web" / "status.json").read_text())
        assert facts["verdict"] == "unknown"
        (mirror.directory / "filler").unlink()
        mirror.run()
        assert page(mirror).words("h1") == ["This mirror has everything that was announced."]


def test_a_full_disk_without_a_page(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """The log says why there is none."""
    mirror = make_mirror(start_lab(projects=1), "freshness")
    with small_disk(mirror.directory, "2m"):
        mirror.run()
        mirror.configure("freshness", **OPTION)
        fill(mirror.directory)
        (mirror.directory / "freshness.json").unlink()  # whose room is enough for the state, and not for the page
        assert lines(mirror.run(), "status.html can't be written: OSError: No space left on device")


def test_all_may_read_it(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """A server that is another user, for one; no further than the umask lets them."""
    mirror = make_mirror(start_lab(projects=1), "freshness", options=OPTION)
    for umask, mode in ((0o022, 0o644), (0o027, 0o640)):
        command = ["sh", "-c", f'umask {umask:o}; exec "$@"', "sh", *mirror.command("mirror")]
        subprocess.run(
            command, env=mirror.environment(), cwd=mirror.config.parent, stderr=subprocess.DEVNULL, check=True
        )
        for name in ("status.html", "status.json"):
            assert stat.S_IMODE((mirror.directory / "web" / name).stat().st_mode) == mode
    assert sorted(path.name for path in (mirror.directory / "web").glob("*status*")) == ["status.html", "status.json"]


def test_shows_days_of_runs(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """One package stays stale, is a warning, is in quarantine, where nobody can mend it; in the end it is over."""
    lab = start_lab(ONE_STALE, projects=3)
    mirror = make_mirror(lab, "freshness", options=OPTION)
    said = []
    with cron(mirror) as runs:
        for time in (-HOUR, 0, MINUTE, HOUR, 6 * HOUR, 9 * HOUR, DAY):
            runs.run(time)
            said.append(page(mirror).words("h1")[0])
            if time == -HOUR:
                lab.release(["lab-00"])
        row, figures = page(mirror).rows()[0], page(mirror).words("dd")
        lab.heal()
        lab.release(["lab-00"])
        runs.run(2 * DAY, 2 * DAY + HOUR)
    waits = "1 package waits for its newest page."
    assert said == [
        "This mirror has everything that was announced.",
        *[f"This mirror is behind: {waits}"] * 2,
        f"This mirror is behind and not catching up: {waits}",
        *["This mirror has everything that was announced, but for 1 package."] * 3,
    ]
    assert row.startswith(
        "lab-00 warning in quarantine the origin itself is behind (origin-stale) 2025-10-16 12:00 UTC"
    )
    assert figures[1].startswith("2025-10-17 12:00 UTC ")  # but for what is in quarantine
    read = page(mirror)
    assert read.words("h1") == ["This mirror has everything that was announced."]
    assert read.rows() == []
    # the runs at noon were two in one hour; what was an incident is still drawn
    assert [one["class"] for one in read.of("rect") if one["class"] not in ("lag", "none")] == [
        *("stale", "warning", "warning", "warning", "warning")
    ]
    assert "with runs in 8 of 168 hours." in read.words("desc")[0]


@needs_simple
def test_an_index_that_is_refused(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Nothing is known of what is new, which is more than that some packages wait."""
    lab = start_lab(projects=4)
    mirror = make_mirror(lab, "freshness", options=OPTION)
    mirror.configure(**SIMPLE)
    mirror.run()
    lab.behave("index-static")
    lab.release()
    mirror.run()
    read = page(mirror)
    assert read.words("h1") == ["This mirror cannot see new releases."]
    assert read.rows()[0].startswith("the mirror stale ")
    assert "there is no index: " in read.rows()[0]


def test_a_mirror_that_is_not_filled_yet(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """What keeps it from that is there to read."""
    lab = start_lab(ONE_STALE, projects=1)
    mirror = make_mirror(lab, "freshness", options=OPTION)
    lab.release(["lab-00"])
    mirror.run()
    assert page(mirror).words("h1") == ["This mirror has not been filled yet."]
    assert page(mirror).rows()[0].startswith("lab-00 stale ")


def test_a_run_that_broke_off(make_mirror: MakeMirror) -> None:
    """The master is not to be reached: the page says so, and since when it knows nothing of what is new."""
    with Lab(2) as lab:
        mirrors = [make_mirror(lab, "freshness", options=OPTION) for _ in range(2)]
        mirrors[0].run()
        with cron(mirrors[1]) as runs:
            runs.run(0)
        lab.hang_up()
        assert [mirror.run().returncode for mirror in mirrors] == [1, 1]
    soon, years_later = map(page, mirrors)
    for one in (soon, years_later):
        assert one.words("h1") == ["This mirror is behind: what is new is not known."]
        assert "no connection. To do: see whether this host reaches the master" in one.words("section")[0]
        assert " ended early with an error, in " in one.words("dd")[2]
    assert years_later.words("dd")[1].startswith("2025-10-16 12:00 UTC ")


def test_no_password_is_on_it(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Nor where the mirror lies on its host."""
    lab = start_lab(projects=1)
    mirror = make_mirror(lab, "freshness", options=OPTION)
    mirror.configure(master=lab.https_url.replace("https://", "https://mu:mpw@"))
    mirror.run()
    text, facts = ((mirror.directory / "web" / name).read_text("utf-8") for name in ("status.html", "status.json"))
    assert f"A mirror of {lab.https_url}" in Page(text).words("p")
    assert json.loads(facts)["master"] == lab.https_url
    assert "mpw" not in text + facts
    assert str(mirror.directory) not in text + facts


def test_the_facts_are_those_of_the_last_run(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Beside the page: serials as the mirror's own files have them, what changed last, what waits."""
    lab = start_lab(projects=4)
    mirror = make_mirror(lab, "freshness", options=OPTION)
    said = []
    with cron(mirror) as runs:
        for time in (0, HOUR, 2 * HOUR):
            runs.run(time)
            said.append(json.loads((mirror.directory / "web/status.json").read_text()))
            lab.behave(ONE_STALE)
            lab.release(["lab-00", "lab-02"][: 1 + bool(time)])
    first, _, last = said
    assert (first["verdict"], first["severity"], first["serial_lag"], first["since"]) == ("fresh", "ok", 0, None)
    assert first["complete_at"] == first["last_run"]["started"] == "2025-10-16T12:00:00Z"
    assert (last["verdict"], last["severity"]) == ("behind", "ok")
    assert last["incidents"]["stale"] == {"count": 1, "names": ["lab-00"]}
    assert last["complete_at"] == first["complete_at"]


@needs_simple
def test_what_changed_last_is_as_the_mirror_has_it(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """By its own files, whatever a run got: filters may have kept it out; the newest first."""
    lab = start_lab(projects=4)
    mirror = make_mirror(lab, "freshness", options=OPTION)
    mirror.run()
    lab.release(["lab-02"])
    mirror.run()
    known = json.loads((mirror.directory / "web/status.json").read_text())
    assert next(iter(known["newest"])) == "lab-02"
    assert known["newest"]["lab-02"] == known["serial"] == lab.serial
    assert [one["serial"] for one in known["advances"]] == [lab.serial - 1, lab.serial]
    page = mirror.directory / "web/simple/lab-02/index.html"
    page.write_text(page.read_text().replace(f"SERIAL {lab.serial}", "SERIAL 3"))
    mirror.run()
    assert json.loads((mirror.directory / "web/status.json").read_text())["newest"]["lab-02"] == 3


@pytest.mark.parametrize(
    ("path", "said"),
    [
        pytest.param("none/status.html", "FileNotFoundError: there is no directory {web}/none", id="no-directory"),
        pytest.param("/dev/null/status.html", "NotADirectoryError: ", id="absolute"),
    ],
)
def test_a_page_that_can_not_be_written(path: str, said: str, start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """One line says so, with the option in it; all else is as without."""
    lab = start_lab(projects=2)
    mirror = make_mirror(lab, "freshness", options={"status_page": path})
    run = mirror.run()
    assert run.returncode == 0
    # 4.4 says in every run of a storage backend that its library is not there
    (line,) = [line for line in lines(run, " ERROR") if "swift_plugin" not in line]
    expected = said.format(web=mirror.directory / "web")
    assert f"[freshness] status_page = {path} can't be written: {expected}" in line
    assert is_fresh(mirror, lab)
    assert not list((mirror.directory / "web").glob(".*"))


def test_an_absolute_path(tmp_path: Path, start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Where a server has its own pages."""
    path = tmp_path / "served" / "mirror.html"
    path.parent.mkdir()
    mirror = make_mirror(start_lab(projects=1), "freshness", options={"status_page": str(path)})
    mirror.run()
    assert Page(path.read_text("utf-8")).words("h1") == ["This mirror has everything that was announced."]


def test_none_is_written_unasked(start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Nor is what makes it loaded."""
    mirror = make_mirror(start_lab(projects=1), "freshness")
    mirror.run()
    assert not list((mirror.directory / "web").glob("*.html"))
