"""Sending a schema's scripts to a tenant's database, as the official client would send each file.

Every file is a session of its own, unless the one before it left the session as it was. Statements share a packet where
an error can still be pinned to its line. What a file left open (a transaction, locks) ends with its session, unsaved as
with the client.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Generator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from dataclasses import dataclass, field

from reconciler import errors
from reconciler.model.secret import Secret
from reconciler.ports.mysql import names
from reconciler.ports.mysql.connection import Connection
from reconciler.ports.session import Session
from reconciler.resources import scripts
from reconciler.sql import outgoing, rewrite

PACKET_BYTES = 512 * 1024
"""What shares a packet is below this; `engine.preflight` refuses servers that take less than twice as much."""

_AHEAD = 2  # packets

_SEEN = "SELECT @@sql_mode, @@character_set_client, @@collation_connection"
_ADVICE = {
    1273: "The file names a collation that this server does not know. Of MySQL's, MariaDB takes "
    "utf8mb4_0900_ai_ci and most others from 11.4.5 on. Replace it, with utf8mb4_unicode_ci for example.",
    1418: "Declare the function DETERMINISTIC, NO SQL or READS SQL DATA: the server has a binary log.",
    1419: "As an administrator run: SET GLOBAL log_bin_trust_function_creators = 1;",
    1153: "As an administrator raise max_allowed_packet above the length of the statement.",
}


@dataclass(frozen=True, slots=True)
class Target:
    """The database that is filled, and its own account that does it. ``by_administrator`` says that functions and
    triggers have to be made by the provisioning account, in the own account's name.
    """

    server: str
    database: str
    owner: str
    host: str
    secret: Secret
    by_administrator: bool


@dataclass(slots=True)
class Hands:
    """The connections of one import: a session as the own account for as long as it stays as it was.

    Used as a context, which closes the last one.
    """

    target: Target
    session: Session
    _held: ExitStack = field(default_factory=ExitStack)
    _own: Connection | None = None

    def __enter__(self) -> Hands:
        return self

    def __exit__(self, *raised: object) -> None:
        self.let_go()

    def own(self) -> Connection:
        """A connection as the own account whose session nobody has changed."""
        if self._own is None:
            to = self.target
            entered = self.session.owner(to.server, to.owner, to.host, to.secret, to.database)
            self._own = self._held.enter_context(entered)
        return self._own

    def let_go(self) -> None:
        """Close it, because its session is no longer as it was."""
        self._own = None
        self._held.close()


def send(source: scripts.Scripts, hands: Hands) -> None:
    """Send everything, file after file.

    Errors: ``ScriptFailed`` with file, line and statement; ``ScriptRefused`` for a file that changed meanwhile.
    """
    done, total = 0, source.size
    for script, statements in scripts.statements(source):
        own = hands.own()
        packets = outgoing.packets(statements, PACKET_BYTES)
        with closing(_ahead(packets) if source.ready is None else packets) as coming:
            for packet in coming:
                try:
                    deliver(packet, own, hands.target, hands.session)
                except errors.StatementFailed as error:
                    raise _failed(error, packet[error.at]) from error
                done += sum(sent.size for sent in packet)
                hands.session.advance(done, total)
        if not script.tidy:
            hands.let_go()


_Packets = Generator[list[outgoing.Outgoing], None, None]


def _ahead(packets: _Packets) -> _Packets:
    """The packets, of which the next ones are read while the server works on one."""
    with ThreadPoolExecutor(1, "import") as reader:
        coming = deque(reader.submit(next, packets, None) for _ in range(_AHEAD))
        while (packet := coming.popleft().result()) is not None:
            coming.append(reader.submit(next, packets, None))
            yield packet


def deliver(packet: list[outgoing.Outgoing], own: Connection, target: Target, session: Session) -> None:
    """Send one packet through the own account's connection, or what it may not make as the administrator.

    Errors: ``StatementFailed``.
    """
    first = packet[0]
    if first.program and target.by_administrator:
        # As the statement itself would: it commits, and what is locked here would shut the administrator out.
        own.packet([b"COMMIT", b"UNLOCK TABLES"])
        _by_administrator(first, own.rows(_SEEN)[0], target, session)
    else:
        own.packet([sent.text for sent in packet], call=first.call)


def _by_administrator(sent: outgoing.Outgoing, seen: tuple[object, ...], target: Target, session: Session) -> None:
    """A function or trigger keeps the sql_mode and character sets of the session that made it."""
    text = sent.text
    if sent.definer_place >= 0:
        text = rewrite.with_definer(text, sent.definer_place, names.account(target.owner, target.host).encode())
    hand = session.programmer(target.server, target.database)
    hand.run("SET sql_mode = %s, character_set_client = %s, collation_connection = %s", seen)
    hand.packet([text])


def _failed(error: errors.StatementFailed, sent: outgoing.Outgoing) -> errors.ScriptFailed:
    return errors.ScriptFailed(error.message, errno=error.errno, where=sent.where, advice=_ADVICE.get(error.errno, ""))
