"""``reconcile trash``: tenants that were deleted, until their retention ends."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from reconciler import errors
from reconciler.cli import apply, manual, options, settings
from reconciler.engine import purge as purging
from reconciler.engine import reconcile, removal
from reconciler.model.outcome import Outcome
from reconciler.report import data, outcomes, styled, terminal
from reconciler.report import trash as report


@click.group(
    help=manual.page(
        "Look at deleted tenants, take them back, or destroy them for good. A tenant goes to the trash when its spec "
        "is removed and `guards.prune` is true: nobody can use or see it, and all that it has is kept. A database goes "
        "there alone when the spec of its tenant no longer asks for one.",
        examples={"reconcile trash list": ""},
        exits={0: "done"},
    )
)
def trash() -> None:
    """The group."""


@trash.command(
    name="list",
    help=manual.page(
        "List what is in the trash, longest first, and until when it is kept at least: tenants, and databases of "
        "tenants that live.",
        examples={"reconcile trash list": "", "reconcile trash list --format json": "for programs"},
        exits={0: "shown"},
        also=(65, 78),
    ),
)
@options.output
@click.pass_obj
def list_(call: options.Call, output: str) -> int:
    """List the trash; returns the exit status."""
    with settings.recorded(call) as setting:
        found = [
            report.Entry(record, purging.kept_until(setting, record))
            for record in removal.in_trash(setting.records().values())
        ]
    if output == "json":
        call.show_data(report.data(found))
    elif found:
        call.show(report.lines(found))
    else:
        call.show([styled.line("The trash is empty.")])
    return 0


@trash.command(
    help=manual.page(
        "Take TENANT out of the trash, exactly as it was. Where its spec is in git again, `reconcile apply` does that; "
        "without a spec it is held against git, and not trashed again until it had a spec. A database alone comes back "
        "when its tenant's spec asks for one again.",
        examples={"reconcile trash restore clinica-sol": ""},
        exits={0: "restored"},
        also=(3, 5, 6, 7, 65, 69, 78, 130, 143),
    )
)
@click.argument("tenant")
@options.output
@click.pass_obj
def restore(call: options.Call, tenant: str, output: str) -> int:
    """Restore; returns the exit status."""
    with settings.recorded(call) as setting:
        call.signals.hold(setting.stop)
        told = apply.told_on_stderr(call)
        try:
            ended = reconcile.restore(setting, tenant, told)
        finally:
            told.close()
            call.signals.release()
    return _ended(call, ended, output, "Restore")


@trash.command(
    help=manual.page(
        "Destroy TENANT for good: its database, accounts, grants, central rows, secrets and delivery. Before that a "
        "final dump is taken, sealed, and loaded into a scratch database to prove it. Only when its retention has "
        "ended, or with --now. What is dropped can't be brought back but from the dump. Of a tenant that lives, whose "
        "database alone is in the trash, only the database and its accounts go.",
        examples={
            "reconcile trash purge clinica-sol": "when its retention has ended",
            "reconcile trash purge clinica-sol --now --yes": "today, and without being asked",
        },
        exits={0: "purged"},
        also=(3, 5, 6, 7, 65, 69, 78, 130, 143),
    )
)
@click.argument("tenant")
@click.option("--now", is_flag=True, help="Although its retention has not ended.")
@click.option("--yes", is_flag=True, help="Do not ask. Needed where there is no terminal.")
@options.output
@click.pass_obj
def purge(call: options.Call, tenant: str, now: bool, yes: bool, output: str) -> int:
    """Purge; returns the exit status."""
    if not yes and not terminal.is_terminal(sys.stdin):
        raise errors.UsageError("there is no terminal to agree on", advice="Look at `reconcile trash list`, add --yes.")
    with settings.recorded(call) as setting:
        if not yes and not click.confirm(f"Destroy {tenant} and all its data?", default=False, err=True):
            call.say([styled.line("Nothing was purged.")])
            return 0
        call.signals.hold(setting.stop)
        told = apply.told_on_stderr(call)
        try:
            ended = reconcile.purge(setting, tenant, told, now=now)
        finally:
            told.close()
            call.signals.release()
    return _ended(call, ended, output, "Purge")


@trash.command(
    help=manual.page(
        "Write the final dump of a purged tenant to stdout, opened with the sealing key. FILE is what the purge named.",
        examples={"reconcile trash open state/trash/.purged/clinica-sol-1f0c33aa/database.sql.sealed > sol.sql": ""},
        exits={0: "written"},
        also=(65, 78),
    )
)
@click.argument("file", type=click.Path(exists=True, dir_okay=False, path_type=Path))
@click.pass_obj
def open(call: options.Call, file: Path) -> int:
    """Open a sealed file; returns the exit status."""
    with settings.recorded(call) as setting:
        for chunk in setting.keys.vault.opened(setting.ports.files.chunks(file)):
            sys.stdout.buffer.write(chunk)
        sys.stdout.buffer.flush()
    return 0


def _ended(call: options.Call, ended: Outcome, output: str, verb: str) -> int:
    if output == "json":
        call.show_data(data.outcomes([ended]))
    else:
        call.show(outcomes.lines([ended], verb=verb))
    return apply.status([ended], call.signals.received)
