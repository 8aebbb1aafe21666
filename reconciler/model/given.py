"""What a flow is given besides the spec: what was drawn and recorded before, and a way to ask for new values."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from reconciler.model.record import Record
from reconciler.model.secret import Drawn, Recipe, Secret

PENDING = "(drawn when applied)"
"""What stands for a value in a plan before it has been drawn."""


@dataclass(slots=True)
class Given:
    """A tenant's past, as a flow may see it.

    A dry run draws nothing: it has no ``draw``, and what does not exist yet is ``PENDING``. An apply draws what is
    missing; the drawn values are kept here until they are sealed with the first journal record. Asking twice
    gives the same value. ``today`` is the day in UTC, ``revision`` what is being applied.
    """

    today: str
    revision: str
    record: Record | None = None
    draw: Callable[[str, Recipe], Drawn] | None = None
    draw_token: Callable[[str], str] | None = None
    drawn: dict[str, Drawn] = field(default_factory=dict)
    tokens: dict[str, str] = field(default_factory=dict)
    transaction: str = ""
    """The transaction that asks; empty for a dry run."""

    @property
    def new(self) -> bool:
        """Whether the tenant is not recorded yet."""
        return self.record is None

    def secret(self, name: str, recipe: Recipe) -> Secret:
        """The tenant's secret ``name``; drawn by ``recipe`` where there is none yet."""
        if self.record and name in self.record.secrets:
            return self.record.secrets[name]
        if name in self.drawn:
            return self.drawn[name].secret
        if self.draw is None:
            return Secret(name, version=0)
        self.drawn[name] = self.draw(name, recipe)
        return self.drawn[name].secret

    def token(self, name: str) -> str:
        """The tenant's public token ``name`` (``serial``, ``salt``, ``issued``); drawn once."""
        if self.record and name in self.record.tokens:
            return self.record.tokens[name]
        if name in self.tokens:
            return self.tokens[name]
        if self.draw_token is None:
            return PENDING
        self.tokens[name] = self.draw_token(name)
        return self.tokens[name]

    def fact(self, resource: str, name: str) -> Mapping[str, Any]:
        """What the resource wrote down about itself with the last transaction; empty if nothing."""
        return self.record.facts.get(f"{resource}/{name}", {}) if self.record else {}
