"""A repository on the test server, for modules that need nothing more special."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from reconciler.ports.mysql import connection as mysql
from tests.engine.test_counts import pos
from tests.support import server as servers
from tests.support.shop import Shop


@pytest.fixture
def shop(tmp_path: Path, clean_server: servers.Server) -> Shop:
    """A repository whose platform has been laid, without tenants."""
    made = Shop(tmp_path, clean_server)
    made.lay()
    return made


@pytest.fixture
def pruning(tmp_path: Path, clean_server: servers.Server) -> Shop:
    """A platform that prunes, with a tenant that stays."""
    made = Shop(tmp_path, clean_server)
    made.platform(guards={"prune": True})
    made.tenant("PosTenant", "other", pos(7))
    made.apply()
    return made


@pytest.fixture
def said(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """Every statement that is sent to the server, as long as the test runs."""
    heard: list[str] = []
    send = mysql.Connection.send

    def hearing(self: mysql.Connection, statement: Any, parameters: Any = ()) -> Any:
        heard.append(str(statement))
        return send(self, statement, parameters)

    monkeypatch.setattr(mysql.Connection, "send", hearing)
    return heard
