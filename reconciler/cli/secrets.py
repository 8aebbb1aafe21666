"""``reconcile secrets``: the only command that prints a secret."""

from __future__ import annotations

import click

from reconciler import errors
from reconciler.cli import manual, options, settings
from reconciler.engine import reveal
from reconciler.report import data, terminal


@click.group(
    help=manual.page(
        "Print a tenant's secrets. No other command does.",
        examples={"reconcile secrets show clinica-sol": ""},
        exits={0: "printed"},
    )
)
def secrets() -> None:
    """The group."""


@secrets.command(
    help=manual.page(
        "Print the secrets of TENANT, opened with the sealing key, as `name = value`; with KEY only the one value, "
        "ready for a script.",
        examples={
            "reconcile secrets show clinica-sol": "all of them",
            "reconcile secrets show clinica-sol db.app": "one value, and nothing else",
        },
        exits={0: "printed"},
        also=(65, 78),
    )
)
@click.argument("tenant")
@click.argument("key", required=False)
@options.output
@click.pass_obj
def show(call: options.Call, tenant: str, key: str | None, output: str) -> int:
    """Print secrets; returns the exit status."""
    with settings.recorded(call) as setting:
        found = reveal.secrets(setting, tenant)
    if key is not None:
        if key not in found:
            raise errors.UsageError(
                f"tenant {tenant} has no secret {key!r}", advice=f"It has these: {', '.join(sorted(found))}."
            )
        found = {key: found[key]}
    if output == "json":
        call.show_data({"formatVersion": data.FORMAT, "tenant": tenant, "secrets": found})
    else:
        bare = key is not None
        text = "".join(f"{value}\n" if bare else f"{name} = {value}\n" for name, value in found.items())
        terminal.put(text, terminal.stdout())
    return 0
