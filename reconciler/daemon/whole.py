"""All of the program that works, loaded when a daemon begins.

A command loads what it needs when it needs it. A daemon may need something for the first time months after it was
started, when the files of the program are those of another version, or gone.
"""

from __future__ import annotations

import importlib
import pkgutil
from typing import Final

from reconciler import engine, licensing, model, ports, products, resources, spec, sql

_FLOORS: Final = (model, ports, sql, licensing, spec, resources, products, engine)
_ELSEWHERE: Final = "migrations"
"""What is no module of ours to load: Alembic runs it."""
_OF_OTHERS: Final = ("argon2", "alembic.command", "alembic.config", "sqlalchemy", "urllib.request", "yaml")
"""What these floors import inside of functions, because most commands do without."""


def load() -> None:
    """Load every module of the floors that a pass stands on, and what they import late."""
    for name in _OF_OTHERS:
        importlib.import_module(name)
    for floor in _FLOORS:
        for entry in pkgutil.walk_packages(floor.__path__, f"{floor.__name__}."):
            if _ELSEWHERE not in entry.name.split("."):
                importlib.import_module(entry.name)
