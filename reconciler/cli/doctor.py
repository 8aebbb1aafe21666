"""``reconcile doctor``: every prerequisite, checked."""

from __future__ import annotations

import click

from reconciler.cli import manual, options
from reconciler.engine import doctor as examination
from reconciler.ports.ports import Ports
from reconciler.report import doctor as report


@click.command(
    help=manual.page(
        "Check every prerequisite: Python, specs, store, keys, the delivery folder, and each server's version, "
        "settings and privileges. Prints the GRANT statements of a provisioning and of a planning account. Changes "
        "nothing.",
        examples={"reconcile doctor": "", "reconcile doctor --format json": "for programs"},
        exits={0: "everything is there"},
        also=(3, 65, 69, 78),
    )
)
@options.output
@click.pass_obj
def doctor(call: options.Call, output: str) -> int:
    """Examine; returns the exit status."""
    found = examination.examine(call.root, Ports())
    if output == "json":
        call.show_data(report.as_data(found))
    else:
        call.show(report.lines(found))
    return found.exit
