"""The notifier: what each channel is to be sent after a run, and what came of it."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

from . import notices, notify
from .incidents import Level
from .notices import Message
from .notify import Channel
from .state import State, Told

# How many runs Alertmanager may miss before it takes an incident for over.
RUNS_AHEAD = 4
LEAST_SECONDS_AHEAD = 30 * 60


@dataclass(frozen=True)
class Sending:
    """What one channel is to be sent: messages about subjects, or alerts."""

    subjects: tuple[str, ...] = ()
    messages: tuple[Message, ...] = ()
    alerts: tuple[dict[str, Any], ...] = ()


Plan = dict[Channel, Sending]


class Notifier:
    """The channels of one mirror."""

    def __init__(self, urls: Sequence[str], mirror: str, repeat_every: int) -> None:
        """`mirror` is what messages call the mirror; `repeat_every` is in seconds."""
        self._channels = [Channel(url, number) for number, url in enumerate(urls, 1)]
        self._mirror = mirror
        self._repeat_every = repeat_every

    def plan(self, state: State, now: int) -> Plan:
        """Return what is to be sent, and note in the state that it is under way."""
        known = {notices.channel_id(channel.url) for channel in self._channels}
        state.told = {channel: told for channel, told in state.told.items() if channel in known}
        plan: Plan = {}
        for channel in self._channels:
            key = notices.channel_id(channel.url)
            told = state.told.get(key, {})
            if channel.is_alertmanager:
                ahead = _seconds_ahead(state)
                alerts = notify.alerts(state.incidents, told, self._mirror, now, ahead)
                if alerts:
                    plan[channel] = Sending(alerts=tuple(alerts))
                continue
            subjects = notices.due(state.incidents, told, now, self._repeat_every)
            if not subjects:
                continue
            marked = state.told[key] = notices.mark(state.incidents, told, subjects, now)
            subjects = [subject for subject in subjects if subject in marked]
            made = notices.messages(state.incidents, marked, subjects, self._mirror, now)
            if made:
                plan[channel] = Sending(subjects=tuple(subjects), messages=tuple(made))
        return plan

    def deliver(self, plan: Plan) -> dict[Channel, bool]:
        """Send it all, and return which channels took what they were sent."""
        return notify.deliver(
            {
                channel: partial(notify.send_to_alertmanager, channel.url, sending.alerts)
                if channel.is_alertmanager
                else partial(notify.send_by_apprise, channel.url, sending.messages)
                for channel, sending in plan.items()
            }
        )

    def settle(self, state: State, plan: Plan, arrived: dict[Channel, bool], now: int) -> None:
        """Note in the state what arrived and what did not."""
        for channel, sending in plan.items():
            key = notices.channel_id(channel.url)
            told = state.told.get(key, {})
            if not channel.is_alertmanager:
                state.told[key] = notices.settle(state.incidents, told, sending.subjects, arrived=arrived[channel])
            elif arrived[channel]:
                state.told[key] = {
                    subject: Told(incident.level, incident.verdict, incident.since, now, delivered=True, ever=True)
                    for subject, incident in state.incidents.items()
                    if incident.level > Level.STALE
                }


def _seconds_ahead(state: State) -> int:
    starts = [run.started for run in state.runs[-10:]]
    gaps = [later - earlier for earlier, later in itertools.pairwise(starts)]
    return max(LEAST_SECONDS_AHEAD, RUNS_AHEAD * max(gaps, default=0))
