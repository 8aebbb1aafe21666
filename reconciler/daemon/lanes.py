"""Which of the keys that could be taken is: two lanes, first in, first out, and a cap of running keys a group.

Fresh changes go before retries and resyncs. A key that is raised to the fresh lane goes to its end. The background lane
does not starve: once ``FRESH_IN_A_ROW`` fresh keys were preferred to a background key that could have been taken, it is
its turn. With background keys of several groups, each group's turn comes after as many times more, so that the lane's
share is one in nine however many there are.

A group is a database server. Keys of a full one are passed over and hold up nobody; the group ``""`` is never full.
"""

from __future__ import annotations

import enum
import itertools
from collections import OrderedDict
from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Final

FRESH_IN_A_ROW: Final = 8
"""So many fresh keys are preferred to a background key before it is its turn."""


class Lane(enum.StrEnum):
    """Why a key is there: because something changed, or because time passed."""

    FRESH = "fresh"
    BACKGROUND = "background"


@dataclass(slots=True, eq=False)
class Waiting:
    """A key that was added and not yet taken. Times are in seconds of the queue's clock."""

    key: str
    group: str
    lane: Lane
    ready_at: float
    ready: bool = False
    sequence: int = 0
    """When it came into its lane, as a number that grows."""


@dataclass(slots=True, eq=False)
class _Group:
    running: int = 0
    passed: int = 0
    """How many fresh keys were preferred to this group's oldest background key while it could have been taken."""
    lanes: dict[Lane, OrderedDict[str, Waiting]] = field(default_factory=lambda: {lane: OrderedDict() for lane in Lane})

    def oldest(self, lane: Lane) -> int:
        return next(iter(self.lanes[lane].values())).sequence


class Lanes:
    """The keys that could be taken, and how many of each group were and are not free again. Not thread safe."""

    def __init__(self) -> None:
        self._groups: dict[str, _Group] = {}
        self._sequence = itertools.count(1)

    def append(self, waiting: Waiting) -> None:
        """At the end of its lane."""
        waiting.sequence = next(self._sequence)
        group = self._groups.setdefault(waiting.group, _Group())
        group.lanes[waiting.lane][waiting.key] = waiting

    def remove(self, waiting: Waiting) -> None:
        """Out of its lane, if it is in it."""
        group = self._groups.get(waiting.group)
        if group is not None and group.lanes[waiting.lane].pop(waiting.key, None) is not None:
            self._tidy(waiting.group, group)

    def take(self, per_group: int) -> Waiting | None:
        """The next key, which counts as running in its group until ``free``; None where each is in a full group."""
        chosen = self._choose(per_group)
        if chosen is None:
            return None
        group, lane = chosen
        _, waiting = group.lanes[lane].popitem(last=False)
        if lane is Lane.BACKGROUND:
            group.passed = 0
        group.running += 1
        return waiting

    def free(self, name: str) -> None:
        """A key of this group runs no more."""
        group = self._groups[name]
        group.running -= 1
        self._tidy(name, group)

    def _tidy(self, name: str, group: _Group) -> None:
        if not group.lanes[Lane.BACKGROUND]:
            group.passed = 0
            if not group.running and not group.lanes[Lane.FRESH]:
                del self._groups[name]

    def _choose(self, per_group: int) -> tuple[_Group, Lane] | None:
        room = [group for name, group in self._groups.items() if not name or group.running < per_group]
        fresh = [group for group in room if group.lanes[Lane.FRESH]]
        background = [group for group in room if group.lanes[Lane.BACKGROUND]]
        turn = FRESH_IN_A_ROW * sum(1 for group in self._groups.values() if group.lanes[Lane.BACKGROUND])
        if due := [group for group in background if group.passed >= turn]:
            return _oldest(due, Lane.BACKGROUND)
        if fresh:
            for group in background:
                group.passed += 1
            return _oldest(fresh, Lane.FRESH)
        return _oldest(background, Lane.BACKGROUND) if background else None


def _oldest(groups: Iterable[_Group], lane: Lane) -> tuple[_Group, Lane]:
    return min(groups, key=lambda group: group.oldest(lane)), lane
