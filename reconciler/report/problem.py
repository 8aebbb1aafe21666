"""An error as a person reads it: what happened and where, and the way out."""

from __future__ import annotations

from collections.abc import Iterator

from reconciler import errors
from reconciler.report.styled import Line, Style, line, styled

ARROW = "→"


def lines(error: errors.ReconcileError) -> Iterator[Line]:
    """The error, its place, and what to do next."""
    yield headline(error.message)
    if error.where is not None:
        yield line("at ", error.where, indent=2)
    yield advice(error.next, indent=2)


def headline(message: str) -> Line:
    """``error: message``."""
    return line(styled("error: ", Style.BAD), message)


def advice(text: str, *, indent: int) -> Line:
    """What to do next."""
    return line(styled(f"{ARROW} {text}", Style.ADVICE), indent=indent)
