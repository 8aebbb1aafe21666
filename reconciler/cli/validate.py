"""``reconcile validate``: everything that can be known without a server."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import click

from reconciler import errors
from reconciler.cli import formats, manual, options
from reconciler.engine import specs
from reconciler.ports import git
from reconciler.report import data, faults, styled, terminal
from reconciler.spec import platform, tree


@click.command(
    help=manual.page(
        "Check everything that can be known without a server, and show all faults at once, each with file:line:col. "
        "With PATH only the faults in these files and folders are shown and count.",
        examples={
            "reconcile validate": "all specs",
            "reconcile validate specs/tenants/clinica-sol.yaml": "one file, as an editor or a hook does",
            "reconcile validate --format json": "for programs",
            "reconcile validate --format github": "annotations on the lines of a pull request",
        },
        exits={0: "nothing is wrong", 65: "something is wrong"},
    )
)
@click.argument("paths", nargs=-1, metavar="[PATH]…", type=click.Path(exists=True, path_type=Path))
@options.output_as(*formats.FAULTS, help="For people, for programs, as GitHub's annotations, for code scanning.")
@click.pass_obj
def validate(call: options.Call, paths: tuple[Path, ...], output: str) -> int:
    """Check the specs; returns the exit status."""
    root = call.root
    chosen = [_within(root, path) for path in paths]
    found, all_faults = specs.check(root)
    shown = [fault for fault in all_faults if not chosen or any(_covers(one, fault) for one in chosen)]
    if output == "json":
        call.show_data(data.faults(shown))
    elif output != "text":
        terminal.put(formats.of_faults(shown, output, git.folder_in_checkout(root)), terminal.stdout())
    elif shown:
        terminal.put(faults.render(shown), terminal.stdout())
    else:
        call.show(_well(found, chosen))
    if others := len(all_faults) - len(shown):
        call.say([styled.line(f"{others} more fault{'s' * (others != 1)} in other files")])
    return errors.InvalidSpecs.exit if shown else 0


def _well(found: tree.Tree, chosen: list[str]) -> Iterator[styled.Line]:
    if chosen:
        what = ", ".join(chosen)
    else:
        servers, tenants = len(found.of(platform.SERVER.name)), len(found.tenants)
        what = f"{tenants} tenant{'s' * (tenants != 1)}, {servers} server{'s' * (servers != 1)}"
    yield styled.line(styled.styled("valid: ", styled.Style.GOOD), what)


def _within(root: Path, path: Path) -> str:
    """A path as faults name it. Errors: ``UsageError`` if it lies outside of the repository."""
    try:
        return path.resolve().relative_to(root.resolve()).as_posix()
    except ValueError:
        raise errors.UsageError(
            f"{path} lies outside of the repository {root}", advice="Name files of the repository that -C means."
        ) from None


def _covers(chosen: str, fault: errors.Fault) -> bool:
    return chosen == "." or fault.where.file == chosen or fault.where.file.startswith(f"{chosen}/")
