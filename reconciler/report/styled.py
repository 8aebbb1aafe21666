"""Text with meaning instead of color: what every renderer for people makes, and every output turns into its own form.

Whatever comes into a segment is made harmless here, once: specs and servers are foreign, and a name with an escape
sequence in it must not move anybody's cursor.
"""

from __future__ import annotations

import enum
from collections.abc import Iterable
from dataclasses import dataclass
from typing import Final

from reconciler.report import faults


class Style(enum.StrEnum):
    """What a piece of text is."""

    PLAIN = "plain"
    HEADING = "heading"
    FAINT = "faint"
    CREATE = "create"
    UPDATE = "update"
    REPAIR = "repair"
    DELETE = "delete"
    UNKNOWN = "unknown"
    GOOD = "good"
    BAD = "bad"
    ADVICE = "advice"


LOOKS: Final[dict[Style, str]] = {
    Style.PLAIN: "",
    Style.HEADING: "bold",
    Style.FAINT: "dim",
    Style.CREATE: "green",
    Style.UPDATE: "yellow",
    Style.REPAIR: "magenta",
    Style.DELETE: "red",
    Style.UNKNOWN: "blue",
    Style.GOOD: "green",
    Style.BAD: "bold red",
    Style.ADVICE: "cyan",
}
"""How a style looks on a terminal, in rich's words. No meaning hangs on it: signs and words say the same."""


@dataclass(frozen=True, slots=True)
class Segment:
    """A piece of a line, harmless, and what it is."""

    text: str
    style: Style = Style.PLAIN


Line = tuple[Segment, ...]


def styled(text: object, style: Style) -> Segment:
    """``text`` as a segment of this style, made harmless; an end of line in it becomes a space."""
    return Segment(faults.printable(" ".join(str(text).split("\n")).replace("\t", " ")), style)


def line(*parts: object, indent: int = 0) -> Line:
    """A line of segments and plain texts."""
    found = tuple(part if isinstance(part, Segment) else styled(part, Style.PLAIN) for part in parts)
    return (Segment(" " * indent), *found) if indent else found


EMPTY: Final[Line] = ()


def plain(lines: Iterable[Line]) -> str:
    """The lines without any style, each ended."""
    return "".join(flat(found) + "\n" for found in lines)


def flat(found: Line) -> str:
    """One line without style and end, and without spaces at its end."""
    return "".join(segment.text for segment in found).rstrip()


def table(rows: Iterable[tuple[Segment, ...]], *, indent: int = 0) -> list[Line]:
    """Rows whose cells stand under each other, two spaces apart; the last column is as long as it is."""
    kept = list(rows)
    widths: dict[int, int] = {}
    for row in kept:
        for column, cell in enumerate(row[:-1]):
            widths[column] = max(widths.get(column, 0), faults.width(cell.text))
    made = []
    for row in kept:
        cells = [
            Segment(cell.text + " " * (widths[column] - faults.width(cell.text) + 2), cell.style)
            for column, cell in enumerate(row[:-1])
        ]
        made.append(line(*cells, row[-1], indent=indent))
    return made
