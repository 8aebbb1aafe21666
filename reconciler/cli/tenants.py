"""``reconcile status``, ``history``, ``show``: what the store knows, without asking a server."""

from __future__ import annotations

import re

import click

from reconciler import errors
from reconciler.cli import manual, options, settings
from reconciler.engine import conditions
from reconciler.ports.store import audit, journal, outbox
from reconciler.report import outbox as letters
from reconciler.report import styled, transaction
from reconciler.report import tenants as report


def _anchor(_context: click.Context, parameter: click.Parameter, value: str | None) -> audit.End | None:
    if value is None:
        return None
    number, _, digits = value.partition(":")
    if not number.isdecimal() or not re.fullmatch("[0-9a-f]{8,64}", digits):
        said = "is not N:HASH as `reconcile history --verify` prints it; at least 8 digits of the hash are needed"
        raise click.BadParameter(f"{value!r} {said}", param=parameter)
    return audit.End(int(number), digits)


_tenant = click.argument("tenant", required=False)


@click.command(
    help=manual.page(
        "Show the tenants on record and their conditions: Ready, and while it holds Reconciling, Stalled, "
        "RollbackFailed, Drifted, Suspended. Asks the store only: Drifted is what the daemon saw last, and whether a "
        "server has drifted since is what `reconcile plan` finds.",
        examples={
            "reconcile status": "",
            "reconcile status clinica-sol": "one tenant; `reconcile why` tells more",
            "reconcile status --format json": "for programs",
        },
        exits={0: "shown, whatever the conditions are"},
        also=(65, 78),
    )
)
@_tenant
@options.output
@click.pass_obj
def status(call: options.Call, tenant: str | None, output: str) -> int:
    """Show conditions; returns the exit status."""
    waiting: list[outbox.Letter] = []
    with settings.recorded(call) as setting:
        found = conditions.overview(setting, tenant)
        if setting.store is not None:
            waiting = setting.store.read(outbox.waiting) + setting.store.read(outbox.dead)
    waiting = [letter for letter in waiting if tenant in (None, letter.tenant)]
    if output == "json":
        call.show_data({**report.status_data(found), "outbox": letters.data(waiting)["letters"]})
    elif found.tenants or found.source or found.paused:
        call.show(report.status_lines(found))
    else:
        _nothing(call)
    if output != "json":
        call.show(letters.summary(waiting))
    return 0


@click.command(
    help=manual.page(
        "Show what was done, newest first: when, to which tenant, how it ended, by whom and from which revision.",
        examples={
            "reconcile history": "the last 20 transactions",
            "reconcile history clinica-sol --limit 5": "",
            "reconcile show 1f0c33aa": "one of them, step by step",
            "reconcile history --verify": "whether every record is as it was written, and none is missing",
            "reconcile history --verify --anchor 812:9f1c2e…": "and nothing up to an end noted earlier was replaced",
        },
        exits={0: "shown", 1: "with --verify: the journal is not as it was written"},
        also=(65, 78),
    )
)
@_tenant
@click.option(
    "--limit", type=click.IntRange(1, 100_000), default=20, show_default=True, metavar="N", help="At most so many."
)
@click.option("--verify", is_flag=True, help="Check the whole journal instead: changed or missing records.")
@click.option(
    "--anchor",
    callback=_anchor,
    metavar="N:HASH",
    help="With --verify: the last end as an earlier --verify told it. It has to be there unchanged.",
)
@options.output
@click.pass_obj
def history(
    call: options.Call, tenant: str | None, limit: int, verify: bool, anchor: audit.End | None, output: str
) -> int:
    """Show transactions, or check all of them; returns the exit status."""
    if verify and tenant:
        raise errors.UsageError("--verify checks the whole journal, not one tenant's part of it")
    if anchor is not None and not verify:
        raise errors.UsageError("--anchor belongs to --verify")
    if verify:
        return _verify(call, anchor, output)
    found: list[journal.Transaction] = []
    with settings.recorded(call) as setting:
        if setting.store is not None:
            found = setting.store.read(lambda connection: journal.latest(connection, tenant, limit))
    if output == "json":
        call.show_data(report.history_data(found))
    elif found:
        call.show(report.history_lines(found))
    else:
        _nothing(call, tenant or "")
    return 0


@click.command(
    help=manual.page(
        "Show one transaction, step by step: what it meant to do, how long each change took, how it was undone, what "
        "is left over, and every record of its journal. The first digits of its id are enough.",
        examples={"reconcile show 1f0c33aa": "", "reconcile show 1f0c33aa --format json": "for programs"},
        exits={0: "shown"},
        also=(65, 78),
    )
)
@click.argument("identity", metavar="TRANSACTION")
@options.output
@click.pass_obj
def show(call: options.Call, identity: str, output: str) -> int:
    """Show a transaction; returns the exit status."""
    with settings.recorded(call) as setting:
        store = setting.opened()
        head = store.read(lambda connection: journal.find(connection, identity)) if identity else None
        if head is None:
            raise errors.UsageError(
                f"no transaction's id begins with {identity!r}, or those of several do",
                advice="`reconcile history` lists them.",
            )
        entries = store.read(lambda connection: journal.entries(connection, head.id))
    if output == "json":
        call.show_data(transaction.as_data(head, entries))
    else:
        call.show(transaction.lines(head, entries))
    return 0


def _verify(call: options.Call, anchor: audit.End | None, output: str) -> int:
    with settings.recorded(call) as setting:
        found = setting.opened().read(lambda connection: audit.audit(connection, anchor))
    if output == "json":
        call.show_data(report.audit_data(found))
    else:
        call.show(report.audit_lines(found))
    return errors.JournalBroken.exit if found.faults else 0


def _nothing(call: options.Call, tenant: str = "") -> None:
    of = f" of tenant {tenant}" if tenant else ""
    call.say([styled.line(f"Nothing is on record{of} yet; `reconcile apply` is what puts something there.")])
