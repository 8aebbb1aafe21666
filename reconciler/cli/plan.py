"""``reconcile plan``: the dry run."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler import errors
from reconciler.cli import manual, options, settings
from reconciler.engine import reconcile
from reconciler.model import outcome, saved
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
            "reconcile plan --out plan.json": "save it: `reconcile apply plan.json` does exactly that",
        },
        exits={0: "in sync, or planned"},
        also=(2, 3, 65, 69, 78),
    )
)
@options.tenants
@options.deep
@click.option("--detailed-exitcode", is_flag=True, help="End with 2 if there are changes.")
@click.option(
    "--out",
    metavar="FILE",
    type=click.Path(dir_okay=False, path_type=Path),
    help="Also save the plan, for `reconcile apply FILE`.",
)
@options.output
@click.pass_obj
def plan(
    call: options.Call, names: tuple[str, ...], deep: bool, detailed_exitcode: bool, out: Path | None, output: str
) -> int:
    """Plan; returns the exit status."""
    with settings.wanted(call, names) as setting:
        found = reconcile.plan(setting, reconcile.Options(tenants=names, deep=deep))
        platform_id = setting.place.platform_id
    if out is not None:
        _save(out, saved.save(found, platform_id))
    if output == "json":
        call.show_data(data.plan(found))
    else:
        call.show(report.lines(found))
    return status(found, detailed=detailed_exitcode)


def _save(file: Path, text: str) -> None:
    try:
        file.write_text(text, encoding="utf-8")
    except OSError as error:
        raise errors.UsageError(f"the plan can't be saved as {file}: {error.strerror}") from error


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
