"""What was trusted last of each source: the commit that everything after it has to come out of."""

from __future__ import annotations

import hashlib

import sqlalchemy as sa

from reconciler.ports.store import tables

_LONGEST = 255


def there(connection: sa.Connection) -> bool:
    """Whether the store has the table; one that was laid before there was a daemon has not."""
    return sa.inspect(connection).has_table(tables.sources.name)


def load(connection: sa.Connection, url: str, branch: str) -> str | None:
    """The commit of ``branch`` of ``url`` that was trusted last; None where there is none."""
    if not there(connection):
        return None
    found: str | None = connection.scalar(sa.select(tables.sources.c.revision).where(*_is(url, branch)))
    return found


def remember(connection: sa.Connection, url: str, branch: str, commit: str, *, now: str) -> None:
    """Put ``commit`` in place of what was trusted before. ``url`` has no credentials in it."""
    values = {"revision": commit, "at": now}
    changed = connection.execute(sa.update(tables.sources).where(*_is(url, branch)).values(values))
    # A server that counts only rows that differ would say 0 of a row that is as it should be.
    if not changed.rowcount and load(connection, url, branch) is None:
        connection.execute(tables.sources.insert().values(url=_key(url), branch=_key(branch), **values))


def _is(url: str, branch: str) -> tuple[sa.ColumnElement[bool], ...]:
    return tables.sources.c.url == _key(url), tables.sources.c.branch == _key(branch)


def _key(text: str) -> str:
    """A text as its column can hold it: a path may have octets that are no text, and be longer than the column."""
    plain = text.encode("utf-8", "surrogateescape").decode("utf-8", "backslashreplace")
    return plain if len(plain) <= _LONGEST else f"sha256:{hashlib.sha256(plain.encode()).hexdigest()}"
