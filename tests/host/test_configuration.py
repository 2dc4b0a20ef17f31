"""What a configuration says, and the environment."""

from __future__ import annotations

import configparser

import pytest

from bandersnatch_freshness.host.configuration import has_proxy, may_refuse, why_refused


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


def caused(error: Exception, cause: Exception) -> Exception:
    """Return an error with its cause."""
    error.__cause__ = cause
    return error


@pytest.mark.parametrize(
    ("error", "may"),
    [
        pytest.param(ValueError("Not a boolean: maybe"), True, id="value"),
        pytest.param(KeyError("x"), True, id="key"),
        pytest.param(configparser.NoOptionError("directory", "mirror"), True, id="option"),
        pytest.param(caused(RuntimeError("coroutine raised"), StopIteration()), True, id="storage-backend"),
        pytest.param(RuntimeError("Could not acquire lock"), False, id="lock"),
        pytest.param(OSError(28, "No space left"), False, id="disk"),
        pytest.param(type("EndpointConnectionError", (Exception,), {})(), False, id="object-store"),
        pytest.param(AttributeError("a bug"), False, id="bug"),
    ],
)
def test_what_may_be_a_configurations_fault(error: Exception, *, may: bool) -> None:
    """Anything else is a run's, with Bandersnatch's own traceback or an incident."""
    assert may_refuse(error) is may


def test_why_it_is_refused_has_no_password() -> None:
    """Of whichever URL the error quotes."""
    said = why_refused(ValueError("Proxy http://user:s3cret@proxy:1 and Master URL http://a:b@c is not https"))
    assert said == "ValueError: Proxy http://proxy:1 and Master URL http://c is not https"
