"""Which requests are metadata requests."""

import pytest

from bandersnatch_freshness.core.scope import Scope, same_master

MASTER = "https://master.example"
CORPORATE = "https://proxy.example:8443/api/pypi/pypi-remote/"


@pytest.mark.parametrize("master", [MASTER, f"{MASTER}/", CORPORATE, CORPORATE.rstrip("/")])
@pytest.mark.parametrize("path", ["/simple", "/simple/", "/pypi/foo/json", "/simple/foo/"])
def test_covers_what_bandersnatch_makes_of_a_master(master: str, path: str) -> None:
    """It puts a path behind it, whether or not that ends with a slash."""
    scope = Scope(master)
    assert scope.covers("GET", master + path)
    assert scope.is_index(master + path) is (path in ("/simple", "/simple/"))
    assert scope.title(master + "/pypi/foo/json") == "foo"


def test_covers_a_master_with_a_name_in_its_own_script() -> None:
    """Clients send it in ASCII."""
    assert Scope("https://b\u00fccher.example").covers("GET", "https://xn--bcher-kva.example/simple/")


@pytest.mark.parametrize(
    "url",
    [
        "https://master.example/simple",
        "https://master.example/simple/",
        "https://master.example/simple/foo/",
        "https://master.example/simple/f/foo/",
        "https://master.example/simple/?a=%2F",
        "https://master.example/pypi/foo/json",
        "https://master.example:443/pypi/foo.bar/json",
        "https://Master.example/pypi/foo/json",
        "http://master.example/simple/",
    ],
)
def test_covers_metadata(url: str) -> None:
    """Everything under /simple, and the JSON of a project, read with GET or HEAD."""
    assert Scope(MASTER).covers("GET", url)
    assert Scope(MASTER).covers("head", url)
    assert not Scope(MASTER).covers("POST", url)
    assert not Scope(MASTER).covers("PURGE", url)


@pytest.mark.parametrize(
    "url",
    [
        "https://master.example/pypi",
        "https://master.example/pypi/foo",
        "https://master.example/pypi/foo/1.0/json",
        "https://master.example/simple-index",
        "https://master.example/simplex/foo",
        "https://master.example/packages/aa/foo-1.0.whl",
        "https://master.example/packages/simple/foo",
        "https://master.example/simple/foo/foo-1.0-py3-none-any.whl",
        "https://master.example/simple/foo/foo-1.0-py3-none-any.whl.metadata",
        "https://master.example/simple/foo/foo-1.0.tar.gz",
        "https://files.example/simple/foo/",
        "https://master.example:8443/simple/",
        "https://master.example:what/simple/",
        "https://[master.example/simple/",
        "https://master.example.evil.test/simple/",
        "/simple/",
    ],
)
def test_leaves_everything_else_alone(url: str) -> None:
    """XML-RPC, release files, their metadata and other hosts are none of our business."""
    assert not Scope(MASTER).covers("GET", url)


@pytest.mark.parametrize(
    ("url", "covered"),
    [
        ("https://proxy.example:8443/api/pypi/pypi-remote/simple/", True),
        ("https://proxy.example:8443/api/pypi/pypi-remote/pypi/foo/json", True),
        pytest.param("https://proxy.example:8443/pypi/foo/json", True, id="as-verify-asks"),
        ("https://proxy.example:8443/api/other/simple/", False),
        ("https://proxy.example/simple/", False),
        ("https://proxy.example:8443/api/pypi/pypi-remote/packages/foo.whl", False),
    ],
)
def test_a_master_may_have_a_path_and_a_port(url: str, covered: bool) -> None:
    """As with a repository manager in front of PyPI."""
    assert Scope(CORPORATE).covers("GET", url) is covered


@pytest.mark.parametrize(
    ("master", "url", "title"),
    [
        (MASTER, "https://master.example/pypi/foo/json", "foo"),
        (CORPORATE, "https://proxy.example:8443/api/pypi/pypi-remote/pypi/foo/json", "foo"),
        (MASTER, "https://master.example/simple/", "/simple/"),
        (MASTER, "https://master.example/pypi/foo%0Abar/json", "foo\\nbar"),
    ],
)
def test_names_what_a_url_is_about(master: str, url: str, title: str) -> None:
    """Log lines name the project, and a hostile name breaks none of them."""
    assert Scope(master).title(url) == title


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://pypi.org", "https://pypi.org/"),
        ("https://pypi.org", "HTTPS://PyPI.org:443"),
        ("https://pypi.org/", "http://pypi.org"),
        ("https://b\u00fccher.example/a", "https://xn--bcher-kva.example/a"),
        ("https://master.example//a//b/", "https://master.example/a/b"),
        ("https://master.example/a%2fb", "https://master.example/a%2Fb"),
        ("nonsense", "nonsense"),
    ],
)
def test_a_master_is_the_same_however_it_is_spelled(one: str, other: str) -> None:
    """Both ways round."""
    assert same_master(one, other)
    assert same_master(other, one)


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("https://pypi.org", "https://test.pypi.org"),
        ("https://pypi.org", "https://pypi.org:8443"),
        ("https://master.example/a", "https://master.example/A"),
        ("https://master.example/a", "https://master.example"),
        ("https://master.example/a%2Fb", "https://master.example/a/b"),
        ("", "https://pypi.org"),
        ("nonsense", "rubbish"),
        ("https://[", "https://]"),
    ],
)
def test_another_master_is_another_one(one: str, other: str) -> None:
    """Where a server could tell the difference."""
    assert not same_master(one, other)
    assert not same_master(other, one)
