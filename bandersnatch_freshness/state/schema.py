"""The JSON Schemas of what is written: of the state file and others, made of their parts."""

from __future__ import annotations

import json
import re

import msgspec

from . import parts

_TIME = {
    "description": "ISO 8601 in UTC, to the second",
    "type": "string",
    "pattern": "^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}Z$",
}


def schema(document: type[msgspec.Struct] = parts.Document, title: str = "The state") -> str:
    """Return the JSON Schema of a document as it is written: what it doesn't name is not there."""
    found = msgspec.json.schema(document, schema_hook=lambda _: {"$ref": "#/$defs/time"})
    kinds = found["$defs"]
    for part in kinds.values():
        if "properties" in part:
            part["additionalProperties"] = False
            for one in part["properties"].values():
                one.pop("default", None)
    whole = {"$schema": "https://json-schema.org/draft/2020-12/schema", **kinds.pop(document.__name__), "title": title}
    names = {name: name.lower() for name in kinds}
    text = json.dumps({**whole, "$defs": {"time": _TIME, **kinds}}, indent=2)
    return re.sub(r'"(?:#/\$defs/)?([A-Z]\w+)"', lambda word: word[0].replace(word[1], names[word[1]]), text) + "\n"
