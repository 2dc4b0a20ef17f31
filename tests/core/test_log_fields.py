"""Fields of log lines."""

from __future__ import annotations

import inspect
import logging
import re
from pathlib import Path

from bandersnatch_freshness.core import log_fields as fields

DOCS = Path(__file__).parents[2] / "docs"
PACKAGE = Path(__file__).parents[2] / "bandersnatch_freshness"


def test_no_field_is_one_of_logging_s_own() -> None:
    """`logging` raises KeyError for one that is, in the middle of a run."""
    given = fields.log_fields(**dict.fromkeys(fields.FIELDS, "x"))  # type: ignore[arg-type]
    logging.getLogger("bandersnatch.freshness").makeRecord("x", 20, "x", 1, "x", (), None, extra=given)
    assert set(given) == {f"freshness_{name}" for name in fields.FIELDS}


def test_the_table_is_the_code_s() -> None:
    """Each argument has its meaning in the docs, and nothing else is there."""
    assert list(inspect.signature(fields.log_fields).parameters) == list(fields.FIELDS)
    table = re.findall(r"^\| `freshness_(\w+)` \| (.*) \|$", (DOCS / "logs.md").read_text(), re.MULTILINE)
    assert dict(table) == fields.FIELDS


def test_what_is_none_is_left_out() -> None:
    """Zero is not."""
    assert fields.log_fields(project="lab-00", got_serial=None, runs=0) == {
        "freshness_project": "lab-00",
        "freshness_runs": 0,
    }


def test_there_is_one_logger() -> None:
    """Or one of Bandersnatch's, whose own line is said in its place, or whose lines are looked at."""
    allowed = {"bandersnatch", "bandersnatch.master", "bandersnatch.package", "bandersnatch.verify", "asyncio"}
    named = {name for path in PACKAGE.rglob("*.py") for name in re.findall(r'getLogger\("([^"]+)"\)', path.read_text())}
    assert named - allowed == {"bandersnatch.freshness"}
