"""The lab's server: a PyPI that real clients work with."""

from __future__ import annotations

import subprocess
import sys
import xmlrpc.client
from pathlib import Path

import pytest
import requests

from bandersnatch_freshness.lab.origin import Lifetimes

from ..conftest import StartLab
from .clock import HOUR, Clock


def test_speaks_https_with_its_own_authority(start_lab: StartLab) -> None:
    """And the same pages over http."""
    lab = start_lab()
    pages = [
        requests.get(f"{lab.https_url}/pypi/lab-01/json", verify=str(lab.ca_file), timeout=10),
        requests.get(f"{lab.url}/pypi/lab-01/json", timeout=10),
    ]
    assert pages[0].json() == pages[1].json()
    assert [asked.scheme for asked in lab.requests] == ["https", "http"]
    assert [asked.cache for asked in lab.requests] == ["MISS", "HIT"]


@pytest.mark.parametrize("accept", ["application/vnd.pypi.simple.v1+json", "text/html"])
def test_serves_the_simple_api_as_pypi_does(accept: str, start_lab: StartLab) -> None:
    """`/simple` redirects to `/simple/`; JSON or HTML as asked, each with its serial."""
    lab = start_lab()
    index = requests.get(f"{lab.url}/simple", headers={"Accept": accept}, timeout=10)
    assert index.history[0].status_code == 301
    assert index.headers["Content-Type"].startswith(accept)
    assert index.headers["X-PyPI-Last-Serial"] == str(lab.serial)
    assert "lab-07" in index.text
    assert requests.get(f"{lab.url}/simple/none/", timeout=10).status_code == 404


def test_answers_xml_rpc(start_lab: StartLab) -> None:
    """The calls that Bandersnatch up to 7.1 makes."""
    lab = start_lab()
    before = lab.serial
    lab.release(["lab-03"])
    with xmlrpc.client.ServerProxy(f"{lab.url}/pypi") as pypi:
        assert pypi.changelog_last_serial() == before + 1
        assert pypi.changelog_since_serial(before) == [["lab-03", "2.0", 0, "new release", before + 1]]
        assert pypi.list_packages_with_serial()["lab-03"] == before + 1  # type: ignore[index,call-overload]
        with pytest.raises(xmlrpc.client.Fault, match="no such method: browse"):
            pypi.browse([])


def test_its_wheels_install(start_lab: StartLab, tmp_path: Path) -> None:
    """With pip, straight from the lab."""
    lab = start_lab()
    command = [sys.executable, "-m", "pip", "--isolated", "install", "--quiet", "--target", str(tmp_path)]
    subprocess.run([*command, "--index-url", f"{lab.url}/simple/", "lab-02"], check=True)
    code = "import lab_02; print(lab_02.__version__)"
    found = subprocess.run([sys.executable, "-c", code], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert found.stdout == "1.0\n"


def test_answers_late_where_it_is_told_to(start_lab: StartLab) -> None:
    """As a server that is far away."""
    lab = start_lab(delay=0.05)
    assert requests.get(f"{lab.url}/pypi/lab-01/json", timeout=10).elapsed.total_seconds() >= 0.05


def test_lists_more_projects_than_there_are(start_lab: StartLab) -> None:
    """Of serials long past, for an index as large as one likes; and it counts what it sends."""
    lab = start_lab(listed=1000)
    accept = {"Accept": "application/vnd.pypi.simple.v1+json"}
    answer = requests.get(f"{lab.url}/simple/", headers=accept, timeout=10)
    serials = {project["name"]: project["_last-serial"] for project in answer.json()["projects"]}
    assert len(serials) == 1008
    assert max(serials, key=lambda name: serials[name]) == "lab-07"
    assert requests.get(f"{lab.url}/pypi/listed-000001/json", timeout=10).status_code == 404
    assert lab.requests[0].size == int(answer.headers["Content-Length"]) < len(answer.content)
    requests.head(f"{lab.url}/simple/", headers=accept, timeout=10)
    assert lab.requests[-1].size == 0


def test_pypis_edge_compresses_for_gzip_alone(start_lab: StartLab) -> None:
    """Deflate has a copy of its own, whose body is not compressed; OPTIONS are compressed as well."""
    lab = start_lab("healthy", "pypi")
    codings = []
    for method in ("GET", "OPTIONS"):
        for accepted in ("gzip", "deflate", "br", "identity"):
            headers = {"Accept-Encoding": accepted}
            found = requests.request(method, f"{lab.url}/pypi/lab-01/json", headers=headers, timeout=10)
            assert found.json()["info"]["name"] == "lab-01"
            codings.append(found.headers.get("Content-Encoding"))
    assert codings == ["gzip", None, None, None] * 2
    assert [asked.cache for asked in lab.requests] == [
        *("MISS, MISS", "HIT, MISS", "HIT, MISS", "HIT, HIT"),
        *["MISS, MISS"] * 4,
    ]


def test_an_hour_passes_by_the_clock_that_it_is_given(start_lab: StartLab) -> None:
    """And lifetimes can be as short as one likes."""
    clock = Clock()
    lab = start_lab("healthy", "pypi", lifetimes=Lifetimes(index=HOUR, while_revalidate=0), clock=clock)

    accept = {"Accept": "application/vnd.pypi.simple.v1+json"}
    before = str(lab.serial)
    seen = []
    for _ in range(2):
        seen.append(requests.head(f"{lab.url}/simple/", headers=accept, timeout=10).headers["X-PyPI-Last-Serial"])
        lab.release()
        clock.move(HOUR)
    assert seen[0] == before < seen[1]


def test_a_mirror_can_be_moved_to_another_point_of_presence(start_lab: StartLab) -> None:
    """By a POST, as a person does, or by the lab; other edges have only one."""
    lab = start_lab("healthy", "pypi")
    places = []
    for switch in (lambda: requests.post(f"{lab.url}/+lab/switch", timeout=10).json()["point_of_presence"], lab.switch):
        there = switch()
        served_by = requests.get(f"{lab.url}/pypi/lab-01/json", timeout=10).headers["X-Served-By"]
        assert served_by == f"cache-iad, cache-{there}-1"
        places.append(there)
    assert places == ["fra", "ams"]
    assert start_lab().switch() == "lab"


def test_what_happens_at_pypi_can_be_made_to_happen(start_lab: StartLab) -> None:
    """Each is an event, which XML-RPC tells of."""
    lab = start_lab("healthy", "pypi")
    before = lab.serial
    lab.quarantine("lab-00")
    lab.empty("lab-01")
    lab.invite("lab-02")
    lab.remove("lab-03", counts=True)
    with xmlrpc.client.ServerProxy(f"{lab.url}/RPC2") as pypi:
        events = pypi.changelog_since_serial(before)
    assert [(event[0], event[3]) for event in events] == [  # type: ignore[union-attr,index]
        ("lab-00", "project quarantined"),
        ("lab-01", "remove release"),
        ("lab-02", "invite Maintainer somebody"),
        ("lab-03", "remove project"),
    ]
