"""A tenant: a validated spec, resolved against the platform, ready to be walked through its product's flow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from reconciler.errors import GuardRefused, Where
from reconciler.model.goal import Goal
from reconciler.model.server import Server

SpecT_co = TypeVar("SpecT_co", covariant=True)
CatalogueT_co = TypeVar("CatalogueT_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Tenant(Generic[SpecT_co, CatalogueT_co]):
    """One tenant of one product, and what is wanted of it: its ``goal``.

    ``spec`` is the typed spec, ``catalogue`` the product's own spec, below whose ``root`` its paths
    are; ``written`` gives the canonical spec as plain data, and ``digest`` is its SHA-256, empty where there is no
    document. ``former`` is the database that the tenant has on record and its spec no
    longer asks for: in the trash, or on its way there if ``may_part``; ``held`` is what holds it back.
    """

    name: str
    product: str
    root: Path
    server: Server
    database: str
    spec: SpecT_co
    catalogue: CatalogueT_co
    written: Callable[[], Mapping[str, Any]]
    where: Where
    annotations: Mapping[str, Any] = field(default_factory=dict)
    goal: Goal = Goal.PRESENT
    former: str = ""
    may_part: bool = False
    held: GuardRefused | None = None
    digest: str = ""
    at: Callable[..., Where] = field(default=lambda *_: Where(""), compare=False)
    """Where a path of the document was written, as in ``at("spec", "plan")``."""

    @property
    def data(self) -> Mapping[str, Any]:
        """The canonical spec as plain data, made anew every time: of most tenants nobody asks."""
        return self.written()
