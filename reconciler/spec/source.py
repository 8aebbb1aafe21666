"""One file's text, with the lines that faults quote."""

from __future__ import annotations

import functools
import re
from dataclasses import dataclass
from typing import Final

from reconciler import errors

# libyaml counts these as line breaks too; quoting must split where the parser counted.
_BREAKS = re.compile("\r\n|[\r\n\x85\u2028\u2029]")


# A longer line is no help under a caret, and a file may give thousands of faults.
_MOST_QUOTED: Final = 1000
_MOST_SHOWN: Final = 80


@dataclass(frozen=True)
class Source:
    """A text that a person wrote. ``file`` is relative to the repository's root, with ``/``."""

    file: str
    text: str

    @functools.cached_property
    def lines(self) -> list[str]:
        """The lines, without their ends; made when the first fault asks."""
        return _BREAKS.split(self.text)

    def quoted(self, line: int) -> str:
        """Line number ``line``, counted from 1; empty where there is none or it is very long."""
        if not 1 <= line <= len(self.lines) or len(self.lines[line - 1]) > _MOST_QUOTED:
            return ""
        return self.lines[line - 1]

    def fault(self, line: int, column: int, message: str, *, rule: str, hint: str = "") -> errors.Fault:
        """A fault at a place of this text; ``line`` and ``column`` count from 1, 0 means the whole file."""
        where = errors.Where(self.file, line, column)
        return errors.Fault(where, message, rule=rule, hint=hint, quoted=self.quoted(line))


def short(text: str) -> str:
    """A written text as a message shows it: never long."""
    return text if len(text) <= _MOST_SHOWN else text[: _MOST_SHOWN - 1] + "…"


def unplaced(file: str, message: str, *, rule: str, hint: str = "") -> errors.Fault:
    """A fault of a file or folder as a whole."""
    return errors.Fault(errors.Where(file), message, rule=rule, hint=hint)
