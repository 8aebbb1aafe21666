from __future__ import annotations

import ast
import subprocess
import sys
from pathlib import Path

import reconciler.licensing

FOLDER = Path(reconciler.licensing.__file__).parent
OUTSIDE = {"io", "os", "pathlib", "random", "secrets", "socket", "subprocess", "sys", "tempfile", "time", "uuid"}


def test_the_floor_imports_nothing_of_reconciler_but_the_errors() -> None:
    modules = ", ".join(f"reconciler.licensing.{path.stem}" for path in sorted(FOLDER.glob("[a-z]*.py")))
    code = f"import sys, {modules}; print(*sorted(m for m in sys.modules if m.split('.')[0] == 'reconciler'))"
    made = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, check=True, text=True, cwd=FOLDER.parents[1]
    )
    loaded = set(made.stdout.split())
    assert {name for name in loaded if not name.startswith("reconciler.licensing")} == {
        "reconciler",
        "reconciler.errors",
    }


def test_the_floor_asks_neither_the_clock_nor_the_disk_nor_chance() -> None:
    for path in sorted(FOLDER.glob("*.py")):
        for node in ast.walk(ast.parse(path.read_text())):
            if isinstance(node, ast.Import):
                assert not OUTSIDE & {alias.name.split(".")[0] for alias in node.names}, path.name
            elif isinstance(node, ast.ImportFrom):
                assert (node.module or "").split(".")[0] not in OUTSIDE, path.name
            elif isinstance(node, ast.Attribute):
                assert node.attr not in {"now", "utcnow", "today", "generate"}, path.name
            elif isinstance(node, ast.Name):
                assert node.id not in {"open", "print", "input"}, path.name
