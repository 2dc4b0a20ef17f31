"""The diagnosis: which difference between requests decides, and what to do about it. No I/O."""

from __future__ import annotations

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, field
from itertools import takewhile

from ..core import wording
from ..core.observations import NO_JSON, Observation
from ..core.variants import LADDER, PLAIN, Variant
from ..core.verdicts import Verdict, judge
from ..exit_codes import ProbeExit
from .ways import FACTORS, Method, Page, Way

# Differences that bypass the cache instead of selecting another of its copies.
_PAST_CACHES = ("cache_bust", "no_cache", "method")


# Said where copies of the index differ. Sources: docs/lab.md.
_INDEX_ONLY_EXPIRES = (
    "Copies of an index that no purge reaches, as PyPI's, differ by as much as is released while they last (at PyPI up "
    "to an hour): that alone is healthy. A copy that is no newer when it is asked for an hour later is not."
)


@dataclass(frozen=True)
class Answer:
    """The answer to one request.

    `url` and `sent` are the request as it was sent. `size` is that of the encoded body in
    bytes, None if it was not read to the end. `milliseconds` is how long it all took.
    """

    way: Way
    observation: Observation
    url: str
    sent: Mapping[str, str] = field(default_factory=dict)
    size: int | None = None
    milliseconds: int = 0


@dataclass(frozen=True)
class Diagnosis:
    """What the answers show. A fresh answer has at least `required_serial`.

    `decides` names the fields of a way that, changed alone, turn a stale answer into a fresh
    one, or the other way round. `fresh` lists the variants of the plugins' ladder that got
    only fresh answers, in ladder order. `sentences` explain it all to people. `origin_serial` is
    that of the origin's own page, None if it was not asked or did not give it. `revalidated` says
    that a cache gave the old page once more while it fetched the new one.
    """

    outcome: ProbeExit
    verdict: Verdict
    required_serial: int | None
    decides: tuple[str, ...]
    fresh: tuple[Variant, ...]
    sentences: tuple[str, ...]
    origin_serial: int | None = None
    revalidated: bool = False

    @property
    def cure(self) -> Variant | None:
        """The variant that helps when a plain request does not."""
        return self.fresh[0] if self.fresh and self.fresh[0] != PLAIN else None


def serial_required(answers: Iterable[Answer], expected: int | None) -> int | None:
    """Return the lowest serial that counts as fresh: the highest of the expected one and all answers."""
    serials = [one.observation.serial for one in answers if one.observation.serial is not None]
    return max([*serials, *([] if expected is None else [expected])], default=None)


def fresh_variants(answers: Iterable[Answer], base: Way, required_serial: int) -> tuple[Variant, ...]:
    """Return the ladder's variants that got only fresh answers when asked as the plugins ask.

    Plain requests count only if they came before any request that may have refreshed a cache.
    """
    answers = list(answers)
    found = []
    for variant in LADDER:
        way = base.dressed(variant)
        states = [
            is_fresh(one, required_serial, base)
            for one in (_early(answers) if way == base else answers)
            if one.way == way
        ]
        if states and all(states):
            found.append(variant)
    return tuple(found)


def is_fresh(answer: Answer, required_serial: int, base: Way) -> bool | None:
    """Return whether an answer is fresh; None if it doesn't show that.

    As in the plugins, a missing serial or a 404 counts as stale. Pages other than the one
    Bandersnatch asks for need no serial, and no server need answer OPTIONS with a page.
    """
    seen = answer.observation
    if seen.serial is not None:
        return seen.serial >= required_serial
    if answer.way.method is Method.OPTIONS:
        return None
    if seen.status == 404 or (seen.status == 200 and answer.way.page is base.page):
        return False
    return None


