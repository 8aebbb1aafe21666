"""Making a statement fit for a tenant: no definer, no name of the dump's database, events asleep.

Without a DEFINER clause the account that runs the statement is the definer: the tenant's own. A definer from
elsewhere is either refused in the middle of an import or, worse, accepted and missing at every later use.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from reconciler.sql import qualifiers, statement
from reconciler.sql.statement import Kind

_PROGRAMS = frozenset((Kind.CREATE_FUNCTION, Kind.CREATE_TRIGGER))
_EMPTY_VERSIONED = re.compile(rb"/\*M?!(?:\d{5,6})?\s*\*/[ \t]?")


@dataclass(frozen=True, slots=True)
class _Edit:
    start: int
    end: int
    text: bytes = b""


@dataclass(frozen=True, slots=True)
class Rewritten:
    """A statement ready for a tenant. ``event`` is the name of the event that it makes, or empty; ``enable``
    tells whether that event was meant to run, so that it can be woken when the tenant is ready. ``definer_place`` is
    where ``with_definer`` puts one into a statement that makes a function or trigger; -1 in others.
    """

    text: bytes
    event: str = ""
    enable: bool = False
    definer_place: int = -1


def for_tenant(text: bytes, parsed: statement.Parsed, *, mapping: str | None = None) -> Rewritten:
    """All rewritings of a statement at once; ``mapping`` is the database that the dump was made of, if it is mapped."""
    edits = [*_definer(parsed), *_event(parsed)]
    if mapping is not None:
        edits += _mapping(parsed, mapping)
    event = parsed.name if parsed.kind is Kind.CREATE_EVENT else ""
    return Rewritten(_apply(text, edits), event, bool(event) and is_enabled(parsed), _place_of_definer(parsed))


def with_definer(text: bytes, place: int, definer: bytes) -> bytes:
    """A rewritten CREATE with a definer of its own, for an administrator who makes it in a tenant's name.

    ``definer`` is an account as it is written in a statement, ``place`` the ``definer_place`` of ``Rewritten``.
    """
    return b"%b DEFINER=%b%b" % (text[:place], definer, text[place:])


def _place_of_definer(parsed: statement.Parsed) -> int:
    """Behind CREATE or CREATE OR REPLACE, where nothing is ever edited; -1 for what can have no definer here."""
    if parsed.kind not in _PROGRAMS:
        return -1
    words = [token.word for token in parsed.tokens[:3]]
    return parsed.tokens[2 if words == [b"CREATE", b"OR", b"REPLACE"] else 0].end


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


def is_enabled(parsed: statement.Parsed) -> bool:
    """Whether the event that a CREATE EVENT makes is meant to run."""
    status, _ = _status(parsed)
    return status < 0 or parsed.tokens[status].word == b"ENABLE"


def _event(parsed: statement.Parsed) -> Iterator[_Edit]:
    if parsed.kind is not Kind.CREATE_EVENT or not is_enabled(parsed):
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
