"""``reconcile explain``: what an error means and what to do about it."""

from __future__ import annotations

import difflib

import click

from reconciler import errors
from reconciler.cli import manual, options
from reconciler.report import explanation


@click.command(
    help=manual.page(
        "Explain the error CODE: what happened, the exit status, what to do. Without CODE all errors are listed. "
        "A code stands in a plan's blockers, in an outcome, and in docs/errors.md.",
        examples={"reconcile explain": "all errors", "reconcile explain isolation": "one of them"},
        exits={0: "explained"},
    )
)
@click.argument("code", required=False)
@click.pass_obj
def explain(call: options.Call, code: str | None) -> int:
    """Explain; returns the exit status."""
    if code is None:
        call.show(explanation.overview())
        return 0
    known = explanation.by_code()
    if code not in known:
        near = difflib.get_close_matches(code, known, n=1)
        advice = f"Did you mean {near[0]}?" if near else "`reconcile explain` lists all codes."
        raise errors.UsageError(f"there is no error {code!r}", advice=advice)
    call.show(explanation.lines(known[code]))
    return 0