def settled(answers: Sequence[Answer], base: Way, required_serial: int) -> Sequence[Answer]:
    """Return the answers without old ones that a cache gave only until it had fetched the new page.

    Such a cache gives the old page, fetches the new one meanwhile, and has that for whoever asks next
    (stale-while-revalidate, RFC 5861). So every way that got the old page must get the new one when it is
    asked again, and none may get the old one later; otherwise all answers are returned.
    """
    early = len(_early(answers))
    states: dict[Way, list[bool]] = {}
    for one in answers[:early]:
        state = is_fresh(one, required_serial, base)
        if state is not None:
            states.setdefault(one.way, []).append(state)
    turned = all(found[-1] and found == sorted(found) for found in states.values())
    if not turned or any(is_fresh(one, required_serial, base) is False for one in answers[early:]):
        return answers
    return [one for one in answers if is_fresh(one, required_serial, base) is not False]


def diagnose(answers: Sequence[Answer], base: Way, expected: int | None) -> Diagnosis:
    """Return what the answers show; they must be in the order of asking."""
    # Who refuses OPTIONS, or answers with something else, says nothing about the page.
    answers = [one for one in answers if one.way.method is Method.GET or one.observation.serial is not None]
    required_serial = serial_required(answers, expected)
    if required_serial is None:
        return Diagnosis(ProbeExit.UNDETERMINED, Verdict.UNKNOWN, None, (), (), (_nothing(answers),))
    if not any(one.way.page is base.page and is_fresh(one, required_serial, base) is not None for one in answers):
        same_page = [one for one in answers if one.way.page is base.page]
        why = (_nothing(same_page), *_other_pages(answers, base))
        return Diagnosis(ProbeExit.UNDETERMINED, Verdict.UNKNOWN, required_serial, (), (), why)
    everything, answers = answers, settled(answers, base, required_serial)
    origin_serial = next((one.observation.serial for one in answers if one.way.method is Method.OPTIONS), None)
    verdict = judge([one.observation for one in answers], required_serial)
    states = {is_fresh(one, required_serial, base) for one in answers} - {None}
    outcome = ProbeExit.SOME_STALE
    if len(states) == 1:
        outcome = ProbeExit.FRESH if True in states else ProbeExit.ALL_STALE
        if outcome is ProbeExit.ALL_STALE and origin_serial == serial_required(answers, None) is not None:
            verdict = Verdict.ORIGIN_STALE  # it says so itself
    elif verdict is Verdict.FRESH:
        verdict = Verdict.EDGE_STALE  # the newer answer is the proof
    plain = {is_fresh(one, required_serial, base) for one in _early(answers) if one.way == base} - {None}
    decisive = _decisive(answers, base, required_serial, plain) if len(plain) == 1 else {}
    fresh = fresh_variants(answers, base, required_serial)
    sentences = {
        ProbeExit.FRESH: lambda: [
            f"Every way of asking gets serial {required_serial}: nothing is stale.",
            *_was_revalidated(everything, answers),
        ],
        ProbeExit.SOME_STALE: lambda: [
            *_what_differs(answers, base, required_serial, plain, decisive),
            _what_helps(fresh, plain, origin_serial is not None and origin_serial >= required_serial),
            *([_INDEX_ONLY_EXPIRES] if base.page is Page.SIMPLE_JSON else []),
        ],
        ProbeExit.ALL_STALE: lambda: [_who_is_behind(answers, verdict, required_serial, origin_serial)],
    }[outcome]()
    sentences += [*_was_refreshed(answers, base, required_serial, plain), *_failures(answers)]
    return Diagnosis(
        outcome,
        verdict,
        required_serial,
        tuple(decisive),
        fresh,
        tuple(sentences),
        origin_serial,
        revalidated=len(answers) < len(everything),
    )


def _early(answers: Sequence[Answer]) -> list[Answer]:
    """Return the answers from before the first request that may change a cache's copies."""
    return list(takewhile(lambda one: not one.way.passes_caches, answers))


