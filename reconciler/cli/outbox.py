"""``reconcile outbox``: notifications that wait to be sent, and those that were given up."""

from __future__ import annotations

import click

from reconciler import errors
from reconciler.cli import apply, manual, options, settings
from reconciler.engine import outbox as engine
from reconciler.ports.store import outbox as letters
from reconciler.report import outbox as report
from reconciler.report import styled


@click.group(
    help=manual.page(
        "Look at the notifications that wait to be sent, and at the dead letters: those that no receiver took. They "
        "are sent after an apply and after a recover, each at least once.",
        examples={"reconcile outbox list": ""},
        exits={0: "done"},
    )
)
def outbox() -> None:
    """The group."""


@outbox.command(
    name="list",
    help=manual.page(
        "List what waits and what is dead, oldest first.",
        examples={"reconcile outbox list": "", "reconcile outbox list --format json": "for programs"},
        exits={0: "shown"},
        also=(65, 78),
    ),
)
@options.output
@click.pass_obj
def list_(call: options.Call, output: str) -> int:
    """List letters; returns the exit status."""
    found: list[letters.Letter] = []
    with settings.recorded(call) as setting:
        if setting.store is not None:
            found = setting.store.read(letters.waiting) + setting.store.read(letters.dead)
    if output == "json":
        call.show_data(report.data(found))
    elif found:
        call.show(report.lines(found))
    else:
        call.show([styled.line("The outbox is empty.")])
    return 0


@outbox.command(
    help=manual.page(
        "Send dead letters once more, and whatever else is due: all of them, or those whose id begins with LETTER.",
        examples={"reconcile outbox retry": "all", "reconcile outbox retry 1f0c33aa": "those of one transaction"},
        exits={0: "everything that was due was taken", 6: "a receiver did not take a letter"},
        also=(65, 78),
    )
)
@click.argument("letter", required=False, default="")
@click.pass_obj
def retry(call: options.Call, letter: str) -> int:
    """Send again; returns the exit status."""
    with settings.recorded(call) as setting:
        store = setting.opened()
        revived = store.write(lambda connection: letters.revive(connection, letter, now=setting.ports.clock.stamp()))
        _some(letter, revived)
        told = apply.told_on_stderr(call)
        try:
            engine.deliver(setting, told)
        finally:
            told.close()
        left = [entry for entry in store.read(letters.waiting) if entry.attempts]
    return errors.NotDelivered.exit if left else 0


@outbox.command(
    help=manual.page(
        "Forget dead letters: those whose id begins with LETTER.",
        examples={"reconcile outbox drop 1f0c33aa": ""},
        exits={0: "forgotten"},
        also=(65, 78),
    )
)
@click.argument("letter")
@click.pass_obj
def drop(call: options.Call, letter: str) -> int:
    """Forget letters; returns the exit status."""
    with settings.recorded(call) as setting:
        _some(letter, setting.opened().write(lambda connection: letters.drop(connection, letter)) if letter else 0)
    return 0


def _some(letter: str, count: int) -> None:
    if letter and not count:
        raise errors.UsageError(
            f"no dead letter's id begins with {letter!r}", advice="`reconcile outbox list` lists them."
        )
