"""Processes as lease holders: who this one is, and whether another one still lives.

A process is told by host, boot, pid namespace, pid and start time together, so that a reused pid or a container
with its own pids is never taken for the holder. Source: proc(5).
"""

from __future__ import annotations

import getpass
import os
import signal
import socket
import time
from contextlib import suppress
from dataclasses import asdict, dataclass
from pathlib import Path


@dataclass(frozen=True, slots=True)
class Process:
    """A process on some host. ``started`` is in clock ticks since the boot."""

    host: str
    boot: str
    namespace: str
    pid: int
    started: int

    def as_data(self) -> dict[str, object]:
        """For the store."""
        return asdict(self)

    def __str__(self) -> str:
        return f"process {self.pid} on {self.host}"


def this() -> Process:
    """The running process."""
    return Process(socket.gethostname(), _boot(), _namespace(), os.getpid(), _started("self"))


def near(process: Process) -> bool:
    """Whether this process can see ``process``'s pid: same boot of the same host, same pid namespace."""
    return (process.boot, process.namespace) == (_boot(), _namespace())


def alive(process: Process) -> bool:
    """Whether ``process`` runs (or is stopped); only meaningful if it is ``near``."""
    return _started(process.pid) == process.started and _status(process.pid) not in {"Z", "X"}


def stopped(process: Process) -> bool:
    """Whether ``process`` was paused (SIGSTOP, a debugger), so that it can't renew anything."""
    return _status(process.pid) in {"T", "t"}


def end(process: Process, *, seconds: float = 10.0) -> bool:
    """Kill ``process``, found by pid and start time, and wait until it is gone; False if it would not go."""
    deadline = time.monotonic() + seconds
    while alive(process):
        with suppress(ProcessLookupError, PermissionError):
            os.kill(process.pid, signal.SIGKILL)
        if time.monotonic() > deadline:
            return False
        time.sleep(0.02)
    return True


def actor() -> str:
    """Who runs this, for the audit trail: the person behind sudo if there is one."""
    with suppress(KeyError, OSError, ImportError):
        return f"{os.environ.get('SUDO_USER') or getpass.getuser()}@{socket.gethostname()}"
    return f"uid {os.getuid()}@{socket.gethostname()}"


def _boot() -> str:
    with suppress(OSError):
        return Path("/proc/sys/kernel/random/boot_id").read_text(encoding="ascii").strip()
    return socket.gethostname()


def _namespace() -> str:
    with suppress(OSError):
        return str(Path("/proc/self/ns/pid").readlink())
    return ""


def _fields(pid: int | str) -> list[str]:
    # The command's name stands in brackets and may hold anything, so fields are counted after the last one.
    try:
        return Path(f"/proc/{pid}/stat").read_text(encoding="utf-8", errors="replace").rpartition(")")[2].split()
    except OSError:
        return []


def _started(pid: int | str) -> int:
    fields = _fields(pid)
    return int(fields[19]) if len(fields) > 19 else -1


def _status(pid: int) -> str:
    fields = _fields(pid)
    return fields[0] if fields else "X"
