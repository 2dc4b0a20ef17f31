"""Chart: the history as bars, one for each hour, for the status page to draw. No I/O and no clock."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from datetime import UTC, datetime

from msgspec import Struct

from ..core.history import HOUR, HOURS_KEPT, Hour
from ..formatting import timestamp

# The heights of the tallest bar and of the smallest one, in pixels.
HEIGHT = 96
LEAST = 2

DAY = 24 * HOUR

# From bottom to top.
LEVELS = ("critical", "warning", "stale")


class Bar(Struct, frozen=True):
    """A bar, or a part of one: `x` is a percentage of the width, the rest is in pixels from the bottom up."""

    x: str
    bottom: int
    height: int
    kind: str

    @property
    def y(self) -> int:
        """The distance of its upper end from the top, in pixels."""
        return HEIGHT - self.bottom - self.height


class Day(Struct, frozen=True):
    """The start of a day, as a percentage of the width; the label is empty if there is no room for it."""

    x: str
    label: str


class Chart(Struct, frozen=True):
    """What is drawn: `top` is the value of a bar of full height, `text` describes the chart in words."""

    name: str
    text: str
    top: int
    bars: tuple[Bar, ...]
    days: tuple[Day, ...]


class Span(Struct, frozen=True):
    """Consecutive hours with the same figures, from `begin` until `end`; `hour` is None if there was no run."""

    begin: int
    end: int
    hour: Hour | None


def lag_chart(history: Sequence[Hour], now: int) -> Chart:
    """Return a chart of how many serials the mirror was behind."""
    hours = _shown(history, now)
    top = _round_up(max((hour.lag for hour in hours), default=0))
    bars = (_bar(hour.at, now, 0, hour.lag, top, "lag") for hour in hours)
    return Chart("lag", _in_words(hours, [hour.lag for hour in hours], "serials"), top, tuple(bars), _days(now))


def incident_chart(history: Sequence[Hour], now: int) -> Chart:
    """Return a chart of how many incidents were open, by level."""
    hours = _shown(history, now)
    sums = [hour.stale + hour.warning + hour.critical for hour in hours]
    top = _round_up(max(sums, default=0))
    bars: list[Bar] = []
    for hour in hours:
        parts = [(level, count) for level in LEVELS if (count := getattr(hour, level))] or [("none", 0)]
        bottom = 0
        for level, count in parts:
            bars.append(_bar(hour.at, now, bottom, count, top, level))
            bottom += bars[-1].height
    return Chart("incidents", _in_words(hours, sums, "incidents"), top, tuple(bars), _days(now))


def spans(history: Sequence[Hour], now: int) -> Iterator[Span]:
    """Yield the figures of the charts, the newest first."""
    known = {hour.at: hour for hour in _shown(history, now)}
    begin, end = _window(now)
    open_: Span | None = None
    for at in range(end - HOUR, begin - HOUR, -HOUR):
        hour = known.get(at)
        if open_ is not None and _figures(open_.hour) == _figures(hour):
            open_ = Span(at, open_.end, hour)
            continue
        if open_ is not None:
            yield open_
        open_ = Span(at, at + HOUR, hour)
    if open_ is not None:
        yield open_


def _window(now: int) -> tuple[int, int]:
    """Return the start and end of the hours shown; the last hour is still under way."""
    end = now - now % HOUR + HOUR
    return end - HOURS_KEPT * HOUR, end


def _shown(history: Sequence[Hour], now: int) -> list[Hour]:
    begin, end = _window(now)
    return [hour for hour in history if begin <= hour.at < end]


def _figures(hour: Hour | None) -> tuple[int, ...] | None:
    return None if hour is None else (hour.lag, hour.stale, hour.warning, hour.critical)


def _percent(at: int, now: int) -> str:
    begin, end = _window(now)
    return f"{100 * (at - begin) / (end - begin):.2f}%"


def _bar(at: int, now: int, bottom: int, value: int, top: int, kind: str) -> Bar:
    # An hour with a run and a value of 0 must look different from an hour without a run.
    height = max(LEAST, HEIGHT * value // top)
    return Bar(_percent(at, now), min(bottom, HEIGHT - LEAST), min(height, HEIGHT - bottom), kind if value else "none")


def _days(now: int) -> tuple[Day, ...]:
    begin, end = _window(now)
    midnights = range(begin + -begin % DAY, end, DAY)
    return tuple(Day(_percent(at, now), _label(at) if end - at > DAY // 2 else "") for at in midnights)


def _label(at: int) -> str:
    day = datetime.fromtimestamp(at, UTC)
    return f"{day:%b} {day.day}"


def _round_up(value: int) -> int:
    """Return the next number that is 1, 2 or 5 followed by zeros."""
    size = 1
    while True:
        for top in (size, 2 * size, 5 * size):
            if value <= top:
                return top
        size *= 10


def _in_words(hours: Sequence[Hour], values: Sequence[int], unit: str) -> str:
    if not hours:
        return "No run in the last 7 days is remembered."
    most = max(values)
    when = timestamp(hours[values.index(most)].at)
    peak = f"The peak was {most:,} {unit}, in the hour from {when}" if most else f"There were no {unit} at any time"
    return f"The last 7 days, with runs in {len(hours)} of {HOURS_KEPT} hours. {peak}; {values[-1]:,} in the last."
