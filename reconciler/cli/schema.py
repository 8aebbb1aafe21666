"""``reconcile schema``: the JSON Schema of a kind, for editors and CI."""

from __future__ import annotations

import click

from reconciler import errors
from reconciler.cli import manual, options
from reconciler.engine import specs
from reconciler.report import terminal
from reconciler.spec import nearest, schemas


@click.command(
    help=manual.page(
        "Print the JSON Schema (draft 2020-12) of KIND, as it also stands in schemas/. Needs no repository.",
        examples={"reconcile schema AgendaTenant": "", "reconcile schema Platform > platform.schema.json": ""},
        exits={0: "printed"},
    )
)
@click.argument("kind")
@click.pass_obj
def schema(call: options.Call, kind: str) -> int:
    """Print a schema; returns the exit status."""
    known = {entry.name: entry for entry in specs.kinds()}
    named = next((name for name in known if name.lower() == kind.lower()), None)
    if named is None:
        raise errors.UsageError(
            f"there is no kind {kind!r}", advice=nearest.did_you_mean(kind, known) or f"Kinds: {', '.join(known)}."
        )
    terminal.put(schemas.text(known[named]), terminal.stdout())
    return 0
