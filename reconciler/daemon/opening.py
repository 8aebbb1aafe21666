"""What a daemon is opened with: where its specs come from, and where it can be asked how it is."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from contextlib import suppress
from pathlib import Path

from reconciler import errors
from reconciler.daemon import hook, http, metrics
from reconciler.daemon.folder_source import FolderSource
from reconciler.daemon.git_source import GitSource
from reconciler.daemon.health import Health
from reconciler.daemon.logs import Log
from reconciler.daemon.loop import Daemon
from reconciler.daemon.metrics import Metrics
from reconciler.daemon.source import Source
from reconciler.engine.setting import Setting
from reconciler.model.server import PasswordSource
from reconciler.ports import passwords
from reconciler.ports.ports import Ports
from reconciler.ports.store.store import Store

Opener = Callable[[Callable[[], Store | None]], Source]


def git(root: Path, url: str, branch: str, ports: Ports, accepted: str) -> Opener:
    """Opens a branch of a git remote; ``accepted`` is a commit at its tip that a person trusts, empty for none."""

    def opened(store: Callable[[], Store | None]) -> Source:
        source = GitSource(root, url, branch, store=store, clock=ports.clock)
        if accepted:
            source.accept_history(accepted)
        return source

    return opened


def folder(root: Path) -> Opener:
    """Opens the folder itself."""
    return lambda _store: FolderSource(root)


def serve(
    address: tuple[str, int], daemon: Daemon, branch: str, ports: Ports, health: Health, counted: Metrics, log: Log
) -> http.Server:
    """Listen at ``address``; pushes to ``branch`` wake the daemon. Errors: ``PlatformMisconfigured`` where that can't
    be done.
    """

    def knocked(headers: Mapping[str, str], body: bytes) -> hook.Answer:
        secret = _secret(daemon.setting)
        return hook.Hook(secret, branch, lambda: ports.clock.now().timestamp()).answer(headers, body)

    served = http.Served(health.alive(), health.ready(), counted.scrape, metrics.CONTENT_TYPE, knocked, daemon.wake.set)
    server = http.Server(*address, served, log)
    log.info("listening", address=f"{address[0]}:{server.port}")
    return server


def _secret(setting: Setting | None) -> str:
    """The secret of the push hook; empty, which closes it, while none is known."""
    told = setting.platform.daemon.hook_secret_from if setting is not None else None
    if setting is None or told is None:
        return ""
    source = PasswordSource(env=told.env or "", file=str(setting.root / told.file) if told.file else "")
    with suppress(errors.PlatformMisconfigured):
        return passwords.read(source, "secret of the push hook")
    return ""
