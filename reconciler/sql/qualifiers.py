"""Where a statement names a database: the ``db`` of ``db.table``, told from the ``alias`` of ``alias.column``.

Only the grammar's places for tables, routines and databases are looked at: behind FROM, JOIN, INTO, UPDATE,
TABLE, REFERENCES and so on, in lists of them, in names of three parts, and in front of a call ``db.f()``.
A column's qualifier never stands in such a place, so ``a.b`` elsewhere is taken for one.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from enum import Enum, auto
from typing import Final

from reconciler.sql import statement, tokens


class _Clause(Enum):
    """What a comma, FROM or TO means at this depth of parentheses."""

    PLAIN = auto()  # expressions, columns, definitions: no place for a table
    QUERY = auto()  # between SELECT and FROM
    LIST = auto()  # a list of tables: a comma is followed by the next one
    SINGLE = auto()  # one name


@dataclass(slots=True)
class _Level:
    clause: _Clause = _Clause.PLAIN
    expecting: bool = False  # the next token can be a table's, routine's or database's name


# Words behind which a name or a list of names stands.
_BEFORE_LIST: Final = frozenset((b"JOIN", b"STRAIGHT_JOIN", b"TABLE"))
_BEFORE_ONE: Final = frozenset((b"REFERENCES", b"CALL"))
# The same for words that are names elsewhere, if a verb stands before them.
_OBJECTS: Final = frozenset(b"TABLES VIEW PROCEDURE FUNCTION TRIGGER EVENT SEQUENCE PACKAGE".split())
_VERBS: Final = frozenset(b"CREATE ALTER DROP REPLACE LOCK INVOKER".split())
# Words that may stand between those and the name.
_SKIPPED: Final = frozenset(
    b"IF NOT EXISTS IGNORE LOW_PRIORITY HIGH_PRIORITY DELAYED QUICK INTO ONLY LATERAL TO AS".split()
)
_CLAUSE_ENDS: Final = frozenset(
    b"WHERE SET GROUP HAVING ORDER LIMIT WINDOW VALUES FOR PROCEDURE INTO UNION EXCEPT INTERSECT DO "
    b"BEGIN THEN ELSE RETURN RETURNING".split()
)
_TAKE_A_SEQUENCE: Final = frozenset((b"NEXTVAL", b"LASTVAL", b"SETVAL"))
_ROW_NAMES: Final = frozenset((b"NEW", b"OLD"))


def qualifiers(parsed: statement.Parsed) -> Iterator[int]:
    """The indexes of the tokens that name a database, in order; a dot and a name follow each."""
    found = parsed.tokens
    places = set(_places(parsed))
    if parsed.named >= 0:
        places.add(parsed.named - 2 if _text(found, parsed.named - 1) == b"." else parsed.named)
    for index, token in enumerate(found):
        if not token.is_name or not _dotted(found, index) or _text(found, index - 1) == b".":
            continue
        three_parts = _text(found, index + 3) == b"."
        call = _text(found, index + 3) == b"(" and token.word not in _ROW_NAMES
        if index in places or three_parts or call:
            yield index


def _text(found: Sequence[tokens.Token], index: int) -> bytes:
    return found[index].text if 0 <= index < len(found) else b""


def _word(found: Sequence[tokens.Token], index: int) -> bytes:
    return found[index].word if 0 <= index < len(found) else b""


def _dotted(found: Sequence[tokens.Token], index: int) -> bool:
    return _text(found, index + 1) == b"." and index + 2 < len(found) and found[index + 2].is_name


def _places(parsed: statement.Parsed) -> Iterator[int]:
    """Indexes of tokens that stand where a table's, routine's or database's name does."""
    levels, found = [_Level()], parsed.tokens
    for index, token in enumerate(found):
        level = levels[-1]
        if token.text == b"(":
            levels.append(_opened(level, found, index))
            level.expecting = False
        elif token.text == b")":
            if len(levels) > 1:
                levels.pop()
        elif token.text == b";":
            levels = [_Level()]
        elif token.text == b",":
            level.expecting = level.clause is _Clause.LIST
        elif _text(found, index - 1) == b".":
            continue
        elif level.expecting and token.is_name and (token.word not in _SKIPPED or _dotted(found, index)):
            yield index
            level.expecting = False
            if not _dotted(found, index):
                _word_moves(level, parsed, index)
        elif token.word:
            _word_moves(level, parsed, index)
        else:
            level.expecting = False


