"""What several commands share: the repository that is meant, the form of the output, how a call prints."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, TypeVar

import click

from reconciler import errors
from reconciler.cli.signals import Signals

if TYPE_CHECKING:
    from collections.abc import Iterable, Iterator, Mapping

    from reconciler.report.styled import Line

F = TypeVar("F", bound=Callable[..., Any])

SPECS = "specs"


@dataclass(slots=True)
class Call:
    """One call of the program: the options that stand before the command."""

    directory: Path | None = None
    verbose: bool = False
    color: str = "auto"
    signals: Signals = field(default_factory=Signals)

    @property
    def root(self) -> Path:
        """The repository's root. Errors: ``UsageError`` where none is named and none is around."""
        found = self.nearest
        if found is None:
            raise errors.UsageError(
                f"neither {Path.cwd()} nor a folder above it has {SPECS}/",
                advice="Change into a specs repository, or name one before the command: `reconcile -C DIR …`. "
                "`reconcile init DIR` makes one.",
            )
        return found

    @property
    def nearest(self) -> Path | None:
        """The named folder, or the nearest one from here upwards that has ``specs/``."""
        if self.directory is not None:
            return self.directory
        here = Path.cwd()
        return next((folder for folder in (here, *here.parents) if (folder / SPECS).is_dir()), None)

    def show(self, lines: Iterable[Line]) -> None:
        """Print a result, on stdout."""
        from reconciler.report import terminal

        terminal.write(lines, terminal.stdout(), self.color)

    def say(self, lines: Iterable[Line]) -> None:
        """Print what is no result, on stderr."""
        from reconciler.report import terminal

        terminal.write(lines, terminal.stderr(), self.color)

    def show_data(self, data: Mapping[str, Any]) -> None:
        """Print a result for programs, on stdout."""
        from reconciler.report import data as reports
        from reconciler.report import terminal

        terminal.put(reports.text(data), terminal.stdout())


def call(context: click.Context) -> Call:
    """The call that ``context`` belongs to; one without any options for a command that was started by itself."""
    return context.find_object(Call) or Call()


def repository(context: click.Context) -> Path | None:
    """The repository's root, if one is named or around."""
    return call(context).nearest


def required_repository(context: click.Context) -> Path:
    """The repository's root. Errors: ``UsageError`` where none is named and none is around."""
    return call(context).root


def output(command: F) -> F:
    """The option ``--format text|json`` of the commands that read."""
    return output_as("text", "json", help="For people, or for programs.")(command)


def output_as(*forms: str, help: str) -> Callable[[F], F]:
    """The option ``--format`` with these forms, the first of them the default."""
    return click.option("--format", "output", type=click.Choice(forms), default=forms[0], show_default=True, help=help)


def tenants(command: F) -> F:
    """The option ``--tenant NAME``, which may be given several times."""
    return click.option(
        "--tenant", "names", multiple=True, metavar="NAME", help="Only this tenant; may be given several times."
    )(command)


def deep(command: F) -> F:
    """The option ``--deep``."""
    return click.option(
        "--deep", is_flag=True, help="Also compare what takes long to look at: every table's shape, every file's bytes."
    )(command)


def lines_of(texts: Iterable[str]) -> Iterator[Line]:
    """Texts as lines without style."""
    from reconciler.report import styled

    return (styled.line(text) for text in texts)
