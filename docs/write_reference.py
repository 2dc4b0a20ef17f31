"""Write the tables of the reference, made from the code: `python docs/write_reference.py`, or `make reference`.

They stand in the pages themselves, so that whoever reads those in a clone or on a forge has them too. Each stands
between two comments, the first of which says what to make, and in lines `name: page` where there is more to read:

    <!-- reference: options
    state: state.md
    -->
    …
    <!-- reference: the end -->

It is made of the plugins' entry points, the options, the command line's parser, the exit codes, the metrics, the seams
or a JSON schema. What lacks a text is a ValueError.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from bandersnatch_freshness import exit_codes
from bandersnatch_freshness.cli import parser as cli
from bandersnatch_freshness.exit_codes import ExitCode
from bandersnatch_freshness.host.seams import AIOHTTP, REQUESTS, Kind, seams_of
from bandersnatch_freshness.settings import OPTIONS, PLUGINS

DOCS = Path(__file__).parent
SCHEMAS = DOCS / "schemas"

_PART = re.compile(
    r"(?P<begin><!-- reference: (?P<made>\w+)(?: (?P<name>[\w-]+))?(?P<more>(?:\n[\w ]+: \S+)*)\s*-->\n)"
    r".*?(?P<end><!-- reference: the end -->\n)",
    re.DOTALL,
)


def plugins(more: dict[str, str]) -> Iterator[str]:
    """Every plugin: its name, its stage, what it does, as its class says."""
    classes = {
        one.name: one.load() for one in distribution("bandersnatch-freshness").entry_points if "plugin" in one.group
    }
    if set(classes) != set(PLUGINS):
        raise ValueError(f"plugins by entry point: {sorted(classes)}; by option: {sorted(PLUGINS)}")
    rows = []
    for name in PLUGINS:
        what, _, stage = (inspect.getdoc(classes[name]) or "").partition("\n\nStage: ")
        if not stage:
            raise ValueError(f"{classes[name].__qualname__}: its docstring names no stage")
        rows.append((f"`{name}`", stage, _linked(what, more.pop(name, ""))))
    yield from table(("plugin", "stage", "what it does"), rows)


def options(more: dict[str, str]) -> Iterator[str]:
    """Every option under a heading of its own."""
    for name, option in OPTIONS.items():
        yield from (f"### {name}", "", _linked(option.meaning, more.pop(name, "")), "")
        default = option.default if " " in option.default else f"`{option.default}`" if option.default else "empty"
        yield from (f"Allowed: {option.noun}{option.allowed}. Default: {default}.", "")


def commands(more: dict[str, str]) -> Iterator[str]:
    """Every command: what it does, how it is written, its exit codes."""
    parser = cli._parser()
    yield from command(parser, "Without a command", {})
    for name, one in _subcommands(parser):
        yield from command(one, name, more)
        for action, inner in _subcommands(one):
            yield from command(inner, f"{name} {action}", more)


def command(parser: argparse.ArgumentParser, name: str, more: dict[str, str]) -> Iterator[str]:
    """Return one command."""
    if not parser.description:
        raise ValueError(f"the command {name} has no description")
    # lines break elsewhere on each terminal
    usage = " ".join(parser.format_usage().split()).removeprefix("usage: ")
    yield from (f"### {name}", "", _linked(parser.description, more.pop(name, "")), "")
    yield from ("```text", usage, "```", "")
    rows = []
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction | argparse._SubParsersAction):
            continue
        if not action.help:
            raise ValueError(f"{name}: {action.dest} has no help")
        value = action.metavar or "" if action.nargs != 0 else ""
        shown = [f"{option} {value}".strip() for option in action.option_strings] or [str(value)]
        rows.append((", ".join(f"`{one}`" for one in shown), action.help % {**vars(action), "prog": parser.prog}))
    yield from table(("", ""), rows)
    codes = exit_codes.BY_COMMAND.get(name)
    if codes:
        yield from codes_table(codes)


def codes(more: dict[str, str]) -> Iterator[str]:
    """The exit codes of commands that have none of their own."""
    yield from codes_table(exit_codes.CommonExit)


def seams(more: dict[str, str]) -> Iterator[str]:
    """Every place in Bandersnatch that the suite relies on, by the HTTP client of the Bandersnatch that has it."""
    for host, title in ((AIOHTTP, "Bandersnatch 4.4 and later"), (REQUESTS, "Bandersnatch 3.6")):
        rows = []
        for seam in seams_of(host):
            needed = "optional" if seam.is_optional else "needed"
            signature = f"({', '.join(seam.parameters)})" if seam.parameters else ""
            name = str(seam).removeprefix("bandersnatch.") if seam.kind is not Kind.LOGGER else str(seam)
            rows.append((f"`{name}{signature}`", seam.kind.value, needed, seam.stage.value, seam.relied_on, seam.tried))
        yield from (f"## {title}", "")
        yield from table(("seam", "kind", "", "hooked", "what is relied on", "tried on"), rows)


def codes_table(codes: type[ExitCode]) -> Iterator[str]:
    """Return exit codes as a table."""
    yield from table(("exit code", "when"), [(f"{one.value} {one.name}", one.when) for one in codes])


def metrics(more: dict[str, str]) -> Iterator[str]:
    """Every metric: its type, its labels beside `mirror`, what it says."""
    rows = []
    for one in importlib.import_module("bandersnatch_freshness.reporting.metrics").METRICS:
        if not one.help:
            raise ValueError(f"the metric {one.name} has no help")
        rows.append((f"`{one.name}`", one.type, ", ".join(f"`{label}`" for label in one.labels), one.help))
    yield from table(("metric", "type", "labels", "meaning"), rows)


def schema(more: dict[str, str], name: str) -> Iterator[str]:
    """Every field of a JSON document, and of each part of it."""
    document = json.loads((SCHEMAS / f"{name}.json").read_text())
    yield from (f"{document['description']} Its schema: [{name}.json](schemas/{name}.json).", "")
    yield from _fields(document, name)
    for part, definition in document.get("$defs", {}).items():
        if "properties" in definition:
            yield from (f"### {_heading(name, part)}", "", f"{definition['title']}: {definition['description']}", "")
            yield from _fields(definition, name)


def _heading(name: str, part: str) -> str:
    return f"{'status.json' if name == 'published' else name}: {part}"


def _page(name: str) -> str:
    return "state.md" if name == "state" else "json.md"


def _fields(definition: Mapping[str, Any], name: str) -> Iterator[str]:
    rows = []
    for field, found in definition.get("properties", {}).items():
        meaning = found.get("description") or _resolved(found, name)[0]["description"]
        missing = "" if field in definition["required"] else ", or missing"
        rows.append((f"`{field}`", _type(found, name, _page(name)) + missing, meaning))
    if rows:
        yield from table(("field", "type", "meaning"), rows)


def _type(field: Mapping[str, Any], name: str, page: str) -> str:
    """Name what a field of the document `name` may be, in words for a page; a part of it by a link."""
    part = field.get("$ref", "").partition("#/$defs/")[2]
    field, name = _resolved(field, name)
    if "anyOf" in field:
        return " or ".join(_type(one, name, page) for one in field["anyOf"])
    if "properties" in field:
        return f"[{part}]({'' if _page(name) == page else _page(name)}#{anchor(_heading(name, part))})"
    if "enum" in field or "const" in field:
        values = field.get("enum") or [field["const"]]
        return ", ".join(f"`{one}`" if isinstance(one, str) else f"`{json.dumps(one)}`" for one in values)
    if "items" in field:
        return f"array of {_type(field['items'], name, page)}"
    if field["type"] == "object":
        return f"object of {_type(field['additionalProperties'], name, page)}"
    return field["type"] if isinstance(field["type"], str) else " or ".join(field["type"])


def anchor(heading: str) -> str:
    """Return the anchor that a forge, and Sphinx, make of a heading."""
    return re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-")


def _resolved(field: Mapping[str, Any], name: str) -> tuple[Mapping[str, Any], str]:
    """Follow a field's `$ref`, if it has one; return what is there, and in which schema."""
    if "$ref" not in field:
        return field, name
    file, _, pointer = field["$ref"].partition("#/")
    name = file.removesuffix(".json") or name
    found: Any = json.loads((SCHEMAS / f"{name}.json").read_text())
    for step in pointer.split("/"):
        found = found[step]
    return _resolved(found, name)