def _opened(level: _Level, found: Sequence[tokens.Token], index: int) -> _Level:
    before = _word(found, index - 1)
    if level.expecting and level.clause is _Clause.LIST:  # FROM (a JOIN b)
        return _Level(_Clause.LIST, expecting=True)
    if before in _TAKE_A_SEQUENCE:
        return _Level(_Clause.SINGLE, expecting=True)
    if _text(found, index - 1) == b"=" and _word(found, index - 2) == b"UNION":  # of a MERGE table
        return _Level(_Clause.LIST, expecting=True)
    return _Level()


def _word_moves(level: _Level, parsed: statement.Parsed, index: int) -> None:
    found = parsed.tokens
    word, before, after = found[index].word, _word(found, index - 1), _text(found, index + 1)
    clause: _Clause | None = None
    if word in _BEFORE_LIST:
        clause = _Clause.LIST
    elif word == b"FROM":
        listing = level.clause is not _Clause.PLAIN and before != b"DISTINCT"
        clause = _Clause.LIST if listing else None
    elif word in (b"DELETE", b"UPDATE"):
        clause = None if before in (b"ON", b"KEY", b"FOR") else _Clause.LIST
    elif word == b"USING" and after != b"(":  # DELETE FROM a USING a JOIN b
        clause = _Clause.LIST
    elif word in (b"INSERT", b"REPLACE"):
        clause = None if after == b"(" or before in (b"ON", b"OR") else _Clause.SINGLE
    elif word in _OBJECTS and before in _VERBS:
        clause = _Clause.LIST if before in (b"DROP", b"LOCK") else _Clause.SINGLE
    elif word in _BEFORE_ONE or _names_one(word, level, parsed, index):
        clause = _Clause.SINGLE
    if clause:
        level.clause, level.expecting = clause, True
    elif word == b"SELECT":
        level.clause, level.expecting = _Clause.QUERY, False
    elif word == b"UPDATE" and before == b"KEY":  # ON DUPLICATE KEY UPDATE a.b = 1, …
        level.clause = _Clause.PLAIN
    elif word in _CLAUSE_ENDS and not (word == b"INTO" and level.expecting):
        level.clause, level.expecting = _ended(word, level), False
    elif word == b"ON":
        level.expecting = False


def _ended(word: bytes, level: _Level) -> _Clause:
    """SELECT … INTO @x FROM t: the query goes on behind INTO; everything else ends a list."""
    return level.clause if word == b"INTO" and level.clause is _Clause.QUERY else _Clause.PLAIN


def _names_one(word: bytes, level: _Level, parsed: statement.Parsed, index: int) -> bool:
    """The words that stand before a table only in statements of one kind."""
    kind, found = parsed.kind, parsed.tokens
    before, after = _word(found, index - 1), _word(found, index + 1)
    if kind in (statement.Kind.CREATE_INDEX, statement.Kind.DROP_INDEX):
        return word == b"INDEX" or (word == b"ON" and level.clause is not _Clause.PLAIN)
    if kind is statement.Kind.CREATE_TRIGGER and word == b"ON":
        event = before in (b"INSERT", b"UPDATE", b"DELETE")
        return event and _word(found, index - 2) in (b"BEFORE", b"AFTER")
    if kind is statement.Kind.RENAME_TABLE:
        return word == b"TO"
    if kind is statement.Kind.ALTER_TABLE:
        return word == b"RENAME" and after not in (b"COLUMN", b"INDEX", b"KEY")
    if kind is statement.Kind.CREATE_TABLE and word == b"LIKE":  # … a LIKE b, … a (LIKE b)
        return parsed.named == (index - 2 if _text(found, index - 1) == b"(" else index - 1)
    return False
