"""The sample repository's data, as far as it can be judged without a server: schemas, seeds, specs."""

from __future__ import annotations

import datetime
import functools
import re
import shutil
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

from reconciler.licensing import hardware, terms
from reconciler.spec import load, platform, reader, source
from reconciler.sql import script

ROOT = Path(__file__).parents[2]
SPECS = ROOT / "specs"
AGENDA, POS = "agenda-ia", "pos-tree-codes"

# Words that MySQL 8 reserves and MariaDB 10.11 takes as names: what only the other server would tell.
MYSQL_RESERVED = {
    "cube", "cume_dist", "dense_rank", "empty", "first_value", "function", "generated", "grouping",
    "groups", "intersect", "json_table", "lag", "last_value", "lateral", "lead", "library", "manual",
    "nth_value", "ntile", "of", "optimizer_costs", "parallel", "percent_rank", "qualify", "rank",
    "row_number", "stored", "system", "tablesample", "virtual", "window",
}  # fmt: skip


@dataclass(frozen=True)
class Table:
    name: str
    text: str

    @property
    def columns(self) -> dict[str, str]:
        """Each column's definition; constraints and keys begin in capitals."""
        found = re.findall(r"^    ([a-z_0-9]+) +(\S.*?),?(?: -- .*)?$", self.text, re.MULTILINE)
        return dict(found)

    @property
    def foreign_keys(self) -> list[tuple[str, str, str]]:
        """Column, table referred to, and what follows it."""
        return re.findall(r"FOREIGN KEY \((\w+)\)\s+REFERENCES (\w+) \(\w+\)([^,\n]*)", self.text)

    @property
    def keys(self) -> list[list[str]]:
        """The columns of the primary key and of each unique key."""
        return [text.split(", ") for text in re.findall(r"(?:PRIMARY KEY|UNIQUE KEY \w+) \(([^)]*)\)", self.text)]


@dataclass(frozen=True)
class Schema:
    statements: tuple[str, ...]
    commands: tuple[str, ...]

    def made(self, kind: str) -> list[str]:
        """The names of what CREATE makes of a kind."""
        return [found[1] for text in self.statements if (found := re.match(rf"CREATE {kind} (\w+)", text))]

    @property
    def tables(self) -> dict[str, Table]:
        """All tables, in the order in which they are made."""
        return {
            found[1]: Table(found[1], text)
            for text in self.statements
            if (found := re.match(r"CREATE TABLE (\w+)", text))
        }


def _files(product: str) -> list[Path]:
    return sorted((SPECS / "products" / product / "schema").iterdir())


@functools.cache
def _schema(product: str) -> Schema:
    statements, commands = [], []
    for path in _files(product):
        for item in script.read(path.read_bytes(), file=path.name):
            if isinstance(item, script.Statement):
                statements.append(item.text.decode())
            else:
                commands.append(item.name)
    return Schema(tuple(statements), tuple(commands))


def _yaml(path: Path) -> Any:
    reading = reader.read(source.Source(path.name, path.read_text(encoding="utf-8")))
    assert not reading.faults, reading.faults
    assert len(reading.documents) == 1
    return reading.documents[0].data


def _spec(path: str) -> Any:
    return _yaml(SPECS / path)["spec"]


SEEDS = SPECS / "products" / AGENDA / "seeds"
DOCUMENTS = [path for path in sorted(SPECS.rglob("*.yaml")) if path.parent != SEEDS]

both = pytest.mark.parametrize("product", [AGENDA, POS])
every_seed = pytest.mark.parametrize("path", sorted(SEEDS.iterdir()), ids=lambda path: path.stem)


# --- schemas -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("product", "tables", "foreign_keys", "programs"),
    [
        (AGENDA, 32, 46, {"VIEW": 2, "TRIGGER": 3, "FUNCTION": 2, "PROCEDURE": 1, "EVENT": 1}),
        (POS, 20, 30, {"VIEW": 2, "TRIGGER": 4, "FUNCTION": 0, "PROCEDURE": 0, "EVENT": 0}),
    ],
)
def test_a_schema_makes_what_its_product_needs(
    product: str, tables: int, foreign_keys: int, programs: Mapping[str, int]
) -> None:
    schema = _schema(product)
    assert len(schema.tables) == tables
    assert sum(len(table.foreign_keys) for table in schema.tables.values()) == foreign_keys
    assert {kind: len(schema.made(kind)) for kind in programs} == programs


@both
def test_files_are_numbered_without_a_gap(product: str) -> None:
    names = [path.name for path in _files(product)]
    assert [name[:5] for name in names] == [f"{number:04}_" for number in range(1, len(names) + 1)]
    assert all(re.fullmatch(r"\d{4}_[a-z_]+\.sql", name) for name in names)


