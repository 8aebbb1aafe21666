"""A git repository that a test commits to, as the people do whose merges the daemon applies."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from pathlib import Path

import yaml

PLATFORM = "specs/platform.yaml"


class Upstream:
    """A repository with a work tree in ``root``; the git of this host and its settings have no part in it."""

    def __init__(self, root: Path) -> None:
        self.root = root
        root.mkdir(parents=True)
        self.git("init", "-q", "-b", "main")
        self.git("config", "user.name", "Ana Ruiz")
        self.git("config", "user.email", "ana@example.com")
        self.git("config", "commit.gpgSign", "false")

    @property
    def url(self) -> str:
        return f"file://{self.root}"

    @property
    def tip(self) -> str:
        return self.git("rev-parse", "HEAD")

    def git(self, *words: str, data: bytes | None = None) -> str:
        environment = {name: value for name, value in os.environ.items() if not name.startswith("GIT_")}
        isolated = {"GIT_CONFIG_GLOBAL": "/dev/null", "GIT_CONFIG_NOSYSTEM": "1", "GIT_TERMINAL_PROMPT": "0"}
        answer = subprocess.run(
            ["git", "-C", str(self.root), *words],
            env={**environment, **isolated},
            input=data,
            capture_output=True,
            check=False,
        )
        assert answer.returncode == 0, f"git {words}: {answer.stderr.decode(errors='replace')}"
        return answer.stdout.decode("utf-8", "surrogateescape").strip()

    def write(self, path: str, content: str | bytes) -> None:
        place = self.root / path
        place.parent.mkdir(parents=True, exist_ok=True)
        place.write_bytes(content.encode() if isinstance(content, str) else content)

    def commit(self, message: str = "a change", *options: str) -> str:
        self.git("add", "-A")
        self.git("commit", "-q", "--allow-empty", "-m", message, *options)
        return self.tip

    def tenant(self, name: str, **more: object) -> None:
        self.write(f"specs/tenants/{name}.yaml", tenant(name, **more))

    def platform(self, **daemon: object) -> None:
        spec = {"daemon": daemon} if daemon else {}
        self.write(PLATFORM, document("Platform", "default", spec))

    @classmethod
    def filled(cls, root: Path, *names: str) -> Upstream:
        """With a platform, a product's file, and a commit of tenants."""
        made = cls(root)
        made.platform()
        made.write("specs/products/agenda-ia/schema/0001_one.sql", "CREATE TABLE one (id INT);\n")
        for name in names:
            made.tenant(name)
        made.commit("the first")
        return made


def tenant(name: str, **more: object) -> str:
    spec = {"displayName": name, "edition": "standard", "license": {"expires": "2027-12-31"}, **more}
    return document("PosTenant", name, spec)


def document(kind: str, name: str, spec: Mapping[str, object]) -> str:
    data = {"apiVersion": "reconciler/v1", "kind": kind, "metadata": {"name": name}, "spec": dict(spec)}
    return yaml.safe_dump(data, allow_unicode=True)


def key(folder: Path, name: str) -> Path:
    """A new key to sign with."""
    place = folder / name
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-C", name, "-f", str(place)], check=True)
    return place


def signers(*keys: Path) -> str:
    """A file of allowed signers."""
    return "".join(f"{one.name}@example.com {Path(f'{one}.pub').read_text(encoding='utf-8')}" for one in keys)


def signing(key: Path) -> tuple[str, ...]:
    """Options in front of git's command, so that it signs with ``key``."""
    return "-c", "gpg.format=ssh", "-c", f"user.signingKey={key}", "-c", "commit.gpgSign=true"
