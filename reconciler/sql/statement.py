"""What a statement is: its kind, the name of the object that it makes, and where its definer stands."""

from __future__ import annotations

import functools
import re
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum
from typing import Final

from reconciler.sql import lexer, script, tokens
from reconciler.sql.tokens import Token


class Kind(Enum):
    """What a statement does. The values are the words for it in messages and reports."""

    CREATE_TABLE = "create table"
    CREATE_VIEW = "create view"
    CREATE_TRIGGER = "create trigger"
    CREATE_PROCEDURE = "create procedure"
    CREATE_FUNCTION = "create function"
    CREATE_EVENT = "create event"
    CREATE_INDEX = "create index"
    CREATE_SEQUENCE = "create sequence"
    CREATE_DATABASE = "create database"
    ALTER_TABLE = "alter table"
    ALTER_VIEW = "alter view"
    ALTER_PROCEDURE = "alter procedure"
    ALTER_FUNCTION = "alter function"
    ALTER_EVENT = "alter event"
    ALTER_SEQUENCE = "alter sequence"
    ALTER_DATABASE = "alter database"
    DROP_TABLE = "drop table"
    DROP_VIEW = "drop view"
    DROP_TRIGGER = "drop trigger"
    DROP_PROCEDURE = "drop procedure"
    DROP_FUNCTION = "drop function"
    DROP_EVENT = "drop event"
    DROP_INDEX = "drop index"
    DROP_SEQUENCE = "drop sequence"
    DROP_DATABASE = "drop database"
    RENAME_TABLE = "rename table"
    TRUNCATE = "truncate"
    INSERT = "insert"
    REPLACE = "replace"
    UPDATE = "update"
    DELETE = "delete"
    SELECT = "select"
    SHOW = "show"
    DO = "do"
    SET = "set"
    SET_GLOBAL = "set global"
    SET_STATEMENT = "set statement"
    LOCK = "lock tables"
    UNLOCK = "unlock tables"
    TRANSACTION = "transaction"
    MAINTAIN = "maintain table"
    USE = "use"
    CALL = "call"
    DYNAMIC = "dynamic statement"
    ACCOUNT = "account or grant"
    LOAD = "load"
    HANDLER = "handler"
    SERVER = "server administration"
    OTHER = "other"


#: Kinds whose text holds a body of statements of its own.
COMPOUND: Final = frozenset(
    (Kind.CREATE_TRIGGER, Kind.CREATE_PROCEDURE, Kind.CREATE_FUNCTION, Kind.CREATE_EVENT, Kind.ALTER_EVENT)
)

_OBJECTS: Final = {
    b"TABLE": "TABLE", b"TABLES": "TABLE", b"VIEW": "VIEW", b"TRIGGER": "TRIGGER", b"PROCEDURE": "PROCEDURE",
    b"FUNCTION": "FUNCTION", b"EVENT": "EVENT", b"INDEX": "INDEX", b"KEY": "INDEX", b"SEQUENCE": "SEQUENCE",
    b"DATABASE": "DATABASE", b"SCHEMA": "DATABASE", b"USER": "USER", b"ROLE": "USER", b"SERVER": "SERVER",
    b"TABLESPACE": "SERVER", b"LOGFILE": "SERVER", b"INSTANCE": "SERVER", b"RESOURCE": "SERVER",
    b"PREPARE": "PREPARE",
}  # fmt: skip

