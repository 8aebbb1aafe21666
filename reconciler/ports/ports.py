"""The ports together: what the engine is given to reach the world, and what a test wraps to make it fail."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field

from reconciler.ports.clock import Clock
from reconciler.ports.dump import Dumper
from reconciler.ports.files import Files
from reconciler.ports.http import Http
from reconciler.ports.mysql.connection import Connection, connect
from reconciler.ports.secrets import Entropy


@dataclass(frozen=True, slots=True)
class Ports:
    """One of each. ``connect`` is called as ``connect(server, user=…, password=…, database=…)``."""

    connect: Callable[..., Connection] = connect
    files: Files = field(default_factory=Files)
    clock: Clock = field(default_factory=Clock)
    entropy: Entropy = field(default_factory=Entropy)
    dumper: Dumper = field(default_factory=Dumper)
    http: Http = field(default_factory=Http)
