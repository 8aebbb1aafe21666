"""``reconcile why``: why a tenant is as it is, and what would change it."""

from __future__ import annotations

import click

from reconciler.cli import manual, options, settings
from reconciler.engine import why as engine
from reconciler.report import why as report


@click.command(
    help=manual.page(
        "Tell why TENANT is as it is: where its spec stands and who changed it last, what failed in which step, what "
        "was undone and what is left over, who holds it until when, when it is tried again, and what would unblock it. "
        "Asks the store and the checkout, and no server; works with invalid specs too.",
        examples={"reconcile why clinica-sol": "", "reconcile why clinica-sol --format json": "for programs"},
        exits={0: "told, whatever it is"},
        also=(65, 78),
    )
)
@click.argument("tenant")
@options.output
@click.pass_obj
def why(call: options.Call, tenant: str, output: str) -> int:
    """Tell; returns the exit status."""
    with settings.recorded(call) as setting:
        found = engine.of(setting, tenant)
    if output == "json":
        call.show_data(report.data(found))
    else:
        call.show(report.lines(found))
    return 0
