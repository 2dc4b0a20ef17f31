"""Write the JSON Schemas that are made from the code: `python docs/write_schemas.py`, or `make schemas`."""

from __future__ import annotations

from pathlib import Path

from bandersnatch_freshness.state.schema import schema

if __name__ == "__main__":
    (Path(__file__).with_name("schemas") / "state.json").write_text(schema())
