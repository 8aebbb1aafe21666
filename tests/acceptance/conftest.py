"""A repository on the test server, for the program as its users call it."""

from __future__ import annotations

from pathlib import Path

import pytest

from tests.support import merged
from tests.support import server as servers
from tests.support.merged import Remote
from tests.support.repository import Repository


@pytest.fixture
def repository(tmp_path: Path, clean_server: servers.Server) -> Repository:
    """What `reconcile init` makes, pointed at the test server by an edit of its file."""
    return Repository.made(tmp_path / "shop", clean_server)


@pytest.fixture
def remote(repository: Repository, tmp_path: Path) -> Remote:
    """A remote with the sample products and one tenant, for a daemon."""
    for path in (repository.root / "specs/tenants").iterdir():
        path.unlink()
    merged.platform(repository)
    merged.pos(repository, "first")
    made = Remote(repository, tmp_path / "remote.git")
    made.push("the first")
    return made
