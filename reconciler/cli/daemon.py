"""``reconcile daemon``: what is merged is applied, as long as it runs."""

from __future__ import annotations

import signal
import socket
import sys
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import TYPE_CHECKING

import click

from reconciler import errors
from reconciler.cli import manual, options

if TYPE_CHECKING:
    from reconciler.daemon.loop import Daemon
    from reconciler.daemon.source import Source
    from reconciler.ports.store.store import Store

STATE = "state"
_WATCHED = (signal.SIGINT, signal.SIGTERM, signal.SIGHUP)


@click.command(
    help=manual.page(
        "Watch where tenants are merged, apply what is merged, mend what drifts, and say how it stands. Needs the same "
        "rights as `reconcile apply`. See docs/daemon.md.",
        examples={
            "reconcile daemon": "the specs repository around; every saved change counts",
            "reconcile -C /var/lib/reconciler daemon --git https://git.example.com/ops/tenants.git": "a branch of a "
            "git remote; the folder only holds state/",
            "reconcile daemon --listen 127.0.0.1:9464": "with health, metrics and the push hook",
            "reconcile daemon --once": "a single pass, as for cron",
        },
        exits={
            0: "with --once: everything is as it is merged",
            5: "another daemon works with this state folder, or leads, or a tenant is leased",
        },
        also=(3, 6, 7, 64, 65, 69, 78, 130, 143),
    )
)
@click.option("--git", "url", metavar="URL", help="Fetch the specs from this git remote.")
@click.option("--branch", default="main", show_default=True, metavar="NAME", help="With --git: the branch that counts.")
@click.option(
    "--path",
    type=click.Path(file_okay=False, path_type=Path),
    metavar="DIR",
    help="Watch this folder instead. Default: the repository's root.",
)
@click.option(
    "--poll",
    type=click.FloatRange(min=0.1, max=86400),
    metavar="SECONDS",
    help="How often to look. Default: the platform's.",
)
@click.option("--listen", metavar="HOST:PORT", help="Serve /healthz, /readyz, /metrics and /hooks/git here.")
@click.option("--once", is_flag=True, help="A single pass; what fails is not tried again.")
@click.option(
    "--accept-history",
    "accepted",
    metavar="COMMIT",
    help="With --git: trust this commit at the branch's tip although it does not come out of the last trusted one, or "
    "is not signed.",
)
@click.option(
    "--log-format",
    "form",
    type=click.Choice(["json", "text"]),
    help="How logs on stderr look. Default: text on a terminal, else json.",
)
@click.pass_obj
def daemon(
    call: options.Call,
    url: str | None,
    branch: str,
    path: Path | None,
    poll: float | None,
    listen: str | None,
    once: bool,
    accepted: str | None,
    form: str | None,
) -> int:
    """Run the daemon; returns the exit status."""
    # Loading these takes longer than most commands take.
    from reconciler import __version__
    from reconciler.daemon import health, listening, logs, loop, metrics, only_one, opening, whole
    from reconciler.daemon import once as single
    from reconciler.ports.ports import Ports
    from reconciler.report import terminal

    _fitting(url, path, accepted)
    address = listening.address(listen) if listen is not None else None
    if not once:
        whole.load()
    root = (call.directory or Path.cwd()) if url is not None else (path or call.root)
    ports = Ports()
    chosen: logs.Format = "text" if form == "text" or (form is None and terminal.is_terminal(sys.stderr)) else "json"
    log = logs.make(chosen, sys.stderr, ports.clock, verbose=call.verbose)
    counted, noted = metrics.Metrics(__version__), health.Health()
    opened: Callable[[Callable[[], Store | None]], Source] = (
        opening.git(root, url, branch, ports, accepted or "") if url is not None else opening.folder(root)
    )
    with only_one.only_one(root / STATE):
        kind = single.Once if once else loop.Daemon
        found = kind(root, ports, opened, log, metrics=counted, health=noted, poll=poll, branch=branch if url else "")
        with _signals(found) as received:
            server = None
            if address is not None:
                server = opening.serve(address, found, branch if url else "", ports, noted, counted, log)
            try:
                if isinstance(found, single.Once):
                    from reconciler.cli import apply
                    from reconciler.report import outcomes

                    ended = found.make()
                    call.show(outcomes.lines(ended))
                    return apply.status(ended, received[-1] if received else 0)
                found.run()
            finally:
                if server is not None:
                    server.close()
    return 128 + received[-1] if received else 0


def _fitting(url: str | None, path: Path | None, accepted: str | None) -> None:
    """Errors: ``UsageError`` for options that say nothing together."""
    if url is not None and path is not None:
        raise errors.UsageError("--git and --path are two places that specs come from", advice="Give one of them.")
    if accepted is not None and url is None:
        raise errors.UsageError("--accept-history is about a git remote", advice="Add --git URL.")


@contextmanager
def _signals(found: Daemon) -> Iterator[list[int]]:
    """SIGINT and SIGTERM end the daemon after what is open, SIGHUP lets it read everything anew. Those that came."""
    received: list[int] = []
    ours, theirs = socket.socketpair()
    theirs.setblocking(False)

    def nothing(_number: int, _frame: FrameType | None) -> None:
        """The number goes through the socket. A handler that took a lock could wait for its own thread."""

    def heed() -> None:
        while numbers := ours.recv(16):
            for number in numbers:
                if number == signal.SIGHUP:
                    found.reload.set()
                    found.wake.set()
                else:
                    received.append(number)
                    found.interrupt()

    with ours, theirs:
        before, wakeup = {}, -1
        with suppress(ValueError):  # outside of the main thread nothing is taken over
            wakeup = signal.set_wakeup_fd(theirs.fileno())
            before = {number: signal.signal(number, nothing) for number in _WATCHED}
        heeding = threading.Thread(target=heed, name="signals", daemon=True)
        heeding.start()
        try:
            yield received
        finally:
            for number, handler in before.items():
                signal.signal(number, handler)
            if before:
                signal.set_wakeup_fd(wakeup)
            theirs.shutdown(socket.SHUT_WR)
            heeding.join()
