"""``reconcile init``: a working specs repository, from the samples that come with the program."""

from __future__ import annotations

from collections.abc import Iterator
from importlib import resources
from importlib.resources.abc import Traversable
from pathlib import Path

import click

import reconciler
from reconciler import errors
from reconciler.cli import manual, options
from reconciler.report import styled

PARTS = ("specs", "schemas")
IGNORED = "state/"
_DATA = "_data"


@click.command(
    help=manual.page(
        "Make a working specs repository in DIR: a platform, a server, both products with a sample tenant each, and "
        "JSON Schemas for editors. DIR may exist, but not with specs/ or schemas/ in it.",
        examples={"reconcile init tenants": "a new folder", "reconcile init .": "here"},
        exits={0: "made"},
    )
)
@click.argument("directory", metavar="DIR", type=click.Path(file_okay=False, path_type=Path))
@click.pass_obj
def init(call: options.Call, directory: Path) -> int:
    """Make the repository; returns the exit status."""
    taken = [name for name in PARTS if (directory / name).exists()]
    if taken:
        raise errors.UsageError(
            f"{directory} already has {' and '.join(f'{name}/' for name in taken)}",
            advice="Name an empty or a new folder.",
        )
    try:
        for name in PARTS:
            _copy(_sample(name), directory / name)
        _ignore(directory / ".gitignore")
    except OSError as error:
        raise errors.ReconcileError(
            f"could not make {directory}: {error}", advice="Check the folder's permissions and the space that is left."
        ) from error
    call.show(_next(directory))
    return 0


def _sample(name: str) -> Traversable:
    """A folder of the samples: in the installed package, or beside it in a checkout."""
    package = resources.files(reconciler)
    for place in (package / _DATA / name, Path(reconciler.__file__).parents[1] / name):
        if place.is_dir():
            return place
    raise errors.ReconcileError(
        f"the sample folder {name}/ did not come with this installation", advice="Install the package again."
    )


def _copy(source: Traversable, target: Path) -> None:
    target.mkdir(parents=True)
    for entry in source.iterdir():
        if entry.is_dir():
            _copy(entry, target / entry.name)
        elif not entry.name.startswith("."):
            (target / entry.name).write_bytes(entry.read_bytes())


def _ignore(path: Path) -> None:
    """See to it that git never takes what is in ``state/``."""
    text = path.read_text(encoding="utf-8") if path.exists() else ""
    if IGNORED not in text.split():
        end = "\n" if text and not text.endswith("\n") else ""
        path.write_text(f"{text}{end}{IGNORED}\n", encoding="utf-8")


def _next(directory: Path) -> Iterator[styled.Line]:
    def call(text: str, what: str) -> styled.Line:
        return styled.line(f"{text:<52}", styled.styled(f"# {what}", styled.Style.FAINT), indent=2)

    made = styled.styled("Made ", styled.Style.GOOD)
    yield styled.line(made, f"a specs repository in {directory}: two products with a sample tenant each.")
    yield styled.EMPTY
    yield styled.line(styled.styled("Next:", styled.Style.HEADING))
    if directory.resolve() != Path.cwd():
        yield call(f"cd {directory}", "every command finds the repository from here")
    yield call("$EDITOR specs/servers/main.yaml", "where your MariaDB is, and as whom to log in")
    yield call("export RECONCILE_MAIN_PASSWORD=…", "its password never stands in a spec")
    yield call("reconcile doctor", "checks all prerequisites, prints the GRANTs")
    yield call("reconcile plan", "shows what would be done")
    yield call("reconcile apply", "does it")
    yield styled.EMPTY
    yield styled.line("No server at hand? `reconcile dev up` starts a private one under state/dev/.")
