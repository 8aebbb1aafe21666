"""Every class of drift, made on a real server: found by the look that is documented, answered, and then gone.

The cases share one shop, because each of them ends with a shop that is in sync; one that does not is thrown away.
"""

from __future__ import annotations

import base64
import json
import re
import sqlite3
import threading
import time
import zlib
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import pytest

from reconciler import errors
from reconciler.model import drift, outcome
from reconciler.model import plan as plans
from reconciler.model.drift import Look, Policy
from reconciler.model.outcome import Result
from reconciler.ports.mysql import anatomy, census
from reconciler.ports.mysql import connection as mysql
from reconciler.ports.mysql import names as quoting
from reconciler.resources import shape
from tests.engine.drifting import AGENDA, CASES, CENTRAL, DB, POS, Case, planned
from tests.support import server as servers
from tests.support.shop import Shop

BY_CODE = {entry.code: entry for entry in drift.CLASSES}
OPENED = re.compile(r"information_schema\.(COLUMNS|STATISTICS|TRIGGERS|VIEWS|KEY_COLUMN_USAGE)|ENGINE|TABLE_TYPE")


# --- the shop ----------------------------------------------------------------------------------------------


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Shop]]:
    """A server of its own, and at most one shop on it."""
    with servers.private_server() as started:
        yield [_made(tmp_path_factory.mktemp("shop"), started)]


