"""How values are written."""

from __future__ import annotations

import pytest

from bandersnatch_freshness.formatting import reason, without_logins, without_paths


@pytest.mark.parametrize(
    ("text", "shown"),
    [
        (
            "/srv/pypi/freshness.json can't be written: no room is left on /srv/pypi, 0 MiB are free",
            "freshness.json can't be written: no room is left on pypi, 0 MiB are free",
        ),
        ("no room is left on /, 0 MiB are free", "no room is left on its root, 0 MiB are free"),
        ("[Errno 13] Permission denied: '/srv/pypi/status'", "[Errno 13] Permission denied: 'status'"),
        (
            "the index at https://pypi.example/simple/: status 503",
            "the index at https://pypi.example/simple/: status 503",
        ),
        ("24/7, and/or", "24/7, and/or"),
    ],
)
def test_no_path_of_the_host_is_shown(text: str, shown: str) -> None:
    """But the last name in it; what is no path stays."""
    assert without_paths(text) == shown


def test_a_reason_without_number_and_path() -> None:
    """Whatever says something says it."""
    assert reason(PermissionError(13, "Permission denied", "/srv/pypi/.tmp1")) == "Permission denied"
    assert reason(OSError("moto: no bucket")) == "moto: no bucket"
    assert reason(ValueError("line 1 breaks off")) == "line 1 breaks off"


def test_no_login_of_a_url_is_shown() -> None:
    """Wherever in a text it is; an address of mail is none."""
    assert without_logins("to https://u:p@a.example/x and http://t@b:1, by me@c.example") == (
        "to https://a.example/x and http://b:1, by me@c.example"
    )
