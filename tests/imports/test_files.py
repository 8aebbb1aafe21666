"""A schema of several files: their sessions, what they read by `source`, and what is on record of them."""

from __future__ import annotations

import hashlib
import os
from pathlib import Path

import pytest

from reconciler import errors
from reconciler.model import plan as plans
from reconciler.model.outcome import Result
from reconciler.ports import cache
from reconciler.products import checks
from reconciler.resources import scripts
from tests.imports import parity
from tests.support.faults import Boundaries
from tests.support.shop import Shop

FOLDER = "specs/products/pos-tree-codes/schema"


def write(shop: Shop, **files: str) -> Path:
    """Replace the product's schema by these files (without ``.sql``) and write the tenant."""
    folder = shop.root / FOLDER
    for path in folder.iterdir():
        path.unlink()
    for name, text in files.items():
        (folder / f"{name}.sql").write_text(text)
    shop.tenant("PosTenant", parity.TENANT, parity.SPEC)
    return folder


def blockers(shop: Shop) -> list[plans.Blocker]:
    (entry,) = shop.plan().tenants
    return list(entry.blockers)


def test_every_file_begins_with_a_session_of_its_own(shop: Shop) -> None:
    write(
        shop,
        **{
            "0001_a": "SET sql_mode = 'ANSI_QUOTES'; SET @x = 5; CREATE TABLE \"a\" (x int);",
            "0002_b": 'CREATE TABLE b (x varchar(9)); INSERT INTO b VALUES ("text"), (@x);',
            "0003_c": "SET autocommit = 0; INSERT INTO b VALUES ('kept'); COMMIT; INSERT INTO b VALUES ('lost');",
            "0004_d": "LOCK TABLES a WRITE; INSERT INTO a VALUES (1);",
            "0005_e": "INSERT INTO b SELECT x FROM a;",
        },
    )
    assert shop.apply()[parity.TENANT].result is Result.APPLIED
    assert shop.server.sql("SELECT x FROM pos_one.b") == [("text",), (None,), ("kept",), ("1",)]


def test_files_that_leave_the_session_alone_share_it(shop: Shop) -> None:
    names = {f"{n:04}_t": f"SET NAMES utf8mb4;\nCREATE TABLE t{n} (a int);" for n in range(1, 9)}
    write(shop, **names)
    boundaries = Boundaries()
    assert shop.apply(boundaries.ports())[parity.TENANT].result is Result.APPLIED
    assert boundaries.log.count("log in pos_one_own") == 1


def test_statements_share_packets(shop: Shop) -> None:
    rows = "".join(f"INSERT INTO t VALUES ({n});\n" for n in range(500))
    write(shop, **{"0001_t": f"CREATE TABLE t (a int);\n{rows}"})
    boundaries = Boundaries()
    assert shop.apply(boundaries.ports())[parity.TENANT].result is Result.APPLIED
    assert len([what for what in boundaries.log if "CREATE TABLE t " in what or "INSERT INTO t " in what]) == 1
    assert shop.server.sql("SELECT COUNT(*) FROM pos_one.t") == [(500,)]


@pytest.mark.parametrize("kept", [100, 5000])
def test_a_large_file_is_not_kept_and_an_error_at_its_end_has_its_line(
    shop: Shop, monkeypatch: pytest.MonkeyPatch, kept: int
) -> None:
    row = "INSERT INTO t VALUES ({}, '" + "x" * 2000 + "');\n"
    rows = "".join(row.format(n) for n in range(1000))
    write(shop, **{"0001_t": f"CREATE TABLE t (a int PRIMARY KEY, b text);\n{rows}"})
    monkeypatch.setattr(scripts, "_KEPT_STATEMENTS", kept)
    assert (scripts.load(shop.root, FOLDER).ready is None) == (kept < 1000)
    assert shop.apply()[parity.TENANT].result is Result.APPLIED
    assert shop.server.sql("SELECT COUNT(*), SUM(LENGTH(b)) FROM pos_one.t") == [(1000, 2_000_000)]
    shop.reset()
    write(shop, **{"0001_t": f"CREATE TABLE t (a int PRIMARY KEY, b text);\n{rows}{row.format(7)}"})
    ended = shop.apply()[parity.TENANT]
    assert ended.failure is not None
    assert ended.failure.message.startswith(f"{FOLDER}/0001_t.sql:1002:1: ")


