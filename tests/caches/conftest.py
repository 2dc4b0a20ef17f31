"""Whether the servers are here."""

from __future__ import annotations

import pytest

from .processes import PACKAGES, require


@pytest.fixture(scope="session")
def servers() -> None:
    """Skip where the servers aren't installed; fail where they must be."""
    require(PACKAGES)
