"""Who is compared: each makes the same tenants from the same beginning, as a command of its own, and is checked."""

from __future__ import annotations

import json
import os
import signal
import sys
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, replace
from pathlib import Path

from benchmarks import environments as env
from benchmarks import process, tenants, with_ansible
from benchmarks.process import Done, Unmeasured, run
from benchmarks.stage import Stage
from reconciler.ports.secrets import ARGON2

PEERS = Path(__file__).parent / "peers"
ROOT = Path(__file__).parents[1]
REPEATED = ("bare", "hashing", "reconcile")
"""Those that take part in every round; the others are so far off that one tells enough."""


@dataclass
class Scene:
    """One round of one contender: ``count`` tenants, ``parallel`` at a time, each command at most ``timeout`` s."""

    stage: Stage
    environments: env.Environments
    count: int
    parallel: int
    timeout: float

    @property
    def folder(self) -> Path:
        """Where a contender may put its files."""
        return self.stage.folder

    def work(self, *, hashing: bool = False) -> Path:
        """The file of statements, for ``peers/steps.py``."""
        path = self.folder / "work.json"
        found = tenants.work(self.stage.shop, self.parallel, self.stage.platform_id)
        path.write_text(json.dumps({**found, "hashing": ARGON2 if hashing else None}))
        return path

    def check(self, done: Done) -> Done:
        """The measurement and the server's part in it, if every tenant is whole. Errors: ``Unmeasured``."""
        server = self.stage.processor() - self.stage.spent
        found = self.stage.complete()
        if found != self.count:
            raise Unmeasured(f"only {found} of {self.count} tenants are complete afterwards")
        return replace(done, server=server)

    def ours(self, *arguments: str, statuses: tuple[int, ...] = (0,)) -> Done:
        """One command of ours."""
        return run(ours(self.stage, *arguments), folder=self.folder, timeout=self.timeout, environment=PATH,
                   statuses=statuses)  # fmt: skip


PATH = {"PYTHONPATH": str(ROOT)}


def ours(stage: Stage, *arguments: str) -> list[str]:
    """The command line of ours."""
    return [sys.executable, "-m", "reconciler", "-C", str(stage.shop.root), *arguments]


def bare(scene: Scene, *, hashing: bool = False) -> Mapping[str, Done]:
    """PyMySQL alone."""
    work = scene.work(hashing=hashing)
    command = [sys.executable, str(PEERS / "bare.py"), str(work)]
    return {"apply": scene.check(run(command, folder=scene.folder, timeout=scene.timeout))}


def hashing(scene: Scene) -> Mapping[str, Done]:
    """PyMySQL alone, and each administrator's password hashed as every product has to."""
    return bare(scene, hashing=True)


def reconcile(scene: Scene) -> Mapping[str, Done]:
    """Ours: the apply, the same again, and plans where nothing is to be done."""
    apply = ("apply", "--yes", "--parallel", str(scene.parallel))
    found = {"apply": scene.check(scene.ours(*apply))}
    found["re-run"] = scene.ours(*apply)
    found["plan"] = scene.ours("plan", "--detailed-exitcode")
    found["plan --tenant"] = scene.ours("plan", "--detailed-exitcode", "--tenant", tenants.name(0))
    return found


def ansible(scene: Scene) -> Mapping[str, Done]:
    """A playbook: the first run, the same again, and check mode."""
    folder = scene.folder / "ansible"
    python = scene.environments.program(env.ANSIBLE)
    work = json.loads(scene.work().read_text())
    with_ansible.write(folder, scene.stage, work, python)
    found = {"apply": scene.check(with_ansible.play(scene.environments, folder, scene.timeout))}
    found["re-run"] = with_ansible.play(scene.environments, folder, scene.timeout)
    found["plan"] = with_ansible.play(scene.environments, folder, scene.timeout, "--check")
    return found


def taskflow(scene: Scene) -> Mapping[str, Done]:
    """OpenStack TaskFlow."""
    return _steps(scene, env.TASKFLOW, "with_taskflow.py")


def dbos(scene: Scene) -> Mapping[str, Done]:
    """DBOS."""
    return _steps(scene, env.DBOS, "with_dbos.py")


def _steps(scene: Scene, peer: env.Peer, script: str) -> Mapping[str, Done]:
    python = scene.environments.program(peer)
    state = scene.folder / f"{peer.name}.db"
    for path in scene.folder.glob(f"{state.name}*"):
        path.unlink()
    command = [python, str(PEERS / script), str(scene.work()), str(state)]
    return {"apply": scene.check(run(command, folder=scene.folder, timeout=scene.timeout))}


CONTENDERS: Mapping[str, Callable[[Scene], Mapping[str, Done]]] = {
    "bare": bare,
    "hashing": hashing,
    "reconcile": reconcile,
    "taskflow": taskflow,
    "dbos": dbos,
    "ansible": ansible,
}


@dataclass(frozen=True)
class Recovery:
    """What a kill in the middle left, and what it took to settle it; times in seconds."""

    tenants: int
    complete: int
    settled: int
    recover: float
    rest: float


def recovery(scene: Scene) -> Recovery:
    """Kill an apply with -9 when half of its tenants are in the index, recover, and apply again.

    Errors: ``Unmeasured``.
    """
    apply = ("apply", "--yes", "--parallel", str(scene.parallel))
    server = scene.stage.server
    scene.stage.fresh(scene.count)
    with (scene.folder / "killed.txt").open("wb") as stream:
        killed = process.start(ours(scene.stage, *apply), folder=scene.folder, stream=stream, environment=PATH)
        while killed.poll() is None:
            if server.sql("SELECT COUNT(*) FROM license_manager.tenants")[0][0] * 2 > scene.count:
                os.killpg(killed.pid, signal.SIGKILL)
            time.sleep(0.02)
    complete = scene.stage.complete()
    done = scene.ours("recover", "--format", "json")
    settled = len(json.loads(done.output[done.output.index("{") :])["outcomes"])
    rest = scene.check(scene.ours(*apply))
    return Recovery(scene.count, complete, settled, done.seconds, rest.seconds)
