"""The program ``reconcile``: its global options and its commands, each loaded only when it is called."""

from __future__ import annotations

import gc
import importlib
import sys
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from types import ModuleType
from typing import Any, Final

import click

import reconciler
from reconciler.cli import options


@dataclass(frozen=True, slots=True)
class Entry:
    """A command in the table: the module of ``reconciler.cli`` and the name in it, and a line for the overview."""

    place: str
    short: str


SECTIONS: Final[dict[str, dict[str, Entry]]] = {
    "The main job": {
        "init": Entry("init:init", "Make a working specs repository."),
        "validate": Entry("validate:validate", "Check all specs without a server."),
        "import-check": Entry("import_check:import_check", "Check a SQL file, and try it on a server."),
        "plan": Entry("plan:plan", "Show what apply would do, and change nothing."),
        "apply": Entry("apply:apply", "Carry it out: each tenant fully ready, or as before."),
        "daemon": Entry("daemon:daemon", "Watch, and apply what is merged."),
        "snapshot": Entry("snapshot:snapshot", "Publish what is there, to plan from without servers."),
        "recover": Entry("recover:recover", "Settle what a dead process left open."),
        "pause": Entry("hold:pause", "Hold a tenant, or the daemon, for a while."),
        "resume": Entry("hold:resume", "Take that back."),
        "trash": Entry("trash:trash", "Deleted tenants: list, restore, purge."),
    },
    "Looking": {
        "status": Entry("tenants:status", "Show the tenants and their conditions."),
        "why": Entry("why:why", "Tell why a tenant is as it is, and what would change it."),
        "history": Entry("tenants:history", "Show what was done, when, by whom."),
        "show": Entry("tenants:show", "Show one transaction, step by step."),
        "outbox": Entry("outbox:outbox", "Notifications that wait, and those that were given up."),
        "secrets": Entry("secrets:secrets", "Print a tenant's secrets."),
        "license": Entry("license:license", "Look at license files, offline."),
    },
    "Help": {
        "doctor": Entry("doctor:doctor", "Check every prerequisite."),
        "schema": Entry("schema:schema", "Print the JSON Schema of a kind."),
        "explain": Entry("explain:explain", "Explain an error."),
        "dev": Entry("dev:dev", "Run a private MariaDB to try specs on."),
        "demo": Entry("demo:demo", "Show the main job end to end on a private MariaDB."),
    },
}
COMMANDS: Final[dict[str, Entry]] = {name: entry for section in SECTIONS.values() for name, entry in section.items()}

_FLAGS: Final = ("--verbose",)
_WORDS: Final = {"--plan": "plan", "--apply": "apply"}


class Program(click.Group):
    """A group that knows its commands by a table, so that ``--help`` loads none of them."""

    def list_commands(self, ctx: click.Context) -> list[str]:
        """The commands' names, in the order of the table."""
        return list(COMMANDS)

    def get_command(self, ctx: click.Context, cmd_name: str) -> click.Command | None:
        """The command, loaded; None for a word that is none."""
        if cmd_name not in COMMANDS:
            return None
        module, _, name = COMMANDS[cmd_name].place.partition(":")
        command: click.Command = getattr(_loaded(f"{__package__}.{module}"), name)
        return command

    def resolve_command(
        self, ctx: click.Context, args: list[str]
    ) -> tuple[str | None, click.Command | None, list[str]]:
        """As click does it; an unknown word gets the nearest known one."""
        if args and args[0] not in COMMANDS and not args[0].startswith("-"):
            import difflib

            near = difflib.get_close_matches(args[0], COMMANDS, n=1)
            hint = f" Did you mean {near[0]}?" if near else ""
            raise click.UsageError(f"there is no command {args[0]!r}.{hint}", ctx)
        return super().resolve_command(ctx, args)

    def parse_args(self, ctx: click.Context, args: list[str]) -> list[str]:
        """As click does it, after ``--plan`` and ``--apply`` became commands."""
        return super().parse_args(ctx, worded(args))

    def format_commands(self, ctx: click.Context, formatter: click.HelpFormatter) -> None:
        """The overview, from the table."""
        wide = max(map(len, COMMANDS))
        for title, section in SECTIONS.items():
            with formatter.section(title):
                formatter.write_dl([(name.ljust(wide), entry.short) for name, entry in section.items()])


def _loaded(module: str) -> ModuleType:
    """The module, with all that it loads. What modules are made of is no garbage, and it is much: while it is made,
    nothing is collected, and afterwards the collector passes it by. That halves the start of a program.
    """
    if module in sys.modules or not gc.isenabled():
        return importlib.import_module(module)
    gc.disable()
    try:
        return importlib.import_module(module)
    finally:
        gc.freeze()
        gc.enable()


def worded(arguments: Sequence[str]) -> list[str]:
    """The arguments with ``--plan`` or ``--apply`` as the first word behind the global options read as a command."""
    found = list(arguments)
    at = 0
    while at < len(found):
        if found[at] in ("-C", "--color"):
            at += 2
        elif found[at] in _FLAGS or found[at].startswith(("-C", "--color=")):
            at += 1
        else:
            break
    if at < len(found) and found[at] in _WORDS:
        found[at] = _WORDS[found[at]]
    return found


@click.group(
    cls=Program,
    context_settings={"help_option_names": ["-h", "--help"], "max_content_width": 100},
    epilog="`reconcile COMMAND --help` has examples and exit statuses.",
)
@click.option(
    "-C",
    "directory",
    metavar="DIR",
    type=click.Path(exists=True, file_okay=False, path_type=Path),
    help="The specs repository. Default: the nearest parent with specs/.",
)
@click.option("--verbose", is_flag=True, help="Show the traceback behind an error.")
@click.option(
    "--color",
    type=click.Choice(["auto", "always", "never"]),
    default="auto",
    show_default=True,
    help="When to color. NO_COLOR is respected.",
)
@click.version_option(reconciler.__version__, prog_name="reconcile", message="%(prog)s %(version)s")
@click.pass_obj
def reconcile(call: Any, directory: Path | None, verbose: bool, color: str) -> None:
    """Provision tenants from YAML in git as transactions: fully ready, or nothing was created.

    `reconcile --plan` and `reconcile --apply` read as `reconcile plan` and `reconcile apply`.
    """
    if isinstance(call, options.Call):
        call.directory, call.verbose, call.color = directory, verbose, color
