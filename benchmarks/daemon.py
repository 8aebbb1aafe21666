"""What a daemon costs among many tenants: its first pass, one tenant changed, its memory, and doing nothing.

    python -m benchmarks.daemon [--tenants 1000,10000,50000] [--databases 20,200,1000] [--idle 60] [--json FILE]
                                [--write]

The same synthetic tenants as for plans, in sync before; a git remote on the same machine, and the push hook.
"""

from __future__ import annotations

import argparse
import hashlib
import hmac
import json
import os
import re
import shlex
import subprocess
import sys
import threading
import time
import urllib.request
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, Final

from benchmarks import plan, report
from tests.support.shop import Shop

SECRET = "benchmark"
PLATFORM: Final[dict[str, Any]] = {"daemon": {"hookSecretFrom": {"env": "RECONCILE_HOOK_SECRET"}}}
_WAIT = 1800.0


@dataclass(frozen=True)
class Row:
    """A daemon among so many tenants; seconds, MB, and per cent of one core."""

    tenants: int
    first_pass: float
    first_processor: float
    changed: float
    changed_processor: float
    idle_per_cent: float
    peak: float
    resident: float


class Watched:
    """A daemon process, and what it says."""

    def __init__(self, shop: Shop, remote: Path) -> None:
        self.said: list[dict[str, object]] = []
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "reconciler", "-C", str(shop.root), "daemon", "--git", str(remote)),
                *("--listen", "127.0.0.1:0", "--log-format", "json"),
            ],
            stdin=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
            env={**os.environ, "RECONCILE_HOOK_SECRET": SECRET},
        )
        threading.Thread(target=self._read, daemon=True).start()
        self.until(lambda: any(line["event"] == "listening" for line in self.said))
        listening = next(line for line in self.said if line["event"] == "listening")
        self.port = str(listening["address"]).rpartition(":")[2]

    def _read(self) -> None:
        assert self.process.stderr is not None
        for line in self.process.stderr:
            self.said.append(json.loads(line) if line.startswith("{") else {"event": line})

    def until(self, holds: Callable[[], object]) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + _WAIT
        while not holds():
            if self.process.poll() is not None or time.monotonic() > deadline:
                raise SystemExit(f"the daemon did not get there: {self.said[-5:]}")
            time.sleep(0.01)

    def ready(self) -> bool:
        """Whether the first pass is done."""
        try:
            with urllib.request.urlopen(f"http://127.0.0.1:{self.port}/readyz", timeout=60) as reply:
                return bool(reply.status == 200)
        except OSError:
            return False

    def knock(self) -> None:
        """Call the push hook."""
        body = b'{"ref": "refs/heads/main"}'
        mac = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        headers = {"X-Hub-Signature-256": f"sha256={mac}", "X-GitHub-Event": "push", "Content-Type": "application/json"}
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}/hooks/git", body, headers)
        with urllib.request.urlopen(request, timeout=60):  # noqa: S310
            pass

    def processor(self) -> float:
        """Seconds of processor time, its git processes that ended among them."""
        fields = Path(f"/proc/{self.process.pid}/stat").read_text().rpartition(")")[2].split()
        return sum(int(ticks) for ticks in fields[11:15]) / os.sysconf("SC_CLK_TCK")

    def memory(self, of: str) -> float:
        """MB, by a name of /proc/PID/status."""
        found = re.search(rf"^{of}:\s+(\d+) kB", Path(f"/proc/{self.process.pid}/status").read_text(), re.MULTILINE)
        return int(found[1]) / 1024 if found else 0.0


