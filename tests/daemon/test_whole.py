"""A daemon has loaded all that works before its program's files may be replaced."""

from __future__ import annotations

import ast
import importlib.util
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path

import reconciler

TOP = Path(reconciler.__file__).parent
FLOORS = ("model", "ports", "sql", "licensing", "spec", "resources", "products", "engine")


def late() -> Iterator[str]:
    """What the floors import from others inside of functions."""
    for floor in FLOORS:
        for path in (TOP / floor).rglob("*.py"):
            if "migrations" in path.parts:
                continue
            for function in ast.walk(ast.parse(path.read_text())):
                if isinstance(function, ast.FunctionDef):
                    yield from imported(function)


def imported(function: ast.FunctionDef) -> Iterator[str]:
    """The modules that are imported within a function."""
    for node in ast.walk(function):
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom) and node.module:
            yield node.module


def test_what_is_imported_late_is_loaded_when_a_daemon_begins() -> None:
    wanted = {name for name in late() if importlib.util.find_spec(name.partition(".")[0]) is not None}
    assert {"argon2", "alembic.command"} <= wanted
    program = "import sys; from reconciler.daemon import whole; whole.load(); print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True).stdout.split()
    assert wanted - set(loaded) == set()
