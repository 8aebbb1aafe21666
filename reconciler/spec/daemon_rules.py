"""The rules on a ``Platform``'s ``daemon`` that its schema can't say."""

from __future__ import annotations

import datetime as dt
import functools
import zoneinfo
from collections.abc import Iterator

from reconciler import errors
from reconciler.spec import platform
from reconciler.spec.daemon import Window
from reconciler.spec.document import Document
from reconciler.spec.marks import Path
from reconciler.spec.nearest import did_you_mean
from reconciler.spec.source import short
from reconciler.spec.tree import Tree


def freeze_windows_sound(tree: Tree) -> Iterator[errors.Fault]:
    """Each window has a name of its own, a time zone that exists, and an end that is another moment than its start."""
    for document in tree.valid(platform.PLATFORM.name):
        first: dict[str, Path] = {}
        for number, window in enumerate(document.spec.daemon.freeze):
            path: Path = ("spec", "daemon", "freeze", number)
            earlier = first.setdefault(window.name.casefold(), path)
            if earlier != path:
                place = document.at(*earlier, "name")
                yield document.fault(
                    (*path, "name"),
                    f"the window's name {short(window.name)!r} is already used ({place})",
                    rule="duplicate-name",
                    hint="Give each its own: conditions and logs say by it why nothing is started.",
                )
            yield from _zone(document, path, window)
            yield from _times(document, path, window)


def review_has_a_forge(tree: Tree) -> Iterator[errors.Fault]:
    """Plans are reviewed in pull requests, so somebody has to know where these are."""
    for document in tree.valid(platform.PLATFORM.name):
        daemon = document.spec.daemon
        if daemon.review != "off" and daemon.forge is None:
            message = f"`review: {daemon.review}` needs a forge, and there is none"
            hint = "Say under `forge` where pull requests are made, or set `review: off`."
            yield document.fault(("spec", "daemon", "review"), message, rule="no-forge", hint=hint)


def _zone(document: Document, path: Path, window: Window) -> Iterator[errors.Fault]:
    if window.timezone not in _zones():
        message = f"there is no time zone {short(window.timezone)!r}"
        hint = did_you_mean(window.timezone, sorted(_zones()))
        yield document.fault((*path, "timezone"), message, rule="unknown-timezone", hint=hint)


def _times(document: Document, path: Path, window: Window) -> Iterator[errors.Fault]:
    if window.daily is not None and window.daily.start == window.daily.end:
        message = f"the window starts and ends at {window.daily.start}"
        hint = "For whole days write two windows, from 00:00 to 12:00 and from 12:00 to 00:00."
        yield document.fault((*path, "daily", "end"), message, rule="empty-window", hint=hint)
    if window.once is not None:
        start, end = window.once.start, window.once.end
        if dt.datetime.fromisoformat(end) <= dt.datetime.fromisoformat(start):
            message = f"the window ends at {end}, which is not after {start}, when it starts"
            hint = "Exchange the two, or correct one of them."
            yield document.fault((*path, "once", "end"), message, rule="empty-window", hint=hint)


@functools.cache
def _zones() -> frozenset[str]:
    # The standard library walks its whole folder of zones for every question.
    return frozenset(zoneinfo.available_timezones())
