"""What of a script reaches the server."""

from __future__ import annotations

import io

import pytest

from reconciler import errors
from reconciler.sql import firewall, outgoing
from tests.sql.reading import schema

SCRIPT = b"""\
DROP DATABASE IF EXISTS shop;
CREATE DATABASE shop;
USE shop;
CREATE TABLE shop.t (a int);
INSERT INTO t VALUES (1);
CREATE DEFINER=`root`@`localhost` EVENT e ON SCHEDULE EVERY 1 DAY DO DELETE FROM shop.t;
"""


def test_the_header_is_left_out_and_the_rest_rewritten() -> None:
    sent = list(outgoing.outgoing(io.BytesIO(SCRIPT), file="s.sql", wall=firewall.Firewall(mapping="shop")))
    assert [one.text for one in sent] == [
        b"CREATE TABLE t (a int)",
        b"INSERT INTO t VALUES (1)",
        b"CREATE EVENT e ON SCHEDULE EVERY 1 DAY DISABLE DO DELETE FROM t",
    ]
    assert [(one.event, one.enable) for one in sent] == [("", False), ("", False), ("e", True)]
    assert [one.where.line for one in sent] == [4, 5, 6]


def test_use_of_the_tenant_s_own_database_is_not_sent() -> None:
    sent = list(
        outgoing.outgoing(
            b"USE t_1;\nSELECT 1;\nuse t_1\n/*!40000 USE t_1 */;", file="s.sql", wall=firewall.Firewall("t_1")
        )
    )
    assert [one.text for one in sent] == [b"SELECT 1"]


def test_the_first_refused_statement_stops_it_at_its_place() -> None:
    reading = outgoing.outgoing(b"SELECT 1;\nDROP DATABASE x;\n", file="s.sql", wall=firewall.Firewall())
    assert next(reading).text == b"SELECT 1"
    with pytest.raises(errors.ScriptRefused, match="database") as refused:
        next(reading)
    assert refused.value.where == errors.Where("s.sql", 2, 1)


def test_the_real_schemas_are_sent_without_their_headers() -> None:
    for name, database, count in (
        ("chinook/Chinook_MySql.sql", "Chinook", 57),
        ("sakila-jooq/mysql-sakila-schema.sql", "sakila", 38),
    ):
        sent = list(outgoing.outgoing(schema(name), file=name, wall=firewall.Firewall(mapping=database)))
        assert len(sent) == count
        assert not any(database.encode() + b"." in one.text for one in sent)
