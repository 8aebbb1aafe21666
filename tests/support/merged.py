"""A git remote that tenants are merged into, and a daemon that watches it: both as their users have them."""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import io
import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
import urllib.error
import urllib.request
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler import cli
from tests.support.repository import PASSWORD, Repository
from tests.support.server import Server

SECRET = "a-secret-of-the-push-hook"
HOOK = "RECONCILE_HOOK_SECRET"
WAIT_SECONDS = 120.0


class Remote:
    """A bare repository, and a clone of it in which a person works: ``repository.root``."""

    def __init__(self, repository: Repository, place: Path) -> None:
        self.repository, self.place = repository, place
        self.environment = {
            **os.environ,
            "GIT_CONFIG_GLOBAL": os.devnull,
            "GIT_CONFIG_SYSTEM": os.devnull,
            "GIT_AUTHOR_NAME": "Ana Ruiz",
            "GIT_AUTHOR_EMAIL": "ana@example.com",
            "GIT_COMMITTER_NAME": "Ana Ruiz",
            "GIT_COMMITTER_EMAIL": "ana@example.com",
        }
        self.git("init", "--quiet", "--bare", "--initial-branch=main", str(place), at=place.parent)
        self.git("init", "--quiet", "--initial-branch=main")
        self.git("remote", "add", "origin", str(place))

    def git(self, *words: str, at: Path | None = None) -> str:
        """What git says."""
        done = subprocess.run(
            ["git", *words],
            cwd=at or self.repository.root,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert done.returncode == 0, f"git {words} ended with {done.returncode}: {done.stderr}"
        return done.stdout.strip()

    def push(self, message: str = "a change") -> str:
        """Commit everything that was written, and push it; the commit."""
        self.git("add", "--all", "specs", "schemas")
        self.git("commit", "--quiet", "--allow-empty", "--message", message)
        self.git("push", "--quiet", "origin", "HEAD:main")
        return self.git("rev-parse", "HEAD")


class Watch:
    """A daemon process in the folder ``home``, which only holds its state."""

    def __init__(self, remote: Remote, home: Path, *words: str) -> None:
        self.remote, self.home, self.words = remote, home, words
        self.environment = {**remote.repository.environment, HOOK: SECRET}
        self.process: subprocess.Popen[str] | None = None
        self.port = 0
        self.log: list[dict[str, Any]] = []
        home.mkdir(exist_ok=True)

    def source(self) -> list[str]:
        """The words that say what it watches."""
        return ["--git", str(self.remote.place)]

    def start(self, *more: str) -> None:
        """Start it; its log is read all the time."""
        self.process = subprocess.Popen(
            [
                *(sys.executable, "-m", "reconciler", "-C", str(self.home), "daemon", *self.source()),
                *("--listen", "127.0.0.1:0", "--log-format", "json", *self.words, *more),
            ],
            cwd=self.home,
            env=self.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.DEVNULL,
            stderr=subprocess.PIPE,
            text=True,
        )
        self.log, self.port = [], 0
        threading.Thread(target=self._read, args=(self.process,), daemon=True).start()
        self.until(lambda: self.port or self.process is None or self.process.poll() is not None, "it listens")
        assert self.port, self.log

    def _read(self, process: subprocess.Popen[str]) -> None:
        assert process.stderr is not None
        with process.stderr:
            for line in process.stderr:
                said = json.loads(line) if line.startswith("{") else {"event": "?", "message": line}
                self.log.append(said)
                if said["event"] == "listening":
                    self.port = int(said["address"].rpartition(":")[2])

    def end(self, number: int = signal.SIGTERM, timeout: float = 60) -> int:
        """End it with a signal; its exit status."""
        assert self.process is not None
        self.process.send_signal(number)
        return self.process.wait(timeout)

    @property
    def pid(self) -> int:
        """Of the process."""
        assert self.process is not None
        return self.process.pid

    def signal(self, number: int) -> None:
        """Send it a signal."""
        os.kill(self.pid, number)

    def ended(self, timeout: float = 60) -> int:
        """Its exit status, once it has ended."""
        assert self.process is not None
        return self.process.wait(timeout)

    def kill(self) -> None:
        """kill -9."""
        assert self.process is not None
        self.process.kill()
        self.process.wait()

    def knock(self) -> int:
        """Call the push hook; the status of the answer."""
        body = json.dumps({"ref": "refs/heads/main"}).encode()
        mac = hmac.new(SECRET.encode(), body, hashlib.sha256).hexdigest()
        return self.ask(
            "/hooks/git",
            body,
            {"X-Hub-Signature-256": f"sha256={mac}", "X-GitHub-Event": "push", "Content-Type": "application/json"},
        )[0]

    def ask(self, path: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> tuple[int, str]:
        """Status and text of an answer."""
        request = urllib.request.Request(f"http://127.0.0.1:{self.port}{path}", data=body, headers=headers or {})
        try:
            with urllib.request.urlopen(request, timeout=15) as reply:  # noqa: S310
                return reply.status, reply.read().decode()
        except urllib.error.HTTPError as error:
            with error:
                return error.code, error.read().decode()

    def status(self) -> dict[str, dict[str, Any]]:
        """What ``reconcile status`` says of each tenant, by name."""
        return {entry["tenant"]: entry for entry in self.told("status")["tenants"]}

    def of_source(self) -> dict[str, str]:
        """What is said of where the specs come from: the reasons by condition."""
        return {entry["type"]: entry["reason"] for entry in self.told("status")["source"]}

    def past(self, *tenant: str) -> list[str]:
        """How the transactions of all, or of one tenant, ended, newest first."""
        return [entry["outcome"] for entry in self.told("history", *tenant, "--limit", "10000")["transactions"]]

    def told(self, *words: str) -> dict[str, Any]:
        """What a command says for programs. It runs in this process: it is asked again and again."""
        with pytest.MonkeyPatch.context() as patch, contextlib.redirect_stdout(io.StringIO()) as out:
            patch.setenv(PASSWORD, self.environment[PASSWORD])
            assert cli.main(["-C", str(self.home), *words, "--format", "json"]) == 0, out.getvalue()
        found: dict[str, Any] = json.loads(out.getvalue())
        return found

    def unready(self) -> str:
        """Why it is not ready; empty if it is. It has to be alive in any case."""
        assert self.ask("/healthz")[0] == 200
        status, text = self.ask("/readyz")
        assert status in (200, 503)
        return "" if status == 200 else text

    def said(self, event: str, **members: Any) -> list[dict[str, Any]]:
        """The lines of the log about an event."""
        return [
            line
            for line in list(self.log)
            if line["event"] == event and all(line.get(name) == value for name, value in members.items())
        ]

    def until(self, holds: Callable[[], object], what: str, seconds: float = WAIT_SECONDS) -> None:
        """Wait until something holds."""
        deadline = time.monotonic() + seconds
        while not holds():
            assert time.monotonic() < deadline, f"not within {seconds} s: {what}\n" + "\n".join(
                map(str, self.log[-40:])
            )
            assert self.process is None or self.process.poll() is None, f"it ended: {self.log[-10:]}"
            time.sleep(0.05)


def condition(entry: dict[str, Any], kind: str) -> dict[str, Any]:
    """A tenant's condition; empty if it is not said."""
    return next((found for found in entry["conditions"] if found["type"] == kind), {})


def pos(repository: Repository, name: str, **more: Any) -> None:
    """Write a tenant that is made quickly."""
    spec = {"displayName": "Lupita", "edition": "standard", "license": {"expires": "2099-12-31"}, **more}
    repository.tenant(name, "PosTenant", **spec)


def platform(repository: Repository, **spec: Any) -> None:
    """Write the platform's document: removals go through, the hook is open, waits are short."""
    daemon = {
        "pollSeconds": 60,
        "hookSecretFrom": {"env": HOOK},
        "retry": {"firstSeconds": 0.2, "longestSeconds": 1},
        **spec.pop("daemon", {}),
    }
    wanted = {"guards": {"prune": True}, "apply": {"leaseSeconds": 5}, "daemon": daemon, **spec}
    text = json.dumps(
        {"apiVersion": "reconciler/v1", "kind": "Platform", "metadata": {"name": "default"}, "spec": wanted}, indent=1
    )
    (repository.root / "specs/platform.yaml").write_text(text)


class HeldUp:
    """Keeps others from writing the central tenants, so that whoever makes one stands still in the middle of it."""

    def __init__(self, server: Server) -> None:
        self._server = server

    def waits(self) -> list[int]:
        """The connections that stand still."""
        found = self._server.sql("SELECT id FROM information_schema.processlist WHERE state LIKE 'Waiting for table%%'")
        return [number for (number,) in found]

    def cut(self) -> None:
        """Cut off who stands still."""
        for number in self.waits():
            self._server.sql(f"KILL CONNECTION {number}")


@contextlib.contextmanager
def held_up(server: Server) -> Iterator[HeldUp]:
    """Nobody can write the central tenants until the end; for less than the ten seconds that a statement waits."""
    with contextlib.closing(server.root()) as connection, connection.cursor() as cursor:
        cursor.execute("LOCK TABLES license_manager.tenants READ")
        yield HeldUp(server)


@contextlib.contextmanager
def watching(remote: Remote, home: Path, *words: str) -> Iterator[Watch]:
    """A daemon that was started, and is ended afterwards whatever happened."""
    found = Watch(remote, home, *words)
    found.start()
    try:
        yield found
    finally:
        if found.process is not None and found.process.poll() is None:
            found.kill()


def metric(text: str, name: str) -> float:
    """The value of a series without labels."""
    found = re.search(rf"^{re.escape(name)} (\S+)$", text, re.MULTILINE)
    assert found, f"there is no series {name}"
    return float(found[1])


__all__ = ["PASSWORD", "Remote", "Watch", "condition", "metric", "platform", "pos", "watching"]
