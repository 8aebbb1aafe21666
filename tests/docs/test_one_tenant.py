"""docs/one-tenant.md is what really happens. RECONCILE_WRITE_DOCS=1 writes it anew from this run."""

from __future__ import annotations

import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from tests.docs import walk
from tests.support import server as servers

DOCUMENT = Path(__file__).parents[2] / "docs" / "one-tenant.md"


@pytest.fixture
def shell(clean_server: servers.Server) -> Iterator[walk.Shell]:
    """A shell in an empty folder, in which the document's server is the private one."""
    folder = Path(tempfile.mkdtemp(prefix="reconcile-test-", dir=servers.fast_folder()))
    environment = {
        "PATH": os.environ["PATH"],
        "HOME": str(folder),
        "LC_ALL": "C.UTF-8",
        "MYSQL_TCP_PORT": str(clean_server.port),
        "MYSQL_PWD": clean_server.password,
    }
    names = {f"port: {clean_server.port}": "port: 3306", f"127.0.0.1:{clean_server.port}": "127.0.0.1:3306"}
    names |= {f"DB_PORT={clean_server.port}": "DB_PORT=3306", f"PASSWORD={clean_server.password}": "PASSWORD='…'"}
    with walk.Shell(folder, environment, names) as opened:
        yield opened
    shutil.rmtree(folder)


def test_the_walk_of_one_tenant_is_what_happens(shell: walk.Shell) -> None:
    document = DOCUMENT.read_text(encoding="utf-8")
    outputs = walk.walked(document, shell)
    fresh = walk.rewritten(document, outputs)
    if os.environ.get(walk.WRITE) and walk.alike(fresh) != walk.alike(document):
        DOCUMENT.write_text(fresh, encoding="utf-8")
        document = fresh
    assert walk.alike(fresh) == walk.alike(document), f"{walk.WRITE}=1 writes docs/one-tenant.md anew"
