"""What of a script is sent to a tenant's database: read, checked, its header left out, rewritten."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import BinaryIO

from reconciler import errors
from reconciler.sql import firewall, rewrite, script


@dataclass(frozen=True, slots=True)
class Outgoing:
    """``text`` is what to send, as one statement; ``statement`` is what was written, for its place.

    ``event`` is the name of the event that it makes asleep, if it makes one, and ``enable`` whether that is
    to be woken when the tenant is ready.
    """

    statement: script.Statement
    text: bytes
    event: str = ""
    enable: bool = False


def outgoing(
    stream: BinaryIO | bytes, *, file: str, database: str | None = None, mapping: str | None = None
) -> Iterator[Outgoing]:
    """Yields the statements to send, in order. ``database`` and ``mapping`` are as in ``firewall.check``.

    Raises ScriptRefused at the first item that is refused; what was yielded before it may have been sent, so
    a script is examined before it is opened here. The connection must begin with an ``sql_mode`` without
    ANSI_QUOTES and NO_BACKSLASH_ESCAPES, and must not allow several statements in one packet.
    """
    for item in script.read(stream, file=file):
        fault = firewall.check(item, database=database, mapping=mapping)
        if fault:
            raise errors.ScriptRefused(fault.message, where=fault.where, advice=fault.hint)
        if isinstance(item, script.ClientCommand) or firewall.named_database(item):
            continue  # what passed names the tenant's own database, or the dump's, and the choice is made
        ready = rewrite.for_tenant(item, mapping=mapping)
        yield Outgoing(item, ready.text, ready.event, ready.enable)
