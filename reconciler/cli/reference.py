"""Writing docs/commands.md, docs/errors.md, docs/metrics.md and the JSON Schemas from the code.

``python -m reconciler.cli.reference DOCS SCHEMAS``, as in ``… docs schemas``.
"""

from __future__ import annotations

import sys
from collections.abc import Iterator, Mapping, Sequence
from pathlib import Path
from typing import Final

import click

from reconciler.cli import manual, options, program
from reconciler.daemon import series
from reconciler.engine import specs
from reconciler.report import explanation, shapes
from reconciler.spec import schemas

_WIDTH: Final = 100
_TITLE: Final = """\
# Commands

<!-- Made from reconciler/cli by `python -m reconciler.cli.reference docs schemas`; a test fails when it is stale. -->

`reconcile`, or `python -m reconciler`. Results go to stdout, progress and messages to stderr. Commands that read take
`--format text|json`, `plan` and `validate` more; the shapes of JSON only grow within a `formatVersion`.
"""


def pages() -> Mapping[str, str]:
    """Every generated page by its file name."""
    return {"commands.md": commands(), "errors.md": explanation.markdown(), "metrics.md": series.markdown()}


def commands() -> str:
    """docs/commands.md."""
    parts = [_TITLE, "## Exit statuses\n\n" + _exits()]
    for words, command in walk(program.reconcile, ("reconcile",)):
        parts.append(f"{'#' * (len(words) + 1)} {' '.join(words)}\n\n```text\n{_help(words, command)}\n```\n")
    return "\n".join(parts)


def walk(command: click.Command, words: tuple[str, ...]) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    """Every command with the words that call it, a group before its members."""
    yield words, command
    if isinstance(command, click.Group):
        context = click.Context(command, info_name=words[-1])
        for name in command.list_commands(context):
            found = command.get_command(context, name)
            if found is not None:
                yield from walk(found, (*words, name))


def main(arguments: Sequence[str]) -> int:
    """Write the pages and the schemas into the folders that are named; 64 for any other call."""
    if len(arguments) != 2:
        sys.stderr.write("usage: python -m reconciler.cli.reference DOCS SCHEMAS\n")
        return 64
    schemas.write(specs.kinds(), Path(arguments[1]))
    shapes.write(Path(arguments[1]))
    for name, text in pages().items():
        (Path(arguments[0]) / name).write_text(text, encoding="utf-8")
    return 0


def _exits() -> str:
    rows = "\n".join(f"| {status} | {meaning} |" for status, meaning in manual.EXITS.items())
    return f"| exit | means |\n|---|---|\n{rows}\n\nWhere several hold: 7, 6, 1, 5, 4, 3, 69.\n"


def _help(words: tuple[str, ...], command: click.Command) -> str:
    parent: click.Context | None = None
    for word in words[:-1]:
        parent = click.Context(click.Group(word), parent=parent, info_name=word)
    # A width of its own: the pages must not depend on the terminal of whoever writes them.
    context = click.Context(
        command,
        parent=parent,
        info_name=words[-1],
        obj=options.Call(),
        terminal_width=_WIDTH,
        help_option_names=["-h", "--help"],
    )
    return command.get_help(context).rstrip()


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
