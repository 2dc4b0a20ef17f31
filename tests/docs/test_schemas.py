"""The JSON schemas in the docs, against what the commands really print and write."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from jsonschema import Draft202012Validator, ValidationError
from referencing import Registry, Resource

from bandersnatch_freshness.cli import parser as cli
from bandersnatch_freshness.lab.behaviours import Behaviour
from bandersnatch_freshness.lab.mirrors import Mirror
from bandersnatch_freshness.lab.server import Lab
from bandersnatch_freshness.reporting.published import Published
from bandersnatch_freshness.state.schema import schema

from ..cli.test_status import command
from ..conftest import MakeMirror, StartLab
from ..end_to_end.cron import DAY, HOUR
from ..staged import ahead

SCHEMAS = {
    path.stem: json.loads(path.read_text()) for path in (Path(__file__).parents[2] / "docs/schemas").glob("*.json")
}
REGISTRY = Registry().with_resources([(f"{name}.json", Resource.from_contents(one)) for name, one in SCHEMAS.items()])

# The state that follows is there for programs too.
FACTS = {"status_page": "status.html"}


def validate(name: str, document: Any) -> None:
    """Raise a ValidationError where a document is not as its schema says."""
    # by its file, so that what it refers to is looked for beside it
    Draft202012Validator({"$ref": f"{name}.json"}, registry=REGISTRY).validate(document)


def documents(mirror: Mirror) -> dict[str, Any]:
    """Return what the commands print of a mirror, and its state, by schema."""
    found = {
        name: json.loads(command(*line).stdout)
        for name, line in {
            "status": ("status", mirror, "--json"),
            "check": ("check", mirror, "--json"),
            "config": ("config", mirror, "--json"),
        }.items()
    }
    state, facts = mirror.directory / "freshness.json", mirror.directory / "web/status.json"
    if facts.exists():
        found["published"] = json.loads(facts.read_text())
    if state.exists():
        found["state"] = json.loads(state.read_text())
        found["quarantine-list"] = json.loads(command("quarantine", mirror, "list", "--json").stdout)
    return found


def bare(start_lab: StartLab, make_mirror: MakeMirror) -> Mirror:
    """Return a mirror of which nothing is remembered."""
    return make_mirror(start_lab(projects=1), "freshness")


def fresh(start_lab: StartLab, make_mirror: MakeMirror) -> Mirror:
    """Return a mirror whose pages were cured."""
    lab = start_lab("gzip-stale", projects=3)
    mirror = make_mirror(lab, "freshness", options=FACTS)
    lab.release()
    mirror.run()
    return mirror


def stale(start_lab: StartLab, make_mirror: MakeMirror) -> Mirror:
    """Return a mirror with an incident of the whole edge, that was told."""
    lab = start_lab(Behaviour("all", origin_behind=1), projects=12)
    mirror = make_mirror(lab, "freshness", options={"notify": "json://127.0.0.1:1", **FACTS})
    lab.release()
    for hours in range(4):
        mirror.run(environment=ahead(hours * HOUR))
    return mirror


def in_quarantine(start_lab: StartLab, make_mirror: MakeMirror) -> Mirror:
    """Return a mirror with a package in quarantine."""
    lab = start_lab(projects=4)
    mirror = make_mirror(lab, "freshness", options=FACTS)
    mirror.run()
    lab.behave(Behaviour("one", origin_behind=1, every=1000))
    lab.release(lab.names[:1])
    for days in range(5):
        lab.release(lab.names[1:2])
        mirror.run(environment=ahead(days * DAY))
    return mirror


def released(start_lab: StartLab, make_mirror: MakeMirror) -> Mirror:
    """Return a mirror with a package handed back by hand."""
    mirror = in_quarantine(start_lab, make_mirror)
    command("quarantine", mirror, "release", "--all")
    return mirror


def of_another_master(start_lab: StartLab, make_mirror: MakeMirror) -> Mirror:
    """Return a mirror whose master has changed."""
    lab = start_lab(projects=1)
    mirror = make_mirror(lab, "freshness")
    mirror.run()
    mirror.configure(master=lab.https_url.replace("127.0.0.1", "localhost"))
    lab.release()
    mirror.run()
    return mirror


# What each state has to show, so that it is known to be the one that was meant.
STATES: dict[Callable[..., Mirror], Callable[[dict[str, Any]], Any]] = {
    bare: lambda found: found["status"]["problem"],
    fresh: lambda found: found["state"]["runs"][0]["cured"] and found["published"]["complete_at"],
    stale: lambda found: found["state"]["incidents"]["*"]["examples"] and found["state"]["told"],
    in_quarantine: lambda found: found["quarantine-list"]["lab-00"]["got"] and found["published"]["quarantine"],
    released: lambda found: found["state"]["incidents"]["lab-00"]["released"] and not found["quarantine-list"],
    of_another_master: lambda found: found["state"]["another_master"] and found["state"]["others"],
}


@pytest.mark.parametrize(
    "make",
    [
        pytest.param(one, id=one.__name__, marks=[pytest.mark.slow] if one in (stale, released) else [])
        for one in STATES
    ],
)
def test_what_is_printed_and_kept_is_as_documented(
    make: Callable[..., Mirror], start_lab: StartLab, make_mirror: MakeMirror
) -> None:
    """In every state that a mirror can be in; and what is not, is refused."""
    found = documents(make(start_lab, make_mirror))
    assert STATES[make](found)
    for name, document in found.items():
        validate(name, document)
        assert_refused(name, document)


@pytest.mark.parametrize("behaviour", ["gzip-stale", "origin-stale", "cached-404", "reset"])
@pytest.mark.parametrize("of", ["a package", "the index"])
def test_a_probe_is_as_documented(
    behaviour: str, of: str, start_lab: StartLab, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    """Whatever it came to."""
    lab: Lab = start_lab(behaviour, projects=2)
    project = lab.release()[0]
    monkeypatch.setenv("REQUESTS_CA_BUNDLE", str(lab.ca_file))
    monkeypatch.setattr("bandersnatch_freshness.probe.asking.PAUSE", 0)
    cli.main(["probe", "--json", "--master", lab.https_url, *([project] if of == "a package" else [])])
    document = json.loads(capsys.readouterr().out)
    assert document["probes"][0]["answers"]
    validate("probe", document)
    assert_refused("probe", document)


def assert_refused(name: str, document: Any) -> None:
    """Check that the document is refused after any change."""
    for changed in changes(document):
        with pytest.raises(ValidationError):
            validate(name, changed)


def changes(found: Any) -> Iterator[Any]:
    """Return a document with a field too many, or one of another type, at any depth; of a list its first is enough."""
    if isinstance(found, dict):
        yield {**found, "surprise": [[]]}
        for name, value in found.items():
            yield from ({**found, name: changed} for changed in changes(value))
    elif isinstance(found, list) and found:
        yield from ([changed, *found[1:]] for changed in changes(found[0]))
    else:
        yield {"another": "type"}


def test_the_schema_of_the_state_is_made_of_its_types() -> None:
    """`make schemas` writes it, and that of the facts beside the status page.

    In which order a schema names what a value may be, each msgspec decides anew.
    """
    schemas = Path(__file__).parents[2] / "docs/schemas"
    for name, made in {
        "state.json": schema(),
        "published.json": schema(Published, "The facts beside the status page"),
    }.items():
        assert in_order(json.loads((schemas / name).read_text())) == in_order(json.loads(made))


def in_order(found: Any) -> Any:
    """Return a schema with each `anyOf` sorted."""
    if isinstance(found, list):
        return [in_order(one) for one in found]
    if isinstance(found, dict):
        return {name: sorted(value, key=str) if name == "anyOf" else in_order(value) for name, value in found.items()}
    return found


@pytest.mark.parametrize("name", SCHEMAS)
def test_every_schema_is_one_and_lets_nothing_unknown_in(name: str) -> None:
    """In the draft that it says; every field has a description, every object is closed."""
    found = SCHEMAS[name]
    Draft202012Validator.check_schema(found)
    assert found["$schema"] == "https://json-schema.org/draft/2020-12/schema"
    for definition in (found, *found.get("$defs", {}).values()):
        if definition.get("type") == "object":
            assert "additionalProperties" in definition
            if "properties" in definition:
                assert definition["additionalProperties"] is False
                assert set(definition["required"]) <= set(definition["properties"])
