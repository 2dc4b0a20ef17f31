"""Asking: how often, and after which pause."""

from __future__ import annotations

import asyncio

import pytest

from bandersnatch_freshness.lab.origin import Lifetimes
from bandersnatch_freshness.lab.server import Lab
from bandersnatch_freshness.probe import ways
from bandersnatch_freshness.probe.asking import Asker, Target
from bandersnatch_freshness.probe.diagnosis import Answer
from bandersnatch_freshness.probe.ways import Agent, Method

from ..conftest import StartLab

PROJECT = "lab-00"
BASE = ways.base(PROJECT)


def asked(lab: Lab, expected: int) -> tuple[list[Answer], list[tuple[float, int]]]:
    """Return the answers, and each pause in seconds with the number of requests before it."""
    pauses: list[tuple[float, int]] = []
    lab.forget()

    async def sleep(seconds: float) -> None:
        pauses.append((seconds, len(lab.requests)))

    async def ask() -> list[Answer]:
        target = Target(lab.url, {Agent.BANDERSNATCH: "bandersnatch/8.2.0", Agent.CURL: "curl/8"})
        async with Asker(target, PROJECT, sleep=sleep) as asker:
            return await asker.ask_all(expected)

    return asyncio.run(ask()), pauses


def test_no_pause_on_a_healthy_day(start_lab: StartLab) -> None:
    """And nothing asked for twice but the base line."""
    lab = start_lab(kind="pypi", projects=1)
    answers, pauses = asked(lab, lab.serial)
    assert pauses == []
    assert {way for way in (one.way for one in answers) if [one.way for one in answers].count(way) > 1} == {BASE}


def test_an_old_page_is_asked_for_again_after_two_seconds(start_lab: StartLab) -> None:
    """Then, where it has turned, all that were old."""
    lab = start_lab(kind="pypi", projects=1, lifetimes=Lifetimes(index=0, other=0), clock=lambda: 1e6)
    asked(lab, lab.serial)
    lab.release()
    answers, pauses = asked(lab, lab.serial)
    assert [seconds for seconds, _ in pauses] == [2, 2]
    assert pauses[0][1] == 1
    old = {one.way for one in answers[: pauses[1][1]] if one.observation.serial != lab.serial} - {BASE}
    assert {one.way for one in answers[pauses[1][1] :][: len(old)]} == old
    last = {one.way: one.observation.serial for one in answers}
    assert set(last.values()) == {lab.serial}


def test_what_stays_old_is_not_asked_for_again_and_again(start_lab: StartLab) -> None:
    """One pause, for the base line."""
    lab = start_lab("purge-broken", "pypi", projects=1)
    lab.release()
    answers, pauses = asked(lab, lab.serial)
    assert pauses == [(2, 1)]
    assert len(answers) <= 30


@pytest.mark.parametrize(("behaviour", "serial"), [("healthy", True), ("garbled", False), ("no-serial", False)])
def test_an_answer_to_options_counts_if_it_is_the_page(behaviour: str, serial: bool, start_lab: StartLab) -> None:
    """Whole, and with the serial that its header has."""
    lab = start_lab(behaviour, projects=1)
    answers, _ = asked(lab, lab.serial)
    (by_options,) = (one for one in answers if one.way.method is Method.OPTIONS)
    assert (by_options.observation.status, by_options.observation.serial) == (200, lab.serial if serial else None)
    assert [one.method for one in lab.requests].count("OPTIONS") == 1
