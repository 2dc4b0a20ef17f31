"""A mirror in S3: the state lies there with it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import boto3
import pytest
from moto.server import ThreadedMotoServer

from bandersnatch_freshness.lab.behaviours import Behaviour
from bandersnatch_freshness.lab.mirrors import Mirror
from bandersnatch_freshness.lab.server import Lab

from ..cli.test_status import command
from ..conftest import MakeMirror, StartLab
from .cron import HOUR, cron
from .observe import BANDERSNATCH, SIMPLE, lines, needs_simple, pages

pytestmark = pytest.mark.skipif(
    BANDERSNATCH.major < 6, reason="Bandersnatch keeps mirrors in S3 from 5.0 on, so from 6.8 here"
)

KEYS = {"aws_access_key_id": "testing", "aws_secret_access_key": "testing", "region_name": "us-east-1"}


class Bucket:
    """A bucket and the mirror's place in it.

    Bandersnatch makes a local directory of the mirror's name for its lock, so that name is
    one below the test's own directory: its first part is the bucket.
    """

    def __init__(self, client: Any, place: Path) -> None:
        """Make the bucket."""
        self._client = client
        self.directory = str(place)
        _, self._bucket, self._key = str(place).split("/", 2)
        client.create_bucket(Bucket=self._bucket)

    def mirror(self, make_mirror: MakeMirror, lab: Lab, **more: str) -> Mirror:
        """Return a mirror in it, with `more` options of `[mirror]`."""
        made = make_mirror(lab, "freshness", mirror={"directory": self.directory, "storage-backend": "s3", **more})
        made.configure("s3", endpoint_url=self._client.meta.endpoint_url, signature_version="s3v4", **KEYS)
        return made

    def read(self, name: str) -> bytes:
        """Return an object of the mirror."""
        body: bytes = self._client.get_object(Bucket=self._bucket, Key=f"{self._key}/{name}")["Body"].read()
        return body

    def write(self, name: str, content: bytes) -> None:
        """Put an object of the mirror."""
        self._client.put_object(Bucket=self._bucket, Key=f"{self._key}/{name}", Body=content)

    def delete(self, name: str) -> None:
        """Delete an object of the mirror."""
        self._client.delete_object(Bucket=self._bucket, Key=f"{self._key}/{name}")

    def names(self, prefix: str) -> list[str]:
        """Return the objects of the mirror that begin so."""
        found = self._client.list_objects_v2(Bucket=self._bucket, Prefix=f"{self._key}/{prefix}")
        return [one["Key"].removeprefix(f"{self._key}/") for one in found.get("Contents", ())]


@pytest.fixture
def bucket(tmp_path: Path) -> Iterator[Bucket]:
    """Run an S3 on loopback with a bucket in it."""
    server = ThreadedMotoServer("127.0.0.1", 0)
    server.start()
    try:
        host, port = server.get_host_and_port()
        yield Bucket(boto3.client("s3", endpoint_url=f"http://{host}:{port}", **KEYS), tmp_path / "s3")
    finally:
        server.stop()


def test_the_state_lies_with_the_mirror(
    bucket: Bucket, start_lab: StartLab, make_mirror: MakeMirror, tmp_path: Path
) -> None:
    """Written and read through Bandersnatch's backend; nothing of it is on the local disk."""
    lab = start_lab(Behaviour("one", origin_behind=1, every=3), projects=3)
    mirror = bucket.mirror(make_mirror, lab)
    lab.release(["lab-00"])
    for runs in (1, 2):
        run = mirror.run()
        assert lines(run, "not remembered") == []
        assert "An error inside" not in run.output
        assert json.loads(bucket.read("freshness.json"))["incidents"]["lab-00"]["runs"] == runs
    shown = command("status", mirror)
    assert shown.returncode == 0
    assert "lab-00" in shown.stdout
    assert not list(tmp_path.glob("**/*freshness*"))


