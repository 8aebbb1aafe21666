"""A specs repository in a temporary folder, on a real server, and the calls that the command line would make."""

from __future__ import annotations

import shutil
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import argon2
import yaml

from reconciler.engine import reconcile
from reconciler.engine import setting as settings
from reconciler.engine.progress import Progress
from reconciler.model import plan as plans
from reconciler.model.outcome import Outcome
from reconciler.ports.ports import Ports
from reconciler.ports.secrets import Entropy
from tests.support import laid, world
from tests.support import server as servers

QUICK = Entropy(argon2.PasswordHasher(time_cost=1, memory_cost=8, parallelism=1))
"""Real randomness, and marks of one-time passwords that cost next to nothing to make."""

SAMPLE = Path(__file__).parents[2] / "specs"


class Shop:
    """A repository with both products and no tenants, whose only server is ``server``."""

    def __init__(self, root: Path, server: servers.Server) -> None:
        self.root = root
        self.server = server
        shutil.copytree(SAMPLE, root / "specs", ignore=shutil.ignore_patterns("tenants"))
        (root / "specs/tenants").mkdir()
        (root / "password").write_text(server.password)
        self.document("specs/servers/main.yaml", "DatabaseServer", "main", self.server_spec())

    def server_spec(self, **more: Any) -> dict[str, Any]:
        """The spec of the server ``main``."""
        return {
            "host": self.server.host,
            "port": self.server.port,
            "user": self.server.user,
            "passwordFrom": {"file": "password"},
            **more,
        }

    def document(self, file: str, kind: str, name: str, spec: Mapping[str, Any], **metadata: Any) -> None:
        """Write one document."""
        data = {
            "apiVersion": "reconciler/v1",
            "kind": kind,
            "metadata": {"name": name, **metadata},
            "spec": dict(spec),
        }
        (self.root / file).parent.mkdir(parents=True, exist_ok=True)
        (self.root / file).write_text(yaml.safe_dump(data, allow_unicode=True, sort_keys=False))

    def tenant(self, kind: str, name: str, spec: Mapping[str, Any]) -> None:
        """Write a tenant's document."""
        self.document(f"specs/tenants/{name}.yaml", kind, name, spec)

    def platform(self, **spec: Any) -> None:
        """Write the platform's document."""
        self.document("specs/platform.yaml", "Platform", "default", spec)

    def without(self, name: str) -> None:
        """Take a tenant's document away."""
        (self.root / f"specs/tenants/{name}.yaml").unlink()

    def lay(self) -> None:
        """Lay the platform on the empty server, or copy one that this process has laid by the same documents.

        Who wants another platform's id, or is after the laying itself, applies.
        """
        laid.lay(self.root, self.server, self.apply)

    def reset(self) -> None:
        """Back to a platform that was just laid."""
        self.server.wipe()
        shutil.rmtree(self.root / "state")
        kept = {path: path.read_text() for path in (self.root / "specs/tenants").iterdir()}
        for path in kept:
            path.unlink()
        self.lay()
        for path, text in kept.items():
            path.write_text(text)

    def setting(self, ports: Ports | None = None, *, patience: float = 5.0) -> settings.Setting:
        """Read the repository; the caller closes the store."""
        found = settings.load_setting(self.root, ports or Ports(entropy=QUICK))
        found.patience = patience
        return found

    def plan(self, **options: Any) -> plans.Plan:
        """What ``reconcile plan`` finds."""
        found = self.setting()
        try:
            return reconcile.plan(found, reconcile.Options(**options))
        finally:
            if found.store is not None:
                found.store.close()

    def apply(self, ports: Ports | None = None, **options: Any) -> dict[str, Outcome]:
        """What ``reconcile apply`` does, by tenant."""
        return self.applied(reconcile.Options(**{"parallel": 1, **options}), ports)

    def applied(self, options: reconcile.Options, ports: Ports | None = None) -> dict[str, Outcome]:
        """The same, with the options as they are."""
        found = self.setting(ports)
        try:
            _, outcomes = reconcile.apply(found, options, Progress())
        finally:
            if found.store is not None:
                found.store.close()
        return {outcome.tenant: outcome for outcome in outcomes}

    def recover(self, ports: Ports | None = None) -> list[Outcome]:
        """What ``reconcile recover`` does."""
        found = self.setting(ports)
        try:
            return reconcile.recover(found, Progress())
        finally:
            found.opened().close()

    def world(self) -> world.World:
        """Everything that invariant 1 speaks of."""
        return world.snapshot(self.server, [self.root / "state/deliveries"])
