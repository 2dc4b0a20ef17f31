"""The notifier: what to send to each channel after a run, and whether it arrived."""

from __future__ import annotations

import logging
from collections.abc import Iterable
from functools import partial
from typing import Any

from msgspec import Struct
from msgspec.structs import replace

from ..core.completeness import usual_interval
from ..core.incidents import Level
from ..core.log_fields import log_fields
from ..formatting import duration, encodable, timestamp
from ..settings import TrackingSettings, refused_channel
from ..state.document import ChannelRecord, State
from . import alerts, notices
from . import channels as notify
from .alerts import Posting
from .channels import Channel
from .heartbeat import Heartbeat, Signal
from .notices import Message
from .sender import NOT_UNDERSTOOD

log = logging.getLogger("bandersnatch.freshness")

# How many runs Alertmanager may miss before it considers an incident over.
RUNS_AHEAD = 4
LEAST_SECONDS_AHEAD = 30 * 60


class Sending(Struct, frozen=True):
    """What to send to one channel: messages about subjects, alerts, or a signal of the heartbeat and why."""

    messages: tuple[Message, ...] = ()
    alerts: Posting | None = None
    beat: tuple[Signal, str] | None = None

    def parts(self) -> Iterable[Any]:
        """Return the parts that are delivered separately: each message, or each body of alerts."""
        if self.beat:
            return [self.beat]
        if self.alerts is not None:
            return self.alerts
        return [
            {"level": one.level and str(one.level), "title": encodable(one.title), "body": encodable(one.body)}
            for one in self.messages
        ]


Deliveries = dict[Channel, Sending]

# The problem of each part sent to a channel, empty if it arrived.
Problems = dict[Channel, list[str]]


