"""``reconcile dev``: a private MariaDB of the repository, under ``state/dev/``, to try specs on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import click

from reconciler import errors, products
from reconciler.cli import manual, options
from reconciler.ports import devserver, git
from reconciler.spec import load, platform

FOLDER = "state/dev"
"""The server's folder, relative to the repository's root."""


@click.group()
def dev() -> None:
    """A private MariaDB under state/dev/, to try specs on.

    It runs as you, listens on 127.0.0.1 only, and goes on until `dev down`. Its account `provisioner` has exactly the
    privileges that `reconcile doctor` lists.
    """


@dev.command(
    help=manual.page(
        "Start the server, or find it running, and show how a spec names it.\n\nAt its first start it is made, which "
        "takes a few seconds. Its account may work on the databases that the specs speak of.",
        examples={"reconcile dev up": "", "reconcile dev up --format json": "for a script"},
        exits={0: "the server runs"},
        also=(78,),
    )
)
@options.output
@click.pass_context
def up(context: click.Context, output: str) -> None:
    """Start the server."""
    root = options.required_repository(context)
    _make_state(root)
    server = _server(root)
    server.start()
    _show(context, root, server, output)


@dev.command(
    help=manual.page(
        "Stop the server. Its data stays, for the next `dev up`.",
        examples={"reconcile dev down": "", "reconcile dev down && rm -r state/dev": "with all its data"},
        exits={0: "the server does not run"},
        also=(78,),
    )
)
@click.pass_context
def down(context: click.Context) -> None:
    """Stop the server."""
    root = options.required_repository(context)
    server = devserver.DevServer(root / FOLDER)
    ran = server.running()
    server.stop()
    said = "has stopped" if ran else "was not running"
    options.call(context).show(options.lines_of([f"The server in {FOLDER} {said}."]))


@dev.command(
    help=manual.page(
        "Say whether the server runs, and show how a spec names it.",
        examples={"reconcile dev status": "", "reconcile dev status --format json": "for a script: running, port …"},
        exits={0: "it was said, whether it runs or not"},
    )
)
@options.output
@click.pass_context
def status(context: click.Context, output: str) -> None:
    """Say whether the server runs."""
    root = options.required_repository(context)
    _show(context, root, devserver.DevServer(root / FOLDER), output)


def snippet(root: Path, server: devserver.DevServer) -> str:
    """What a DatabaseServer spec says to mean ``server``. Errors: ``PlatformMisconfigured`` before the first start."""
    where = server.endpoint
    return (
        "spec:\n"
        f"  host: {where.host}\n"
        f"  port: {where.port}\n"
        f"  user: {devserver.PROVISIONER}\n"
        f"  passwordFrom: {{file: {_password_file(root, server)}}}\n"
    )


def _server(root: Path) -> devserver.DevServer:
    """The repository's server; its account reaches the databases that the specs speak of, as far as they are valid."""
    found = products.discover().values()
    tree = load.load(root, [*platform.KINDS, *(product.catalogue_kind for product in found)])
    central = next((document.spec.central.database for document in tree.valid(platform.PLATFORM.name)), None)
    prefixes = {
        document.spec.database_prefix for product in found for document in tree.valid(product.catalogue_kind.name)
    }
    defaults: dict[str, Any] = {}
    if prefixes:
        defaults["prefixes"] = sorted(prefixes)
    if central is not None:
        defaults["databases"] = [central]
    return devserver.DevServer(root / FOLDER, **defaults)


def _make_state(root: Path) -> None:
    folder = root / FOLDER
    if git.would_commit(folder):
        raise errors.PlatformMisconfigured(
            f"{FOLDER} would be committed: git does not ignore it, and it holds a password and a server's data",
            advice="Add the line state/ to the repository's .gitignore.",
        )
    try:
        folder.parent.mkdir(mode=0o700, exist_ok=True)
        folder.mkdir(mode=0o700, exist_ok=True)
    except OSError as error:
        raise errors.PlatformMisconfigured(
            f"could not make the folder {folder}: {error.strerror or error}",
            advice="Clear the way for it, or give yourself the right to write there.",
        ) from error


def _show(context: click.Context, root: Path, server: devserver.DevServer, output: str) -> None:
    call, running, where = options.call(context), server.running(), _endpoint(server)
    if output == "json":
        call.show_data(
            {
                "formatVersion": 1,
                "running": running,
                "host": where and where.host,
                "port": where and where.port,
                "socket": where and str(where.socket),
                "user": devserver.PROVISIONER,
                "passwordFile": where and _password_file(root, server),
            }
        )
    elif where is None:
        call.show(options.lines_of([f"There is no server in {FOLDER} yet; `reconcile dev up` makes it."]))
    elif not running:
        call.show(options.lines_of([f"The server in {FOLDER} does not run; `reconcile dev up` starts it."]))
    else:
        lines = [
            f"The server in {FOLDER} runs.",
            "",
            f"  host      {where.host}",
            f"  port      {where.port}",
            f"  socket    {where.socket}",
            f"  user      {devserver.PROVISIONER}",
            f"  password  in {_password_file(root, server)}",
            "",
            "So that tenants are made on it, specs/servers/main.yaml says:",
            "",
            *snippet(root, server).splitlines(),
        ]
        call.show(options.lines_of(lines))


def _endpoint(server: devserver.DevServer) -> devserver.Endpoint | None:
    try:
        return server.endpoint
    except errors.PlatformMisconfigured:
        return None  # it was never started


def _password_file(root: Path, server: devserver.DevServer) -> str:
    return server.password_file.relative_to(root.absolute()).as_posix()
