"""What tests of the state share."""

from __future__ import annotations

import pytest

from .remembering import Clock


@pytest.fixture
def clock() -> Clock:
    """Return a clock at noon."""
    return Clock()
