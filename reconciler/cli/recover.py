"""``reconcile recover``: what a dead process left open is settled."""

from __future__ import annotations

import click

from reconciler import errors
from reconciler.cli import apply, manual, options, settings
from reconciler.engine import reconcile
from reconciler.model.outcome import Outcome, Result
from reconciler.report import data, outcomes, styled


@click.command(
    help=manual.page(
        "Settle every transaction that a dead process left open: each tenant is as it was before, or what could not be "
        "undone is listed. Safe to run at any time and again and again; a living process's work is left alone.",
        examples={"reconcile recover": "", "reconcile recover --format json": "for programs"},
        exits={0: "everything is settled, or nothing was open"},
        also=(5, 7, 65, 69, 78),
    )
)
@options.output
@click.pass_obj
def recover(call: options.Call, output: str) -> int:
    """Settle; returns the exit status."""
    ended: list[Outcome] = []
    with settings.recorded(call) as setting:
        if setting.store is not None:
            told = apply.told_on_stderr(call)
            try:
                ended = reconcile.recover(setting, told)
            finally:
                told.close()
    if output == "json":
        call.show_data(data.outcomes(ended))
    elif ended:
        call.show(outcomes.lines(ended, verb="Recover"))
    else:
        call.show([styled.line(styled.styled("Recover: nothing was left open.", styled.Style.GOOD))])
    return status(ended)


def status(ended: list[Outcome]) -> int:
    """The exit status: a transaction that was undone is settled, and that is all that was asked for."""
    results = {outcome.result for outcome in ended}
    if results - {Result.APPLIED, Result.ROLLED_BACK, Result.LEASED}:
        return errors.Stuck.exit
    return errors.TenantLeased.exit if Result.LEASED in results else 0
