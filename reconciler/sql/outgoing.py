"""What of a script is sent to a tenant's database: read, checked, its header left out, rewritten, put into packets."""

from __future__ import annotations

import re
from collections.abc import Generator, Iterable, Iterator
from dataclasses import dataclass, replace
from typing import BinaryIO, Final

from reconciler import errors
from reconciler.sql import firewall, included, lexer, plain, rewrite, script, statement
from reconciler.sql.statement import Kind

_PROGRAMS: Final = frozenset((Kind.CREATE_FUNCTION, Kind.CREATE_TRIGGER, Kind.DROP_TRIGGER))
_MOST_IN_A_PACKET = 1000
_VERSIONED = re.compile(rb"/\*(M?)!(\d*)")


@dataclass(frozen=True, slots=True)
class Outgoing:
    """``text`` is what to send, as one statement; ``where`` and ``size`` are the place of what was written, and its
    length in bytes.

    ``event`` is the name of the event that it makes asleep, if it makes one, and ``enable`` whether that is to be woken
    when the tenant is ready. ``alone`` says that it must not share a packet; ``call`` that it gives any number of
    results; ``program`` that a server with a binary log may want an administrator for it, who puts a definer into
    ``definer_place`` (-1: it makes nothing that has one).
    """

    text: bytes
    where: errors.Where
    size: int
    event: str = ""
    enable: bool = False
    alone: bool = False
    call: bool = False
    program: bool = False
    definer_place: int = -1


def outgoing(
    stream: BinaryIO | bytes,
    *,
    file: str,
    wall: firewall.Firewall,
    opener: included.Opener | None = None,
) -> Iterator[Outgoing]:
    """Yields the statements to send, in order.

    Raises ScriptRefused at the first item that is refused; what was yielded before it may have been sent, so
    a script is examined before it is opened here. The connection must begin with an ``sql_mode`` without
    ANSI_QUOTES and NO_BACKSLASH_ESCAPES.
    """
    for item in included.read(stream, file=file, opener=opener):
        verdict = wall.judge(item)
        if verdict.fault:
            raise _refused(verdict.fault)
        sent = ready(item, verdict, wall)
        if sent is not None:
            yield sent


def ready(item: script.Item, verdict: firewall.Verdict, wall: firewall.Firewall) -> Outgoing | None:
    """What is sent for an item that ``wall`` let pass; None for what is left out. Errors: ``ScriptRefused``."""
    if verdict.skipped or isinstance(item, script.ClientCommand):
        return None  # it names the tenant's own database, or the dump's, and the choice is made
    size = item.end - item.offset
    if verdict.parsed is None:  # rows hold no comment
        return rows(item.text, item.where, size)
    text, parsed = plain.plain(item.text, item.quoting), verdict.parsed
    if text != item.text:
        # What is judged is what is sent.
        again = wall.judge(replace(item, text=text))
        if again.fault:
            raise _refused(again.fault)
        if again.parsed is None:
            return Outgoing(text, item.where, size)
        parsed = again.parsed
    made = rewrite.for_tenant(text, parsed, mapping=wall.mapping)
    return Outgoing(
        made.text,
        item.where,
        size,
        made.event,
        made.enable,
        alone=parsed.kind is Kind.CALL or parsed.kind in statement.COMPOUND or not _can_share(made.text),
        call=parsed.kind is Kind.CALL,
        program=parsed.kind in _PROGRAMS,
        definer_place=made.definer_place,
    )


def rows(text: bytes, where: errors.Where, size: int) -> Outgoing:
    """What is sent for an INSERT of literals, which holds no comment."""
    return Outgoing(plain.lines(text), where, size)


def _refused(fault: errors.Fault) -> errors.ScriptRefused:
    return errors.ScriptRefused(fault.message, where=fault.where, advice=fault.hint)


def _can_share(text: bytes) -> bool:
    """Whether a statement is one for every server: not empty for some, and with no semicolon of its own at its end."""
    found = _VERSIONED.match(text)
    skipped = found is not None and (bool(found[1]) or int(found[2] or 0) >= lexer.SURELY_EXECUTED_BELOW)
    return not skipped and not text.endswith(b";")


def packets(statements: Iterable[Outgoing], limit: int) -> Generator[list[Outgoing], None, None]:
    """The statements in lists that share a packet, each list of at most ``limit`` bytes unless it holds only one."""
    kept: list[Outgoing] = []
    length = 0
    for sent in statements:
        alone = sent.alone or sent.program
        if kept and (alone or length + len(sent.text) > limit or len(kept) >= _MOST_IN_A_PACKET):
            yield kept
            kept, length = [], 0
        if alone:
            yield [sent]
        else:
            kept.append(sent)
            length += len(sent.text) + len(b"\n;\n")
    if kept:
        yield kept
