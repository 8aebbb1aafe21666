"""What a script's own SET statements do to the reading of the rest: ``sql_mode`` moves the quotes."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from typing import Final

from reconciler.sql import lexer, tokens

_BEGINS_WITH_SET = re.compile(rb"(?:/\*M?!\d*)?\s*SET\b", re.IGNORECASE)
_MODE = re.compile(rb"(?:@@(?:SESSION|LOCAL)\s*\.\s*|@@)?`?SQL_MODE`?")

# Modes that contain ANSI_QUOTES, by name and as bits of the numeric form (measured on MariaDB 10.11).
_ANSI: Final = frozenset((b"ANSI_QUOTES", b"ANSI", b"DB2", b"MAXDB", b"MSSQL", b"ORACLE", b"POSTGRESQL"))
_ANSI_BITS = 4 | 256 | 512 | 1024 | 2048 | 4096 | 262144
_NO_BACKSLASH = b"NO_BACKSLASH_ESCAPES"
_NO_BACKSLASH_BIT = 1048576
_MOVES_QUOTES = re.compile(
    rb"\b(?:ANSI(?:_QUOTES)?|DB2|MAXDB|MSSQL|ORACLE|POSTGRESQL|NO_BACKSLASH_ESCAPES)\b", re.IGNORECASE
)


class Unfollowable(Exception):
    """``sql_mode`` is set to something whose value can't be known from the text. ``offset`` is its place."""

    def __init__(self, offset: int) -> None:
        super().__init__(offset)
        self.offset = offset


class Session:
    """The quoting in force, and the user variables in which a dump's header keeps it for later."""

    def __init__(self) -> None:
        self.quoting = lexer.Quoting()
        self._kept: dict[bytes, lexer.Quoting] = {}

    def follow(self, text: bytes) -> None:
        """Takes in one statement. Only a SET changes anything; an unknowable mode raises Unfollowable."""
        if not _BEGINS_WITH_SET.match(text):
            return
        quoting = self.quoting
        for target, value in _assignments(tuple(tokens.tokenize(text, quoting))[1:]):
            name = _name(target)
            if target[-1].text.startswith(b"@") and not name.startswith(b"@@"):
                self._keep(name, value)
            elif _MODE.fullmatch(name):
                after = self._evaluate(value)
                if after != self.quoting and not all(token.sure for token in (*target, *value)):
                    raise Unfollowable(target[-1].start)
                self.quoting = after

    def _keep(self, name: bytes, value: Sequence[tokens.Token]) -> None:
        self._kept.pop(name, None)
        literal = _literal(value)
        if len(value) == 1 and _MODE.fullmatch(_name(value)) and value[0].sort is tokens.Sort.VARIABLE:
            self._kept[name] = self.quoting
        elif literal is not None:
            self._kept[name] = _from_names(literal)

    def _evaluate(self, value: Sequence[tokens.Token]) -> lexer.Quoting:
        if not value:
            return self.quoting
        first, literal = value[0], _literal(value)
        if literal is not None:
            return _from_names(literal)
        if len(value) == 1 and first.sort is tokens.Sort.NUMBER and first.text.isdigit():
            bits = int(first.text)
            return lexer.Quoting(bool(bits & _ANSI_BITS), not bits & _NO_BACKSLASH_BIT)
        if len(value) == 1 and first.word == b"DEFAULT":
            return lexer.Quoting()
        if len(value) == 1 and _name(value) in self._kept:
            return self._kept[_name(value)]
        for token in value:
            unknown = token.sort is tokens.Sort.VARIABLE and not token.text.startswith(b"@@")
            hidden = token.sort is tokens.Sort.NUMBER and token.text[:2].lower() == b"0x"
            if unknown or hidden or token.word in (b"X", b"B", b"CHAR", b"UNHEX") or _MOVES_QUOTES.search(token.text):
                raise Unfollowable(token.start)
        return self.quoting


def _name(parts: Sequence[tokens.Token]) -> bytes:
    last = parts[-1]
    return last.named.upper() if last.is_name else last.text.upper().replace(b"`", b"").replace(b"'", b"")


def _literal(value: Sequence[tokens.Token]) -> bytes | None:
    """The text of a value that is a string (also in pieces, or with an introducer) or a bare word."""
    if value and value[0].text.startswith(b"_"):
        value = value[1:]
    if value and all(token.sort is tokens.Sort.STRING for token in value):
        return b"".join(token.text[1:-1] for token in value).replace(b"\\", b"")
    if len(value) == 1 and value[0].is_name and value[0].word != b"DEFAULT":
        return value[0].named
    return None


def _from_names(names: bytes) -> lexer.Quoting:
    modes = {mode.strip().upper() for mode in names.split(b",")}
    return lexer.Quoting(bool(modes & _ANSI), _NO_BACKSLASH not in modes)


def _assignments(
    rest: Sequence[tokens.Token],
) -> Iterator[tuple[Sequence[tokens.Token], Sequence[tokens.Token]]]:
    """The (target, value) pairs of a SET; other forms (SET NAMES …) give none. GLOBAL targets are left out."""
    depth, begin, equals = 0, 0, -1
    for index, token in enumerate((*rest, None)):
        text = token.text if token else b";"
        depth += (text == b"(") - (text == b")")
        if token and equals < 0 and text in (b"=", b":="):
            equals = index
        elif text == b";" or (text == b"," and depth == 0):
            if begin < equals and rest[begin].word not in (b"GLOBAL", b"PERSIST", b"PERSIST_ONLY"):
                yield rest[begin:equals], rest[equals + 1 : index]
            if text == b";":
                return
            begin, equals = index + 1, -1
