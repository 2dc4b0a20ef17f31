"""The notifier: what to send to each channel after a run, and whether it arrived."""

from __future__ import annotations

import itertools
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from ..core.incidents import Level
from ..formatting import timestamp
from ..state.document import State
from . import channels as notify
from . import notices
from .channels import Channel
from .notices import Message

# How many runs Alertmanager may miss before it considers an incident over.
RUNS_AHEAD = 4
LEAST_SECONDS_AHEAD = 30 * 60


@dataclass(frozen=True)
class Sending:
    """What to send to one channel: messages about subjects, or alerts."""

    messages: tuple[Message, ...] = ()
    alerts: tuple[dict[str, Any], ...] = ()

    def parts(self) -> list[Any]:
        """Return the parts that are delivered separately: each message, or all alerts together."""
        if self.alerts:
            return [self.alerts]
        return [{"level": one.level and str(one.level), "title": one.title, "body": one.body} for one in self.messages]


# Whether each part sent to a channel arrived.
Arrived = dict[Channel, list[bool]]

Deliveries = dict[Channel, Sending]


class Notifier:
    """The channels of one mirror."""

    def __init__(self, urls: Sequence[str], mirror: str, repeat_every: int) -> None:
        """`mirror` is the mirror's name in messages; `repeat_every` is in seconds."""
        self._channels = [Channel(url, number) for number, url in enumerate(urls, 1)]
        self._mirror = mirror
        self._repeat_every = repeat_every

    def plan(self, state: State, now: int) -> Deliveries:
        """Return what to send, and record in the state that it is under way."""
        known = {notices.channel_id(channel.url) for channel in self._channels}
        state.notified = {channel: notified for channel, notified in state.notified.items() if channel in known}
        plan: Deliveries = {}
        for channel in self._channels:
            key = notices.channel_id(channel.url)
            notified = state.notified.get(key, {})
            if channel.is_alertmanager:
                ahead = _seconds_ahead(state)
                alerts = notify.alerts(state.incidents, notified, self._mirror, now, ahead)
                if alerts:
                    plan[channel] = Sending(alerts=tuple(alerts))
                continue
            subjects = notices.due(state.incidents, notified, now, self._repeat_every)
            if not subjects:
                continue
            marked = state.notified[key] = notices.mark(state.incidents, notified, subjects, now)
            subjects = [subject for subject in subjects if subject in marked]
            made = notices.messages(state.incidents, marked, subjects, self._mirror, now)
            if made:
                plan[channel] = Sending(messages=tuple(made))
        return plan

    def deliver(self, plan: Deliveries) -> Arrived:
        """Send everything, and return which parts arrived."""
        return notify.deliver({channel: sending.parts() for channel, sending in plan.items()})

    def settle(self, state: State, plan: Deliveries, arrived: Arrived, now: int) -> bool:
        """Record in the state what arrived and what did not, and return whether that changed anything.

        Telling Alertmanager the same as in the last run changes nothing and is not counted.
        """
        before, totals = dict(state.notified), state.totals
        counted = totals.notifications_sent + totals.notifications_failed
        for channel, sending in plan.items():
            key = notices.channel_id(channel.url)
            notified = state.notified.get(key, {})
            sent = sum(arrived[channel])
            totals.notifications_failed += len(arrived[channel]) - sent
            if not channel.is_alertmanager:
                totals.notifications_sent += sent
                for message, has_arrived in zip(sending.messages, arrived[channel], strict=True):
                    notified = notices.settle(state.incidents, notified, message.subjects, arrived=has_arrived)
                state.notified[key] = notified
            elif sent:
                state.notified[key] = notices.posted(state.incidents, notified, now)
                totals.notifications_sent += state.notified[key] != notified
        return state.notified != before or totals.notifications_sent + totals.notifications_failed != counted

    def alarm(self, state: State, file: str, since: int, now: int, *, is_told: bool) -> bool:
        """Send that the state, `file`, can't be written since a time in seconds since 1970.

        A message is sent unless that `is_told`, an alert in every run. Returns whether all messages arrived.
        """
        text = f"{file} can't be written since {timestamp(since)}: what runs see is not remembered, nor told"
        title = f"[CRITICAL] PyPI mirror {self._mirror}: {file} can't be written"
        alert = notify.state_alert(self._mirror, text, since, now, _seconds_ahead(state))
        plan = {
            channel: Sending(alerts=(alert,))
            if channel.is_alertmanager
            else Sending(messages=(Message(Level.CRITICAL, (), title, text),))
            for channel in self._channels
            if channel.is_alertmanager or not is_told
        }
        arrived = self.deliver(plan) if plan else {}
        return all(all(parts) for channel, parts in arrived.items() if not channel.is_alertmanager)


def _seconds_ahead(state: State) -> int:
    starts = [run.started for run in state.runs[-10:]]
    gaps = sorted(later - earlier for earlier, later in itertools.pairwise(starts))
    # The median, as one long outage says nothing about when the next run will be.
    usual = gaps[(len(gaps) - 1) // 2] if gaps else 0
    return max(LEAST_SECONDS_AHEAD, RUNS_AHEAD * usual)
