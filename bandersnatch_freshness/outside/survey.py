"""The survey: what to ask of a mirror from outside, and in which order. No I/O: whoever asks is passed in."""

from __future__ import annotations

import itertools
from collections.abc import Callable, Iterable, Iterator, Sequence
from random import Random

from msgspec import Struct, field

from .answers import BEGINNING, COPIES, NAME, Answer, Copy, Form, Kind, Places, Question

MOST_REQUESTS = 30
MOST_ADDRESSES = 8

# How many projects of each sort are looked for; the budget ends before, unless pages are few.
PROJECTS = 5


class Surveyed(Struct):
    """What was asked of a mirror, and what came of it: by now, as long as it is not `is_done`.

    `problem` says why nothing could be asked, empty if something was.
    """

    places: Places
    addresses: Sequence[str] = ()
    answers: list[Answer] = field(default_factory=list)
    requests: int = 0
    problem: str = ""
    is_done: bool = False


# Asks these, as far as the budget goes, and returns what came of those that were asked.
AskAll = Callable[[Iterable[Question]], list[Answer]]


def survey(found: Places, addresses: Sequence[str], ask_all: AskAll, chance: Random) -> None:
    """Ask for what the mirror says of itself, then for its index, then for pages: each at each of these addresses."""
    facts = ask_all(Question(Kind.FACTS, found.facts, address) for address in addresses)
    reached = [one.question.address for one in facts if one.status is not None]
    if not reached:
        return
    index = _index(found.roots, reached, ask_all)
    root = index[0].question.url.removesuffix("simple/") if index else found.roots[0]
    silent = [one.question.address for one in facts if one.status is not None and one.published is None]
    ask_all(Question(Kind.MODIFIED, f"{root}last-modified", address) for address in silent)
    plain = Copy(is_packed=False)
    index += ask_all(Question(Kind.INDEX, f"{root}simple/", address, copy=plain) for address in reached)
    names = list(itertools.chain.from_iterable(one.names for one in index))
    size = max((one.size for one in index), default=0)
    if size > 2 * BEGINNING:
        begin = chance.randrange(size - BEGINNING)
        of_html = Copy(Form.HTML, is_packed=False)
        part = ask_all([Question(Kind.NAMES, f"{root}simple/", reached[0], copy=of_html, begin=begin)])
        names = list(itertools.chain.from_iterable(one.names for one in part)) or names
    ask_all(_pages(root, list(_projects(facts, names, chance)), reached))


def _index(roots: Sequence[str], addresses: Sequence[str], ask_all: AskAll) -> list[Answer]:
    """Ask for the index, first of one address, until it is where it may be; return its answers."""
    first, *others = addresses
    answers: list[Answer] = []
    for root in roots:
        answers = ask_all([Question(Kind.INDEX, f"{root}simple/", first)])
        if not answers or answers[0].status != 404:
            break
    return answers + ask_all(Question(Kind.INDEX, one.question.url, address) for one in answers for address in others)


def _projects(facts: Iterable[Answer], names: Sequence[str], chance: Random) -> Iterator[str]:
    """Yield the projects to ask for: those that changed last, and others by chance, in turns."""
    best = max((one.published for one in facts if one.published), key=lambda one: one.written, default=None)
    newest = {name: serial for name, serial in best.newest.items() if NAME.fullmatch(name)} if best else {}
    ranked = sorted(newest, key=lambda name: -newest[name])[:PROJECTS]
    others = sorted(set(names) - set(ranked))
    for pair in itertools.zip_longest(ranked, chance.sample(others, min(PROJECTS, len(others)))):
        yield from filter(None, pair)


def _pages(root: str, projects: Iterable[str], addresses: Sequence[str]) -> Iterator[Question]:
    for project, copy, address in itertools.product(projects, COPIES, addresses):
        yield Question(Kind.PAGE, f"{root}simple/{project}/", address, project, copy)
