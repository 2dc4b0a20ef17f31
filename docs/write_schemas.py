"""Write the JSON Schemas that are made from the code: `python docs/write_schemas.py`, or `make schemas`."""

from __future__ import annotations

from pathlib import Path

from bandersnatch_freshness.reporting.published import Published
from bandersnatch_freshness.state.schema import schema

MADE = {"state": schema(), "published": schema(Published, "The facts beside the status page")}

if __name__ == "__main__":
    for name, text in MADE.items():
        (Path(__file__).with_name("schemas") / f"{name}.json").write_text(text)