def main(arguments: list[str] | None = None) -> None:
    """Measure, print, and write."""
    parser = argparse.ArgumentParser(prog="python -m benchmarks.daemon", description=(__doc__ or "").split("\n", 1)[0])
    plan.sized(parser)
    parser.add_argument("--idle", type=float, default=60, help="Seconds of doing nothing that are measured.")
    parser.add_argument("--json", type=Path, help="Write the raw figures here.")
    parser.add_argument("--write", action="store_true", help="Put the table into benchmarks/README.md.")
    given = parser.parse_args(arguments)
    rows = []
    with plan.repository(plan.sizes(given)) as shop:
        for count, databases in plan.sizes(given):
            rows.append(measured(shop, shop.root.parent / f"remote-{count}.git", count, databases, given.idle))
            print(f"  {rows[-1]}", file=sys.stderr, flush=True)
    words = [word for word in (sys.argv[1:] if arguments is None else arguments) if word != "--write"]
    text = markdown(rows, shlex.join(["python", "-m", "benchmarks.daemon", *words]))
    print(text)
    if given.json:
        given.json.write_text(data(rows))
    if given.write:
        write(rows, text)


def write(rows: list[Row], text: str) -> None:
    """Put the table into README.md, and the raw figures beside the others."""
    report.write("daemon", text, {})
    (report.HERE / "plots/daemon.json").write_text(data(rows))


def data(rows: list[Row]) -> str:
    """The raw figures."""
    return json.dumps([asdict(row) for row in rows], indent=2) + "\n"


def measured(shop: Shop, remote: Path, count: int, databases: int, idle: float) -> Row:
    """The repository grown to ``count`` tenants, and a daemon on it."""
    plan.grow(shop, count, databases)
    return observed(shop, remote, count, databases, idle)


def observed(shop: Shop, remote: Path, count: int, databases: int, idle: float) -> Row:
    """A daemon on the repository as it is, with ``count`` tenants that are in sync."""
    git(remote.parent, "init", "--quiet", "--bare", "--initial-branch=main", str(remote))
    if not (shop.root / ".git").exists():
        git(shop.root, "init", "--quiet", "--initial-branch=main")
        (shop.root / ".gitignore").write_text("state/\npassword\n")
    push(shop, remote)
    started = time.monotonic()
    watched = Watched(shop, remote)
    try:
        watched.until(watched.ready)
        first, processor = time.monotonic() - started, watched.processor()
        time.sleep(5)
        before = watched.processor()
        time.sleep(idle)
        resting = (watched.processor() - before) / idle * 100
        name = plan.name(count // 2)
        told = dict(plan.spec(count // 2, count // 2 < databases), displayName=f"Changed {count}")
        shop.tenant("PosTenant", name, told)
        push(shop, remote)
        begun, before = time.monotonic(), watched.processor()
        watched.knock()
        watched.until(lambda: any(said.get("tenant") == name and said["event"] == "ends" for said in watched.said))
        return Row(
            tenants=count,
            first_pass=first,
            first_processor=processor,
            changed=time.monotonic() - begun,
            changed_processor=watched.processor() - before,
            idle_per_cent=resting,
            peak=watched.memory("VmHWM"),
            resident=watched.memory("VmRSS"),
        )
    finally:
        watched.process.terminate()
        watched.process.wait()


def push(shop: Shop, remote: Path) -> None:
    """Commit everything, and push it."""
    git(shop.root, "add", "--all", "specs")
    who = ("-c", "user.name=benchmark", "-c", "user.email=benchmark@example.com")
    git(shop.root, *who, "commit", "--quiet", "--allow-empty", "--message", "tenants")
    git(shop.root, "push", "--quiet", str(remote), "HEAD:main")


def git(folder: Path, *words: str) -> None:
    """Run git."""
    subprocess.run(["git", *words], cwd=folder, check=True)


def markdown(rows: list[Row], said: str) -> str:
    """The table."""
    out = [
        f"Made by `{said}` on {time.strftime('%Y-%m-%d', time.gmtime())}.",
        "",
        "| tenants | start to first full pass | of it processor | one changed: hook to ready | processor | "
        "doing nothing | most memory | memory |",
        "|--:|--:|--:|--:|--:|--:|--:|--:|",
    ]
    out += [
        f"| {row.tenants:,} | {row.first_pass:.1f} s | {row.first_processor:.1f} s | {row.changed:.2f} s | "
        f"{row.changed_processor:.2f} s | {row.idle_per_cent:.2f} % of a core | "
        f"{row.peak:.0f} MB | {row.resident:.0f} MB |"
        for row in rows
    ]
    return "\n".join(out)


if __name__ == "__main__":
    main()
