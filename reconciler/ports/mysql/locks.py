"""GET_LOCK as a fence: what holds a tenant's lock names, and how a successor ends it.

Source: MariaDB Knowledge Base, "GET_LOCK", "IS_USED_LOCK", "KILL". A killed holder's lock is granted only when its
thread has ended, which is what makes taking the lock the proof that nothing of it runs any more.
"""

from __future__ import annotations

from collections.abc import Iterable

from reconciler import errors
from reconciler.ports.mysql import connection as mysql

WAIT_SECONDS = 60


def take(connection: mysql.Connection, name: str, *, seconds: int = WAIT_SECONDS) -> None:
    """Take the lock ``name`` for this connection. Errors: ``StepFailed`` if somebody holds it for too long."""
    if connection.value("SELECT GET_LOCK(%s, %s)", (name, seconds)) != 1:
        holder = connection.value("SELECT IS_USED_LOCK(%s)", (name,))
        raise errors.StepFailed(
            f"server {connection.server.name}: the lock {name} is held by connection {holder}, "
            f"and was not free for {seconds} seconds"
        )


def release(connection: mysql.Connection, name: str) -> None:
    """Give a lock back; one that this connection does not hold is left alone."""
    connection.value("SELECT RELEASE_LOCK(%s)", (name,))


def expel(connection: mysql.Connection, names: Iterable[str]) -> None:
    """End every connection that holds one of ``names``, and return when its thread is gone.

    The names are free afterwards. Errors: ``StatementFailed`` (1095) where the account may not kill.
    """
    for name in names:
        holder = connection.value("SELECT IS_USED_LOCK(%s)", (name,))
        if holder is not None and int(holder) != connection.thread:
            kill(connection, int(holder))
        take(connection, name)
        release(connection, name)


def kill(connection: mysql.Connection, thread: int) -> None:
    """End another connection; one that is gone already is fine (1094)."""
    try:
        connection.run(f"KILL HARD CONNECTION {thread:d}")
    except errors.StatementFailed as error:
        if error.errno != 1094:
            raise
