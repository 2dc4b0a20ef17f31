"""The face of the package: few names, and as cheap to import as one."""

from __future__ import annotations

import subprocess
import sys

import pytest

import bandersnatch_freshness
from bandersnatch_freshness.transports import requests_adapter


def test_its_names_are_there() -> None:
    """The adapter is the one at its old place."""
    assert bandersnatch_freshness.FreshAdapter is requests_adapter.FreshAdapter
    assert bandersnatch_freshness.StaleError is requests_adapter.StaleError
    assert all(hasattr(bandersnatch_freshness, name) for name in bandersnatch_freshness.__all__)
    with pytest.raises(AttributeError, match="no attribute 'Adapter'"):
        _ = bandersnatch_freshness.Adapter


def test_importing_it_imports_nothing() -> None:
    """Until the adapter is used."""
    script = (
        "import sys; before = set(sys.modules)\n"
        "import bandersnatch_freshness; print(*sorted(set(sys.modules) - before))\n"
        "bandersnatch_freshness.FreshAdapter; assert 'requests' in sys.modules"
    )
    imported = subprocess.run([sys.executable, "-c", script], capture_output=True, text=True, check=True).stdout
    assert imported.split() == ["bandersnatch_freshness"]