class Notifier:
    """The channels of one mirror."""

    def __init__(self, tracking: TrackingSettings, host: str, directory: str) -> None:
        """`host` and `directory` are where the mirror is."""
        self._channels = [Channel(url, number) for number, url in enumerate(tracking.notify, 1)]
        self._heartbeat = Heartbeat(tracking.heartbeat) if tracking.heartbeat else None
        self._heart = Channel(tracking.heartbeat, 0)
        self._host, self._directory = host, directory
        self._name = f"{host}:{directory}"
        self._repeat_every = tracking.repeat_every

    def check(self, state: State) -> None:
        """Check with Apprise's own parser each URL that was not checked before, and record in the state that it was.

        Apprise takes seconds to load, so that is done once for a URL; where it can't be done, the next run tries again.

        Raises:
            OptionError: if it doesn't understand one.
        """
        known = state.channels
        new = [one for one in self._channels if not (one.is_alertmanager or _record(known, one).is_understood)]
        problems = notify.deliver({channel: [None] for channel in new}, notify.CHECK_SECONDS) if new else {}
        for channel, (problem,) in problems.items():
            if problem == NOT_UNDERSTOOD:
                raise refused_channel(channel.number, channel.url, problem)
            if not problem:
                known[channel.key] = replace(_record(known, channel), is_understood=True)

    def begin(self) -> None:
        """Tell the heartbeat's receiver that a run begins."""
        if self._heartbeat:
            self._heartbeat.tell(Signal.START)

    def plan(self, state: State, now: int) -> Deliveries:
        """Return what to send, and record in the state that it is under way."""
        known = {channel.key for channel in (*self._channels, self._heart)}
        state.notified = {channel: notified for channel, notified in state.notified.items() if channel in known}
        state.channels = {channel: record for channel, record in state.channels.items() if channel in known}
        plan: Deliveries = {}
        for channel in self._channels:
            notified = state.notified.get(channel.key, {})
            if channel.is_alertmanager:
                mirror, ahead = self._mirror(state), _seconds_ahead(state)
                posting = Posting(partial(alerts.of_incidents, state.incidents, notified, mirror, now, ahead))
                if posting.has_any():
                    plan[channel] = Sending(alerts=posting)
                continue
            subjects = notices.due(state.incidents, notified, now, self._repeat_every)
            if not subjects:
                continue
            marked = state.notified[channel.key] = notices.mark(state.incidents, notified, subjects, now)
            subjects = [subject for subject in subjects if subject in marked]
            made = notices.messages(state.incidents, marked, subjects, self._name, now)
            if made:
                plan[channel] = Sending(messages=tuple(made))
        if self._heartbeat:
            beat = notices.beat(state)
            if beat:
                plan[self._heart] = Sending(beat=beat)
            else:
                self._heartbeat.rest()
        return plan

    def deliver(self, plan: Deliveries, seconds: float | None = None) -> Problems:
        """Send everything, within `seconds` or the usual time, and return the problem of each part."""
        beat = plan[self._heart].beat if self._heart in plan else None
        if self._heartbeat and beat:
            self._heartbeat.tell(*beat)
        sendings = {channel: sending.parts() for channel, sending in plan.items() if not sending.beat}
        problems = notify.deliver(sendings, seconds) if sendings else {}
        return {**problems, self._heart: [self._heartbeat.answer()]} if self._heartbeat and beat else problems

    def settle(self, state: State, plan: Deliveries, problems: Problems, now: int) -> bool:
        """Record in the state what arrived and what did not, and return whether that changed anything.

        Telling Alertmanager the same as in the last run changes nothing and is not counted; nor are heartbeats.
        """
        before, totals, channels = dict(state.notified), state.totals, dict(state.channels)
        counted = totals.notifications_sent + totals.notifications_failed
        for channel, sending in plan.items():
            self._note(state, channel, problems[channel], now)
            if sending.beat:
                continue
            arrived = [not problem for problem in problems[channel]]
            notified = state.notified.get(channel.key, {})
            sent = sum(arrived)
            if not channel.is_alertmanager:
                totals.notifications_sent += sent
                totals.notifications_failed += len(arrived) - sent
                for message, has_arrived in zip(sending.messages, arrived, strict=True):
                    notified = notices.settle(state.incidents, notified, message.subjects, arrived=has_arrived)
                state.notified[channel.key] = notified
                continue
            is_all = sent == len(arrived)
            totals.notifications_failed += not is_all
            if sent:
                posted = notices.posted(state.incidents, notified, now)
                # What came in part is all posted again, and ended again if it was there before.
                state.notified[channel.key] = posted if is_all else posted | notified
                totals.notifications_sent += is_all and posted != notified
        has_counted = totals.notifications_sent + totals.notifications_failed != counted
        return has_counted or (state.notified, state.channels) != (before, channels)

    def alarm(self, state: State, file: str, since: int, now: int, *, is_told: bool) -> bool:
        """Send that the state, `file`, can't be written since a time in seconds since 1970.

        A message is sent unless that `is_told`, an alert and the heartbeat's failure in every run. Returns whether all
        messages arrived.
        """
        text = f"{file} can't be written since {timestamp(since)}: what runs see is not remembered, nor told"
        title = f"[CRITICAL] PyPI mirror {self._name}: {file} can't be written"
        alert = alerts.of_state(text, self._mirror(state), since, now, _seconds_ahead(state))
        posting = Posting(lambda: iter([alert]))
        plan = {
            channel: Sending(alerts=posting)
            if channel.is_alertmanager
            else Sending(messages=(Message(Level.CRITICAL, (), title, text),))
            for channel in self._channels
            if channel.is_alertmanager or not is_told
        }
        if self._heartbeat:
            plan[self._heart] = Sending(beat=(Signal.FAILURE, f"{file} can't be written"))
        problems = self.deliver(plan) if plan else {}
        for channel, found in problems.items():
            self._note(state, channel, found, now)
        return not any(any(problems[channel]) for channel, sending in plan.items() if sending.messages)

    def end_alarm(self, file: str, since: int) -> None:
        """Send that the state, `file`, can be written again; in Alertmanager the alert has ended by itself."""
        text = f"{file} can be written again. It could not since {timestamp(since)}: what runs saw is not remembered"
        message = Message(None, (), f"[RESOLVED] PyPI mirror {self._name}: {file} can be written again", text)
        plan = {channel: Sending(messages=(message,)) for channel in self._channels if not channel.is_alertmanager}
        if plan:
            self.deliver(plan)

    def test(self, state: State, now: int, *, beats: bool) -> Problems:
        """Send a test by every channel, and where it `beats`, to the heartbeat's receiver that a run has succeeded."""
        text = f"This is a test, sent by hand on {self._host} for the mirror in {self._directory}. Nothing is wrong."
        message = Message(None, (), f"[TEST] PyPI mirror {self._name}: messages arrive", text)
        alert = alerts.of_test(text, self._mirror(state), now)
        posting = Posting(lambda: iter([alert]))
        plan = {
            channel: Sending(alerts=posting) if channel.is_alertmanager else Sending(messages=(message,))
            for channel in self._channels
        }
        if beats:
            plan[self._heart] = Sending(beat=(Signal.SUCCESS, ""))
        return self.deliver(plan, notify.CHECK_SECONDS)

    def _mirror(self, state: State) -> alerts.Mirror:
        return alerts.Mirror(self._host, self._directory, state.master)

    def _note(self, state: State, channel: Channel, problems: list[str], now: int) -> None:
        """Record in the state how a channel stands, and say it where that is news."""
        failed = [problem for problem in problems if problem]
        before = _record(state.channels, channel)
        after, is_news = notices.standing(before, failed[0] if failed else "", now)
        if after != ChannelRecord():
            state.channels[channel.key] = after
        else:
            state.channels.pop(channel.key, None)
        level, fields = logging.WARNING if is_news else logging.DEBUG, log_fields(channel=str(channel))
        if failed:
            what = (
                "not delivered" if len(failed) == len(problems) else f"{len(failed)} of {len(problems)} not delivered"
            )
            age = f" for {duration(now - before.failing)}" if 0 < before.failing < now else ""
            log.log(level, "%s: %s%s, trying again in the next run: %s", channel, what, age, failed[0], extra=fields)
        elif is_news:
            age = duration(max(0, now - before.failing))
            log.log(level, "%s: what is sent arrives again, after %s", channel, age, extra=fields)


def _record(channels: dict[str, ChannelRecord], channel: Channel) -> ChannelRecord:
    return channels.get(channel.key, ChannelRecord())


def _seconds_ahead(state: State) -> int:
    return max(LEAST_SECONDS_AHEAD, RUNS_AHEAD * (usual_interval(state.runs) or 0))
