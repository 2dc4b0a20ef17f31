"""What is asked of a mirror, and in which order."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from random import Random

import pytest
from msgspec.structs import replace

from bandersnatch_freshness.outside.answers import BEGINNING, Answer, Kind, Question, places
from bandersnatch_freshness.outside.survey import survey
from bandersnatch_freshness.reporting.published import read

from . import site

FACTS = read(site.facts(site.NOW, 1_700_000_000).encode())

Reply = Callable[[Question], Answer]


def asked(reply: Reply, url: str = "https://m", addresses: Iterable[str] = ("10.0.0.1",)) -> list[Question]:
    """Return all questions, where no budget ends."""
    said: list[Question] = []

    def ask_all(questions: Iterable[Question]) -> list[Answer]:
        questions = list(questions)
        said.extend(questions)
        return [reply(one) for one in questions]

    survey(places(url), list(addresses), ask_all, Random(1))  # noqa: S311 - the same each time
    return said


def healthy(question: Question) -> Answer:
    """Answer as a mirror does that has facts."""
    if question.kind is Kind.FACTS:
        return Answer(question, 200, published=FACTS)
    return Answer(question, 200, serial=42, names=("foo", "qux", "quux"))


def without_facts(question: Question) -> Answer:
    """Answer as a mirror of bare Bandersnatch."""
    return Answer(question, 404) if question.kind is Kind.FACTS else healthy(question)


def test_what_changed_last_and_what_chance_chooses() -> None:
    """In turns, each in all forms a pip asks for, at each address."""
    said = asked(healthy, addresses=["10.0.0.1", "10.0.0.2"])
    pages = [one for one in said if one.kind is Kind.PAGE]
    assert list(dict.fromkeys(one.project for one in pages)) in (
        ["bar", "qux", "foo", "quux"],
        ["bar", "quux", "foo", "qux"],
    )
    assert [(str(one.copy), one.address[-1]) for one in pages[:8]] == [
        (copy, address) for copy in ("JSON, gzip", "JSON, plain", "HTML, gzip", "HTML, plain") for address in "12"
    ]
    assert pages[0].url == "https://m/simple/bar/"
    assert [one.kind for one in said[:6]] == [*[Kind.FACTS] * 2, *[Kind.INDEX] * 4]


def test_a_mirror_without_facts_has_a_last_modified() -> None:
    """Which is asked for only then."""
    assert Kind.MODIFIED not in {one.kind for one in asked(healthy)}
    (one,) = [one for one in asked(without_facts) if one.kind is Kind.MODIFIED]
    assert one.url == "https://m/last-modified"


def test_a_page_below_the_root() -> None:
    """The index is looked for above it, as near as it is."""

    def reply(question: Question) -> Answer:
        is_there = "/status/" not in question.url or question.kind is Kind.FACTS
        return healthy(question) if is_there else Answer(question, 404, problem="status 404")

    said = asked(reply, "https://m/pypi/status/index.html")
    assert said[0].url == "https://m/pypi/status/index.json"
    assert [one.url for one in said if one.kind is Kind.INDEX][:2] == [
        "https://m/pypi/status/simple/",
        "https://m/pypi/simple/",
    ]
    assert {one.url.rpartition("simple/")[0] for one in said if one.kind is Kind.PAGE} == {"https://m/pypi/"}


def test_an_address_that_does_not_answer_is_not_asked_again() -> None:
    """And nothing at all, where none does."""

    def reply(question: Question) -> Answer:
        return Answer(question, problem="time-out") if question.address == "b" else healthy(question)

    assert [one.kind for one in asked(reply, addresses="ab") if one.address == "b"] == [Kind.FACTS]
    assert len(asked(lambda question: Answer(question, problem="time-out"))) == 1


def test_names_come_from_anywhere_in_a_long_index() -> None:
    """From a part of it, where its beginning has only the first letters; else from the beginning."""

    def long(question: Question) -> Answer:
        if question.kind is Kind.NAMES:
            return Answer(question, 206, names=("zope",))
        return replace(healthy(question), size=100 * BEGINNING if question.kind is Kind.INDEX else 0)

    (part,) = [one for one in asked(long) if one.kind is Kind.NAMES]
    assert 0 < part.begin < 99 * BEGINNING
    assert "zope" in {one.project for one in asked(long)}
    assert Kind.NAMES not in {one.kind for one in asked(healthy)}

    def refused(question: Question) -> Answer:
        return Answer(question, 416) if question.kind is Kind.NAMES else long(question)

    assert "quux" in {one.project for one in asked(refused)}


@pytest.mark.parametrize("name", ["../../admin", "a?b", "A", "a b", "-"])
def test_names_from_outside_are_names(name: str) -> None:
    """What the facts name otherwise is not asked for."""

    def reply(question: Question) -> Answer:
        found = healthy(question)
        if found.published:
            return replace(found, published=read(site.facts(site.NOW, 1_700_000_000).replace("foo", name).encode()))
        return found

    assert name not in {one.project for one in asked(reply)}
