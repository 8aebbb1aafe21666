"""Freeze windows: whether anything may be started at a moment, and if not, until when. Pure; the moment is handed in.

A window holds its first moment and not its last one. Its times are those of the clock on the wall in its time zone, so
that a night in which the clocks change is no hour short of what was meant:

- a window that starts at a time that the clock leaps over starts at the leap;
- one that starts or ends at a time that comes twice starts at the first and ends at the second;
- one with a leap in it lasts as long as it is written, though the clock on the wall says an hour more by then.

So nothing is started at a moment that anybody could take for frozen, by the clock or by how long a job takes.
"""

from __future__ import annotations

import datetime as dt
import zoneinfo
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.spec.daemon import Daily, Window

AHEAD: Final = dt.timedelta(days=14)
"""How far windows are followed that go over into one another."""

_DAYS: Final = ("mon", "tue", "wed", "thu", "fri", "sat", "sun")
_DAY: Final = dt.timedelta(days=1)
_BACK: Final = 2 * _DAY  # a window lasts up to a day, and the date in its zone may be the one before
_SECOND: Final = dt.timedelta(seconds=1)


@dataclass(frozen=True, slots=True)
class Closed:
    """Why nothing is started: the window of those that hold now that ends last.

    ``until``, in UTC, is when nothing is frozen any more, other windows included that begin before this one ends.
    Beyond ``AHEAD`` nobody looks: where windows go on for longer, it is a moment at which to ask again.
    """

    name: str
    reason: str
    by: str
    until: dt.datetime


@dataclass(frozen=True, slots=True)
class _Span:
    start: dt.datetime
    end: dt.datetime
    window: Window

    def holds(self, moment: dt.datetime) -> bool:
        return self.start <= moment < self.end


def closed(windows: Sequence[Window], now: dt.datetime) -> Closed | None:
    """What forbids to start something at ``now`` (aware); None if nothing does."""
    now = now.astimezone(dt.UTC)
    holding = [span for span in _spans(windows, now - _BACK, now) if span.holds(now)]
    if not holding:
        return None
    last = max(holding, key=lambda span: span.end)
    until = last.end
    for span in sorted(_spans(windows, now, now + AHEAD), key=lambda span: span.start):
        if span.start <= until:
            until = max(until, span.end)
    return Closed(last.window.name, last.window.reason, last.window.by, until)


def _spans(windows: Iterable[Window], first: dt.datetime, last: dt.datetime) -> Iterator[_Span]:
    """Every time that a window comes from the date of ``first`` to that of ``last``, and all that come once."""
    for window in windows:
        if window.daily is not None:
            yield from _daily(window, window.daily, first, last)
        elif window.once is not None:
            yield _Span(_moment(window.once.start), _moment(window.once.end), window)


def _daily(window: Window, daily: Daily, first: dt.datetime, last: dt.datetime) -> Iterator[_Span]:
    zone = zoneinfo.ZoneInfo(window.timezone)
    start, end = dt.time.fromisoformat(daily.start), dt.time.fromisoformat(daily.end)
    day, stop = first.astimezone(zone).date(), last.astimezone(zone).date()
    while day <= stop:
        if _DAYS[day.weekday()] in daily.days:
            begins = dt.datetime.combine(day, start)
            ends = dt.datetime.combine(day if end > start else day + _DAY, end)
            starting = _starting(begins, zone)
            yield _Span(starting, max(_readings(ends, zone)[1], starting + (ends - begins)), window)
        day += _DAY


def _moment(text: str) -> dt.datetime:
    moment = dt.datetime.fromisoformat(text)
    try:
        return moment.astimezone(dt.UTC)
    except OverflowError:  # who means "for ever" writes the last day that there is, in a zone of their own
        return dt.datetime.max.replace(tzinfo=dt.UTC) if moment.year > 1 else dt.datetime.min.replace(tzinfo=dt.UTC)


def _starting(wall: dt.datetime, zone: dt.tzinfo) -> dt.datetime:
    """The first moment at which the clock shows ``wall`` or has leapt over it, in UTC."""
    before, after = _readings(wall, zone)
    if before <= after:
        return before
    # The leap lies between the two readings; the offset from UTC changes at it.
    offset = before.astimezone(zone).utcoffset()
    early, late = after, before
    while late - early > _SECOND:
        middle = early + (late - early) // 2
        if middle.astimezone(zone).utcoffset() == offset:
            late = middle
        else:
            early = middle
    return late.replace(microsecond=0)


def _readings(wall: dt.datetime, zone: dt.tzinfo) -> tuple[dt.datetime, dt.datetime]:
    """``wall`` by the offset before and by the one after a change of the clocks; mostly the same (PEP 495)."""
    first, second = (wall.replace(tzinfo=zone, fold=fold).astimezone(dt.UTC) for fold in (0, 1))
    return first, second
