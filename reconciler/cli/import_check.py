"""``reconcile import-check``: what an import would do, and with a server a try of it."""

from __future__ import annotations

import os.path
from pathlib import Path

import click

from reconciler import errors
from reconciler.cli import apply, manual, options, settings
from reconciler.engine import import_check as engine
from reconciler.report import import_check as report
from reconciler.resources import scripts


@click.command(
    help=manual.page(
        "Say what importing FILE (or a folder of .sql files) as a product's schema would do: statements by kind, what "
        "it makes, and everything that is refused, with its place. With --server it is tried there in a database of "
        "its own, which is gone afterwards whatever happens; a check that was killed is swept by `reconcile recover`.",
        examples={
            "reconcile import-check dump.sql": "without a server, and outside of a repository too",
            "reconcile import-check sakila.sql --map-database sakila": "with the dump's own database mapped",
            "reconcile import-check dump.sql --server main": "and tried on a server of the specs",
            "reconcile import-check dump.sql --format json": "for programs",
        },
        exits={0: "it may be imported, and was if it was tried", 65: "something in it is refused"},
        also=(3, 5, 6, 7, 69, 78, 130, 143),
    )
)
@click.argument("file", type=click.Path(exists=True, path_type=Path))
@click.option("--server", metavar="NAME", help="Try it on this server of the specs.")
@click.option("--map-database", "mapping", metavar="NAME", default="", help="The database that the file was made of.")
@options.output
@click.pass_obj
def import_check(call: options.Call, file: Path, server: str | None, mapping: str, output: str) -> int:
    """Check; returns the exit status."""
    source = _loaded(file, mapping)
    trial = None
    if server is not None and not source.refused:
        with settings.recorded(call) as setting:
            shown = apply.told_on_stderr(call)
            call.signals.hold(setting.stop)
            try:
                trial = engine.check(setting, server, source, shown)
            finally:
                shown.close()
                call.signals.release()
    if output == "json":
        call.show_data(report.as_data(source, trial))
    else:
        call.show(report.lines(source, trial))
    return _status(source, trial, call.signals.received)


def _loaded(file: Path, mapping: str) -> scripts.Scripts:
    try:
        if file.is_absolute():
            return scripts.load(file.parent, file.name, mapping)
        return scripts.load(Path(), os.path.normpath(file), mapping)  # places are shown as the file was named
    except errors.PlatformMisconfigured as error:
        raise errors.UsageError(error.message, advice="Name a file of SQL, or a folder with .sql files.") from error


def _status(source: scripts.Scripts, trial: engine.Trial | None, signal: int) -> int:
    if trial is not None and trial.leftovers:
        return errors.Stuck.exit
    if signal:
        return 128 + signal
    if source.refused:
        return errors.InvalidSpecs.exit
    return trial.failure.exit if trial is not None and trial.failure else 0