def test_a_corrupt_state_is_moved_away_there(bucket: Bucket, start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """As an object beside it."""
    mirror = bucket.mirror(make_mirror, start_lab(projects=1))
    bucket.write("freshness.json", b"{")
    run = mirror.run()
    assert len(lines(run, f"is corrupt; moved to {bucket.directory}/freshness.json.unreadable-")) == 1
    state, moved = bucket.names("freshness.json")
    assert json.loads(bucket.read(state))["incidents"] == {}
    assert bucket.read(moved) == b"{"


def test_what_is_in_quarantine_is_there_too(bucket: Bucket, start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """In the state, in its second copy, and released on the todo list."""
    lab = start_lab(projects=3)
    mirror = bucket.mirror(make_mirror, lab)
    lab.behave(Behaviour("one", origin_behind=1, every=1000))
    lab.release()
    with cron(mirror) as runs:
        runs.run(0, HOUR, 2 * HOUR, 6 * HOUR)
    assert json.loads(bucket.read("freshness.json"))["quarantine"].keys() == {"lab-00"}
    owed = f"lab-00 {lab.serial - 2}"
    assert bucket.read("freshness.quarantine") == f"{owed}\n".encode()
    assert bucket.read("status") == str(lab.serial).encode()
    released = command("quarantine", mirror, "release", "--all")
    assert (released.returncode, released.stderr) == (0, "")
    assert bucket.read("todo") == f"{lab.serial}\n{owed}".encode()
    assert bucket.read("freshness.quarantine") == b""


def test_what_nobody_minds_is_handed_back_there_too(
    bucket: Bucket, start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """Once, by a plugin that knows of no quarantine."""
    lab = start_lab(projects=2)
    mirror = bucket.mirror(make_mirror, lab)
    mirror.run()
    bucket.write("freshness.quarantine", b"lab-00 1\n")
    mirror.configure("plugins", enabled="freshness_encoding")
    lab.forget()
    found = [lines(mirror.run(), "handed 1 package back from quarantine") for _ in range(2)]
    assert [len(one) for one in found] == [1, 0]
    assert pages(lab) == {"lab-00": 1}
    assert bucket.read("freshness.quarantine") == b""


def test_sync_replaces_nothing_older_there_either(bucket: Bucket, start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """The mirror's own copy is read from where it is."""
    lab = start_lab(projects=2)
    mirror = bucket.mirror(make_mirror, lab)
    lab.release()
    assert mirror.run().returncode == 0
    page = bucket.read("web/simple/lab-00/index.html")
    lab.roll_back("lab-00")
    run = mirror.run("sync", "lab-00")
    assert len(lines(run, "lab-00: no way gets a page as new as the mirror's own")) == 1
    assert bucket.read("web/simple/lab-00/index.html") == page


def test_verify_deletes_nothing_newer_there_either(
    bucket: Bucket, start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """The document that is to be replaced is read from where it is."""
    lab = start_lab(projects=2)
    mirror = bucket.mirror(make_mirror, lab)
    lab.release()
    assert mirror.run().returncode == 0
    document, files = bucket.read("web/json/lab-00"), bucket.names("web/packages")
    lab.roll_back("lab-00")
    run = command("run", mirror, "verify", "--json-update", "--delete")
    assert run.stderr.count("lab-00: no way gets a page as new as the mirror's own") == 1
    assert bucket.read("web/json/lab-00") == document
    assert bucket.names("web/packages") == files


def test_a_broken_index_is_not_acted_on_there_either(
    bucket: Bucket, start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """Its serial, its list of projects and its pages stay as they are."""
    lab = start_lab(projects=4)
    mirror = bucket.mirror(make_mirror, lab)
    mirror.configure(**SIMPLE)
    mirror.run()
    kept = {name: bucket.read(name) for name in ("status", "web/last-modified", "web/simple/index.html")}
    lab.behave("index-static")
    lab.release()
    run = mirror.run()
    assert len(lines(run, "The index is not used, and the mirror stays as it is: it carries no serial")) == 1
    assert {name: bucket.read(name) for name in kept} == kept
    assert json.loads(bucket.read("freshness.json"))["incidents"].keys() == {"/", "/simple/"}


def test_the_status_page_lies_there_too(bucket: Bucket, start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """Under `web`, with the pages that the mirror serves, and the facts; without a request for its own pages."""
    mirror = bucket.mirror(make_mirror, start_lab(projects=1))
    mirror.configure("freshness", status_page="status.html")
    run = mirror.run()
    assert lines(run, "can't be written") == []
    assert b"This mirror has everything that was announced." in bucket.read("web/status.html")
    facts = json.loads(bucket.read("web/status.json"))
    assert (facts["verdict"], facts["newest"], facts["index_serial"]) == ("fresh", {}, None)


@pytest.mark.slow
def test_an_audit_reads_it_there(bucket: Bucket, start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """What is deleted or older is found, repaired, and synced by the next run."""
    lab = start_lab(projects=3)
    mirror = bucket.mirror(make_mirror, lab)
    mirror.run()
    old = bucket.read("web/simple/lab-01/index.html")
    lab.release()
    mirror.run()
    assert command("audit", mirror).returncode == 0
    bucket.delete("web/simple/lab-00/index.html")
    bucket.write("web/simple/lab-01/index.html", old)
    found = command("audit", mirror, "--list", "--repair").stdout.splitlines()
    assert [line.split("\t")[:2] for line in found] == [["lab-00", "places disagree"], ["lab-01", "places disagree"]]
    assert "lab-00" in json.loads(bucket.read("freshness.json"))["quarantine"]
    assert mirror.run().returncode == 0
    assert command("audit", mirror).returncode == 0
    explained = command("audit", mirror, "lab-00").stdout
    assert explained.count(f"serial {lab.serial - 2}") == 5


@needs_simple
def test_what_is_lost_comes_back_by_runs_there_too(
    bucket: Bucket, start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """Each page that a run compares is a request to the object store, and none to the master."""
    lab = start_lab(projects=2)
    mirror = bucket.mirror(make_mirror, lab, **SIMPLE)
    mirror.configure("freshness", audit_every="1s")
    mirror.run()
    bucket.delete("web/simple/lab-00/index.html")
    lab.forget()
    for _ in range(10):  # each compares for a fiftieth of its time
        assert mirror.run().returncode == 0
        if bucket.names("web/simple/lab-00/index.html"):
            break
    assert command("audit", mirror).returncode == 0
    assert pages(lab) == {"lab-00": 1}


@pytest.mark.slow
def test_an_audit_looks_for_files_there(bucket: Bucket, start_lab: StartLab, make_mirror: MakeMirror) -> None:
    """One request for each file, which are counted; by checksum, each is read."""
    lab = start_lab(projects=3)
    mirror = bucket.mirror(make_mirror, lab)
    mirror.run()
    deleted, cut, altered = (
        next(name for name in bucket.names("web/packages") if f"lab_0{number}" in name and name.endswith(".whl"))
        for number in range(3)
    )
    bucket.delete(deleted)
    bucket.write(cut, b"cut off")
    bucket.write(altered, bucket.read(altered)[::-1])
    found = json.loads(command("audit", mirror, "--files", "--hash", "--repair", "--json").stdout)["files"]
    assert {f"web/{one['path']}": one["finding"] for one in found["findings"]} == {
        deleted: "file missing",
        cut: "wrong size",
        altered: "wrong checksum",
    }
    assert found["requests"] > 3
    assert mirror.run().returncode == 0
    assert command("audit", mirror, "--files", "--hash").returncode == 0
    assert not [name for name in bucket.names("") if "freshness.files" in name]
