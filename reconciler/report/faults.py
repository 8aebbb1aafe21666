"""Faults as an operator reads them: the place, the line as written, a caret, and the way out."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterable
from typing import Final

from reconciler import errors

_MOST_COLUMNS: Final = 160
_LEFT_OF_CARET: Final = 100
_TAB: Final = 8


def render(faults: Iterable[errors.Fault]) -> str:
    """All faults, with an empty line between them, and a count at the end; empty for none.

    ``file:line:col: error: message [rule]`` is the form that editors and CI systems recognise.
    """
    parts = [one(fault) for fault in faults]
    if not parts:
        return ""
    count = f"{len(parts)} fault{'s' if len(parts) != 1 else ''}"
    return "\n\n".join([*parts, count]) + "\n"


def one(fault: errors.Fault) -> str:
    """One fault, without a newline at its end."""
    lines = [f"{printable(str(fault.where))}: error: {printable(fault.message)} [{fault.rule}]"]
    if fault.quoted.strip() and fault.where.column:
        lines += [f"  {line}" for line in _caret(fault.quoted, fault.where.column)]
    if fault.hint:
        lines.append(f"  hint: {printable(fault.hint)}")
    return "\n".join(lines)


def printable(text: str) -> str:
    """The text without anything that would move a terminal's cursor or turn the direction of writing."""
    return text if text.isprintable() else "".join(_shown(char) for char in text)


def one_line(text: str) -> str:
    """The text as one line, printable: ends of lines of any kind, tabs and runs of spaces become one space."""
    return printable(" ".join(text.split()))


def _caret(quoted: str, column: int) -> tuple[str, str]:
    """The line with tabs as spaces, cut around the column where it is long, and the line of the caret.

    Tabs are written out because the line is indented here, which would shift them and not the caret.
    """
    shown = ""
    wide = at = 0
    for number, char in enumerate(quoted, start=1):
        if number == column:
            at = wide
        text = " " * (_TAB - wide % _TAB) if char == "\t" else _shown(char)
        shown += text
        wide += len(text) if char == "\t" else width(text)
    if column > len(quoted):
        at = wide
    left = max(0, at - _LEFT_OF_CARET) if wide > _MOST_COLUMNS else 0
    cut, skipped = _cut(shown, left)
    marker = "…" if left else ""
    return marker + cut.rstrip(), " " * (at - skipped + len(marker)) + "^"


def _cut(shown: str, left: int) -> tuple[str, int]:
    """What is seen from column ``left`` on, and how many columns really went (a wide one goes whole)."""
    skipped = start = 0
    while start < len(shown) and skipped < left:
        skipped += width(shown[start])
        start += 1
    seen, end = 0, start
    while end < len(shown) and seen + width(shown[end]) <= _MOST_COLUMNS:
        seen += width(shown[end])
        end += 1
    return shown[start:end] + ("…" if end < len(shown) else ""), skipped


def _shown(char: str) -> str:
    # Cc: controls; Cf: joiners and marks that turn the direction; Cs: halves that no output can encode; Zl, Zp: ends of
    # lines.
    return "\N{REPLACEMENT CHARACTER}" if unicodedata.category(char) in ("Cc", "Cf", "Cs", "Zl", "Zp") else char


def width(text: str) -> int:
    """Columns on a terminal, by Unicode's East Asian Width; combining marks take none."""
    columns = 0
    for char in text:
        if unicodedata.category(char) in ("Mn", "Me"):
            continue
        columns += 2 if unicodedata.east_asian_width(char) in ("W", "F") else 1
    return columns
