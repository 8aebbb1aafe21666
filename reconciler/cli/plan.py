"""``reconcile plan``: the dry run."""

from __future__ import annotations

import click

from reconciler.cli import manual, options, settings
from reconciler.engine import reconcile
from reconciler.model import outcome
from reconciler.model import plan as plans
from reconciler.report import data
from reconciler.report import plan as report

CHANGES = 2


@click.command(
    help=manual.page(
        "Show what `reconcile apply` would do, with reasons and the way back, and what it would refuse. Changes "
        "nothing, takes no lease, and works with a read-only account.",
        examples={
            "reconcile plan": "",
            "reconcile plan --tenant clinica-sol": "one tenant, even if another one's spec is invalid",
            "reconcile plan --deep": "also look for drift that takes long to find",
            "reconcile plan --detailed-exitcode": "for CI: 0 in sync, 2 changes, 3 blocked",
            "reconcile plan --format json": "for programs",
        },
        exits={0: "in sync, or planned"},
        also=(2, 3, 65, 69, 78),
    )
)
@options.tenants
@options.deep
@click.option("--detailed-exitcode", is_flag=True, help="End with 2 if there are changes.")
@options.output
@click.pass_obj
def plan(call: options.Call, names: tuple[str, ...], deep: bool, detailed_exitcode: bool, output: str) -> int:
    """Plan; returns the exit status."""
    with settings.wanted(call, names) as setting:
        found = reconcile.plan(setting, reconcile.Options(tenants=names, deep=deep))
    if output == "json":
        call.show_data(data.plan(found))
    else:
        call.show(report.lines(found))
    return status(found, detailed=detailed_exitcode)


def status(found: plans.Plan, *, detailed: bool) -> int:
    """The exit status of a plan: blockers count in every mode, changes only in the detailed one."""
    blocked = [
        outcome.Outcome(
            entry.tenant,
            outcome.Result.BLOCKED,
            failure=outcome.Failure(blocker.code, "", blocker.message, exit=blocker.exit),
        )
        for entry in found.tenants
        for blocker in entry.blockers
    ]
    return outcome.exit_status(blocked) or (CHANGES if detailed and not found.empty else 0)
