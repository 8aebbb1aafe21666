"""What a tenant's script may not hold: kinds of statements, and phrases anywhere inside the others.

A phrase is looked for in the statement's shape: its words in capitals, one blank between tokens, names in
backquotes as ```NAME``, strings as ``'TEXT``, and everything behind a dot as a name. So a comment, a line
break or a versioned comment between two words hides nothing, and a column called ``grant`` is not a GRANT.
"""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Final

from reconciler.sql import statement, tokens
from reconciler.sql.statement import Kind


@dataclass(frozen=True, slots=True)
class Rule:
    """Why something is refused: a stable word for programs, the fact, and the way out."""

    name: str
    fact: str
    hint: str


_ACCOUNT = Rule("account", "changes accounts or grants", "Take it out; the platform makes a tenant's accounts itself.")
_GLOBAL = Rule(
    "global", "changes the server for every tenant", "Use SET SESSION, or set it in the server's configuration."
)
_SERVER = Rule("server", "administers the server", "Take it out; a tenant's script may only change its own database.")
_FILE = Rule("file", "reads or writes files of the server's host", "Bring the rows in with INSERT.")
_DYNAMIC = Rule("dynamic", "runs a statement whose text is only known to the server", "Write the statement itself.")
_ENGINE = Rule("engine", "makes a table whose rows lie outside the tenant's database", "Use ENGINE=InnoDB.")
_PLACE = Rule("file", "puts a table's files outside the database's folder", "Leave the DIRECTORY option out.")
_SESSION = Rule(
    "session", "sets a variable that only a server's administrator may set", "Dump without it, or take it out."
)
_LOG = Rule(
    "session",
    "switches the server's log, which only its administrator may",
    "Dump with --set-gtid-purged=OFF (mysqldump of MySQL), or take the line out.",
)
_GTID = Rule(
    "global",
    "sets the replication state of a whole MySQL server",
    "Dump with --set-gtid-purged=OFF, or take the line out.",
)
_LOCK = Rule(
    "lock",
    "takes or gives back a named lock, and by one the import itself is fenced",
    "Take it out; in the body of a routine, a trigger or an event it may stay.",
)
_CHARSET = Rule(
    "charset",
    "changes to a client character set in which a part of a character can look like a quote",
    "Convert the file to utf8mb4 and use SET NAMES utf8mb4.",
)

DATABASE = Rule(
    "database",
    "works on a database as a whole",
    "Take it out. If it is the database that the file was made of, map it: `import: {mapDatabase: NAME}` in the "
    "product, or --map-database NAME.",
)
QUALIFIER = Rule(
    "other-database",
    "names another database",
    "Name it without a database, or map the one that the file was made of: `import: {mapDatabase: NAME}` in the "
    "product, or --map-database NAME.",
)
SOURCE = "source"
CLIENT = Rule("client-command", "is a command of the command-line client", "Take it out; only SQL is run.")
SEVERAL = Rule(
    "several-statements", "holds a second statement behind a semicolon", "End each with the delimiter in force."
)
MURKY = Rule(
    "murky",
    "is read in two ways: a string or comment runs over the end of a versioned comment, or has no end",
    "Take the versioned comment out.",
)
UNKNOWN = Rule("not-allowed", "is not among the statements that a tenant's script may hold", "Take it out.")

#: Kinds that are refused, with the reason. Kinds that stand neither here nor in ALLOWED don't exist.
REFUSED: Final = {
    Kind.CREATE_DATABASE: DATABASE,
    Kind.ALTER_DATABASE: DATABASE,
    Kind.DROP_DATABASE: DATABASE,
    Kind.USE: DATABASE,
    Kind.ACCOUNT: _ACCOUNT,
    Kind.SET_GLOBAL: _GLOBAL,
    Kind.SERVER: _SERVER,
    Kind.HANDLER: UNKNOWN,
    Kind.LOAD: _FILE,
    Kind.DYNAMIC: _DYNAMIC,
    Kind.SET_STATEMENT: Rule("dynamic", "runs another statement inside SET", "Write the statement itself."),
    Kind.CALL: Rule(
        "call",
        "runs a procedure that the script has not made before, or whose own statements are not all written in it, or "
        "that takes or gives back named locks",
        "Make the procedure in the script, without PREPARE, EXECUTE and GET_LOCK, or write the statements themselves.",
    ),
    Kind.ALTER_EVENT: Rule(
        "event", "changes an event, which must sleep until the tenant is ready", "Put it into CREATE EVENT."
    ),
    Kind.OTHER: UNKNOWN,
}
ALLOWED: Final = frozenset(Kind) - REFUSED.keys()

