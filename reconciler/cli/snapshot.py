"""``reconcile snapshot``: what is there, as one signed file without secrets."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler.cli import manual, options, settings, snapshots
from reconciler.engine import snapshot as engine
from reconciler.report import snapshot as report


@click.command(
    help=manual.page(
        "Write down what a plan sees of the servers, the store and the deliveries, as one signed file without secrets: "
        "`reconcile plan --offline` plans from it where none of them can be reached. Changes nothing, takes no lease, "
        "and works with a read-only account.",
        examples={
            "reconcile snapshot": f"into {snapshots.DEFAULT}",
            "reconcile snapshot --out snapshot.json.gz": "packed with gzip",
        },
        exits={0: "taken"},
        also=(3, 65, 69, 78),
    )
)
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help=f"Where to write it, in one step; with .gz packed. Default: {snapshots.DEFAULT}.",
)
@options.output
@click.pass_obj
def snapshot(call: options.Call, out: Path | None, output: str) -> int:
    """Take a snapshot; returns the exit status."""
    with settings.wanted(call, ()) as setting:
        found = engine.take(setting)
        data, kid = engine.signed(setting, found)
        file = out or setting.root / snapshots.DEFAULT
    size = snapshots.save(file, data)
    if output == "json":
        call.show_data(report.data(found, str(file), size, kid))
    else:
        call.show(report.lines(found, str(file), size, kid))
    return 0
