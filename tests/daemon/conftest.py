"""What the tests of the whole daemon begin with. A test file that needs another shop has a fixture of its own."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.daemon.live import AT_ONCE, Pushed
from tests.engine.drifting import AGENDA
from tests.support import server as servers
from tests.support.shop import Shop


@pytest.fixture
def shop(tmp_path: Path, clean_server: servers.Server) -> Shop:
    """A repository with one tenant."""
    made = Shop(tmp_path / "repository", clean_server)
    made.platform(daemon=AT_ONCE)
    made.tenant("AgendaTenant", "one", AGENDA)
    return made


@pytest.fixture
def remote(shop: Shop, tmp_path: Path) -> Pushed:
    """Where it is pushed to."""
    return Pushed(shop, tmp_path / "remote.git")


@pytest.fixture
def home(tmp_path: Path) -> Path:
    """Where the daemon works."""
    return tmp_path / "home"
