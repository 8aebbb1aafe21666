"""The kinds of resources by their word, for recovery: it has a journal's data and nothing else."""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cache

from reconciler import resources
from reconciler.resources.resource import Resource


@cache
def all_kinds() -> dict[str, type[Resource]]:
    """Every kind, found by a scan of this folder."""
    found: dict[str, type[Resource]] = {}
    for entry in pkgutil.iter_modules(resources.__path__):
        module = importlib.import_module(f"{resources.__name__}.{entry.name}")
        for member in vars(module).values():
            if inspect.isclass(member) and issubclass(member, Resource) and not inspect.isabstract(member):
                found[member.kind] = member
    return found
