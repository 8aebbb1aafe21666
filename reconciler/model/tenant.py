"""A tenant: a validated spec, resolved against the platform, ready to be walked through its product's flow."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Generic, TypeVar

from reconciler.errors import Where
from reconciler.model.goal import Goal
from reconciler.model.server import Server

SpecT_co = TypeVar("SpecT_co", covariant=True)
CatalogueT_co = TypeVar("CatalogueT_co", covariant=True)


@dataclass(frozen=True, slots=True)
class Tenant(Generic[SpecT_co, CatalogueT_co]):
    """One tenant of one product, and what is wanted of it: its ``goal``.

    ``spec`` is the typed spec, ``catalogue`` the product's own spec, ``data`` the canonical spec as plain data;
    paths in the catalogue are below ``root``.
    """

    name: str
    product: str
    root: Path
    server: Server
    database: str
    spec: SpecT_co
    catalogue: CatalogueT_co
    data: Mapping[str, Any]
    where: Where
    annotations: Mapping[str, Any] = field(default_factory=dict)
    goal: Goal = Goal.PRESENT
    at: Callable[..., Where] = field(default=lambda *_: Where(""), compare=False)
    """Where a path of the document was written, as in ``at("spec", "plan")``."""