def table(head: Sequence[str], rows: Iterable[Sequence[str]]) -> Iterator[str]:
    """Return a table in Markdown."""
    for cells in (head, ["---"] * len(head), *rows):
        yield f"| {' | '.join(cell.replace('|', chr(92) + '|') for cell in cells)} |"
    yield ""


def _linked(text: str, page: str) -> str:
    return f"{text.removesuffix('.')}: [more]({page})." if page else text


def _subcommands(parser: argparse.ArgumentParser) -> Iterator[tuple[str, argparse.ArgumentParser]]:
    for action in parser._actions:
        if isinstance(action, argparse._SubParsersAction):
            yield from action.choices.items()


MADE: Mapping[str, Callable[..., Iterator[str]]] = {
    one.__name__: one for one in (plugins, options, commands, codes, metrics, schema, seams)
}


def written(page: str) -> str:
    """Return a page with all that is made in it made anew."""

    def anew(found: re.Match[str]) -> str:
        more = dict(line.split(": ", 1) for line in found["more"].split("\n") if line)
        arguments = [found["name"]] if found["name"] else []
        made = "\n".join(MADE[found["made"]](more, *arguments))
        if more:
            raise ValueError(f"{found['made']} has no {', '.join(more)}")
        return f"{found['begin']}\n{made}\n{found['end']}"

    return _PART.sub(anew, page)


def pages() -> Iterator[Path]:
    """Yield the pages in which something is made."""
    return (page for page in sorted(DOCS.rglob("*.md")) if _PART.search(page.read_text()))


if __name__ == "__main__":
    for page in pages():
        page.write_text(written(page.read_text()))
