"""A database made by `reconcile` and one made by the official client from the same file are equal."""

from __future__ import annotations

import difflib
import subprocess
from pathlib import Path

import pytest

from reconciler.model.outcome import Result
from tests.imports import parity
from tests.sql import reading
from tests.support.shop import Shop

FILES = sorted((Path(__file__).parent / "files").glob("*.sql"))


def compare(shop: Shop, text: bytes, mapping: str = "") -> dict[str, int]:
    made = parity.ours(shop, text, mapping)
    assert made.result is Result.APPLIED, made.failure
    database = mapping or "official"
    done = parity.official(shop.server, text, database, make=not mapping)
    assert done.returncode == 0, done.stderr
    theirs, made_here = (parity.dumped(shop.server, name).splitlines() for name in (database, parity.DATABASE))
    difference = b"\n".join(difflib.diff_bytes(difflib.unified_diff, theirs, made_here, lineterm=b""))
    assert not difference, difference.decode("utf-8", "replace")
    counts = parity.rows(shop.server, parity.DATABASE)
    assert counts == parity.rows(shop.server, database)
    return counts


@pytest.mark.parametrize("path", FILES, ids=lambda path: path.stem)
def test_our_database_is_the_official_client_s(shop: Shop, path: Path) -> None:
    text = path.read_bytes()
    first = text.split(b"\n", 1)[0]
    mapping = first.removeprefix(b"-- map: ").decode() if first.startswith(b"-- map: ") else ""
    assert compare(shop, text, mapping)


@pytest.mark.parametrize("options", [(), ("--databases",), ("--hex-blob", "--skip-opt", "--skip-extended-insert")])
@pytest.mark.parametrize("name", ["mariadb_dump", "written_by_hand"])
def test_what_mariadb_dump_writes_of_it_comes_back_the_same(shop: Shop, name: str, options: tuple[str, ...]) -> None:
    text = (Path(__file__).parent / f"files/{name}.sql").read_bytes()
    made = parity.official(shop.server, text, "shop")
    assert made.returncode == 0, made.stderr
    arguments, _ = shop.server._client_arguments()
    command = ["mariadb-dump", "--no-defaults", *arguments, "--routines", "--events", "--triggers", *options, "shop"]
    dump = subprocess.run(command, capture_output=True, check=True).stdout
    shop.server.sql("DROP DATABASE shop")
    assert compare(shop, dump, "shop" if "--databases" in options else "")


def test_chinook_is_the_official_client_s_once_its_database_is_mapped(shop: Shop) -> None:
    counts = compare(shop, reading.schema("chinook/Chinook_MySql.sql"), "Chinook")
    assert len(counts) == 11
    assert sum(counts.values()) == 15_607


def test_sakila_is_the_official_client_s_once_its_database_is_mapped(shop: Shop) -> None:
    counts = compare(shop, reading.schema("sakila-jooq/mysql-sakila-schema.sql"), "sakila")
    assert len(counts) == 16