_IS_GTID = re.compile(rb"(?<![^ ])@@GLOBAL\.GTID_PURGED(?![^ ])")


def of_kind(parsed: statement.Parsed) -> Rule | None:
    """Why every statement of this kind is refused; None if it is not."""
    if parsed.kind is Kind.SET_GLOBAL and _IS_GTID.search(shape(parsed.tokens)[0]):
        return _GTID
    return REFUSED.get(parsed.kind)


_START = rb"(?:^|(?<=; )|(?<=BEGIN )|(?<=THEN )|(?<=ELSE )|(?<=DO ))"
_SCOPE = rb"(?:SESSION |LOCAL |@@(?:SESSION\.|LOCAL\.)?)?`?"


_PLUGIN = Rule("plugin", "loads a library into the server, or removes one", "Take it out.")
_DIALECT = Rule("session", "changes to another dialect of SQL", "Write the script for an sql_mode without ORACLE.")

_ADMINISTRATION: Final = (
    rb"(?:CREATE|DROP|ALTER) (?:OR REPLACE )?(?:UNDO )?(?:SERVER|TABLESPACE|LOGFILE GROUP) ",
    rb"FLUSH (?:PRIVILEGES|TABLES?|LOGS|HOSTS|STATUS|BINARY|ENGINE|ERROR|GENERAL|SLOW|SSL)(?![^ ])",
    rb"RESET (?:MASTER|SLAVE|REPLICA|QUERY CACHE|PERSIST|BINARY)(?![^ ])",
    rb"CHANGE (?:MASTER|REPLICATION) ",
    rb"PURGE (?:BINARY|MASTER) LOGS",
    rb"(?:START|STOP) (?:ALL )?(?:SLAVES?|REPLICAS?|GROUP_REPLICATION)(?![^ ])",
    _START + rb"KILL (?:HARD |SOFT )?(?:CONNECTION |QUERY |USER )?(?:[\d@`]|[A-Z_]+ ;)",
    _START + rb"SHUTDOWN(?= ;|$| WAIT)",
)
_ANYWHERE: Final = (
    (rb"(?:CREATE|DROP|ALTER|RENAME) (?:OR REPLACE )?(?:USER|ROLE)(?= )", _ACCOUNT),
    (rb"(?:GRANT|REVOKE) (?!=)", _ACCOUNT),
    (rb"SET PASSWORD FOR ", _ACCOUNT),
    (rb"(?:CREATE|DROP|ALTER) (?:OR REPLACE )?(?:DATABASE|SCHEMA)(?= )", DATABASE),
    (rb"(?:SET|,) (?:GLOBAL|PERSIST|PERSIST_ONLY) [^ ,;]+ (?::?=|ISOLATION|READ)", _GLOBAL),
    (rb"(?:SET|,) @@(?:GLOBAL|PERSIST|PERSIST_ONLY)\.[^ ]+ :?=", _GLOBAL),
    (rb"SET @@(?:SESSION\.|LOCAL\.)?(?:SQL_LOG_BIN|SQL_LOG_OFF) :?=", _LOG),
    (rb"SONAME '", _PLUGIN),
    (rb"(?:UN)?INSTALL (?:PLUGIN|SONAME|COMPONENT) ", _PLUGIN),
    (rb"LOAD (?:DATA|XML|INDEX) ", _FILE),
    (rb"INTO (?:OUTFILE|DUMPFILE) ", _FILE),
    (rb"LOAD_FILE \(", _FILE),
    (rb"(?:DISCARD|IMPORT) (?:PARTITION [^;]{1,300} )?TABLESPACE", _FILE),
    (rb"(?:DATA|INDEX) DIRECTORY (?:= )?'", _PLACE),
    (rb"ENGINE (?:= )?[`']?(?:FEDERATEDX?|CONNECT|SPIDER|S3|OQGRAPH|NDB(?:CLUSTER)?)(?![^ ])", _ENGINE),
    *((phrase, _SERVER) for phrase in _ADMINISTRATION),
)
_UNSAFE_CHARSETS = rb"[`']?(?:BIG5|CP932|GB18030|GBK|SJIS)(?![^ ])"
# These words name columns elsewhere, so they only count in a SET of its own.
_IN_SET: Final = (
    (rb"(?:SET|,) %b(?:SQL_LOG_BIN|SQL_LOG_OFF)`? :?=" % _SCOPE, _LOG),
    (rb"(?:SET|,) %b(?:GTID_\w+|SERVER_ID|PSEUDO_\w+|BINLOG_FORMAT)`? :?=" % _SCOPE, _SESSION),
    (rb"(?:NAMES|CHARSET|CHARACTER SET) " + _UNSAFE_CHARSETS, _CHARSET),
    (rb"(?:SET|,) %bCHARACTER_SET_CLIENT`? :?= %b" % (_SCOPE, _UNSAFE_CHARSETS), _CHARSET),
    (rb"(?:SET|,) %bSQL_MODE`? :?= [`']?(?:[^ ]*,_?)?ORACLE(?![^ ,])" % _SCOPE, _DIALECT),
)