def _decisive(
    answers: Sequence[Answer], base: Way, required_serial: int, plain: set[bool | None]
) -> dict[str, list[Way]]:
    """Return the single differences that turn the base line's answer into its opposite, each with its ways."""
    states: dict[Way, set[bool | None]] = {}
    for one in answers:
        if len(one.way.differences(base)) == 1:
            states.setdefault(one.way, set()).add(is_fresh(one, required_serial, base))
    opposite = {True not in plain}
    decisive: dict[str, list[Way]] = {}
    for way, seen in states.items():
        if seen == opposite:
            decisive.setdefault(way.differences(base)[0], []).append(way)
    return decisive


def _what_differs(
    answers: Sequence[Answer],
    base: Way,
    required_serial: int,
    plain: set[bool | None],
    decisive: Mapping[str, Sequence[Way]],
) -> list[str]:
    if len(plain) > 1:
        return [_by_luck(answers, base, required_serial)]
    if not plain:
        return ["Bandersnatch's way of asking got no answer; some others are stale, and some fresh."]
    if list(decisive) == ["method"] and not any(
        is_fresh(one, required_serial, base) for one in answers if one.way.method is Method.GET
    ):
        return [f"Every cached copy is old, and the origin itself has serial {required_serial}: purging is broken."]
    is_now, turns = ("fresh", "stale") if True in plain else ("stale", "fresh")
    if decisive:
        said = [
            f"What decides is {FACTORS[factor]}: as Bandersnatch asks, the answer is {is_now}; "
            f"{turns} with {', '.join(way.describe(base) for way in found)}."
            for factor, found in decisive.items()
            if factor not in _PAST_CACHES
        ]
        past = [way.describe(base) for factor in _PAST_CACHES for way in decisive.get(factor, ())]
        if past and said:
            said.append(f"Past the cache it is {turns} too: with {', '.join(past)}.")
        elif past:
            said.append(f"Only past the cache is the answer {turns}: with {', '.join(past)}.")
        return said
    others = dict.fromkeys(
        one.way.describe(base)
        for one in answers
        if one.way != base and is_fresh(one, required_serial, base) is (True not in plain)
    )
    return [
        f"No single difference decides: as Bandersnatch asks, the answer is {is_now}; "
        f"{turns} only with {'; '.join(others) or 'luck'}."
    ]


def _by_luck(answers: Sequence[Answer], base: Way, required_serial: int) -> str:
    """Say that identical requests got different answers, and whether the nodes that answered explain it."""
    nodes: dict[bool, set[str]] = {True: set(), False: set()}
    for one in _early(answers):
        state = is_fresh(one, required_serial, base)
        if state is not None:
            nodes[state].add(one.observation.served_by)
    said = "It is a matter of luck: the same question got a fresh answer and a stale one."
    if "" not in nodes[True] | nodes[False] and not nodes[True] & nodes[False]:
        said += f" What decides is the node: {_named(nodes[False])} holds the old copy, {_named(nodes[True])} does not."
    return said


def _named(nodes: Iterable[str]) -> str:
    return ", ".join(sorted(nodes))


def _what_helps(fresh: Sequence[Variant], plain: set[bool | None], by_origin: bool) -> str:
    if plain == {True}:
        return "Bandersnatch's own way of asking is fresh, and the plugins change nothing while it is."
    if len(plain) > 1:
        return "What helps: the plugins, which ask again in other ways, and may meet another node each time."
    if fresh:
        return f"What helps: the plugins' variant {fresh[0]}, the first fresh one on their ladder."
    if by_origin:
        return (
            "What helps: the plugins ask the origin for it, by OPTIONS, which no cache keeps, once this has lasted for "
            "some hours; unless set otherwise, at PyPI alone (ask_origin)."
        )
    return (
        "None of the ways in which the plugins ask gets a fresh answer every time; whoever runs the cache has to act."
    )


