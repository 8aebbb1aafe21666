"""Two writers of the same rows: who is refused because of the other tries again."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from reconciler.model.server import Server
from reconciler.ports.mysql import connection as mysql
from tests.support import server as servers


@pytest.fixture
def table(clean_server: servers.Server) -> Iterator[str]:
    """A table with one row, on a server where a transaction may not write what has changed since it first looked."""
    strict = "innodb_snapshot_isolation"  # which is how a server begins from 11.6.2 on
    ((_, former),) = clean_server.sql(f"SHOW GLOBAL VARIABLES LIKE '{strict}'") or (("", ""),)
    if not former:
        pytest.skip(f"this server is too old for {strict}")
    clean_server.sql(f"SET GLOBAL {strict} = ON")
    clean_server.sql("CREATE DATABASE pos_one")
    clean_server.sql("CREATE TABLE pos_one.t (id INT PRIMARY KEY, n INT NOT NULL)")
    clean_server.sql("INSERT INTO pos_one.t VALUES (1, 0)")
    yield "pos_one.t"
    clean_server.sql(f"SET GLOBAL {strict} = {former}")


def test_a_row_that_changed_since_the_transaction_first_looked_is_written_at_the_second_try(
    clean_server: servers.Server, table: str
) -> None:
    server = Server("main", clean_server.host, clean_server.port, user=clean_server.user)
    connection, seen = mysql.connect(server, password=clean_server.password), list[int]()

    def attempt() -> None:
        seen.append(connection.value(f"SELECT n FROM {table}"))
        if len(seen) == 1:
            clean_server.sql(f"UPDATE {table} SET n = 10")
        connection.run(f"UPDATE {table} SET n = n + 1")

    try:
        connection.atomically(attempt)
    finally:
        connection.close()
    assert seen == [0, 10]
    assert clean_server.sql(f"SELECT n FROM {table}") == [(11,)]
