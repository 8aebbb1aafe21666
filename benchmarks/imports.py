"""How long an import takes, against the official client on the same file.

    python -m benchmarks.imports [FILE…] [--schemas FOLDER] [--rounds N] [--json FILE]

Starts a private MariaDB of its own. Without FILE it takes generated inputs and, where they are at hand, the third-party
files of FOLDER (default: the environment variable RECONCILE_TEST_SCHEMAS). Ours is the whole schema step as an apply
does it: logins, every statement, the proof, and the record of what was made; reading and checking the file beforehand,
which `plan` does once a process, is shown beside it. The client's is the time of its process. The best of all rounds
counts.
"""

from __future__ import annotations

import argparse
import json
import os
import random
import subprocess
import tempfile
import time
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from pathlib import Path

from reconciler.engine import import_check
from reconciler.engine.progress import Progress
from reconciler.model.change import Change
from reconciler.resources import scripts
from reconciler.resources.schema import Schema
from tests.support import server as servers
from tests.support.shop import Shop

LIMIT = 1.2


@dataclass(frozen=True)
class Row:
    """One file's result; times in seconds."""

    file: str
    megabytes: float
    statements: int
    client: float
    ours: float
    reading: float

    @property
    def ratio(self) -> float:
        """Ours over the client's."""
        return self.ours / self.client


class Watch(Progress):
    """Notes when the schema step begins and when it has ended."""

    began = ended = 0.0

    def doing(self, tenant: str, number: int, change: Change) -> None:
        """A change is about to be made."""
        if change.resource == Schema.kind:
            self.began = time.perf_counter()

    def proving(self, tenant: str) -> None:
        """All changes are made."""
        self.ended = time.perf_counter()


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=(__doc__ or "").split("\n", 1)[0])
    parser.add_argument("files", nargs="*", type=Path)
    parser.add_argument("--schemas", type=Path, default=os.environ.get("RECONCILE_TEST_SCHEMAS"))
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--json", type=Path)
    given = parser.parse_args()
    with servers.private_server() as server, tempfile.TemporaryDirectory() as folder:
        shop = Shop(Path(folder) / "shop", server)
        shop.apply()
        server.sql("SET GLOBAL character_set_server = utf8mb4")
        server.sql("SET GLOBAL collation_server = utf8mb4_unicode_ci")
        rows = [
            measured(shop, path, mapping, given.rounds)
            for path, mapping in inputs(given.files, given.schemas, Path(folder))
        ]
    report(rows)
    if given.json:
        given.json.write_text(json.dumps([{**asdict(row), "ratio": row.ratio} for row in rows], indent=2) + "\n")


def report(rows: list[Row]) -> None:
    """Print the table."""
    print(f"{'file':32} {'MB':>7} {'statements':>10} {'client s':>9} {'ours s':>9} {'ratio':>6} {'reading s':>9}")
    for row in rows:
        over = "  over" * (row.ratio > LIMIT)
        print(
            f"{row.file[-32:]:32} {row.megabytes:7.2f} {row.statements:10} {row.client:9.3f} {row.ours:9.3f} "
            f"{row.ratio:6.2f} {row.reading:9.3f}{over}"
        )


def measured(shop: Shop, path: Path, mapping: str, rounds: int) -> Row:
    """The best of some rounds of one file, ours and the client's in turn."""
    ours, client, reading, statements = [], [], [], 0
    setting = shop.setting()
    for number in range(rounds):
        copy = shop.root / f"round-{number}-{path.name}"  # nothing is known of a file that was never seen
        copy.write_bytes(path.read_bytes())
        began = time.perf_counter()
        source = scripts.load(copy.parent, copy.name, mapping)
        reading.append(time.perf_counter() - began)
        statements = sum(count for _, count in source.kinds)
        watch = Watch()
        trial = import_check.check(setting, "main", source, watch)
        assert trial.failure is None, trial.failure
        ours.append(watch.ended - watch.began)
        client.append(official(shop.server, copy, mapping))
        copy.unlink()
    setting.opened().close()
    size = path.stat().st_size / 1e6
    return Row(path.name, size, statements, min(client), min(ours), min(reading))


