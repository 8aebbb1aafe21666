"""Which statements of a script may run in a tenant's database: an allow-list, and what is looked for in it.

This is the first wall. The second is the server: the import runs as the tenant's own account, which can reach
nothing else. So a doubtful statement that only hurts the tenant itself passes here, while a real dump must
never be refused for nothing.
"""

from __future__ import annotations

import itertools
from typing import Final

from reconciler import errors
from reconciler.sql import lexer, qualifiers, rules, script, statement, tokens
from reconciler.sql.statement import Kind

# Readable by everyone, and the server shows each account only its own part.
_SHARED: Final = "information_schema"
_DATABASE_KINDS: Final = frozenset((Kind.CREATE_DATABASE, Kind.ALTER_DATABASE, Kind.DROP_DATABASE, Kind.USE))
_CLOSES_A_BLOCK: Final = frozenset((b"IF", b"LOOP", b"REPEAT", b"WHILE", b"FOR", b"CASE"))


def check(item: script.Item, *, database: str | None, mapping: str | None = None) -> errors.Fault | None:
    """Why the item may not run in a tenant's database, with the place of the word to blame; None if it may.

    ``database`` is the one name that may stand before a dot (None: none may). ``mapping`` is the database
    that the dump was made of: see ``skipped``, and ``rewrite.for_tenant``, which takes its name out.
    """
    if skipped(item, mapping=mapping):
        return None
    if isinstance(item, script.ClientCommand):
        if item.name == "use" and database is not None and _used(item) == database:
            return None
        rule = rules.DATABASE if item.name == "use" else rules.CLIENT
        return _fault(item.where, f"`{item.name}`", rule, item.argument)
    if statement.only_rows(item):
        return None
    parsed = statement.parse(item)
    if parsed.kind is Kind.USE and database is not None and parsed.name == database:
        return None
    refused = rules.REFUSED.get(parsed.kind)
    if refused:
        begin = item.place(parsed.tokens[0].start) if parsed.tokens else item.where
        return _fault(begin, _verb(parsed), refused, item.text)
    return _inside(item, parsed, database, mapping)


def skipped(item: script.Item, *, mapping: str | None) -> bool:
    """Whether the item is left out because it only makes, drops, alters or chooses the dump's own database.

    Such a header names a database that is not the tenant's. If ``mapping`` is that name (in any case, for on
    some systems it makes no difference), the tenant's database takes its place.
    """
    if mapping is None:
        return False
    if isinstance(item, script.ClientCommand):
        return item.name == "use" and _used(item).casefold() == mapping.casefold()
    if statement.kind(item) not in _DATABASE_KINDS:
        return False
    parsed = statement.parse(item)
    return parsed.name.casefold() == mapping.casefold() and not _second_statement(parsed)


def named_database(item: script.Item) -> str:
    """The database that a CREATE, ALTER or DROP DATABASE or a USE names; an empty string for all else."""
    if isinstance(item, script.ClientCommand):
        return _used(item) if item.name == "use" else ""
    if statement.kind(item) not in _DATABASE_KINDS:
        return ""
    return statement.parse(item).name


def _used(command: script.ClientCommand) -> str:
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
    line = item.text[item.text.rfind(b"\n", 0, start) + 1 :]
    return _fault(item.place(start), f"`{shown}` in {parsed.kind.value}", rule, line)


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


def _fault(where: errors.Where, what: str, rule: rules.Rule, line: bytes) -> errors.Fault:
    return errors.Fault(where, f"{what} {rule.fact}", rule.name, rule.hint, _shown(line))


def _shown(text: bytes) -> str:
    """The first line of a text, shortened, for a message."""
    line = text.split(b"\n", 1)[0].strip().decode("utf-8", "backslashreplace")
    return line if len(line) <= _LONGEST_SHOWN else line[: _LONGEST_SHOWN - 1] + "…"


_LONGEST_SHOWN = 120
