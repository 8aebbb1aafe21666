"""``reconcile apply``: the plan, carried out."""

from __future__ import annotations

import sys
from pathlib import Path

import click

from reconciler import errors
from reconciler.cli import manual, options, settings
from reconciler.engine import reconcile, unsettled
from reconciler.engine.setting import Setting
from reconciler.model import outcome, saved
from reconciler.model import plan as plans
from reconciler.report import data, outcomes, styled, terminal
from reconciler.report import plan as report
from reconciler.report import progress as log

STUCK = errors.Stuck.exit


@click.command(
    help=manual.page(
        "Carry out what `reconcile plan` shows. Every tenant is a transaction of its own: afterwards it is fully "
        "ready, or exactly as before. The plan is shown first and has to be agreed to.",
        examples={
            "reconcile apply": "look, agree, apply",
            "reconcile apply --yes": "without a terminal, as in CI",
            "reconcile apply --tenant clinica-sol": "one tenant, even if another one's spec is invalid",
            "reconcile apply --keep-going --yes": "try all tenants, also after a failure",
            "reconcile apply --atomic all": "all tenants, or none",
            "reconcile apply plan.json": "exactly what `reconcile plan --out plan.json` saved and somebody reviewed",
        },
        exits={0: "in sync, or applied"},
        also=(3, 4, 5, 6, 7, 65, 69, 78, 130, 143),
    )
)
@click.argument("planfile", required=False, type=click.Path(exists=True, dir_okay=False, path_type=Path))
@options.tenants
@options.deep
@click.option("--yes", is_flag=True, help="Do not ask. Needed where there is no terminal.")
@click.option("--keep-going", is_flag=True, help="Go on with further tenants after a failure.")
@click.option(
    "--atomic",
    type=click.Choice(["tenant", "all"]),
    default="tenant",
    show_default=True,
    help="What is one transaction: each tenant, or all of them.",
)
@click.option(
    "--parallel", type=click.IntRange(1, 64), metavar="N", help="Tenants at the same time. Default: the platform's."
)
@click.option(
    "--allow-deletes",
    type=click.IntRange(0, 1_000_000),
    metavar="N",
    help="Let up to N tenants go to the trash this once, whatever the guards say of numbers.",
)
@click.option(
    "--allow-equal-risk",
    "equal_risk",
    is_flag=True,
    help="With PLANFILE: go on with a tenant that has moved since, if what would be done now is no riskier.",
)
@options.output
@click.pass_obj
def apply(
    call: options.Call,
    planfile: Path | None,
    names: tuple[str, ...],
    deep: bool,
    yes: bool,
    keep_going: bool,
    atomic: str,
    parallel: int | None,
    allow_deletes: int | None,
    equal_risk: bool,
    output: str,
) -> int:
    """Apply; returns the exit status."""
    if not yes and not terminal.is_terminal(sys.stdin):
        raise errors.UsageError(
            "there is no terminal to agree to the plan on", advice="Look at `reconcile plan`, then add --yes."
        )
    if planfile is not None and (names or deep):
        raise errors.UsageError(
            "a saved plan says itself for which tenants and how deep; leave out --tenant and --deep"
        )
    if equal_risk and planfile is None:
        raise errors.UsageError("--allow-equal-risk belongs to a saved plan")
    plan = saved.load(planfile.read_bytes(), str(planfile)) if planfile is not None else None
    chosen = reconcile.Options(
        tenants=names,
        deep=deep,
        keep_going=keep_going,
        atomic=atomic,
        parallel=parallel or 0,
        saved=plan,
        equal_risk=equal_risk,
        allow_deletes=allow_deletes,
    )
    with settings.wanted(call, names if plan is None else list(plan.tenants)) as setting:
        shown = told_on_stderr(call)
        try:
            _, ended = reconcile.apply(
                setting, chosen, shown, confirm=lambda planned: _agreed(call, setting, planned, yes=yes)
            )
        finally:
            shown.close()
            call.signals.release()
    if output == "json":
        call.show_data(data.outcomes(ended))
    else:
        call.show(outcomes.lines(ended))
    return status(ended, call.signals.received)


def told_on_stderr(call: options.Call) -> log.Told:
    """Who tells about the work: a live view on a terminal, lines elsewhere."""
    stream = terminal.stderr()
    if terminal.is_terminal(stream) and terminal.colors(stream, call.color):
        from reconciler.report import live

        return live.View(stream)
    return log.Lines(stream)


def status(ended: list[outcome.Outcome], signal: int) -> int:
    """The exit status: what is left over is worse news than a signal, and a signal explains everything else."""
    found = outcome.exit_status(ended)
    return 128 + signal if signal and found != STUCK else found


def _agreed(call: options.Call, setting: Setting, planned: plans.Plan, *, yes: bool) -> bool:
    """Show the plan and ask. From a yes on, a signal waits for what is open."""
    call.say(report.lines(planned))
    waiting = [entry for entry in planned.tenants if entry.changes and unsettled.settleable(entry)]
    if not yes and (planned.changed or waiting or planned.platform) and not _asked():
        call.say([styled.line("Nothing was applied.")])
        return False
    call.signals.hold(setting.stop)
    return True


def _asked() -> bool:
    try:
        return click.confirm("Apply this?", default=False, err=True)
    except click.Abort:
        return False