@both
def test_a_script_only_creates_and_inserts(product: str) -> None:
    schema = _schema(product)
    assert schema.commands == ()
    allowed = r"CREATE (TABLE|VIEW|FUNCTION|PROCEDURE|TRIGGER|EVENT) \w+|INSERT INTO \w+ \(|SET NAMES utf8mb4$"
    assert [text for text in schema.statements if not re.match(allowed, text)] == []


@both
def test_text_arrives_as_utf8_whatever_the_clients_default(product: str) -> None:
    for path in _files(product):
        first = next(script.read(path.read_bytes(), file=path.name))
        assert isinstance(first, script.Statement)
        assert first.text == b"SET NAMES utf8mb4"


@both
def test_no_definer_and_no_other_database_is_named(product: str) -> None:
    for text in _schema(product).statements:
        assert not re.search(r"DEFINER\s*=", text)
        assert not re.search(r"\b(FROM|JOIN|INTO|UPDATE|REFERENCES) \w+\.\w+", text)


@both
def test_every_table_is_innodb_with_a_primary_key_and_a_collation_that_all_servers_know(product: str) -> None:
    for table in _schema(product).tables.values():
        ending = table.text.rsplit(")", 1)[1].strip()
        assert ending == "ENGINE = InnoDB DEFAULT CHARSET = utf8mb4 COLLATE = utf8mb4_unicode_ci", table.name
        assert "PRIMARY KEY (" in table.text, table.name
        collations = set(re.findall(r"COLLATE (?:= )?(\w+)", table.text))
        assert collations <= {"utf8mb4_unicode_ci", "ascii_bin"}, table.name


@both
def test_a_foreign_key_refers_to_a_table_made_before_and_has_an_index(product: str) -> None:
    seen: set[str] = set()
    for table in _schema(product).tables.values():
        seen.add(table.name)
        indexed = set(re.findall(r"KEY(?: \w+)? \((\w+)", re.sub(r"FOREIGN KEY", "", table.text)))
        for column, target, _ in table.foreign_keys:
            assert target in seen, f"{table.name}.{column} refers to {target}, which is made later"
            assert column in indexed, f"{table.name}.{column} has no index of its own"
            assert column in table.columns


@both
def test_names_of_constraints_are_unique_in_the_database_as_mysql_wants(product: str) -> None:
    names = [n for text in _schema(product).statements for n in re.findall(r"CONSTRAINT (\w+)", text)]
    assert len(names) == len(set(names))
    assert max(map(len, names)) <= 64


@both
def test_no_check_reads_a_column_that_a_foreign_key_changes(product: str) -> None:
    """MySQL 8 refuses it with error 3823, MariaDB takes it."""
    for table in _schema(product).tables.values():
        checks = " ".join(re.findall(r"CHECK \((.*)", table.text))
        for column, _, action in table.foreign_keys:
            assert not (action.strip() and re.search(rf"\b{column}\b", checks)), f"{table.name}.{column}"


@both
def test_no_name_is_a_word_that_mysql_8_reserves(product: str) -> None:
    for table in _schema(product).tables.values():
        assert not ({table.name} | table.columns.keys()) & MYSQL_RESERVED, table.name


@both
def test_parameters_of_routines_have_no_collation_to_clash_with_a_columns(product: str) -> None:
    """A text parameter takes the database's collation, which differs between servers (error 1267)."""
    for text in _schema(product).statements:
        if found := re.match(r"CREATE (?:FUNCTION|PROCEDURE) \w+\((.*?)\)\n", text, re.DOTALL):
            assert not re.search(r"CHAR|TEXT", found[1]), text[:60]


def test_a_table_has_what_the_reconciler_fills() -> None:
    tables = _schema(AGENDA).tables
    wanted = {"code", "name", "price_cents", "currency", "interval_unit", "limits", "active"}
    assert wanted <= tables["plans"].columns.keys()
    wanted = {"id", "display_name", "locale", "timezone", "domain", "plan_code"}
    assert wanted <= tables["business_settings"].columns.keys()
    wanted = {"name", "email", "password_hash", "role", "must_change_password", "provision_key"}
    assert wanted <= tables["users"].columns.keys()


# --- seeds -------------------------------------------------------------------------------------------------


@every_seed
def test_a_seed_fits_its_table(path: Path) -> None:
    seed = _yaml(path)
    assert seed.keys() == {"table", "key", "rows"}
    table = _schema(AGENDA).tables[seed["table"]]
    assert seed["key"] in table.keys
    needed = {
        column
        for column, definition in table.columns.items()
        if "NOT NULL" in definition and "DEFAULT" not in definition and "AUTO_INCREMENT" not in definition
    }
    for row in seed["rows"]:
        assert needed | set(seed["key"]) <= row.keys() <= table.columns.keys(), row
        assert all(isinstance(value, str | int | bool | list | dict | None) for value in row.values()), row
        for column in needed:
            assert row[column] is not None, row


