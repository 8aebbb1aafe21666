"""A server that hangs: it takes connections, and says nothing."""

from __future__ import annotations

import socket
import time

import pytest

from reconciler import errors
from reconciler.model.server import Server
from reconciler.ports.mysql import connection
from tests.support import server as servers


def reached(host: str, port: int, user: str = "provisioner") -> Server:
    return Server("main", host, port, user=user)


def test_a_server_that_does_not_greet_is_unreachable_after_the_time_for_a_login(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 0.3)
    with socket.create_server(("127.0.0.1", 0)) as silent:
        began = time.monotonic()
        with pytest.raises(errors.ServerUnreachable):
            connection.connect(reached(*silent.getsockname()))
    assert time.monotonic() - began < 30


def test_a_statement_may_take_longer_than_a_login(monkeypatch: pytest.MonkeyPatch, server: servers.Server) -> None:
    monkeypatch.setattr(connection, "CONNECT_SECONDS", 2)
    found = connection.connect(reached(server.host, server.port, server.user), password=server.password)
    try:
        assert list(found.rows("SELECT SLEEP(2.5)")) == [(0,)]
    finally:
        found.close()
