"""The requests transport against real servers on loopback: what really arrives there."""

from __future__ import annotations

import threading
from typing import Any
from urllib.parse import urlsplit

import pytest
import requests
from requests.adapters import BaseAdapter

from bandersnatch_freshness.core.variants import PLAIN, AcceptEncoding, Variant
from bandersnatch_freshness.transports.requests_adapter import FreshAdapter

from .requests_upstream import ALL, STRIP, Answer, Received, Upstream, fixed


def test_dresses_metadata_only() -> None:
    """All at once: no Accept-Encoding at all, a parameter, no-cache; a release file goes plainly."""
    upstream = fixed()
    with upstream.session([ALL]) as (session, _):
        for path in ("/simple/foo/?a=%26&b=+", "/packages/foo.whl"):
            assert session.get(upstream.url(path), headers={"Accept": "x"}).status_code == 200
        session.post(upstream.url("/simple/"), data=b"x")
    dressed, *plain = upstream.asked
    assert "Accept-Encoding" not in dressed.headers
    assert dressed.headers["Cache-Control"] == "no-cache"
    assert dressed.headers["Accept"] == "x"
    assert dressed.target.startswith("/simple/foo/?a=%26&b=+&cb=")
    assert [asked.target for asked in plain] == ["/packages/foo.whl", "/simple/"]
    assert all("gzip" in asked.headers["Accept-Encoding"] for asked in plain)


@pytest.mark.parametrize(
    ("variant", "header"),
    [
        pytest.param(PLAIN, "gzip, deflate", id="plain"),
        pytest.param(STRIP, None, id="strip"),
        pytest.param(Variant(AcceptEncoding.DEFLATE), "deflate", id="deflate"),
    ],
)
def test_accept_encoding_is_what_the_variant_says(variant: Variant, header: str | None) -> None:
    """Also where the caller has set one; only a plain request leaves it."""
    upstream = fixed()
    with upstream.session([variant]) as (session, _):
        session.headers["Accept-Encoding"] = "gzip, deflate"
        session.get(upstream.url("/simple/"))
    assert upstream.asked[0].headers["Accept-Encoding"] == header


def test_the_answer_looks_as_the_caller_asked() -> None:
    """Nothing of the dressing is left on what a program gets to see."""
    upstream = fixed()
    with upstream.session([ALL]) as (session, _):
        response = session.get(upstream.url("/simple/foo/"))
    assert response.url == response.request.url == upstream.url("/simple/foo/")
    assert response.request.headers["Accept-Encoding"] == session.headers["Accept-Encoding"]


@pytest.mark.parametrize("brought", [False, True])
def test_the_variant_survives_redirects_and_is_never_repeated(brought: bool) -> None:
    """Also where the redirect brings our own parameter along."""

    def answer(asked: Received) -> Answer:
        path, _, query = asked.target.partition("?")
        return Answer(301, location=f"/simple/?{query if brought else 'a=1'}") if path == "/simple" else Answer()

    upstream = Upstream(answer)
    with upstream.session([ALL]) as (session, _):
        response = session.get(upstream.url("/simple?a=1"))
    assert response.url == upstream.url("/simple/?a=1")
    first, second = (asked.query for asked in upstream.asked)
    assert first["a"] == second["a"] == ["1"]
    assert len(first["cb"]) == len(second["cb"]) == 1
    assert first["cb"] != second["cb"]
    assert not any("Accept-Encoding" in asked.headers for asked in upstream.asked)


def test_a_redirect_to_another_host_sheds_the_variant() -> None:
    """Other hosts are none of our business."""
    elsewhere = fixed()
    upstream = Upstream(lambda _: Answer(302, location=elsewhere.url("/simple/")))
    with elsewhere.serving(), upstream.session([ALL]) as (session, _):
        assert session.get(upstream.url("/simple/")).url == elsewhere.url("/simple/")
    (there,) = elsewhere.asked
    assert there.target == "/simple/"
    assert "Accept-Encoding" in there.headers
    assert "Cache-Control" not in there.headers


def test_endless_redirects_end() -> None:
    """With the error that requests has for it."""
    upstream = fixed(status=302, location="/simple/")
    with upstream.session([ALL]) as (session, _):
        session.max_redirects = 3
        with pytest.raises(requests.TooManyRedirects):
            session.get(upstream.url("/simple/"))
    assert len(upstream.asked) == 4


def test_a_climb_goes_on_past_a_redirect() -> None:
    """As from PyPI's page of one spelling of a name to that of another."""

    def answer(asked: Received) -> Answer:
        if "Foo" in asked.target:
            return Answer(301, None, location="/pypi/foo/json")
        return Answer(serial="42" if "cb" in asked.query else "41")

    upstream = Upstream(answer)
    with upstream.session() as (session, adapter):
        outcome = adapter.fetch(session, upstream.url("/pypi/Foo/json"), 42)
    assert outcome.response is not None
    assert [urlsplit(target).path for target in upstream.targets] == ["/pypi/Foo/json"] + ["/pypi/foo/json"] * 3


class Recorder(BaseAdapter):
    """Sends nothing, and remembers how it was to be sent."""

    def __init__(self) -> None:
        """Nothing was sent yet."""
        super().__init__()
        self.sent: list[tuple[object, ...]] = []

    def send(self, request: requests.PreparedRequest, *args: Any, **kwargs: Any) -> requests.Response:
        """Remember it, and answer."""
        self.sent.append((request.url, *args, *kwargs.values()))
        response = requests.Response()
        response.status_code = 200
        return response

    def close(self) -> None:
        """Close nothing."""


def test_every_argument_is_passed_on() -> None:
    """A time-out that is dropped would hang a mirror, a proxy that is would be bypassed."""
    sent = []
    options = {"stream": True, "timeout": (3, 7), "verify": "ca.pem", "cert": "me.pem", "proxies": {"ftp": "x"}}
    for path in ("/simple/", "/packages/foo.whl"):
        recorder = Recorder()
        adapter = FreshAdapter("https://master.example", [STRIP], inner=recorder)
        request = requests.Request("GET", f"https://master.example{path}").prepare()
        adapter.send(request, **options)  # type: ignore[arg-type]
        sent += recorder.sent
    assert [call[1:] for call in sent] == [tuple(options.values())] * 2


def test_a_time_out_is_kept_in_every_variant() -> None:
    """It is the caller's error, and ends the climb."""
    never = threading.Event()

    def answer(_: Received) -> Answer:
        never.wait(5)
        return Answer()

    upstream = Upstream(answer)
    with upstream.session([ALL]) as (session, adapter):
        with pytest.raises(requests.ReadTimeout):
            session.get(upstream.url("/simple/"), timeout=0.05)
        outcome = adapter.fetch(session, upstream.url("/pypi/foo/json"), 1, timeout=0.05)
        never.set()
    assert isinstance(outcome.error, requests.ReadTimeout)
    assert len(upstream.asked) == 2