_SIMPLE: Final = {
    b"INSERT": Kind.INSERT, b"REPLACE": Kind.REPLACE, b"UPDATE": Kind.UPDATE, b"DELETE": Kind.DELETE,
    b"SELECT": Kind.SELECT, b"WITH": Kind.SELECT, b"DO": Kind.DO, b"TRUNCATE": Kind.TRUNCATE,
    b"COMMIT": Kind.TRANSACTION, b"ROLLBACK": Kind.TRANSACTION, b"SAVEPOINT": Kind.TRANSACTION,
    b"RELEASE": Kind.TRANSACTION, b"USE": Kind.USE, b"CALL": Kind.CALL, b"PREPARE": Kind.DYNAMIC,
    b"EXECUTE": Kind.DYNAMIC, b"DEALLOCATE": Kind.DYNAMIC, b"GRANT": Kind.ACCOUNT, b"REVOKE": Kind.ACCOUNT,
    b"SHOW": Kind.SHOW, b"DESCRIBE": Kind.SHOW, b"DESC": Kind.SHOW, b"EXPLAIN": Kind.SHOW,
    b"LOAD": Kind.LOAD, b"HANDLER": Kind.HANDLER, b"FLUSH": Kind.SERVER, b"KILL": Kind.SERVER,
    b"SHUTDOWN": Kind.SERVER, b"RESTART": Kind.SERVER, b"INSTALL": Kind.SERVER, b"UNINSTALL": Kind.SERVER,
    b"CHANGE": Kind.SERVER, b"RESET": Kind.SERVER, b"PURGE": Kind.SERVER, b"STOP": Kind.SERVER,
    b"BACKUP": Kind.SERVER, b"BINLOG": Kind.SERVER, b"CACHE": Kind.SERVER, b"CLONE": Kind.SERVER,
}  # fmt: skip
_MAINTAIN: Final = frozenset((b"ANALYZE", b"OPTIMIZE", b"CHECK", b"REPAIR", b"CHECKSUM"))
_SET: Final = {
    b"GLOBAL": Kind.SET_GLOBAL, b"PERSIST": Kind.SET_GLOBAL, b"PERSIST_ONLY": Kind.SET_GLOBAL,
    b"PASSWORD": Kind.ACCOUNT, b"ROLE": Kind.ACCOUNT, b"DEFAULT": Kind.ACCOUNT,
    b"STATEMENT": Kind.SET_STATEMENT, b"RESOURCE": Kind.SERVER,
}  # fmt: skip
# What may stand between CREATE, ALTER or DROP and the object's word.
_MODIFIERS: Final = frozenset(
    b"OR REPLACE ALGORITHM UNDEFINED MERGE TEMPTABLE SQL SECURITY DEFINER INVOKER AGGREGATE TEMPORARY UNIQUE "
    b"FULLTEXT SPATIAL VECTOR ONLINE OFFLINE IGNORE UNDO".split()
)
# An object's word comes within the first few tokens; behind them words are names and bodies.
_HEAD = 40


@dataclass(frozen=True, slots=True)
class Parsed:
    """A statement's kind and tokens.

    ``named`` is the index of the token that names the object (-1 if there is none), of its last part if the
    name is qualified; ``definer`` holds the tokens of a DEFINER clause.
    """

    kind: Kind
    tokens: tuple[Token, ...]
    named: int = -1
    definer: tuple[Token, ...] = ()

    @property
    def name(self) -> str:
        """The object's name without its quotes, or an empty string."""
        if self.named < 0:
            return ""
        return self.tokens[self.named].decoded

    def names(self) -> tuple[str, ...]:
        """All names of a list like DROP TABLE a, b; of qualified ones the last part."""
        found, index = [], self.named
        while 0 <= index < len(self.tokens) and self.tokens[index].is_name:
            found.append(self.tokens[index].decoded)
            if self.tokens[index + 1 : index + 2] and self.tokens[index + 1].text != b",":
                break
            index = _last_part(self.tokens, index + 2)
        return tuple(found)

    def renamed(self) -> tuple[tuple[str, str], ...]:
        """The old and new names of a RENAME TABLE; of qualified ones the last part."""
        pairs, index = [], self.named
        while index >= 0:
            new = _last_part(self.tokens, index + 2)
            if new < 0:
                break
            pairs.append((self.tokens[index].decoded, self.tokens[new].decoded))
            index = _last_part(self.tokens, new + 2)
        return tuple(pairs)


def parse(statement: script.Statement) -> Parsed:
    """Reads the statement in full."""
    found = tuple(tokens.tokenize(statement.text, statement.quoting))
    kind, index, definer = _head(found)
    return Parsed(kind, found, _name(found, index), definer)


def is_temporary(parsed: Parsed) -> bool:
    """Whether it makes a table that lasts as long as the session: CREATE [OR REPLACE] TEMPORARY …"""
    return any(token.word == b"TEMPORARY" for token in parsed.tokens[1 : max(parsed.named, 0)])


def only_rows(statement: script.Statement) -> bool:
    """Whether it is an INSERT or REPLACE of literals and simple calls: no table can be named behind VALUES.

    Told without tokens, so that a dump's long statements cost neither time nor memory.
    """
    head = _HEAD_OF_ROWS.match(statement.text)
    return bool(head and _rows(statement.quoting).fullmatch(statement.text, head.end()))


@functools.lru_cache(maxsize=4)
def _rows(quoting: lexer.Quoting) -> re.Pattern[bytes]:
    strings = lexer.single_quoted(quoting)
    if not quoting.ansi_quotes:
        strings += b"|" + lexer.double_quoted(quoting)
    pieces = (
        rb"[\s,()=\d+.]++",
        rb"(?:_[A-Za-z0-9]++\s*+|[nNxXbB])?(?:%b)" % strings,
        rb"(?!(?i:%b)(?![\w$]))[A-Za-z_][\w$]*+(?!\s*+[.'\x80-\xff])" % _NO_ROWS,
        rb"-(?!-)",
    )
    return re.compile(rb"(?:%b)%b" % (b"|".join(pieces), lexer.ANY), re.DOTALL)


