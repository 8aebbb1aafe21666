"""Findings as GitHub's workflow commands, which stand as annotations on the lines of a pull request.

Source of the form and of the limit of ten annotations of a level a step: GitHub's documentation, "Workflow commands
for GitHub Actions" and "Limits". What is beyond them is printed in a group, so that the log has everything.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Final

from reconciler.report import faults
from reconciler.report.findings import Finding, Level

MOST: Final = 10
_COMMANDS: Final[dict[Level, str]] = {Level.ERROR: "error", Level.WARNING: "warning", Level.NOTE: "notice"}


def render(found: Sequence[Finding], summary: str, *, folder: str = "") -> str:
    """The commands, the worst first, and ``summary`` as the last one.

    ``folder`` is where the specs repository stands in the checkout, ``""`` or ended by ``/``.
    """
    return "".join(f"{line}\n" for line in _lines(found, summary, folder))


def command(level: Level, message: str, **properties: object) -> str:
    """One workflow command; properties that are empty or 0 are left out."""
    said = ",".join(f"{name}={_property(str(value))}" for name, value in properties.items() if value)
    return f"::{_COMMANDS[level]}{' ' if said else ''}{said}::{_data(message)}"


def _lines(found: Sequence[Finding], summary: str, folder: str) -> Iterator[str]:
    rest: list[Finding] = []
    # One notice less: the summary is one too.
    room = {Level.ERROR: MOST, Level.WARNING: MOST, Level.NOTE: MOST - 1}
    for entry in found:
        if not room[entry.level]:
            rest.append(entry)
            continue
        room[entry.level] -= 1
        where = entry.where
        yield command(
            entry.level,
            "\n".join(entry.lines),
            file=faults.printable(folder + where.file) if where.file else "",
            line=where.line,
            col=where.column,
            title=entry.title,
        )
    if rest:
        yield f"::group::{len(rest)} more without an annotation, GitHub shows {MOST} of each level"
        for entry in rest:
            # No line can be taken for a command: each begins with a word of ours.
            place = faults.one_line(f"{folder}{entry.where}")
            yield f"{_COMMANDS[entry.level]}: {place}: {entry.title}: {'; '.join(entry.lines)}"
        yield "::endgroup::"
    left = f" {len(rest)} more findings have no annotation; the log has them." if rest else ""
    yield command(Level.NOTE, summary + left, title="reconcile")


def _data(text: str) -> str:
    return text.replace("%", "%25").replace("\r", "%0D").replace("\n", "%0A")


def _property(text: str) -> str:
    return _data(text).replace(":", "%3A").replace(",", "%2C")
