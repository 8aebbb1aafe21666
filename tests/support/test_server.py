"""A server that is wiped is as it was found."""

from __future__ import annotations

from tests.support import server as servers


def test_a_database_with_a_file_of_no_table_is_wiped_too(clean_server: servers.Server) -> None:
    assert clean_server.dev is not None
    clean_server.sql("CREATE DATABASE agenda_odd")
    clean_server.sql("CREATE TABLE agenda_odd.one (id INT PRIMARY KEY)")
    (clean_server.dev.data / "agenda_odd/#sql-ib42.ibd").write_bytes(b"")
    clean_server.wipe()
    assert clean_server.databases() == []
    clean_server.sql("CREATE DATABASE agenda_odd")