def test_a_file_that_is_read_by_source_is_part_of_the_one_that_reads_it(shop: Shop) -> None:
    folder = write(shop, **{"0001_main": "DELIMITER //\nCREATE TABLE t (a int)//\nsource parts/rows.txt\nSELECT 2//\n"})
    (folder / "parts").mkdir()
    (folder / "parts/rows.txt").write_text(
        "INSERT INTO t VALUES (1)//\nDELIMITER ;\n\\. parts/more.txt\nDELIMITER //\n"
    )
    (folder / "parts/more.txt").write_text("INSERT INTO t VALUES (2);\n")
    text = (folder / "0001_main.sql").read_bytes()
    assert shop.apply()[parity.TENANT].result is Result.APPLIED
    assert parity.official(shop.server, text, folder=folder).returncode == 0
    assert parity.dumped(shop.server, parity.DATABASE) == parity.dumped(shop.server, "official")
    names = [row[0] for row in shop.server.sql("SELECT name FROM pos_one._reconciler_migrations ORDER BY name")]
    assert names == ["0001_main.sql", "parts/more.txt", "parts/rows.txt"]


def test_an_error_in_a_file_that_is_read_names_that_file(shop: Shop) -> None:
    folder = write(shop, **{"0001_main": "CREATE TABLE t (a int);\nsource rows.txt\n"})
    (folder / "rows.txt").write_text("INSERT INTO t VALUES (1);\nINSERT INTO u VALUES (1);\n")
    ended = shop.apply()[parity.TENANT]
    assert ended.failure is not None
    assert ended.failure.message.startswith(f"{FOLDER}/rows.txt:2:1: ")


def test_a_file_can_t_run_by_itself_and_be_read_by_another(shop: Shop) -> None:
    write(shop, **{"0001_a": "source 0002_b.sql\n", "0002_b": "CREATE TABLE t (a int);\n"})
    with pytest.raises(errors.InvalidSpecs, match="1 fault") as refused:
        shop.apply()
    assert "run twice" in refused.value.faults[0].message


