"""A repository on the test server, for modules that need nothing more special."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import server as servers
from tests.support.shop import Shop


@pytest.fixture
def shop(tmp_path: Path, clean_server: servers.Server) -> Shop:
    """A repository whose platform has been laid, without tenants."""
    made = Shop(tmp_path, clean_server)
    made.apply()
    return made
