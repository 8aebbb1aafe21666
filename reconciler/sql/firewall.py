"""Which statements of a script may run in a tenant's database: an allow-list, and what is looked for in it.

This is the first wall. The second is the server: the import runs as the tenant's own account, which can reach
nothing else. So a doubtful statement that only hurts the tenant itself passes here, while a real dump must
never be refused for nothing.
"""

from __future__ import annotations

import itertools
from dataclasses import dataclass, field
from typing import Final

from reconciler import errors
from reconciler.sql import lexer, qualifiers, routines, rules, script, statement, tokens
from reconciler.sql.statement import Kind

# Readable by everyone, and the server shows each account only its own part.
_SHARED: Final = "information_schema"
_DATABASE_KINDS: Final = frozenset((Kind.CREATE_DATABASE, Kind.ALTER_DATABASE, Kind.DROP_DATABASE, Kind.USE))
_CLOSES_A_BLOCK: Final = frozenset((b"IF", b"LOOP", b"REPEAT", b"WHILE", b"FOR", b"CASE"))


@dataclass(frozen=True, slots=True)
class Verdict:
    """What was found of one item.

    ``fault`` is why it may not run in a tenant's database, with the place of the word to blame. ``skipped`` says that
    it is left out, ``parsed`` is the statement read in full (None for a client command, and for an INSERT of literals).
    """

    fault: errors.Fault | None = None
    skipped: bool = False
    parsed: statement.Parsed | None = None

    @property
    def database(self) -> str:
        """The database that a CREATE, ALTER or DROP DATABASE or a USE names; an empty string for all else."""
        return self.parsed.name if self.parsed and self.parsed.kind in _DATABASE_KINDS else ""


@dataclass(slots=True)
class Firewall:
    """Judges the items of one script, or of several that run one after the other, in their order.

    ``database`` is the one name that may stand before a dot (None: none may). ``mapping`` is the database that the
    dump was made of: what only makes, drops, alters or chooses it is skipped, since the tenant's database takes its
    place (in any case, for on some systems it makes no difference); ``rewrite.for_tenant`` takes its name out of the
    other statements. A statement that stands in a versioned comment for MySQL alone is skipped too. ``locking`` becomes
    true once something was made that uses named locks, since whatever comes behind may run it.
    """

    database: str | None = None
    mapping: str | None = None
    locking: bool = False
    _procedures: routines.Routines = field(default_factory=routines.Routines)

    def judge(self, item: script.Item) -> Verdict:
        """Whether the item may run, and what it is."""
        if isinstance(item, script.ClientCommand):
            return self._command(item)
        if statement.only_rows(item):
            return Verdict()
        if lexer.for_mysql_only(item.text):
            return Verdict(skipped=True)
        parsed = statement.parse(item)
        if parsed.kind in _DATABASE_KINDS and not _second_statement(parsed) and self._is_ours(parsed.kind, parsed.name):
            return Verdict(skipped=True, parsed=parsed)
        refused = rules.of_kind(parsed)
        if refused and not (parsed.kind is Kind.CALL and self._procedures.has(parsed)):
            begin = item.place(parsed.tokens[0].start) if parsed.tokens else item.where
            start = parsed.tokens[0].start if parsed.tokens else 0
            return Verdict(_fault(begin, _verb(parsed), refused, _line(item, start)), parsed=parsed)
        fault = _inside(item, parsed, self.database, self.mapping)
        if fault is None:
            self._procedures.learn(parsed)
            self.locking = self.locking or (parsed.kind in rules.DEFERRED and rules.uses_named_locks(parsed))
        return Verdict(fault, parsed=parsed)

    def _command(self, item: script.ClientCommand) -> Verdict:
        if item.name == "use" and self._is_ours(Kind.USE, used(item)):
            return Verdict(skipped=True)
        rule = rules.DATABASE if item.name == "use" else rules.CLIENT
        if item.reason:
            rule = rules.Rule(rules.SOURCE, item.reason, "Put the file into the script's own folder, or take it out.")
        shown = f"`{item.name}{' ' * bool(item.reason)}{_shown(item.argument) if item.reason else ''}`"
        line = " " * (item.where.column - 1) + f"{item.name} {item.argument.decode('utf-8', 'backslashreplace')}"
        return Verdict(_fault(item.where, shown, rule, line))

    def _is_ours(self, kind: Kind, name: str) -> bool:
        if kind is Kind.USE and self.database is not None and name == self.database:
            return True
        return self.mapping is not None and name.casefold() == self.mapping.casefold()


