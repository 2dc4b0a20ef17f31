"""Bare Bandersnatch beside the suite in a world in which all goes wrong that can: the suite is never worse.

A world is made by chance from a seed, which is in the name of the test, and in what it says when it fails.
"""

from __future__ import annotations

from pathlib import Path

import pytest

from .story import KINDS, story

pytestmark = pytest.mark.slow

# How many runs it takes until each kind of fault has been met.
ENOUGH = 100


def pytest_generate_tests(metafunc: pytest.Metafunc) -> None:
    """Make a test of each seed."""
    seed, worlds = metafunc.config.getoption("--model-seed"), metafunc.config.getoption("--model-worlds")
    metafunc.parametrize("seed", [str(seed + number) for number in range(worlds)])


def test_it_is_never_worse_than_bare(seed: str, tmp_path: Path, request: pytest.FixtureRequest) -> None:
    """Nothing is lost, nothing older replaces newer, bare is never a day ahead; and all is well once it has healed."""
    runs = request.config.getoption("--model-runs")
    kinds = request.config.getoption("--model-kind") or KINDS
    with story(seed, tmp_path, kinds) as one:
        while one.number < runs:
            one.step()
        one.heal()
        print(f"seed {seed}, {one.number} runs:\n{one.counted()}")  # noqa: T201
        assert runs < ENOUGH or not [kind for kind in kinds if not one.has_met(kind)]
