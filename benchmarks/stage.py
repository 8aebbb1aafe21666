"""The server that all contenders work on, brought back to the same beginning for each of them.

It stands on a disk, and a commit is durable when it is acknowledged (innodb_flush_log_at_trx_commit=1), as on a server
that keeps what it was given. The beginning is a platform that was laid and has no tenants; going back to it is a copy
of the folders, so that nobody meets what another one left behind.
"""

from __future__ import annotations

import contextlib
import re
import shutil
import subprocess
import tempfile
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from benchmarks import process, tenants
from tests.support import server as servers
from tests.support.shop import Shop

OPTIONS = (
    "--innodb-flush-log-at-trx-commit=1",
    "--innodb-doublewrite=ON",
    "--innodb-buffer-pool-size=512M",
    "--innodb-log-buffer-size=16M",
    "--innodb-read-io-threads=4",
    "--innodb-write-io-threads=4",
    "--innodb-purge-threads=4",
    "--key-buffer-size=16M",
    "--aria-pagecache-buffer-size=64M",
    "--table-open-cache=4000",
    "--open-files-limit=16384",
)


@dataclass
class Stage:
    """The server, the repository of ours, and a temporary folder for what others need."""

    server: servers.Server
    shop: Shop
    folder: Path
    platform_id: str = ""
    spent: float = 0.0
    """The server's processor time when the beginning was reached, in seconds."""

    def fresh(self, count: int) -> None:
        """Back to the beginning, with specs of ``count`` tenants that have not been applied."""
        self.stop()
        assert self.server.dev is not None
        for one, name in ((self.server.dev.data, "data"), (self.shop.root / "state", "state")):
            shutil.rmtree(one, ignore_errors=True)
            shutil.copytree(self.folder / "beginning" / name, one)
        self.server.dev.start()
        tenants.write(self.shop, count)
        self.spent = self.processor()

    @property
    def pid(self) -> int:
        """The server's process."""
        assert self.server.dev is not None
        return int((self.server.dev.directory / "server.pid").read_text())

    def processor(self) -> float:
        """The processor time that the server has spent since it was started, in seconds."""
        return process.processor(self.pid)

    def stop(self) -> None:
        """End the server in order."""
        self.server.close()
        assert self.server.dev is not None
        self.server.dev.stop()

    def complete(self) -> int:
        """How many databases of tenants have all their tables and rows, and are in the central system's index."""
        rows = self.server.sql(
            "SELECT COUNT(*) FROM (SELECT TABLE_SCHEMA FROM information_schema.TABLES WHERE TABLE_SCHEMA LIKE "
            "'agenda\\_%%' AND TABLE_TYPE = 'BASE TABLE' AND TABLE_NAME <> '_reconciler_migrations' GROUP BY "
            "TABLE_SCHEMA HAVING COUNT(*) = %s) AS d INNER JOIN license_manager.tenants AS t ON t.database_name = "
            "d.TABLE_SCHEMA",
            tenants.TABLES,
        )
        return int(rows[0][0])


@contextlib.contextmanager
def set_up() -> Iterator[Stage]:
    """A stage at its beginning; gone afterwards, however this process ends."""
    with (
        servers.private_server(*OPTIONS, on_disk=True) as server,
        tempfile.TemporaryDirectory(prefix="reconcile-benchmark-") as folder,
    ):
        stage = Stage(server, tenants.shop(Path(folder) / "shop", server), Path(folder))
        stage.shop.apply()
        stage.platform_id = str(server.sql("SELECT platform_id FROM license_manager.platform")[0][0])
        stage.stop()
        assert server.dev is not None
        shutil.copytree(server.dev.data, stage.folder / "beginning" / "data")
        shutil.copytree(stage.shop.root / "state", stage.folder / "beginning" / "state")
        server.dev.start()
        yield stage


def version() -> str:
    """The server's version, as its program says it."""
    said = subprocess.run(["mariadb", "--version"], capture_output=True, text=True, check=True).stdout
    found = re.search(r"\d+\.\d+\.\d+", said.replace("Ver 15.", ""))
    return found.group() if found else said.strip()
