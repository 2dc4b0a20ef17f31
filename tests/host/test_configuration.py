"""What a configuration says, and the environment."""

from __future__ import annotations

import pytest

from bandersnatch_freshness.host.configuration import has_proxy


@pytest.mark.parametrize(
    ("configured", "environment", "found"),
    [
        pytest.param({}, {}, False, id="none"),
        pytest.param({"proxy": "http://proxy.example"}, {}, True, id="configured"),
        pytest.param(None, {"HTTPS_PROXY": "http://proxy.example"}, True, id="of-the-environment"),
        pytest.param(None, {"no_proxy": "example.org"}, False, id="hosts-without-one"),
    ],
)
def test_knows_of_a_proxy(
    configured: object, environment: dict[str, str], *, found: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Wherever it is set."""
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    assert has_proxy(configured) is found
