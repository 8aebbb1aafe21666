"""Making a statement fit for a tenant: no definer, no name of the dump's database, events asleep.

Without a DEFINER clause the account that runs the statement is the definer: the tenant's own. A definer from
elsewhere is either refused in the middle of an import or, worse, accepted and missing at every later use.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.sql import qualifiers, script, statement
from reconciler.sql.statement import Kind

_EMPTY_VERSIONED = re.compile(rb"/\*M?!(?:\d{5,6})?\s*\*/[ \t]?")


@dataclass(frozen=True, slots=True)
class _Edit:
    start: int
    end: int
    text: bytes = b""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A statement ready for a tenant. ``event`` is the name of the event that it makes, or empty; ``enable``
    tells whether that event was meant to run, so that it can be woken when the tenant is ready.
    """

    text: bytes
    event: str = ""
    enable: bool = False


def for_tenant(item: script.Statement, *, mapping: str | None = None) -> Rewritten:
    """All rewritings at once; ``mapping`` is the database of which the dump was made, if it is mapped away."""
    if statement.only_rows(item):
        return Rewritten(item.text)
    parsed = statement.parse(item)
    edits = [*_definer(parsed), *_event(parsed)]
    if mapping is not None:
        edits += _mapping(parsed, mapping)
    event = parsed.name if parsed.kind is Kind.CREATE_EVENT else ""
    return Rewritten(_apply(item.text, edits), event, bool(event) and _is_enabled(parsed))


def without_definer(item: script.Statement) -> bytes:
    """The statement without its DEFINER clause, in whatever pieces that stood; SQL SECURITY is left."""
    return _apply(item.text, list(_definer(statement.parse(item))))


def without_database(item: script.Statement, name: str) -> bytes:
    """The statement with ``name.`` taken out wherever a database can be named."""
    return _apply(item.text, list(_mapping(statement.parse(item), name)))


def disabled_event(item: script.Statement) -> tuple[bytes, bool]:
    """A CREATE EVENT that makes the event asleep, and whether it was meant to run. Others come back as is."""
    parsed = statement.parse(item)
    enabled = parsed.kind is Kind.CREATE_EVENT and _is_enabled(parsed)
    return _apply(item.text, list(_event(parsed))), enabled


def event_name(item: script.Statement) -> str:
    """The name of the event that a CREATE EVENT makes; an empty string for all else."""
    parsed = statement.parse(item)
    return parsed.name if parsed.kind is Kind.CREATE_EVENT else ""


def _definer(parsed: statement.Parsed) -> Iterator[_Edit]:
    """Token by token, for the clause may run over the ends of versioned comments."""
    for token in parsed.definer:
        yield _Edit(token.start, token.end)


def _mapping(parsed: statement.Parsed, name: str) -> Iterator[_Edit]:
    for index in qualifiers.qualifiers(parsed):
        token, dot = parsed.tokens[index : index + 2]
        if token.decoded.casefold() == name.casefold():
            yield _Edit(token.start, token.end)
            yield _Edit(dot.start, dot.end)


def _status(parsed: statement.Parsed) -> tuple[int, int]:
    """Where an event's ENABLE or DISABLE stands (-1 if nowhere), and before what it would stand."""
    depth, status = 0, -1
    for index, token in enumerate(parsed.tokens):
        depth += (token.text == b"(") - (token.text == b")")
        if index <= parsed.named or depth:
            continue
        if token.word in (b"ENABLE", b"DISABLE"):
            status = index
        elif token.word in (b"COMMENT", b"DO"):
            return status, index
    return status, len(parsed.tokens)


def _is_enabled(parsed: statement.Parsed) -> bool:
    status, _ = _status(parsed)
    return status < 0 or parsed.tokens[status].word == b"ENABLE"


def _event(parsed: statement.Parsed) -> Iterator[_Edit]:
    if parsed.kind is not Kind.CREATE_EVENT or not _is_enabled(parsed):
        return
    status, before = _status(parsed)
    if status >= 0:
        token = parsed.tokens[status]
        yield _Edit(token.start, token.end, b"DISABLE")
    elif before < len(parsed.tokens):
        start = parsed.tokens[before].start
        yield _Edit(start, start, b"DISABLE ")


def _apply(text: bytes, edits: list[_Edit]) -> bytes:
    """The text with its edits made, one blank of each two left by a cut, and without emptied comments."""
    for edit in sorted(edits, key=lambda edit: edit.start, reverse=True):
        before, after = text[: edit.start], text[edit.end :]
        if not edit.text and before[-1:].isspace() and after[:1] == b" ":
            after = after[1:]
        text = before + edit.text + after
        if not edit.text:
            text = _without_emptied(text, len(before))
    return text


def _without_emptied(text: bytes, cut: int) -> bytes:
    """Drops the versioned comment around ``cut`` if nothing is left in it."""
    opened = max(text.rfind(b"/*!", 0, cut), text.rfind(b"/*M!", 0, cut))
    found = _EMPTY_VERSIONED.match(text, opened) if opened >= 0 else None
    if found and found.start() <= cut <= found.end():
        return text[: found.start()] + text[found.end() :]
    return text