def official(server: servers.Server, path: Path, mapping: str) -> float:
    """Seconds of the client's process, into a database that is dropped again."""
    name = mapping or "official"
    server.sql(f"CREATE DATABASE `{name}`")
    socket = server.administrator["unix_socket"]
    command = ["mariadb", "--no-defaults", "--default-character-set=utf8mb4", f"--socket={socket}", "--user=root", name]
    began = time.perf_counter()
    with path.open("rb") as stream:
        subprocess.run(command, stdin=stream, stdout=subprocess.DEVNULL, check=True)
    seconds = time.perf_counter() - began
    server.sql(f"DROP DATABASE `{name}`")
    return seconds


# --- what is measured ---------------------------------------------------------------------------------------


def inputs(files: list[Path], schemas: Path | None, folder: Path) -> Iterator[tuple[Path, str]]:
    """Each file with the database that it was made of, if it names one."""
    if files:
        for path in files:
            found = scripts.load(path.parent, path.name)
            yield path, found.databases[0] if found.databases else ""
        return
    for name, write in GENERATED.items():
        path = folder / f"{name}.sql"
        path.write_bytes(b"".join(write(random.Random(1))))  # noqa: S311 - the same rows each time
        yield path, ""
    for path in sorted(Path(schemas).rglob("*.sql")) if schemas else ():
        yield from inputs([path], None, folder)


def long_rows(chance: random.Random) -> Iterator[bytes]:
    """As a dump has them: many rows an INSERT."""
    yield b"CREATE TABLE t (id int PRIMARY KEY, name varchar(80), price decimal(10,2), made datetime, note text);\n"
    for begin in range(0, 100_000, 2000):
        rows = (
            b"(%d,'name of %d','%d.50','2024-01-%02d 10:00:00','a note; it\\'s %d -- # /* %s')"
            % (n, n, n, n % 28 + 1, n, b"x" * chance.randrange(60))
            for n in range(begin, begin + 2000)
        )
        yield b"INSERT INTO t VALUES " + b",".join(rows) + b";\n"


def single_rows(chance: random.Random) -> Iterator[bytes]:
    """A row an INSERT, as hand-written seeds have them."""
    yield b"CREATE TABLE t (id int PRIMARY KEY, name varchar(80), note text);\n"
    for n in range(10_000):
        yield b"INSERT INTO `t` (`id`, `name`, `note`) VALUES (%d, 'name %d', '%s');\n" % (
            n,
            n,
            b"y" * chance.randrange(99),
        )


def definitions(_: random.Random) -> Iterator[bytes]:
    """Tables that refer to one another, views, triggers, routines."""
    for n in range(120):
        key = b", FOREIGN KEY (parent) REFERENCES t%d (id)" % (n - 1) if n else b""
        yield b"CREATE TABLE t%d (id int PRIMARY KEY, parent int, a varchar(40), KEY (a), KEY (parent)%b);\n" % (n, key)
    for n in range(60):
        yield b"CREATE VIEW v%d AS SELECT a.id, b.a FROM t%d a JOIN t%d b ON a.id = b.parent;\n" % (n, n, n + 1)
    yield b"DELIMITER $$\n"
    for n in range(60):
        yield b"CREATE TRIGGER g%d BEFORE INSERT ON t%d FOR EACH ROW BEGIN SET NEW.a = 'x'; END $$\n" % (n, n)
        yield b"CREATE PROCEDURE p%d(IN n INT)\nBEGIN\n  -- why\n  SELECT * FROM t%d WHERE id = n;\nEND $$\n" % (n, n)


def blobs(chance: random.Random) -> Iterator[bytes]:
    """Bytes that are no text, escaped and in hexadecimal."""
    yield b"CREATE TABLE t (id int PRIMARY KEY, a longblob, b longblob);\n"
    for n in range(60):
        raw = chance.randbytes(60_000)
        escaped = raw.replace(b"\\", b"\\\\").replace(b"'", b"\\'").replace(b"\0", b"\\0").replace(b"\n", b"\\n")
        yield b"INSERT INTO t VALUES (%d,_binary '%b',0x%b);\n" % (n, escaped, raw.hex().encode())


GENERATED: dict[str, Callable[[random.Random], Iterator[bytes]]] = {
    "long-rows": long_rows,
    "single-rows": single_rows,
    "definitions": definitions,
    "blobs": blobs,
}


if __name__ == "__main__":
    main()