def used(command: script.ClientCommand) -> str:
    """The database that the client's command ``use`` names."""
    found = next(tokens.tokenize(command.argument, lexer.Quoting(ansi_quotes=True)), None)
    return found.decoded if found else ""


def _inside(
    item: script.Statement, parsed: statement.Parsed, database: str | None, mapping: str | None
) -> errors.Fault | None:
    """The first thing inside an allowed statement that is not allowed."""
    mapped = {_SHARED, (mapping or _SHARED).casefold()}
    suspects: list[tuple[int, rules.Rule, str]] = []
    for token in parsed.tokens:
        if token.sort is tokens.Sort.MURKY:
            suspects.append((token.start, rules.MURKY, _shown(token.text)))
            break
    for index, rule in rules.phrases(parsed):
        end = min(index + 3, len(parsed.tokens))
        words = b" ".join(token.text for token in parsed.tokens[index:end])
        suspects.append((parsed.tokens[index].start, rule, _shown(words)))
    for index in qualifiers.qualifiers(parsed):
        name = parsed.tokens[index].decoded
        if name != database and name.casefold() not in mapped:
            suspects.append((parsed.tokens[index].start, rules.QUALIFIER, f"{name}."))
    second = _second_statement(parsed)
    if second:
        suspects.append((second.start, rules.SEVERAL, _shown(second.text)))
    if not suspects:
        return None
    start, rule, shown = min(suspects, key=lambda suspect: suspect[0])
    return _fault(item.place(start), f"`{shown}` in {parsed.kind.value}", rule, _line(item, start))


def _second_statement(parsed: statement.Parsed) -> tokens.Token | None:
    """The first token behind a semicolon that ends the statement and not one of its body."""
    found, depth, blocks = parsed.tokens, 0, False
    for index, token in enumerate(found[:-1]):
        before = found[index - 1] if index else None
        after = found[index + 1]
        if before and before.text in (b".", b"@"):
            continue
        if token.word in (b"BEGIN", b"CASE") and not (before and before.word == b"END"):
            depth += 1
            blocks = blocks or token.word == b"BEGIN"
        elif token.word == b"END" and (after.word not in _CLOSES_A_BLOCK or after.word == b"CASE"):
            depth = max(0, depth - 1)
        elif token.text == b";" and token.sort is tokens.Sort.PUNCT and depth == 0 and after.text != b";":
            whole = parsed.kind in statement.COMPOUND and not blocks and _ends_a_block(found)
            if not whole:
                return after
    return None


def _ends_a_block(found: tuple[tokens.Token, ...]) -> bool:
    """Whether the statement ends with END IF, END LOOP … (and perhaps a label), as a body of one does."""
    words = [token.word for token in found[-4:]]
    return any(first == b"END" and second in _CLOSES_A_BLOCK for first, second in itertools.pairwise(words))


def _verb(parsed: statement.Parsed) -> str:
    words = b" ".join(token.text for token in parsed.tokens[:2])
    return f"`{_shown(words)}`"


def _fault(where: errors.Where, what: str, rule: rules.Rule, line: str) -> errors.Fault:
    return errors.Fault(where, f"{what} {rule.fact}", rule.name, rule.hint, line)


def _line(item: script.Statement, offset: int) -> str:
    """The line on which a byte of the statement stands, with blanks for what stands before the statement on it."""
    begin = item.text.rfind(b"\n", 0, offset) + 1
    end = item.text.find(b"\n", offset)
    text = item.text[begin : end if end >= 0 else None][:_LONGEST_LINE].rstrip(b"\r")
    return " " * (0 if begin else item.where.column - 1) + text.decode("utf-8", "backslashreplace")


def _shown(text: bytes) -> str:
    """The first line of a text, shortened, for a message."""
    line = text.split(b"\n", 1)[0].strip().decode("utf-8", "backslashreplace")
    return line if len(line) <= _LONGEST_SHOWN else line[: _LONGEST_SHOWN - 1] + "…"


_LONGEST_SHOWN = 120
_LONGEST_LINE = 4000  # bytes; whoever shows it cuts it around the place
