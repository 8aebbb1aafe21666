"""`reconcile import-check`: what an import would do, and a try of it that leaves nothing, whatever happens."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest
from click.testing import CliRunner, Result

from reconciler import errors
from reconciler.cli import options, program
from reconciler.engine import import_check
from reconciler.engine import setting as settings
from reconciler.engine.progress import Progress
from reconciler.model import outcome
from reconciler.resources import scripts
from tests.support.faults import Boundaries, Fault, SimulatedDeath
from tests.support.shop import Shop

GOOD = b"""\
CREATE TABLE t (a int PRIMARY KEY);
CREATE VIEW v AS SELECT a FROM t;
DELIMITER $$
CREATE TRIGGER g BEFORE INSERT ON t FOR EACH ROW BEGIN SET NEW.a = NEW.a + 1; END $$
DELIMITER ;
INSERT INTO t VALUES (1), (2);
"""


def called(*arguments: str) -> Result:
    found = CliRunner().invoke(
        program.reconcile, ["import-check", *arguments], obj=options.Call(), standalone_mode=False
    )
    if found.exception is not None:
        raise found.exception
    return found


def data(*arguments: str) -> tuple[int, dict[str, Any]]:
    found = called(*arguments, "--format", "json")
    return found.return_value, json.loads(found.stdout)


@pytest.fixture
def file(tmp_path: Path) -> Path:
    path = tmp_path / "dump.sql"
    path.write_bytes(GOOD)
    return path


def test_without_a_server_it_says_what_an_import_would_do(file: Path) -> None:
    status, found = data(str(file))
    assert status == 0
    assert found["kinds"] == {"create table": 1, "create trigger": 1, "create view": 1, "insert": 1}
    assert found["makes"] == {"tables": 1, "views": 1, "triggers": 1, "routines": 0, "events": 0, "sequences": 0}
    assert found["longest"] == {"bytes": 81, "where": {"file": "dump.sql", "line": 4, "column": 1}}
    assert found["trial"] is None


def test_everything_that_is_refused_is_listed_with_its_place(file: Path) -> None:
    file.write_bytes(b"CREATE DATABASE shop;\nUSE shop;\nCREATE TABLE t (a int);\n  CREATE USER x;\n")
    status, found = data(str(file))
    assert status == errors.InvalidSpecs.exit
    places = [(entry["where"]["line"], entry["where"]["column"], entry["rule"]) for entry in found["refusals"]]
    assert places == [(1, 1, "database"), (2, 1, "database"), (4, 3, "account")]
    assert (found["refused"], found["databases"]) == (3, ["shop"])
    text = called(str(file)).stdout
    assert "dump.sql:4:3: error: `CREATE USER` changes accounts or grants" in text
    assert "see --map-database" in text


def test_a_mapped_database_is_no_reason_to_refuse(file: Path) -> None:
    file.write_bytes(b"CREATE DATABASE shop;\nUSE shop;\nCREATE TABLE shop.t (a int);\n")
    status, found = data(str(file), "--map-database", "shop")
    assert (status, found["skipped"], found["statements"]) == (0, 2, 1)


def test_a_folder_is_checked_as_a_schema(tmp_path: Path) -> None:
    for name in ("0002_b.sql", "0001_a.sql"):
        (tmp_path / name).write_text("SELECT 1;\n")
    _, found = data(str(tmp_path))
    assert [entry["name"] for entry in found["files"]] == ["0001_a.sql", "0002_b.sql"]


def test_a_folder_without_sql_is_wrong_usage(tmp_path: Path) -> None:
    with pytest.raises(errors.UsageError, match=r"no \.sql file"):
        called(str(tmp_path))


# --- with a server -----------------------------------------------------------------------------------------


def tried(shop: Shop, text: bytes, boundaries: Boundaries | None = None) -> import_check.Trial:
    path = shop.root / "check.sql"
    path.write_bytes(text)
    source = scripts.load(shop.root, "check.sql")
    setting: settings.Setting = shop.setting(boundaries.ports() if boundaries else None)
    try:
        if boundaries:
            boundaries.watch(setting)
        return import_check.check(setting, "main", source, Progress())
    finally:
        if boundaries:
            boundaries.dead = False
            boundaries.faults.clear()
        setting.opened().close()


def test_a_try_says_what_was_made_and_leaves_nothing(shop: Shop) -> None:
    before = shop.world()
    trial = tried(shop, GOOD)
    assert trial.failure is None
    assert {kind: count for kind, count in trial.counts.items() if count} == {"tables": 1, "views": 1, "triggers": 1}
    assert trial.leftovers == ()
    assert trial.database.startswith("agenda__check_")
    assert shop.world() == before
    assert shop.recover() == []


def test_a_try_that_fails_names_the_line_and_leaves_nothing(shop: Shop) -> None:
    before = shop.world()
    trial = tried(shop, GOOD + b"\nINSERT INTO t VALUES (1);\n")
    assert trial.failure is not None
    assert trial.failure.message.startswith("check.sql:8:1: ")
    assert trial.failure.exit == 6
    assert shop.world() == before


def test_a_check_that_dies_anywhere_is_swept_by_recover(shop: Shop) -> None:
    before = shop.world()
    clean = Boundaries()
    tried(shop, GOOD, clean)
    for at in range(3, clean.count + 1, 5):
        fault = Fault.DEATH_AFTER if at % 2 else Fault.DEATH_BEFORE
        with pytest.raises(SimulatedDeath):
            tried(shop, GOOD, Boundaries({at: fault}))
        assert {entry.result for entry in shop.recover()} <= {outcome.Result.ROLLED_BACK}
        assert shop.world() == before, clean.log[at - 1]


def test_a_check_sweeps_what_an_earlier_one_left(shop: Shop) -> None:
    before = shop.world()
    clean = Boundaries()
    tried(shop, GOOD, clean)
    created = next(n for n, what in enumerate(clean.log, 1) if "CREATE USER" in what)
    with pytest.raises(SimulatedDeath):
        tried(shop, GOOD, Boundaries({created: Fault.DEATH_AFTER}))
    assert shop.world() != before
    assert tried(shop, GOOD).failure is None
    assert shop.world() == before


def test_a_check_is_no_tenant(shop: Shop) -> None:
    tried(shop, GOOD)
    assert shop.plan().tenants == ()
    assert import_check.NAME not in {entry.tenant for entry in shop.plan().tenants}


def test_a_server_that_the_specs_do_not_have_is_wrong_usage(shop: Shop) -> None:
    setting = shop.setting()
    try:
        with pytest.raises(errors.UsageError, match="no server other"):
            import_check.check(setting, "other", scripts.load(shop.root, "specs/products/agenda-ia/schema"), Progress())
    finally:
        setting.opened().close()


def test_it_works_before_anything_was_applied(shop: Shop) -> None:
    fresh = Shop(shop.root / "fresh", shop.server)
    databases = shop.server.databases()
    (fresh.root / "dump.sql").write_bytes(GOOD)
    found = CliRunner().invoke(
        program.reconcile,
        ["-C", str(fresh.root), "import-check", str(fresh.root / "dump.sql"), "--server", "main"],
        obj=options.Call(),
        standalone_mode=False,
    )
    assert found.return_value == 0, found.output
    assert "gone again" in found.stdout
    assert shop.server.databases() == databases