def _compiled(phrases: Iterable[tuple[bytes, Rule]]) -> tuple[tuple[re.Pattern[bytes], Rule], ...]:
    return tuple((re.compile(rb"(?<![^ ])" + pattern), rule) for pattern, rule in phrases)


_LOCKING: Final = re.compile(rb"(?<![^ ])`?(?:GET_LOCK|RELEASE_LOCK|RELEASE_ALL_LOCKS) \(")
# Behind these a name is a table's, a view's, a key's or a routine's own, and a bracket opens its columns or parameters.
_NAMES_FOLLOW: Final = frozenset(
    b"TABLE EXISTS VIEW INTO INSERT REPLACE IGNORE KEY INDEX UNIQUE FULLTEXT SPATIAL REFERENCES WITH RECURSIVE "
    b"PROCEDURE FUNCTION".split()
)
DEFERRED: Final = statement.COMPOUND | {Kind.CREATE_VIEW, Kind.ALTER_VIEW}
"""Kinds of which most is only run when somebody uses what they make."""

_PHRASES: Final = _compiled(_ANYWHERE)
_SET_PHRASES: Final = _compiled((*_ANYWHERE, *_IN_SET))

# Clauses of ALTER TABLE: there DROP USER drops a column.
_ALTERING: Final = frozenset((b"DROP", b"ALTER", b"ADD", b"CHANGE", b"RENAME", b"CREATE"))
_LONGEST_TEXT = 64


def shape(found: Sequence[tokens.Token]) -> tuple[bytes, list[int]]:
    """The statement's shape, and where in it each token begins."""
    pieces: list[bytes] = []
    starts: list[int] = []
    length, altering, before = 0, False, tokens.Token(tokens.Sort.PUNCT, b"", 0, 0, b"", True)
    for token in found:
        piece = _piece(token, before)
        if before.word in (b"ALTER", b"ONLINE", b"OFFLINE", b"IGNORE") and token.word == b"TABLE":
            altering = True
        elif altering and piece == b";":
            altering = False
        elif altering and piece in _ALTERING:
            piece = b"~"
        pieces.append(piece)
        starts.append(length)
        length += len(piece) + 1
        before = token
    return b" ".join(pieces), starts


def _piece(token: tokens.Token, before: tokens.Token) -> bytes:
    if before.text == b"." and token.is_name:
        return b"`" + _plain(token.named)
    if token.sort is tokens.Sort.QUOTED:
        return b"`" + _plain(token.named)
    if token.sort is tokens.Sort.STRING:
        return b"'" + _plain(token.text[1:-1])
    if token.sort is tokens.Sort.VARIABLE:
        return re.sub(rb"[\s`]", b"", token.text.upper())
    return token.word or token.text


def _plain(text: bytes) -> bytes:
    return re.sub(rb"[\s;]", b"_", text[:_LONGEST_TEXT].upper())


def phrases(parsed: statement.Parsed) -> Iterator[tuple[int, Rule]]:
    """The phrases that the statement holds: the index of the token where each begins, and the rule.

    Named locks are the tenant's own business where only its application will take them. An import that runs such a
    body all the same, by a trigger or a function, is not gone on with in the session that it leaves (``tidy``).
    """
    text, starts = shape(parsed.tokens)
    index_at = {start: index for index, start in enumerate(starts)}
    for pattern, rule in _SET_PHRASES if parsed.kind is Kind.SET else _PHRASES:
        for found in pattern.finditer(text):
            yield index_at.get(found.start(), 0), rule
    if parsed.kind not in DEFERRED:
        yield from ((index, _LOCK) for index in _locking(parsed, text, index_at))


def uses_named_locks(parsed: statement.Parsed) -> bool:
    """Whether a function for named locks is called anywhere in the statement."""
    text, starts = shape(parsed.tokens)
    return any(True for _ in _locking(parsed, text, {start: index for index, start in enumerate(starts)}))


def _locking(parsed: statement.Parsed, text: bytes, index_at: Mapping[int, int]) -> Iterator[int]:
    for found in _LOCKING.finditer(text):
        index = index_at.get(found.start(), 0)
        before = parsed.tokens[index - 1] if index else None
        named = parsed.kind is Kind.CREATE_INDEX or (before and before.word in _NAMES_FOLLOW)
        if not named and not (before and before.text == b"."):
            yield index
