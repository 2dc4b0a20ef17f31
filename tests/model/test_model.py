"""Bare Bandersnatch beside the suite in a world in which all goes wrong that can: the suite is never worse.

A world is made by chance from a seed, which is in the name of the test, and in what it says when it fails.
"""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path

import pytest

from .counting import MET, RUNS
from .story import KINDS, story

pytestmark = pytest.mark.model


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each seed."""
    seed, worlds = metafunc.config.getoption("--model-seed"), metafunc.config.getoption("--model-worlds")
    metafunc.parametrize("seed", [str(seed + number) for number in range(worlds)])


def test_it_is_never_worse_than_bare(
    seed: str,
    tmp_path: Path,
    request: pytest.FixtureRequest,
    record_property: Callable[[str, object], None],
) -> None:
    """Nothing is lost, nothing older replaces newer, bare is never a day ahead; and all is well once it has healed."""
    runs = request.config.getoption("--model-runs")
    kinds = request.config.getoption("--model-kind") or KINDS
    with story(seed, tmp_path, kinds) as one:
        while one.number < runs:
            one.step()
        one.heal()
        record_property(RUNS, one.number)
        record_property(MET, dict(one.met))
