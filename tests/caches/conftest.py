"""Whether the servers are here."""

from __future__ import annotations

import os

import pytest

from .processes import missing_packages


@pytest.fixture(scope="session")
def servers() -> None:
    """Skip where the servers aren't installed; fail where they must be."""
    missing = missing_packages()
    if missing:
        reason = f"needs Debian's packages {' '.join(missing)}"
        if os.environ.get("CI"):
            pytest.fail(reason)
        pytest.skip(reason)
