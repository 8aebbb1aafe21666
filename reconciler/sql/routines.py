"""Which procedures a script may CALL: those that it made itself, if their text says all that they do.

A CALL runs statements that the firewall does not see where it stands. It saw them where the procedure was made, unless
they are put together while it runs (PREPARE, EXECUTE), or call one of which that is true. What may stand in a body and
not in a script, named locks, may not be called either.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field

from reconciler.sql import rules, statement
from reconciler.sql.statement import Kind

_DYNAMIC = re.compile(rb"(?<![^ ])(?:PREPARE|EXECUTE)(?![^ ])")
_CALL = re.compile(rb"(?<![^ ])CALL (`?)([^ ]+)")
# The own account may change its own password, and that is the mark by which a rollback knows it.
_PASSWORD = re.compile(rb"(?<![^ ])SET PASSWORD (?::?=|FOR)(?![^ ])")
_ASSIGNS = re.compile(rb"(?<![^ ])(?:UPDATE|INSERT|REPLACE)(?![^ ])")


@dataclass(slots=True)
class Routines:
    """The procedures of one import that may be called."""

    _known: set[str] = field(default_factory=set)

    def learn(self, parsed: statement.Parsed) -> None:
        """Takes in a statement that passed the firewall."""
        if parsed.kind is Kind.CREATE_PROCEDURE:
            name = parsed.name.casefold()
            self._known.discard(name)
            if self._says_all(parsed):
                self._known.add(name)

    def has(self, parsed: statement.Parsed) -> bool:
        """Whether the procedure that a CALL names is one of them."""
        return parsed.name.casefold() in self._known

    def _says_all(self, parsed: statement.Parsed) -> bool:
        text, _ = rules.shape(parsed.tokens)
        if _DYNAMIC.search(text) or rules.uses_named_locks(parsed):
            return False
        for piece in text.split(b";"):
            found = _PASSWORD.search(piece)
            if found and not _ASSIGNS.search(piece, 0, found.start()):
                return False
        called = {name.decode("utf-8", "backslashreplace").casefold() for _, name in _CALL.findall(text)}
        return called <= self._known | {parsed.name.casefold()}