@pytest.fixture
def shop(place: list[Shop], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The tenant ``one`` of Agenda IA and ``two`` of POS Tree Codes, both ready."""
    yield place[0]
    if not _in_sync(place[0]):
        server = place[0].server
        server.wipe()
        place[0] = _made(tmp_path_factory.mktemp("shop"), server)


def _made(root: Path, server: servers.Server) -> Shop:
    made = Shop(root, server)
    made.tenant("AgendaTenant", "one", AGENDA)
    made.tenant("PosTenant", "two", POS)
    assert {entry.result for entry in made.apply().values()} == {Result.APPLIED}
    return made


def _in_sync(shop: Shop) -> bool:
    try:
        found = shop.plan(deep=True)
    except errors.ReconcileError:
        return False
    return found.empty and not any(entry.reports or entry.unknown for entry in found.tenants)


def test_every_class_of_drift_is_made_here() -> None:
    assert {case.code for case in CASES} == set(BY_CODE)
    assert len(BY_CODE) == len(drift.CLASSES)


@pytest.mark.parametrize("case", CASES, ids=lambda case: re.sub(r"[^a-z0-9]+", "-", f"{case.code}-{case.says}".lower()))
def test_drift_is_found_answered_and_then_gone(shop: Shop, case: Case) -> None:
    entry = BY_CODE[case.code]
    deep = entry.look is Look.DEEP
    assert shop.plan().empty  # from here on there are notes that say so, and nobody may believe them
    undo = case.make(shop)
    if deep:
        shallow = planned(shop, case.tenant)
        assert (shallow.action, shallow.reports) == (plans.Action.UNCHANGED, ()), "a default look finds it too"
    found = planned(shop, case.tenant, deep=deep)
    match entry.policy:
        case Policy.REPAIR:
            _repaired(shop, case, found, deep=deep)
        case Policy.BLOCK:
            assert undo is not None
            _blocked(shop, case, found, deep=deep)
            undo(shop)
        case Policy.REPORT:
            assert undo is not None
            _reported(shop, case, found, deep=deep)
            undo(shop)
    after = shop.plan(deep=True)
    assert after.empty, after
    assert [tenant.reports or tenant.unknown for tenant in after.tenants] == [(), ()]


def _repaired(shop: Shop, case: Case, found: plans.TenantPlan, *, deep: bool) -> None:
    assert found.action is plans.Action.REPAIR, found
    (first, *_) = (change for change in found.changes if change.resource == BY_CODE[case.code].shown)
    assert case.says in f"{first.summary} {first.reason} {first.details}", first
    assert first.undo
    outcomes = shop.apply(deep=deep)
    assert outcomes[case.tenant].result is Result.APPLIED, outcomes[case.tenant]


def _blocked(shop: Shop, case: Case, found: plans.TenantPlan, *, deep: bool) -> None:
    assert found.action is plans.Action.BLOCKED
    blockers = [entry for entry in found.blockers if entry.code == BY_CODE[case.code].shown]
    assert [entry for entry in blockers if case.says in entry.message], found.blockers
    assert all(entry.advice for entry in blockers)
    before = shop.world()
    outcomes = shop.apply(deep=deep)
    assert outcomes[case.tenant].result is Result.BLOCKED
    assert outcome.exit_status(outcomes.values()) == 3
    assert before.difference(shop.world()) == []


def _reported(shop: Shop, case: Case, found: plans.TenantPlan, *, deep: bool) -> None:
    nobody = case.tenant not in ("one", "two")
    assert found.action is (plans.Action.ORPHANED if nobody else plans.Action.UNCHANGED), found
    assert [entry.code for entry in found.reports] == [BY_CODE[case.code].shown]
    assert case.says in found.reports[0].message
    assert shop.plan(deep=deep).empty
    outcomes = shop.apply(deep=deep)
    assert outcomes[case.tenant].result is Result.UNCHANGED
    assert outcome.exit_status(outcomes.values()) == 0


# --- what a look reads -------------------------------------------------------------------------------------


def test_a_default_look_opens_no_table(shop: Shop, said: list[str]) -> None:
    assert shop.plan().empty
    assert len(said) > 10
    assert [statement for statement in said if OPENED.search(statement) or f"{DB}`" in statement] == []
    said.clear()
    assert shop.plan(deep=True).empty
    assert [statement for statement in said if OPENED.search(statement)] != []


def test_a_look_that_finds_drift_asks_for_the_names_of_that_database_only(shop: Shop, said: list[str]) -> None:
    shop.plan()
    usual = len(said)
    shop.server.sql(f"CREATE TABLE {DB}.extra (id INT)")
    said.clear()
    assert planned(shop).reports
    assert len(said) == usual + 1
    shop.server.sql(f"DROP TABLE {DB}.extra")


@pytest.fixture
def folded(shop: Shop) -> Iterator[mysql.Connection]:
    """A connection of the provisioning account, which sees the empty databases ``agenda_folded`` in two spellings."""
    for name in FOLDED:
        shop.server.sql(f"CREATE DATABASE {name}")
    setting = shop.setting()
    shop.server.sql(f"GRANT ALL PRIVILEGES ON `{FOLDED[1]}`.* TO {setting.servers['main'].user}")
    connection = mysql.connect(setting.servers["main"])
    yield connection
    connection.close()
    setting.opened().close()
    shop.server.sql(f"REVOKE ALL PRIVILEGES ON `{FOLDED[1]}`.* FROM {setting.servers['main'].user}")
    for name in FOLDED:
        shop.server.sql(f"DROP DATABASE {name}")


FOLDED = ("agenda_folded", "AGENDA_FOLDED")


@pytest.mark.parametrize("names", [(), ("a",), ("Ünï_cödé", "with space", "with`tick", "A", "a")])
def test_names_fold_here_as_on_the_server(shop: Shop, folded: mysql.Connection, names: tuple[str, ...]) -> None:
    for name in names:
        shop.server.sql(f"CREATE TABLE {FOLDED[0]}.{quoting.identifier(name)} (id INT)")
    shop.server.sql(f"CREATE TABLE {FOLDED[0]}.{census.LEDGER} (id INT)")
    shop.server.sql(f"CREATE TABLE {FOLDED[1]}.other (id INT)")
    found = census.Census(folded, [FOLDED[0]], []).folds.get(FOLDED[0], census.NOTHING)
    assert found == census.fold(names)
    assert census.fold(names[::-1]) == found


def test_tables_and_databases_that_differ_in_case_only_are_two(shop: Shop, folded: mysql.Connection) -> None:
    for target, column in ((f"{FOLDED[0]}.t", "a"), (f"{FOLDED[0]}.T", "b"), (f"{FOLDED[1]}.t", "b")):
        shop.server.sql(f"CREATE TABLE {target} (a INT, b INT, KEY k ({column}))")
    # Few databases are asked for by name, and many all at once.
    for others in ([], [f"agenda_{number}" for number in range(census.NARROW)]):
        found = anatomy.read(folded, [FOLDED[0], *others])[FOLDED[0]]
        assert set(found.tables) == {"t", "T"}
        first, second = (found.tables[name]["keys"] for name in ("t", "T"))
        assert first != second


def test_a_plan_does_not_wait_for_anybodys_locks(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mysql, "LOCK_WAIT_SECONDS", 1)
    holder = shop.server.root(database=DB)
    with holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLES plans WRITE, roles WRITE, users WRITE, clients WRITE, client_summary WRITE")
        found = planned(shop)
        assert (found.action, found.unknown) == (plans.Action.UNCHANGED, ())
        deep = planned(shop, deep=True)
    assert deep.action is plans.Action.UNCHANGED
    assert [(entry.what, entry.privilege) for entry in deep.unknown] == [
        (f"rows of the database {DB}, a table of which somebody has locked", "the end of that lock")
    ]


def test_a_plan_does_not_wait_behind_a_change_that_waits_for_a_transaction(
    shop: Shop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql, "LOCK_WAIT_SECONDS", 1)
    shop.server.sql("SET GLOBAL lock_wait_timeout = 30")
    reader, changer = shop.server.root(database=DB), shop.server.root(database=DB)
    with reader, changer, reader.cursor() as reading, changer.cursor() as changing:
        reading.execute("START TRANSACTION")
        reading.execute("SELECT * FROM plans")
        waiting = threading.Thread(target=changing.execute, args=("ALTER TABLE plans COMMENT 'x'",))
        waiting.start()
        blocked = "SELECT 1 FROM information_schema.PROCESSLIST WHERE STATE = 'Waiting for table metadata lock'"
        while not shop.server.sql(blocked):
            waiting.join(0.01)
        found = planned(shop)
        assert (found.action, found.unknown) == (plans.Action.UNCHANGED, ())
        assert ["locked" in entry.what for entry in planned(shop, deep=True).unknown] == [True]
        reading.execute("COMMIT")
        waiting.join()
    shop.server.sql("SET GLOBAL lock_wait_timeout = DEFAULT")
    shop.server.sql(f"ALTER TABLE {DB}.plans COMMENT ''")


def test_central_rows_that_somebody_locks_are_unknown(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(mysql, "LOCK_WAIT_SECONDS", 1)
    holder = shop.server.root(database=CENTRAL)
    with holder, holder.cursor() as cursor:
        cursor.execute("LOCK TABLES licenses WRITE")
        found = planned(shop)
    assert (found.action, found.blockers) == (plans.Action.UNCHANGED, ())
    assert {entry.what for entry in found.unknown} == {"the central table licenses, which somebody has locked"}


@pytest.mark.parametrize(
    "tables",
    [
        "tenants WRITE, licenses WRITE, license_devices WRITE, webhook_endpoints WRITE",
        "mysql.db WRITE",
        "mysql.tables_priv WRITE",
        "mysql.global_priv WRITE",
        "mysql.event WRITE",
    ],
)
def test_a_lock_on_what_all_tenants_share_is_waited_for_once_and_not_once_a_tenant(
    shop: Shop, tables: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(mysql, "LOCK_WAIT_SECONDS", 1)
    holder = shop.server.root(database=CENTRAL)
    with holder, holder.cursor() as cursor:
        cursor.execute(f"LOCK TABLES {tables}")
        begun = time.monotonic()
        for tenant in shop.plan(deep=True).tenants:
            assert (tenant.action, [entry.privilege for entry in tenant.unknown][:1]) == (
                plans.Action.UNCHANGED,
                ["the end of that lock"],
            )
        assert time.monotonic() - begun < 4


# --- what may not be seen ----------------------------------------------------------------------------------


def grants_less(shop: Shop, *statements: str) -> dict[str, Any]:
    """The server's spec with an account that has only what the statements grant."""
    shop.server.sql("CREATE USER watcher IDENTIFIED BY 'watching'")
    for statement in statements:
        shop.server.sql(f"GRANT {statement} TO watcher")
    (shop.root / "watcher").write_text("watching")
    return shop.server_spec(user="watcher", passwordFrom={"file": "watcher"}, trustedAccounts=["provisioner"])


SEEN: list[Any] = [
    pytest.param(["SELECT, SHOW DATABASES, SHOW VIEW, PROCESS, EVENT ON *.*"], {"TRIGGER"}, id="planning-account"),
    pytest.param(["SELECT, SHOW DATABASES, PROCESS, EVENT, TRIGGER ON *.*"], {"SHOW VIEW"}, id="without-show-view"),
    pytest.param(["SELECT ON *.*"], {"SHOW VIEW", "TRIGGER"}, id="select-alone"),
    pytest.param(
        ["SHOW VIEW, TRIGGER ON *.*", "SELECT ON mysql.*", "SELECT ON license_manager.*"],
        {"SELECT"},
        id="without-select",
    ),
    pytest.param(["SELECT ON *.*", r"SHOW VIEW, TRIGGER ON `agenda\_%`.*"], {"SHOW VIEW"}, id="show-view-by-a-pattern"),
    pytest.param(
        [
            "SHOW DATABASES, PROCESS ON *.*",
            "SELECT ON mysql.*",
            "SELECT ON license_manager.*",
        ],
        {"SELECT", "TRIGGER"},
        id="nothing-of-the-tenants",
    ),
]


@pytest.mark.parametrize(("grants", "lacking"), SEEN)
def test_what_may_not_be_seen_is_unknown_and_never_missing(
    shop: Shop, grants: Sequence[str], lacking: set[str]
) -> None:
    former = (shop.root / "specs/servers/main.yaml").read_text()
    shop.document("specs/servers/main.yaml", "DatabaseServer", "main", grants_less(shop, *grants))
    try:
        for deep in (False, True):
            found = planned(shop, deep=deep)
            assert (found.action, found.blockers, found.reports) == (plans.Action.UNCHANGED, (), ()), found
            if deep:
                assert {re.split(r" (?=ON)", entry.privilege)[0] for entry in found.unknown} == lacking
    finally:
        (shop.root / "specs/servers/main.yaml").write_text(former)
        shop.server.sql("DROP USER watcher")


@pytest.mark.parametrize("holder", ["provisioner@'%'", "PUBLIC"])
def test_a_view_whose_body_the_server_leaves_out_was_not_changed(shop: Shop, holder: str) -> None:
    shop.server.sql(f"GRANT SELECT ON *.* TO {holder}")
    try:
        found = planned(shop, deep=True)
        assert [entry.message for entry in found.blockers if entry.code == "schema-drift"] == []
        assert plans.Unknown("bodies of tenants' views", "SHOW VIEW ON *.*") in found.unknown
    finally:
        shop.server.sql(f"REVOKE SELECT ON *.* FROM {holder}")
    assert planned(shop, deep=True).unknown == ()


def test_a_shape_that_is_taken_without_seeing_the_bodies_of_views_has_them_from_their_definer(shop: Shop) -> None:
    shop.server.sql("GRANT SELECT ON *.* TO provisioner@'%'")
    try:
        shop.tenant("AgendaTenant", "three", {**AGENDA, "domain": "three.example.com"})
        assert shop.apply(tenants=("three",))["three"].result is Result.APPLIED
    finally:
        shop.server.sql("REVOKE SELECT ON *.* FROM provisioner@'%'")
    found = planned(shop, "three", deep=True)
    assert (found.action, found.unknown) == (plans.Action.UNCHANGED, ())
    shop.server.sql("CREATE OR REPLACE VIEW agenda_three.client_summary AS SELECT 1 AS one")
    assert ["view client_summary was changed" in entry.message for entry in planned(shop, "three", deep=True).blockers]
    (shop.root / "specs/tenants/three.yaml").unlink()


def test_a_shape_without_the_bodies_of_views_is_unknown_until_the_next_change_records_it(shop: Shop) -> None:
    def blinded(fact: dict[str, Any]) -> None:
        found = anatomy.Anatomy(version=fact["shape"]["server"])
        parts = json.loads(zlib.decompress(base64.b64decode(fact["shape"]["parts"])))
        found.tables, found.triggers = parts["tables"], parts["triggers"]
        found.routines, found.events = parts["routines"], parts["events"]
        found.views = dict.fromkeys(parts["views"], "")
        fact["shape"] = shape.kept(found)

    recorded(shop, blinded)
    found = planned(shop, deep=True)
    assert (found.action, found.blockers) == (plans.Action.UNCHANGED, ())
    assert ["client_summary" in entry.what for entry in found.unknown] == [True]
    shop.tenant("AgendaTenant", "one", {**AGENDA, "displayName": "Clínica Luna"})
    assert shop.apply()["one"].result is Result.APPLIED
    assert planned(shop, deep=True).unknown == ()
    shop.tenant("AgendaTenant", "one", AGENDA)
    assert shop.apply()["one"].result is Result.APPLIED


def test_a_table_that_was_partitioned_is_another_one(shop: Shop, folded: mysql.Connection) -> None:
    shop.server.sql("CREATE DATABASE IF NOT EXISTS agenda_parted")
    shop.server.sql("CREATE TABLE agenda_parted.log (id INT PRIMARY KEY) ENGINE = InnoDB COMMENT = 'partitioned'")
    before = anatomy.read(folded, ["agenda_parted"])["agenda_parted"].tables["log"]["is"]
    shop.server.sql("ALTER TABLE agenda_parted.log PARTITION BY KEY (id) PARTITIONS 2")
    after = anatomy.read(folded, ["agenda_parted"])["agenda_parted"].tables["log"]["is"]
    shop.server.sql("DROP DATABASE agenda_parted")
    assert after == f"{before} PARTITIONED"


def test_with_another_sealing_key_nobody_says_that_a_credential_is_refused(shop: Shop) -> None:
    key = shop.root / "state/keys/sealing.key"
    kept = key.read_bytes()
    key.write_text("00" * 32)
    try:
        assert planned(shop).unknown == ()
        (unknown,) = planned(shop, deep=True).unknown
        assert unknown.privilege == "the key that seals the secrets"
    finally:
        key.write_bytes(kept)


# --- shapes that another version recorded ------------------------------------------------------------------


def recorded(shop: Shop, edit: Callable[[dict[str, Any]], object]) -> None:
    """Change what is on record of the schema of ``one``, as another version would have written it."""
    with sqlite3.connect(shop.root / "state/reconcile.db") as store:
        (text,) = store.execute("SELECT facts FROM tenants WHERE name = 'one'").fetchone()
        facts = json.loads(text)
        edit(facts[f"schema/main/{DB}"])
        store.execute("UPDATE tenants SET facts = ? WHERE name = 'one'", (json.dumps(facts),))
    store.close()


def older(fact: dict[str, Any]) -> None:
    """Nothing was recorded."""
    del fact["shape"]


def elsewhere(fact: dict[str, Any]) -> None:
    """It was recorded on a server of another version, which told types in other words."""
    fact["shape"]["server"] = "10.5"


@pytest.mark.parametrize("edit", [older, elsewhere])
def test_a_shape_of_another_version_is_unknown_until_the_next_change_records_it(
    shop: Shop, edit: Callable[[dict[str, Any]], None]
) -> None:
    recorded(shop, edit)
    shop.server.sql(f"ALTER TABLE {DB}.clients ALTER phone SET DEFAULT '555'")
    found = planned(shop, deep=True)
    assert (found.action, found.blockers, found.reports) == (plans.Action.UNCHANGED, (), ())
    (unknown,) = found.unknown
    assert "recorded shape" in unknown.what
    shop.server.sql(f"ALTER TABLE {DB}.clients ALTER phone DROP DEFAULT")
    shop.tenant("AgendaTenant", "one", {**AGENDA, "displayName": "Clínica Luna"})
    assert shop.apply()["one"].result is Result.APPLIED
    assert planned(shop, deep=True).unknown == ()
    shop.server.sql(f"ALTER TABLE {DB}.clients ALTER phone SET DEFAULT '555'")
    assert [entry.code for entry in planned(shop, deep=True).blockers] == ["schema-drift"]
    shop.server.sql(f"ALTER TABLE {DB}.clients ALTER phone DROP DEFAULT")
    shop.tenant("AgendaTenant", "one", AGENDA)
    assert shop.apply()["one"].result is Result.APPLIED


def test_a_shape_of_another_version_of_the_server_still_has_its_names(shop: Shop) -> None:
    recorded(shop, elsewhere)
    shop.server.sql(f"CREATE TABLE {DB}.extra (id INT)")
    assert [entry.code for entry in planned(shop).reports] == ["table-added"]
    shop.server.sql(f"DROP TABLE {DB}.extra")
    recorded(shop, lambda fact: fact["shape"].update(server=_version(shop)))


def test_a_shape_that_an_earlier_version_packed_is_still_read(shop: Shop) -> None:
    def repacked(fact: dict[str, Any]) -> None:
        octets = base64.b64decode(fact["shape"]["parts"])
        fact["shape"]["parts"] = base64.b85encode(octets).decode()

    recorded(shop, repacked)
    assert planned(shop, deep=True).unknown == ()
    shop.server.sql(f"ALTER TABLE {DB}.clients ALTER phone SET DEFAULT '555'")
    assert [entry.code for entry in planned(shop, deep=True).blockers] == ["schema-drift"]
    shop.server.sql(f"ALTER TABLE {DB}.clients ALTER phone DROP DEFAULT")
    assert planned(shop, deep=True).blockers == ()


def test_an_upgrade_of_the_server_is_noticed_by_who_remembers_its_privileges(shop: Shop, said: list[str]) -> None:
    setting = shop.setting()
    connection = mysql.connect(setting.servers["main"])
    try:
        for closer, greeting, asks in ((False, "", 1), (True, "", 0), (True, "99.1", 1), (False, "99.1", 1)):
            if greeting:
                connection.driver.server_version = greeting  # type: ignore[attr-defined]
            said.clear()
            assert "SELECT" in census.Census(connection, [DB], [], closer=closer).privileges_of_all
            assert len(said) == asks
    finally:
        connection.close()
        setting.opened().close()


def _version(shop: Shop) -> str:
    return ".".join(str(shop.server.sql("SELECT VERSION()")[0][0]).split(".")[:2])