def test_files_that_read_one_another_in_a_circle_are_refused(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("source b.txt\n")
    (tmp_path / "b.txt").write_text("source b.txt\n")
    assert "circle" in scripts.load(tmp_path, "a.sql").refusals[0].message


def test_a_file_that_appears_later_is_seen(tmp_path: Path) -> None:
    (tmp_path / "a.sql").write_text("source b.txt\n")
    assert scripts.load(tmp_path, "a.sql").refused == 1
    (tmp_path / "b.txt").write_text("SELECT 1;\n")
    assert scripts.load(tmp_path, "a.sql").refused == 0


def test_what_was_applied_is_on_record_with_its_checksum_and_its_counts(shop: Shop) -> None:
    text = "CREATE TABLE t (a int PRIMARY KEY);\nCREATE TABLE u (a int, FOREIGN KEY (a) REFERENCES t (a));\n"
    write(shop, **{"0001_t": text, "0002_v": "CREATE VIEW v AS SELECT 1 AS a;\n"})
    assert shop.apply()[parity.TENANT].result is Result.APPLIED
    setting = shop.setting()
    try:
        facts = setting.records()[parity.TENANT].facts["schema/main/pos_one"]
    finally:
        setting.opened().close()
    digest = hashlib.sha256(text.encode()).hexdigest()
    assert facts["scripts"].keys() == {"0001_t.sql", "0002_v.sql"}
    assert facts["scripts"]["0001_t.sql"] == digest
    assert {kind: count for kind, count in facts["counts"].items() if count} == {
        "tables": 2,
        "views": 1,
        "foreign keys": 1,
    }
    rows = shop.server.sql("SELECT name, sha256 FROM pos_one._reconciler_migrations WHERE name LIKE '0001%'")
    assert rows == [("0001_t.sql", digest)]
    assert shop.plan(deep=True).empty


def test_a_file_that_was_applied_and_changed_blocks_the_tenant_and_says_so(shop: Shop) -> None:
    folder = write(shop, **{"0001_t": "CREATE TABLE t (a int);\n"})
    assert shop.apply()[parity.TENANT].result is Result.APPLIED
    before = shop.world()
    old = hashlib.sha256((folder / "0001_t.sql").read_bytes()).hexdigest()
    (folder / "0001_t.sql").write_text("CREATE TABLE t (a bigint);\n")
    new = hashlib.sha256((folder / "0001_t.sql").read_bytes()).hexdigest()
    (blocker,) = blockers(shop)
    assert blocker.code == "script-changed"
    assert all(part in blocker.message for part in ("0001_t.sql", old, new))
    assert shop.apply()[parity.TENANT].result is Result.BLOCKED
    assert shop.world() == before


def test_a_file_that_was_added_later_changes_nothing(shop: Shop) -> None:
    folder = write(shop, **{"0001_t": "CREATE TABLE t (a int);\n"})
    assert shop.apply()[parity.TENANT].result is Result.APPLIED
    (folder / "0002_u.sql").write_text("CREATE TABLE u (a int);\n")
    assert shop.plan().empty
    assert shop.plan(deep=True).empty


def test_a_file_that_moved_to_another_folder_is_still_the_same(shop: Shop) -> None:
    folder = write(shop, **{"0001_t": "CREATE TABLE t (a int);\n"})
    assert shop.apply()[parity.TENANT].result is Result.APPLIED
    folder.rename(shop.root / "specs/elsewhere")
    parity.product(shop, "specs/elsewhere")
    assert blockers(shop) == []


def test_a_dump_of_a_tenant_may_bring_our_own_table_along(shop: Shop) -> None:
    write(shop, **{"0001_t": "CREATE TABLE `_reconciler_migrations` (x int);\nCREATE TABLE t (a int);\n"})
    assert shop.apply()[parity.TENANT].result is Result.APPLIED
    assert shop.server.sql("SELECT name FROM pos_one._reconciler_migrations") == [("0001_t.sql",)]
    assert shop.plan(deep=True).empty


def test_an_event_whose_time_has_passed_is_no_reason_to_fail(shop: Shop) -> None:
    text = "CREATE EVENT past ON SCHEDULE AT '2020-01-01 00:00:00' DO SELECT 1;\n"
    text += "CREATE EVENT daily ON SCHEDULE EVERY 1 DAY DO SELECT 1;\n"
    write(shop, **{"0001_e": text})
    assert shop.apply()[parity.TENANT].result is Result.APPLIED
    assert shop.server.sql("SELECT name, status FROM mysql.event WHERE db = 'pos_one'") == [("daily", "ENABLED")]
    assert shop.plan(deep=True).empty


def test_a_change_of_a_sourced_file_that_keeps_size_and_time_is_seen(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_TICK", -(10**15))  # as if the files were old
    (tmp_path / "all.sql").write_text("source part.sql\n")
    part = tmp_path / "part.sql"
    part.write_text("-- nothing\n")
    before, state = checks.digest_of(tmp_path, "all.sql"), part.stat()
    assert checks.digest_of(tmp_path, "all.sql") == before
    part.write_text("DROP USER a")
    os.utime(part, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert part.stat().st_size == state.st_size
    assert checks.digest_of(tmp_path, "all.sql") != before
