"""``reconcile plan``: the dry run."""

from __future__ import annotations

from pathlib import Path

import click

from reconciler import errors
from reconciler.cli import formats, manual, options, settings, snapshots
from reconciler.engine import reconcile
from reconciler.model import outcome
from reconciler.model import plan as plans
from reconciler.ports import git
from reconciler.report import plan as report
from reconciler.report import terminal

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
            "reconcile plan --format github --report markdown=plan.md": "annotations, and a comment in a file",
            "reconcile plan --out plan.json": "save it: `reconcile apply plan.json` does exactly that",
            "reconcile plan --offline --snapshot snapshot.json.gz": "from what `reconcile snapshot` published",
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
@click.option("--offline", is_flag=True, help="Plan from a snapshot: no server, no store, no password.")
@click.option(
    "--snapshot",
    "snapshot_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help=f"What `reconcile snapshot` made. Default: {snapshots.DEFAULT}.",
)
@click.option(
    "--keys",
    "ring_file",
    metavar="FILE",
    type=click.Path(path_type=Path),
    help=f"The public keys that vouch for it: a ring, or one key in PEM. Default: {snapshots.PUBLIC}, or those of the "
    "platform.",
)
@options.output_as(
    *formats.PLAN,
    help="For people, for programs, as a comment of a pull request, as GitHub's annotations, for code scanning.",
)
@click.option(
    "--report",
    "reports",
    multiple=True,
    callback=formats.asked,
    metavar="FORMAT=FILE",
    help="Also write the same plan in another format into a file; may be given several times.",
)
@click.pass_obj
def plan(
    call: options.Call,
    names: tuple[str, ...],
    deep: bool,
    detailed_exitcode: bool,
    out: Path | None,
    offline: bool,
    snapshot_file: Path | None,
    ring_file: Path | None,
    output: str,
    reports: tuple[formats.Report, ...],
) -> int:
    """Plan; returns the exit status."""
    _fitting(offline=offline, deep=deep, out=out, given=(snapshot_file, ring_file))
    folder = git.folder_in_checkout(call.root)
    try:
        with settings.wanted(call, names, offline=offline) as setting:
            if offline:
                setting = snapshots.recalled(setting, snapshot_file, ring_file)
            found = reconcile.plan(setting, reconcile.Options(tenants=names, deep=deep))
            platform_id = setting.place.platform_id
    except errors.UsageError:
        raise
    except errors.ReconcileError as error:
        return _failed(call, error, output, reports, folder)
    if out is not None:
        from reconciler.model import saved

        _save(out, saved.save(found, platform_id))
    formats.write(reports, lambda form: formats.of_plan(found, form, folder))
    if output == "text":
        call.show(report.lines(found))
    else:
        terminal.put(formats.of_plan(found, output, folder), terminal.stdout())
    return status(found, detailed=detailed_exitcode)


def _failed(
    call: options.Call, error: errors.ReconcileError, output: str, reports: tuple[formats.Report, ...], folder: str
) -> int:
    """Say why there is no plan in the formats that can; returns the exit status, or raises what can't be shown so."""
    able = [(form, file) for form, file in reports if form in formats.TOLD]
    formats.write(able, lambda form: formats.of_error(error, form, folder))
    if output not in formats.TOLD:
        raise error
    terminal.put(formats.of_error(error, output, folder), terminal.stdout())
    # Not the lines of the specs: in a log of GitHub's, one that begins with :: would be taken for a command.
    from reconciler.report import problem

    call.say(problem.lines(error))
    return error.exit


def _fitting(*, offline: bool, deep: bool, out: Path | None, given: tuple[Path | None, ...]) -> None:
    """Errors: ``UsageError`` for options that say nothing together."""
    if not offline and any(given):
        raise errors.UsageError("--snapshot and --keys are for plans from a snapshot", advice="Add --offline.")
    if offline and deep:
        raise errors.UsageError(
            "--deep looks inside of tenants, and a snapshot has no more than what a default look sees",
            advice="Leave --deep out, or plan where the servers can be reached.",
        )
    if offline and out is not None:
        raise errors.UsageError(
            "a plan from a snapshot can't be saved for apply, because it binds nothing that stands on a server",
            advice="Save a plan where the servers can be reached; --report writes this one for people and programs.",
        )


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