@every_seed
def test_no_two_rows_of_a_seed_have_the_same_key(path: Path) -> None:
    seed = _yaml(path)
    keys = [tuple(row[column] for column in seed["key"]) for row in seed["rows"]]
    assert len(keys) == len(set(keys)) > 0


def _rows(name: str) -> Any:
    return _yaml(SEEDS / f"{name}.yaml")["rows"]


def test_the_role_that_the_first_user_gets_is_seeded() -> None:
    assert "admin" in {row["code"] for row in _rows("roles")}


def test_holidays_that_move_to_a_monday_are_mondays() -> None:
    days = [datetime.date.fromisoformat(row["holiday_date"]) for row in _rows("holidays")]
    moved = [day for day in days if day.month in (2, 3, 11)]
    assert {day.year for day in days} == {2026, 2027, 2028}
    assert len(moved) == 6
    assert {day.isoweekday() for day in moved} == {1}


def test_reminders_only_use_the_placeholders_that_the_schema_documents() -> None:
    documented = (SPECS / "products" / AGENDA / "schema" / "0005_appointments.sql").read_text(encoding="utf-8")
    known = set(re.findall(r"\{\{\w+\}\}", documented))
    used = {mark for row in _rows("reminder_templates") for mark in re.findall(r"\{\{.*?\}\}", row["body"])}
    assert used <= known
    assert len(known) == 5


# --- specs -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("path", DOCUMENTS, ids=lambda path: path.relative_to(SPECS).as_posix())
def test_a_modeline_leads_an_editor_to_the_schema_of_the_documents_kind(path: Path) -> None:
    kind = re.sub(r"(?<!^)(?=[A-Z])", "-", _yaml(path)["kind"]).lower()
    first = path.read_text(encoding="utf-8").splitlines()[0]
    found = re.fullmatch(r"# yaml-language-server: \$schema=(\S+)", first)
    assert found is not None
    assert (path.parent / found[1]).resolve() == ROOT / "schemas" / f"{kind}.schema.json"


def test_the_platform_and_its_server_are_valid_and_say_the_defaults(tmp_path: Path) -> None:
    shutil.copytree(SPECS / "servers", tmp_path / "specs" / "servers")
    shutil.copy(SPECS / "platform.yaml", tmp_path / "specs")
    tree = load.load(tmp_path, platform.KINDS)
    assert tree.faults == ()
    shown, server = tree.one("Platform"), tree.named("DatabaseServer", "main")
    assert shown is not None
    assert shown.spec == platform.PlatformSpec()
    assert server is not None
    wanted = platform.PasswordFrom(env="RECONCILE_MAIN_PASSWORD")
    assert server.spec == platform.DatabaseServerSpec(host="127.0.0.1", password_from=wanted)


@both
def test_a_product_names_folders_that_exist(product: str) -> None:
    spec = _spec(f"products/{product}/product.yaml")
    assert spec["schema"] == f"specs/products/{product}/schema"
    assert all((ROOT / spec[key]).is_dir() for key in ("schema", "seeds") if key in spec)
    assert not spec["databasePrefix"].startswith("test")


def test_the_sample_clinic_has_a_plan_of_the_catalogue() -> None:
    plans = _spec(f"products/{AGENDA}/product.yaml")["plans"]
    assert [plan["code"] for plan in plans] == ["starter", "pro", "business"]
    assert len({frozenset(plan["limits"]) for plan in plans}) == 1, "every plan limits the same things"
    prices = [plan["priceCents"] for plan in plans]
    assert prices == sorted(prices)
    assert _spec("tenants/clinica-sol.yaml")["plan"] in {plan["code"] for plan in plans}


def test_the_sample_shop_has_an_edition_and_a_device_that_its_license_can_recognize() -> None:
    editions = {one["code"]: one for one in _spec(f"products/{POS}/product.yaml")["editions"]}
    assert {code: one["maxDevices"] for code, one in editions.items()} == {"lite": 1, "standard": 3, "enterprise": 25}
    shop = _spec("tenants/abarrotes-lupita.yaml")
    edition, granted = editions[shop["edition"]], shop["license"]
    assert "cloud-sync" in edition["features"]
    assert granted["maxDevices"] == edition["maxDevices"] >= len(granted["devices"])
    assert granted["expires"] == "2027-12-31"
    rule = terms.HardwareRule(granted["hardware"]["match"], tuple(granted["hardware"]["of"]))
    for device in granted["devices"]:
        enrolled = hardware.enroll(device["name"], device["hardware"], "00" * 16)
        assert hardware.shortfall(rule, frozenset(enrolled.hardware)) == ""
