"""The errors explained: one for ``reconcile explain``, all of them for docs/errors.md."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
from typing import Final

from reconciler import errors
from reconciler.report import problem
from reconciler.report.styled import EMPTY, Line, Style, line, styled, table

_TITLE: Final = """\
# Errors

<!-- Made from reconciler/errors.py by `python -m reconciler.cli.reference docs`; a test fails when it is stale. -->

Every error has a code, an exit status, and says what to do next. `reconcile explain CODE` prints the same.
Where several hold, the exit status is the first of 7, 6, 1, 5, 4, 3, 69.

| code | exit | what happened |
|---|---|---|
"""


def by_code() -> dict[str, type[errors.ReconcileError]]:
    """Every error by its code, by exit status and code; a class without a code of its own is its parent's case."""
    found: dict[str, type[errors.ReconcileError]] = {}
    for kind in errors.tree():
        found.setdefault(kind.code, kind)
    return dict(sorted(found.items(), key=lambda pair: (pair[1].exit, pair[0])))


def lines(kind: type[errors.ReconcileError]) -> Iterator[Line]:
    """One error."""
    yield line(styled(kind.code, Style.HEADING), styled(f"  exit {kind.exit}", Style.FAINT))
    yield EMPTY
    yield line(meaning(kind), indent=2)
    yield problem.advice(kind.advice, indent=2)


def overview() -> Iterator[Line]:
    """All errors, a line each."""
    yield from table(
        (
            styled(kind.exit, Style.FAINT),
            styled(code, Style.HEADING),
            styled(meaning(kind).split(". ")[0].rstrip("."), Style.PLAIN),
        )
        for code, kind in by_code().items()
    )


def markdown() -> str:
    """docs/errors.md."""
    kinds = by_code()
    rows = [f"| [`{code}`](#{code}) | {kind.exit} | {meaning(kind)} |" for code, kind in kinds.items()]
    parts = [
        f"## {code}\n\n{meaning(kind)}\n\nExit status {kind.exit}. What to do: {kind.advice}"
        for code, kind in kinds.items()
    ]
    return _TITLE + "\n".join(rows) + "\n\n" + "\n\n".join(parts) + "\n"


def meaning(kind: type[errors.ReconcileError]) -> str:
    """What the class's docstring says, in one paragraph."""
    return " ".join((inspect.getdoc(kind) or "").replace("``", "`").split())
