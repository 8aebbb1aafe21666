"""How a call ends: the one place where what was raised becomes words on stderr and an exit status."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from contextlib import suppress
from typing import TYPE_CHECKING

import click

from reconciler import errors
from reconciler.cli import options, program, signals

if TYPE_CHECKING:
    from reconciler.report import styled

NAME = "reconcile"
USAGE = errors.UsageError.exit
UNFORESEEN = errors.ReconcileError.exit


def run(arguments: Sequence[str]) -> int:
    """Run the program; returns its exit status.

    click ends with 2 on wrong usage, which here would read as "there are changes": it is 64 instead.
    """
    _be_lenient()
    call = options.Call()
    with call.signals.watched():
        try:
            status = program.reconcile.main(args=list(arguments), prog_name=NAME, standalone_mode=False, obj=call)
            return status if isinstance(status, int) else 0
        except click.ClickException as error:
            return _usage(error)
        except (click.Abort, KeyboardInterrupt):
            return 130
        except signals.Signalled as error:
            return 128 + error.number
        except errors.ReconcileError as error:
            return _foreseen(call, error)
        except BrokenPipeError:
            return 128 + 13
        except Exception as error:  # noqa: BLE001 - the last one who can say anything about it
            return _unforeseen(call, error)


def _be_lenient() -> None:
    """A terminal that can't show a character gets a question mark, not a failure in the middle of the work."""
    for stream in (sys.stdout, sys.stderr):
        with suppress(AttributeError, ValueError, OSError):
            stream.reconfigure(errors="replace")  # type: ignore[union-attr]


def _usage(error: click.ClickException) -> int:
    context = getattr(error, "ctx", None)
    if isinstance(error, click.exceptions.NoArgsIsHelpError):
        click.echo(error.ctx.get_help() if error.ctx else "", err=True)
        return USAGE
    path = context.command_path if context else NAME
    if context is not None:
        click.echo(context.get_usage(), err=True)
    advice = f"`{path} --help` shows what there is."
    wrong = error.option_name if isinstance(error, click.NoSuchOption) else ""
    if path != NAME and wrong in {"-C", "--color", "--verbose"}:
        advice = f"{wrong} stands before the command: `{NAME} {wrong} … {path.removeprefix(NAME).strip()}`."
    options.Call().say(_problem(errors.UsageError(error.format_message(), advice=advice)))
    return USAGE


def _foreseen(call: options.Call, error: errors.ReconcileError) -> int:
    if isinstance(error, errors.InvalidSpecs):
        from reconciler.report import faults, terminal

        terminal.put(faults.render(error.faults), terminal.stderr())
    call.say(_problem(error))
    if call.verbose:
        _trace(error)
    return error.exit


def _unforeseen(call: options.Call, error: Exception) -> int:
    shown = errors.ReconcileError(f"unforeseen {type(error).__name__}: {error}")
    call.say(_problem(shown))
    if call.verbose:
        _trace(error)
    return UNFORESEEN


def _problem(error: errors.ReconcileError) -> list[styled.Line]:
    from reconciler.report import problem

    return list(problem.lines(error))


def _trace(error: BaseException) -> None:
    import traceback

    from reconciler.report import terminal

    terminal.put("".join(traceback.format_exception(error)), terminal.stderr())
