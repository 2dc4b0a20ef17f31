"""The reference, made from the code while Sphinx builds the pages, so that it can't drift.

Each directive here becomes Markdown, of the plugins' entry points, the options, the command
line's parser, the exit codes, the metrics or a JSON schema. What lacks a text fails the build.
"""

from __future__ import annotations

import argparse
import importlib
import inspect
import json
from collections.abc import Iterable, Iterator, Mapping, Sequence
from importlib.metadata import distribution
from pathlib import Path
from typing import Any

from docutils import nodes
from sphinx.application import Sphinx
from sphinx.errors import ExtensionError
from sphinx.util.docutils import SphinxDirective

from bandersnatch_freshness import exit_codes
from bandersnatch_freshness.cli import parser as cli
from bandersnatch_freshness.exit_codes import ExitCode
from bandersnatch_freshness.host.seams import AIOHTTP, REQUESTS, Kind, seams_of
from bandersnatch_freshness.settings import OPTIONS, PLUGINS

SCHEMAS = Path(__file__).with_name("schemas")


def plugins(more: dict[str, str]) -> Iterator[str]:
    """Every plugin: its name, its stage, what it does, as its class says."""
    classes = {
        one.name: one.load() for one in distribution("bandersnatch-freshness").entry_points if "plugin" in one.group
    }
    if set(classes) != set(PLUGINS):
        raise ExtensionError(f"plugins by entry point: {sorted(classes)}; by option: {sorted(PLUGINS)}")
    rows = []
    for name in PLUGINS:
        what, _, stage = (inspect.getdoc(classes[name]) or "").partition("\n\nStage: ")
        if not stage:
            raise ExtensionError(f"{classes[name].__qualname__}: its docstring names no stage")
        rows.append((f"`{name}`", stage, _linked(what, more.pop(name, ""))))
    yield from table(("plugin", "stage", "what it does"), rows)


def options(more: dict[str, str]) -> Iterator[str]:
    """Every option under a heading of its own."""
    for name, option in OPTIONS.items():
        yield from (f"(option-{name})=", f"### {name}", "", _linked(option.meaning, more.pop(name, "")), "")
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
        raise ExtensionError(f"the command {name} has no description")
    # lines break elsewhere on each terminal
    usage = " ".join(parser.format_usage().split()).removeprefix("usage: ")
    yield from (
        f"(command-{name.replace(' ', '-')})=",
        f"### {name}",
        "",
        _linked(parser.description, more.pop(name, "")),
        "",
    )
    yield from ("```text", usage, "```", "")
    rows = []
    for action in parser._actions:
        if isinstance(action, argparse._HelpAction | argparse._SubParsersAction):
            continue
        if not action.help:
            raise ExtensionError(f"{name}: {action.dest} has no help")
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
            raise ExtensionError(f"the metric {one.name} has no help")
        rows.append((f"`{one.name}`", one.type, ", ".join(f"`{label}`" for label in one.labels), one.help))
    yield from table(("metric", "type", "labels", "meaning"), rows)


def schema(more: dict[str, str], name: str) -> Iterator[str]:
    """Every field of a JSON document, and of each part of it."""
    document = json.loads((SCHEMAS / f"{name}.json").read_text())
    yield from (f"{document['description']} Its schema: {{download}}`{name}.json <schemas/{name}.json>`.", "")
    yield from _fields(document, name)
    for part, definition in document.get("$defs", {}).items():
        if "properties" in definition:
            yield from (f"(json-{part})=", f"**{definition['title']}**: {definition['description']}", "")
            yield from _fields(definition, name)


def _fields(definition: Mapping[str, Any], name: str) -> Iterator[str]:
    rows = []
    for field, found in definition.get("properties", {}).items():
        meaning = found.get("description") or _resolved(found, name)[0]["description"]
        missing = "" if field in definition["required"] else ", or missing"
        rows.append((f"`{field}`", _type(found, name) + missing, meaning))
    if rows:
        yield from table(("field", "type", "meaning"), rows)


def _type(field: Mapping[str, Any], name: str) -> str:
    """Name what a field may be, in words."""
    part = field.get("$ref", "").partition("#/$defs/")[2]
    field, name = _resolved(field, name)
    if "anyOf" in field:
        return " or ".join(_type(one, name) for one in field["anyOf"])
    if "properties" in field:
        return f"[{part}](#json-{part})"
    if "enum" in field or "const" in field:
        values = field.get("enum") or [field["const"]]
        return ", ".join(f"`{one}`" if isinstance(one, str) else f"`{json.dumps(one)}`" for one in values)
    if "items" in field:
        return f"array of {_type(field['items'], name)}"
    if field["type"] == "object":
        return f"object of {_type(field['additionalProperties'], name)}"
    return field["type"] if isinstance(field["type"], str) else " or ".join(field["type"])


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


class Generated(SphinxDirective):
    """A part of the reference; its content are lines `name: page`, where there is more to read."""

    has_content = True
    optional_arguments = 1

    def run(self) -> list[nodes.Node]:
        """Parse what is made of the code."""
        self.env.note_reread()  # the code may have changed, where the page has not
        more = dict(line.split(": ", 1) for line in self.content)
        text = "\n".join(DIRECTIVES[self.name](more, *self.arguments))
        if more:
            raise ExtensionError(f"{self.env.docname}: {self.name} has no {', '.join(more)}")
        return self.parse_text_to_nodes(text, allow_section_headings=True)


DIRECTIVES = {one.__name__: one for one in (plugins, options, commands, codes, metrics, schema, seams)}


def setup(app: Sphinx) -> dict[str, bool]:
    """Add the directives."""
    for name in DIRECTIVES:
        app.add_directive(name, Generated)
    return {"parallel_read_safe": True}
