"""A Bandersnatch that lacks what is needed."""

from __future__ import annotations

from pathlib import Path

import pytest

from bandersnatch_freshness.host import suite
from bandersnatch_freshness.host.seams import seams_of

from ..conftest import MakeMirror, StartLab
from .observe import BANDERSNATCH, lines

ADAPTER = f"bandersnatch_freshness.host.{'aiohttp_host' if BANDERSNATCH.major > 3 else 'requests_host'}"


def remove(seam: str) -> str:
    """Return a program that takes a name from Bandersnatch, whichever class has it."""
    _, module, *owners, name = seam.split(".")
    return (
        "import importlib, bandersnatch.mirror, bandersnatch.verify\n"  # they import of each other
        f"owner = importlib.import_module('bandersnatch.{module}')\n"
        f"for part in {owners}: owner = getattr(owner, part)\n"
        "for one in getattr(owner, '__mro__', [owner]):\n"
        f"    if '{name}' in vars(one): delattr(one, '{name}')\n"
    )


# One of what is needed stands for all of it, which tests/host/test_seams.py removes.
FIRST = str(seams_of(suite().adapter.client)[0])


def change(function: str) -> str:
    """Return a program that changes a function of Bandersnatch's."""
    return f"import bandersnatch.{function.split('.')[0]}\nbandersnatch.{function} = lambda self: None\n"


@pytest.mark.parametrize(
    ("patch", "lacking"),
    [
        pytest.param(remove(FIRST), FIRST, id="seam"),
        pytest.param(
            change("master.Master.get"), "the required_serial of bandersnatch.master.Master.get", id="required_serial"
        ),
        pytest.param(f"import sys\nsys.modules['{ADAPTER}'] = None\n", ADAPTER, id="host-adapter"),
    ],
)
def test_steps_aside_where_bandersnatch_lacks_what_is_needed(
    patch: str, lacking: str, start_lab: StartLab, make_mirror: MakeMirror, tmp_path: Path
) -> None:
    """One line says so, and nothing is hooked."""
    lab = start_lab(projects=0)
    mirror = make_mirror(lab, "freshness")
    (tmp_path / "sitecustomize.py").write_text(patch)
    run = mirror.run(environment={"PYTHONPATH": str(tmp_path)})
    (line,) = lines(run, "step aside")
    assert f"WARNING: Bandersnatch {BANDERSNATCH} lacks {lacking}: the freshness plugins step aside" in line
    assert not lines(run, "bandersnatch-freshness")
    assert not list(mirror.directory.glob("freshness*"))
