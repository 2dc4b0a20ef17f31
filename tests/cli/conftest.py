"""What tests of the commands share."""

from __future__ import annotations

import pytest

from bandersnatch_freshness.cli import parser as cli
from bandersnatch_freshness.lab.server import Lab

from .probing import Probe, Probed


@pytest.fixture
def probe(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Probe:
    """Return a function that probes a lab."""
    for name in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "200")
    monkeypatch.setattr("bandersnatch_freshness.probe.asking.PAUSE", 0)

    def run(lab: Lab | None, *arguments: str) -> Probed:
        master = []
        if lab:
            monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(lab.ca_file))
            master = ["--master", lab.https_url]
        code = cli.main(["probe", *master, *arguments])
        return Probed(code, *capsys.readouterr())

    return run
