"""Running a command as a process of its own, and what it cost."""

from __future__ import annotations

import os
import signal
import subprocess
import threading
import time
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import IO


class Unmeasured(Exception):
    """Something can't be measured here; the text says why."""


@dataclass(frozen=True)
class Done:
    """A process that ended well: wall clock and processor time in seconds, memory in MB.

    ``peak`` is the most that it and the processes below it held at one time (resident set, sampled), and not less than
    the first one's own high-water mark. ``server`` is the processor time that the database server spent meanwhile,
    where somebody asked for it.
    """

    seconds: float
    processor: float
    peak: float
    output: str
    server: float = 0.0


def run(
    command: Sequence[str],
    *,
    folder: Path,
    timeout: float,
    environment: Mapping[str, str] | None = None,
    statuses: Sequence[int] = (0,),
) -> Done:
    """Run ``command`` in ``folder``; it and what it started are killed after ``timeout`` seconds.

    Errors: ``Unmeasured`` if it takes longer, or ends with another status than ``statuses``.
    """
    log = folder / "output.txt"
    with log.open("wb") as stream:
        began = time.perf_counter()
        process = start(command, folder=folder, stream=stream, environment=environment)
        timer = threading.Timer(timeout, _kill, [process.pid])
        timer.start()
        memory = _Memory(process.pid)
        _, status, usage = os.wait4(process.pid, 0)
        seconds = time.perf_counter() - began
        timer.cancel()
        peak = memory.end()
    process.returncode = os.waitstatus_to_exitcode(status)
    output = log.read_text(errors="replace")
    if process.returncode not in statuses:
        if seconds >= timeout:
            raise Unmeasured(f"it was stopped after its budget of {timeout:.0f} s")
        end = " / ".join(output.strip().splitlines()[-3:])
        raise Unmeasured(f"it ended with status {process.returncode}: {end[-400:]}")
    return Done(seconds, usage.ru_utime + usage.ru_stime, peak, output)


def start(
    command: Sequence[str], *, folder: Path, stream: IO[bytes], environment: Mapping[str, str] | None = None
) -> subprocess.Popen[bytes]:
    """Start ``command`` in a session of its own, its output to ``stream``."""
    return subprocess.Popen(
        command,
        cwd=folder,
        env={**os.environ, **(environment or {})},
        stdin=subprocess.DEVNULL,
        stdout=stream,
        stderr=subprocess.STDOUT,
        start_new_session=True,
    )


def processor(pid: int) -> float:
    """The processor time in seconds that a process has spent so far, in user and kernel mode."""
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / os.sysconf("SC_CLK_TCK")


class _Memory:
    """Samples the memory of a process and of those below it.

    The kernel's own figure for an ended process (ru_maxrss) is no use: it begins with what the parent had.
    """

    def __init__(self, pid: int) -> None:
        self._pid = pid
        self._most = self._own = 0
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._sample)
        self._thread.start()

    def end(self) -> float:
        """The most in MB."""
        self._over.set()
        self._thread.join()
        return max(self._most, self._own) / 1024

    def _sample(self) -> None:
        wait = 0.01
        while not self._over.wait(wait):
            wait = 0.1
            own, resident = _held(self._pid)
            self._own = max(self._own, own)
            self._most = max(self._most, resident + sum(_held(below)[1] for below in _below(self._pid)))


def _held(pid: int) -> tuple[int, int]:
    """High-water mark and present resident set in kB; none of a process that is gone."""
    try:
        lines = Path(f"/proc/{pid}/status").read_text().splitlines()
    except OSError:
        return 0, 0
    found = {line.split(":")[0]: line.split()[1] for line in lines if line.startswith(("VmHWM", "VmRSS"))}
    return int(found.get("VmHWM", 0)), int(found.get("VmRSS", 0))


def _below(pid: int) -> Iterator[int]:
    try:
        tasks = os.listdir(f"/proc/{pid}/task")
        children = [int(c) for t in tasks for c in Path(f"/proc/{pid}/task/{t}/children").read_text().split()]
    except OSError:
        return
    for child in children:
        yield child
        yield from _below(child)


def _kill(group: int) -> None:
    os.killpg(group, signal.SIGKILL)