def _who_is_behind(answers: Sequence[Answer], verdict: Verdict, required_serial: int, origin_serial: int | None) -> str:
    serials = {one.observation.serial for one in answers if one.observation.serial is not None}
    if not serials:
        problems = ", ".join(dict.fromkeys(one.observation.problem or "no serial" for one in answers))
        return f"Serial {required_serial} is announced, but no way of asking gets such a page: {problems}."
    if verdict is Verdict.ORIGIN_STALE and origin_serial is not None:
        return (
            f"Old in each copy, and at the origin itself, which has serial {origin_serial}, "
            f"{required_serial - origin_serial} behind {required_serial}: the origin has no newer page. "
            f"To do: {wording.advice(verdict)}."
        )
    agree = (
        f"All ways of asking agree on serial {max(serials)}, {required_serial - max(serials)} behind {required_serial}"
    )
    if verdict is Verdict.ORIGIN_STALE:
        past = next(one for one in answers if one.observation.came_past_caches)
        seen = past.observation
        how = f"X-Cache: {seen.x_cache}" if seen.x_cache else f"Cache-Status: {seen.cache_status}"
        return (
            f"{agree}, and at least one answer bypassed all caches ({how}): {wording.meaning(verdict)}. "
            f"To do: {wording.advice(verdict)}."
        )
    if verdict is Verdict.EDGE_STALE:
        return (
            f"Every way of asking is stale, at different serials from {min(serials)} to {max(serials)}: caches differ."
        )
    return (
        f"{agree}. It is unknown whether a cache or the origin is behind: no answer says that it bypassed all caches."
    )


def _was_revalidated(everything: Sequence[Answer], answers: Sequence[Answer]) -> list[str]:
    """Say that the old page was given once; and by whom, where no such node gave the new one too."""
    old = [one.observation.served_by for one in everything if one not in answers]
    if not old:
        return []
    said = (
        "It was old once, and fresh at the second ask: a cache gave the old page while it fetched the new one "
        "(stale-while-revalidate). It was just released; there is nothing to do."
    )
    if all(old) and not set(old) & {one.observation.served_by for one in answers}:
        said += f" Should it be old again in an hour, look at the node: the old page came from {_named(set(old))}."
    return [said]


def _was_refreshed(answers: Sequence[Answer], base: Way, required_serial: int, plain: set[bool | None]) -> list[str]:
    later = [one for one in answers[len(_early(answers)) :] if one.way == base]
    if plain == {False} and any(is_fresh(one, required_serial, base) for one in later):
        return ["Asking past the cache has refreshed its copy: as Bandersnatch asks, the answer is now fresh."]
    return []


def _failures(answers: Sequence[Answer]) -> list[str]:
    """Say how many requests got no answer or a server error."""
    problems = [
        one.observation.problem for one in answers if one.observation.status is None or one.observation.status >= 500
    ]
    named = ", ".join(dict.fromkeys(problems))
    return [f"{len(problems)} of {len(answers)} requests failed: {named}."] if problems else []


def _nothing(answers: Sequence[Answer]) -> str:
    """Say in one sentence why there is no diagnosis."""
    statuses = {one.observation.status for one in answers}
    if statuses == {404}:
        return "No way of asking finds it: is the name right?"
    as_base = (one.observation for one in answers if one.way.page is answers[0].way.page)
    if {seen.problem for seen in as_base if seen.status == 200} == {NO_JSON}:
        return "What answers is no JSON, and so no such page: something on the way answers in the master's place."
    if 200 in statuses:
        return "No answer carries a serial, in its header or in its body, so freshness is unknown."
    problems = dict.fromkeys(filter(None, (one.observation.problem for one in answers)))
    return f"No way of asking gets the page: {', '.join(problems)}."


def _other_pages(answers: Iterable[Answer], base: Way) -> list[str]:
    """Say which pages are there that Bandersnatch does not ask for."""
    there = {one.way.page.value for one in answers if one.way.page is not base.page and one.observation.status == 200}
    return [f"That is the {base.page.value}; the {' and the '.join(sorted(there))} can be had."] if there else []
