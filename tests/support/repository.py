"""A specs repository as its users have it, and the program called in it, each time in a process of its own."""

from __future__ import annotations

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import yaml

from tests.support import laid, world
from tests.support import server as servers

PASSWORD = "RECONCILE_MAIN_PASSWORD"
SOURCE = Path(__file__).parents[2]
_MADE: dict[Path, bytes] = {}
"""The files that `reconcile init` makes, once this process has called it."""


class Repository:
    """A specs repository that ``init`` made, and the program called in it."""

    def __init__(self, root: Path, server: servers.Server) -> None:
        self.root = root
        self.server = server
        self.environment = {**os.environ, PASSWORD: server.password, "PYTHONPATH": str(SOURCE), "NO_COLOR": "1"}

    def start(self, *words: str, cwd: Path | None = None) -> subprocess.Popen[str]:
        """The program, running; nobody sits in front of it."""
        return subprocess.Popen(
            [sys.executable, "-m", "reconciler", *words],
            cwd=cwd or self.root,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def run(self, *words: str, expect: int, cwd: Path | None = None) -> str:
        """What the program prints on stdout; it has to end with ``expect``."""
        return self.call(*words, expect=expect, cwd=cwd)[0]

    def call(self, *words: str, expect: int, cwd: Path | None = None) -> tuple[str, str]:
        """The same, with stderr."""
        with self.start(*words, cwd=cwd) as process:
            out, err = process.communicate(timeout=300)
        assert process.returncode == expect, f"{words} ended with {process.returncode}\n{out}\n{err}"
        return out, err

    def data(self, *words: str, expect: int) -> dict[str, Any]:
        """What the program prints for programs."""
        found: dict[str, Any] = json.loads(self.run(*words, "--format", "json", expect=expect))
        assert found["formatVersion"] == 1
        return found

    def edit(self, file: str, old: str, new: str) -> None:
        """Change a text in a file, as a person would."""
        path = self.root / file
        text = path.read_text(encoding="utf-8")
        assert old in text, f"{old!r} is not in {file}"
        path.write_text(text.replace(old, new), encoding="utf-8")

    def tenant(self, name: str, kind: str, **spec: Any) -> None:
        """Write a tenant's file."""
        data = {"apiVersion": "reconciler/v1", "kind": kind, "metadata": {"name": name}, "spec": spec}
        path = self.root / f"specs/tenants/{name}.yaml"
        path.write_text(yaml.safe_dump(data, allow_unicode=True), encoding="utf-8")

    def delivery(self, tenant: str) -> Path:
        """A tenant's delivery."""
        return self.root / "state/deliveries" / tenant

    def rows(self, table: str, tenant: str, column: str = "tenant") -> list[dict[str, Any]]:
        """A tenant's rows in the central system."""
        return self.server.records(f"SELECT * FROM license_manager.{table} WHERE {column} = %s", tenant)

    def world(self) -> world.World:
        """Everything that has to be as before, or as after."""
        return world.snapshot(self.server, [self.root / "state/deliveries"])

    @classmethod
    def made(cls, root: Path, server: servers.Server) -> Repository:
        """What `reconcile init` makes, pointed at ``server`` by an edit of its file."""
        made = cls(root, server)
        for path, content in _MADE.items():
            (root / path).parent.mkdir(parents=True, exist_ok=True)
            (root / path).write_bytes(content)
        if not _MADE:
            made.run("init", root.name, expect=0, cwd=root.parent)
            _MADE.update({path.relative_to(root): path.read_bytes() for path in root.rglob("*") if path.is_file()})
        made.edit("specs/servers/main.yaml", "port: 3306", f"port: {server.port}")
        return made

    def empty(self) -> None:
        """Without tenants, and with the platform laid."""
        for path in (self.root / "specs/tenants").iterdir():
            path.unlink()
        laid.lay(self.root, self.server, lambda: self.run("apply", "--yes", expect=0))
