"""Environments of their own for the peers, made once and kept."""

from __future__ import annotations

import subprocess
import sys
import venv
from dataclasses import dataclass, field
from pathlib import Path

from benchmarks.process import Unmeasured

_MINUTES = 15


@dataclass(frozen=True)
class Peer:
    """A program to compare with: the packages that it needs, the first of which is the one that is named."""

    name: str
    packages: tuple[str, ...]


ANSIBLE = Peer("ansible", ("ansible", "ansible-core", "PyMySQL"))
TASKFLOW = Peer("taskflow", ("taskflow", "SQLAlchemy", "SQLAlchemy-Utils", "alembic", "PyMySQL"))
DBOS = Peer("dbos", ("dbos", "PyMySQL"))


@dataclass
class Environments:
    """The folder that holds them."""

    folder: Path
    _failed: dict[str, str] = field(default_factory=dict)

    def program(self, peer: Peer, name: str = "python") -> str:
        """The path of a program of the peer's environment, which is made if it is not there.

        Errors: ``Unmeasured`` where it can't be made; it is tried once a run.
        """
        if peer.name in self._failed:
            raise Unmeasured(self._failed[peer.name])
        place = (self.folder / peer.name).absolute()
        if not (place / "complete").exists():
            try:
                self._make(peer, place)
            except Unmeasured as error:
                self._failed[peer.name] = str(error)
                raise
        return str(place / "bin" / name)

    def versions(self, peer: Peer) -> str:
        """Name and version of the peer's packages, for the table's notes."""
        ask = f"from importlib.metadata import version as v; print(', '.join(n + ' ' + v(n) for n in {peer.packages}))"
        done = subprocess.run([self.program(peer), "-c", ask], capture_output=True, text=True, check=False)
        return done.stdout.strip() or done.stderr.strip().splitlines()[-1]

    def _make(self, peer: Peer, place: Path) -> None:
        print(f"  making an environment for {peer.name} …", file=sys.stderr, flush=True)
        venv.create(place, with_pip=True, clear=True)
        command = [str(place / "bin/python"), "-m", "pip", "install", "--quiet", *peer.packages]
        try:
            done = subprocess.run(command, capture_output=True, text=True, timeout=60 * _MINUTES, check=False)
        except subprocess.TimeoutExpired:
            raise Unmeasured(f"pip did not end within {_MINUTES} minutes") from None
        if done.returncode != 0:
            said = [line for line in done.stderr.splitlines() if line.startswith("ERROR")]
            raise Unmeasured(f"pip could not install {peer.name}: {(said or ['no reason given'])[-1]}")
        (place / "complete").touch()