# With one of these words an INSERT is more than rows.
_NO_ROWS: Final = rb"SELECT|WITH|TABLE|FROM|INTO|LOAD_FILE|EXECUTE|GET_LOCK|RELEASE_LOCK|RELEASE_ALL_LOCKS"
_HEAD_OF_ROWS = re.compile(
    rb"(?:INSERT|REPLACE)\s++(?:(?:LOW_PRIORITY|DELAYED|HIGH_PRIORITY|IGNORE)\s++)*(?:INTO\s++)?"
    rb"(?:`[^`]++`|[A-Za-z_$][\w$]*+)\s*+(?:\((?:[\s,]++|`[^`]++`|[\w$]++)*\)\s*+)?VALUES?(?=[\s(])",
    re.IGNORECASE,
)


def _head(found: Sequence[Token]) -> tuple[Kind, int, tuple[Token, ...]]:
    """The kind, the index behind the word that gives it, and the definer."""
    while found and found[0].text == b"(":  # (SELECT …) UNION (SELECT …)
        found = found[1:]
    first, second = (token.word for token in (*found[:2], *_NOTHING)[:2])
    if first in (b"CREATE", b"ALTER", b"DROP", b"RENAME"):
        return _definition(first.decode(), found)
    result = _SIMPLE.get(first, Kind.OTHER)
    if first == b"SET":
        result = _set_kind(found)
    elif first == b"BEGIN":
        alone = len(found) == 1 or second == b"WORK"
        result = Kind.TRANSACTION if alone else Kind.OTHER
    elif first == b"START":
        result = Kind.TRANSACTION if second == b"TRANSACTION" else Kind.SERVER
    elif first in (b"LOCK", b"UNLOCK"):
        lock = Kind.LOCK if first == b"LOCK" else Kind.UNLOCK
        result = lock if second in (b"TABLE", b"TABLES") else Kind.SERVER
    elif first in _MAINTAIN:
        table = b"TABLE" in (second, found[2].word if len(found) > 2 else b"")
        result = Kind.MAINTAIN if table else Kind.OTHER
    return result, 1 if result in (Kind.USE, Kind.CALL) else -1, ()


_NOTHING = (Token(tokens.Sort.PUNCT, b"", 0, 0, b"", True),) * 2


def _set_kind(found: Sequence[Token]) -> Kind:
    second = found[1] if len(found) > 1 else _NOTHING[0]
    third = found[2].text if len(found) > 2 else b""
    if second.text.upper().replace(b" ", b"").startswith((b"@@GLOBAL.", b"@@PERSIST")):
        return Kind.SET_GLOBAL
    if second.word in (b"ROLE", b"DEFAULT", b"STATEMENT") and third in (b"=", b":="):
        return Kind.SET
    return _SET.get(second.word, Kind.SET)


def _definition(verb: str, found: Sequence[Token]) -> tuple[Kind, int, tuple[Token, ...]]:
    definer: tuple[Token, ...] = ()
    index = 1
    while index < min(len(found), _HEAD):
        token = found[index]
        if token.word == b"DEFINER" and found[index + 1 : index + 2] and found[index + 1].text == b"=":
            end = _definer_end(found, index + 2)
            definer = tuple(found[index:end])
            index = end
            continue
        thing = _OBJECTS.get(token.word)
        if thing:
            return _definition_kind(verb, thing), index + 1, definer
        if token.word not in _MODIFIERS and token.text != b"=":
            break
        index += 1
    return Kind.OTHER, -1, ()


def _definition_kind(verb: str, thing: str) -> Kind:
    if thing == "USER":
        return Kind.ACCOUNT
    if thing == "SERVER":
        return Kind.SERVER
    if thing == "PREPARE":
        return Kind.DYNAMIC
    return Kind.__members__.get(f"{verb}_{thing}", Kind.OTHER)


def _definer_end(found: Sequence[Token], index: int) -> int:
    """The index behind a user: name, name@host, CURRENT_USER, CURRENT_USER(), CURRENT_ROLE, a role's name."""
    texts = [token.text for token in found[index : index + 4]] + [b""] * 4
    if texts[1] == b"(" and texts[2] == b")":
        return index + 3
    if texts[1] == b"@":  # a blank or comment stands before the host
        return index + 3
    return index + (2 if texts[1].startswith(b"@") else 1)


def _name(found: Sequence[Token], index: int) -> int:
    """The index of the object's name at or behind ``index``, past IF [NOT] EXISTS; -1 gives -1."""
    if index < 0:
        return -1
    if found[index : index + 1] and found[index].word == b"IF":
        index += 1
        while found[index : index + 1] and found[index].word in (b"NOT", b"EXISTS"):
            index += 1
    return _last_part(found, index)


def _last_part(found: Sequence[Token], index: int) -> int:
    while index + 2 < len(found) and found[index + 1].text == b"." and found[index + 2].is_name:
        index += 2
    return index if index < len(found) and found[index].is_name else -1
