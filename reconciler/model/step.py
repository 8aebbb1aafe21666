"""A step of a flow: a name, and one thing that is wanted."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Generic, TypeVar

WantedT_co = TypeVar("WantedT_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Step(Generic[WantedT_co]):
    """``name`` groups what belongs together in a plan; several steps of a flow may share it."""

    name: str
    wanted: WantedT_co
