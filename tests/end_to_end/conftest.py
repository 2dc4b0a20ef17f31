"""Labs for the end-to-end tests."""

from __future__ import annotations

from collections.abc import Callable

import pytest

from bandersnatch_freshness.lab.behaviours import Behaviour
from bandersnatch_freshness.lab.server import Lab

from ..conftest import StartLab
from .quarantining import ONE


@pytest.fixture
def start_stale(start_lab: StartLab) -> Callable[..., Lab]:
    """Return a function that starts a lab whose behaviour comes with a release of all projects."""

    def start(behaviour: Behaviour = ONE, projects: int = 3, kind: str = "cdn") -> Lab:
        lab = start_lab("healthy", kind, projects=projects)
        lab.behave(behaviour)
        lab.release()
        return lab

    return start
