"""Rules between the keys of one mapping: this or that, this only with that.

A spec's dataclass lists them in ``GROUPS: ClassVar[tuple[groups.Group, ...]]``. Keys are named as they are
written in YAML. Each rule knows its JSON Schema and whether a mapping keeps it.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol


class Group(Protocol):
    """A rule between keys."""

    def schema(self) -> dict[str, Any]:
        """The rule as a JSON Schema that stands in ``allOf``."""

    def kept(self, data: Mapping[str, Any]) -> bool:
        """Whether ``data`` keeps the rule; the same answer that the schema gives."""


@dataclass(frozen=True, slots=True)
class OneOf:
    """Exactly one of the keys is given."""

    keys: tuple[str, ...]

    def schema(self) -> dict[str, Any]:
        """``oneOf`` over ``required``."""
        return {"oneOf": [{"required": [key]} for key in self.keys]}

    def kept(self, data: Mapping[str, Any]) -> bool:
        """Whether exactly one key is there."""
        return sum(key in data for key in self.keys) == 1


@dataclass(frozen=True, slots=True)
class Needs:
    """Where ``key`` is given (and holds ``value``, if that is set), the ``needed`` keys are given too."""

    key: str
    needed: tuple[str, ...]
    value: str | bool | None = None

    def schema(self) -> dict[str, Any]:
        """``dependentRequired``, or ``if``/``then`` when it hangs on a value."""
        if self.value is None:
            return {"dependentRequired": {self.key: list(self.needed)}}
        condition = {"properties": {self.key: {"const": self.value}}, "required": [self.key]}
        return {"if": condition, "then": {"required": list(self.needed)}}

    def kept(self, data: Mapping[str, Any]) -> bool:
        """Whether the needed keys are there, or nothing asks for them."""
        if self.key not in data:
            return True
        if self.value is not None and data[self.key] != self.value:
            return True
        return all(key in data for key in self.needed)


def one_of(*keys: str) -> OneOf:
    """Exactly one of ``keys`` is given: ``one_of("host", "socket")``."""
    return OneOf(keys)


def needs(key: str, *needed: str, value: str | bool | None = None) -> Needs:
    """``key`` asks for others: ``needs("socket", "advertise")``, ``needs("mode", "ca", value="verify")``."""
    return Needs(key, needed, value)
