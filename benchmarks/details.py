"""Measurements of ours that no peer has: where an apply's time goes, synchronous writes, the start of the command."""

from __future__ import annotations

import contextlib
import json
import re
import shutil
import signal
import statistics
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from benchmarks import contenders
from benchmarks.contenders import Scene
from benchmarks.process import Unmeasured, run

_STARTS = 20


def inside(scene: Scene, parallel: int) -> dict[str, Any]:
    """Where the time of an apply goes, see ``benchmarks.inside``. Errors: ``Unmeasured``."""
    scene.stage.fresh(scene.count)
    command = [sys.executable, "-m", "benchmarks.inside", str(scene.stage.shop.root), "--parallel", str(parallel)]
    done = run(command, folder=scene.folder, timeout=scene.timeout, environment=contenders.PATH)
    scene.check(done)
    found: dict[str, Any] = json.loads(done.output.strip().splitlines()[-1])
    return found


_CALLS = "trace=fsync,fdatasync,sync_file_range,msync"


def synchronous_writes(scene: Scene) -> dict[str, Any]:
    """Synchronous writes a tenant, counted by strace: of our process, and of the server for ours and for bare.

    Errors: ``Unmeasured`` without strace, or where it may not look into the server.
    """
    if shutil.which("strace") is None:
        raise Unmeasured("strace is not installed")
    found: dict[str, Any] = {}
    for name in ("bare", "reconcile"):
        scene.stage.fresh(scene.count)
        with _watched(scene) as server:
            if name == "bare":
                contenders.bare(scene)
            else:
                own = scene.folder / "strace.txt"
                command = ["strace", "-f", "-c", "-o", str(own), "-e", _CALLS]
                command += contenders.ours(scene.stage, "apply", "--yes", "--parallel", str(scene.parallel))
                scene.check(run(command, folder=scene.folder, timeout=scene.timeout, environment=contenders.PATH))
                found["reconcile's own process"] = _counted(own) / scene.count
        found[f"server under {name}"] = _counted(server) / scene.count
    return found


@contextlib.contextmanager
def _watched(scene: Scene) -> Iterator[Path]:
    """The server under strace; its summary stands in the file afterwards."""
    summary = scene.folder / "strace-server.txt"
    command = ["strace", "-f", "-c", "-o", str(summary), "-e", _CALLS, "-p", str(scene.stage.pid)]
    tracer = subprocess.Popen(command, stderr=subprocess.PIPE, text=True)
    assert tracer.stderr is not None
    said = tracer.stderr.readline()
    if "attached" not in said:
        tracer.communicate()
        raise Unmeasured(f"strace may not look into the server: {said.strip()}")
    try:
        yield summary
    finally:
        tracer.send_signal(signal.SIGINT)
        tracer.communicate()


def _counted(summary: Path) -> int:
    return sum(int(count) for count in _CALL.findall(summary.read_text()))


_CALL = re.compile(r"(?m)^\s*[\d.]+\s+[\d.]+\s+\d+\s+(\d+)\s+(?:\d+\s+)?(?:fsync|fdatasync|sync_file_range|msync)$")


def start_up() -> dict[str, float]:
    """Seconds of `reconcile --help`, and of a Python that does nothing: best and median."""
    found = {}
    for name, command in {
        "help": [sys.executable, "-m", "reconciler", "--help"],
        "python": [sys.executable, "-c", "pass"],
    }.items():
        times = []
        for _ in range(_STARTS):
            began = time.perf_counter()
            subprocess.run(command, cwd=contenders.ROOT, stdout=subprocess.DEVNULL, check=True)
            times.append(time.perf_counter() - began)
        found[f"{name} best"], found[f"{name} median"] = min(times), statistics.median(times)
    return found
