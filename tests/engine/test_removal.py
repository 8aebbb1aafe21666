"""A tenant whose spec is gone: kept, held by a guard, or in the trash, from which it comes back exactly as it was."""

from __future__ import annotations

import base64
import json
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import dotenv
import pymysql
import pytest

from reconciler import errors
from reconciler.engine import conditions, guard, reconcile
from reconciler.engine.progress import Progress
from reconciler.model import plan as plans
from reconciler.model.outcome import Outcome, Result, exit_status
from reconciler.ports.dump import Dumper
from reconciler.ports.ports import Ports
from reconciler.ports.store import audit
from reconciler.spec.platform import Guards
from reconciler.sql import firewall
from tests.engine.test_counts import agenda, pos
from tests.support import server as servers
from tests.support.faults import Boundaries, Fault, SimulatedDeath
from tests.support.shop import QUICK, Shop

TENANTS: dict[str, tuple[str, dict[str, Any]]] = {
    "agenda": ("AgendaTenant", agenda(1)),
    "suspended": ("AgendaTenant", {**agenda(1), "state": "suspended"}),
    "pos": ("PosTenant", pos(1, cloud_sync=True)),
    "offline": ("PosTenant", pos(1)),
}


@pytest.fixture
def shop(pruning: Shop) -> Shop:
    """A platform that prunes, with a tenant that stays."""
    return pruning


def add(shop: Shop, what: str) -> Shop:
    """The tenant ``one``, ready."""
    shop.tenant(TENANTS[what][0], "one", TENANTS[what][1])
    assert shop.apply()["one"].result is Result.APPLIED
    return shop


def planned(shop: Shop, **options: Any) -> plans.TenantPlan:
    """The plan of the tenant ``one``."""
    return next(entry for entry in shop.plan(**options).tenants if entry.tenant == "one")


def restore(shop: Shop, ports: Any = None) -> Outcome:
    """What ``trash restore one`` does."""
    setting = shop.setting(ports)
    try:
        return reconcile.restore(setting, "one", Progress())
    finally:
        setting.opened().close()


def tables_of(shop: Shop) -> dict[str, bytes]:
    """The dumps of all databases but the central one; whether events run is no data."""
    found = [name for name in shop.server.databases() if name != "license_manager"]
    dumps = shop.server.dump(found)
    return {name: re.sub(rb" (EN|DIS)ABLE\b", b"", dump) for name, dump in dumps.items()}


def central(shop: Shop) -> dict[str, str]:
    """The states of the central rows of the tenant ``one``."""
    found = {}
    for table, tenant, state in (
        ("tenants", "name", "state"),
        ("licenses", "tenant", "status"),
        ("webhook_endpoints", "tenant", "state"),
    ):
        for (value,) in shop.server.sql(f"SELECT {state} FROM license_manager.{table} WHERE {tenant} = 'one'"):
            found[table] = value
    return found


@pytest.mark.parametrize("what", TENANTS)
def test_a_trashed_tenant_is_shut_withdrawn_and_hidden_and_all_its_data_is_kept(shop: Shop, what: str) -> None:
    add(shop, what)
    data = tables_of(shop)
    password = dotenv.dotenv_values(shop.root / "state/deliveries/one/.env").get("DB_PASSWORD")
    files = {p.name: p.read_bytes() for p in (shop.root / "state/deliveries/one").iterdir()}
    shop.without("one")
    assert planned(shop).action is plans.Action.TRASH
    assert shop.apply()["one"].result is Result.APPLIED
    assert tables_of(shop) == data
    assert set(central(shop).values()) == {"trashed"}
    assert not (shop.root / "state/deliveries/one").exists()
    assert {p.name: p.read_bytes() for p in (shop.root / "state/trash/one").iterdir()} == files
    assert not [path for path in (shop.root / "state/deliveries").iterdir() if path.name.startswith(".")]
    if password:
        user = dotenv.dotenv_values(shop.root / "state/trash/one/.env")["DB_USERNAME"]
        with pytest.raises(pymysql.MySQLError):
            shop.server.connect(str(user), password)
    assert shop.plan(deep=True).empty
    assert {outcome.result for outcome in shop.apply().values()} == {Result.UNCHANGED}


@pytest.mark.parametrize("what", TENANTS)
def test_a_restored_tenant_is_exactly_what_was_trashed(shop: Shop, what: str) -> None:
    add(shop, what)
    before = shop.world()
    shop.without("one")
    shop.apply()
    assert before.difference(shop.world()) != []
    assert restore(shop).result is Result.APPLIED
    assert before.difference(shop.world()) == []


def test_a_restored_tenant_is_held_against_git_until_its_spec_is_back(shop: Shop) -> None:
    add(shop, "agenda")
    shop.without("one")
    shop.apply()
    restore(shop)
    assert planned(shop).action is plans.Action.ORPHANED
    before = shop.world()
    shop.apply()
    assert before.difference(shop.world()) == []
    setting = shop.setting()
    [status] = conditions.of_tenants(setting, "one")
    setting.opened().close()
    assert [(c.reason) for c in status.conditions if c.type == "Suspended"] == ["HeldAgainstGit"]
    shop.tenant("AgendaTenant", "one", agenda(1))
    assert shop.apply()["one"].result is Result.UNCHANGED
    shop.without("one")
    assert planned(shop).action is plans.Action.TRASH


@pytest.mark.parametrize("what", TENANTS)
def test_a_tenant_that_comes_back_in_git_is_restored_and_not_made_anew(shop: Shop, what: str) -> None:
    add(shop, what)
    data = tables_of(shop)
    files = {p.name: p.read_bytes() for p in (shop.root / "state/deliveries/one").iterdir()}
    shop.without("one")
    shop.apply()
    shop.tenant(TENANTS[what][0], "one", TENANTS[what][1])
    assert planned(shop).action is plans.Action.RESTORE
    assert shop.apply()["one"].result is Result.APPLIED
    assert tables_of(shop) == data
    assert {p.name: p.read_bytes() for p in (shop.root / "state/deliveries/one").iterdir()} == files
    assert set(central(shop).values()) == {TENANTS[what][1].get("state", "active")}
    assert not (shop.root / "state/trash/one").exists()
    assert shop.plan(deep=True).empty


def test_a_tenant_that_comes_back_changed_is_restored_and_changed(shop: Shop) -> None:
    add(shop, "pos")
    shop.without("one")
    shop.apply()
    shop.tenant("PosTenant", "one", {**pos(1, cloud_sync=True), "edition": "enterprise"})
    assert planned(shop).action is plans.Action.RESTORE
    assert shop.apply()["one"].result is Result.APPLIED
    assert shop.plan(deep=True).empty
    assert not (shop.root / "state/trash/one").exists()


# --- purge -------------------------------------------------------------------------------------------------


def purge(shop: Shop, ports: Any = None, *, now: bool = True) -> Outcome:
    """What ``trash purge one`` does."""
    setting = shop.setting(ports)
    try:
        return reconcile.purge(setting, "one", Progress(), now=now)
    finally:
        setting.opened().close()


def purged(shop: Shop) -> list[Path]:
    """The folders of final dumps."""
    place = shop.root / "state/trash/.purged"
    return sorted(place.iterdir()) if place.exists() else []


def opened(shop: Shop, file: Path) -> bytes:
    """A sealed file in clear."""
    setting = shop.setting()
    setting.opened().close()
    return b"".join(setting.keys.vault.opened([file.read_bytes()]))


@pytest.mark.parametrize("what", TENANTS)
def test_a_purged_tenant_leaves_nothing_but_a_sealed_dump_of_everything(shop: Shop, what: str) -> None:
    before = shop.world()
    add(shop, what)
    data = tables_of(shop)
    files = {p.name: p.read_bytes() for p in (shop.root / "state/deliveries/one").iterdir()}
    shop.without("one")
    shop.apply()
    assert purge(shop).result is Result.APPLIED
    assert before.difference(shop.world()) == []
    assert not (shop.root / "state/trash/one").exists()
    [folder] = purged(shop)
    assert {oct(path.stat().st_mode & 0o777) for path in folder.iterdir()} == {"0o600"}
    rest = json.loads(opened(shop, folder / "tenant.json.sealed"))
    assert {name: base64.b64decode(text) for name, text in rest["delivery"].items()} == files
    assert rest["central"]["tenants"][0]["name"] == "one"
    assert rest["spec"]["displayName"] == TENANTS[what][1]["displayName"]
    for file in folder.iterdir():
        assert TENANTS[what][1]["displayName"].encode() not in file.read_bytes()
    if data:
        [(name, dump)] = data.items()
        shop.server.sql(f"CREATE DATABASE {name} CHARACTER SET utf8mb4 COLLATE utf8mb4_unicode_ci")
        sql = re.sub(rb"DEFINER=`[^`]+`@`[^`]+`", b"", opened(shop, folder / "database.sql.sealed"))
        shop.server.load(name, sql)
        again = tables_of(shop)[name]
        assert definers_aside(again) == definers_aside(dump)
    setting = shop.setting()
    assert setting.records(["one"]) == {}
    assert setting.opened().read(audit.audit).faults == ()
    setting.opened().close()
    assert planned_names(shop) == ["other"]


def definers_aside(dump: bytes) -> bytes:
    """A dump without who made its programs, and without the mark of its database."""
    dump = re.sub(rb"(?:/\*!5\d{4} )?DEFINER=`[^`]+`@`[^`]+`(?: SQL SECURITY \w+)?(?: \*/)?", b"", dump)
    return b"\n".join(line for line in dump.splitlines() if not line.startswith((b"CREATE DATABASE", b"/*!50003 SET")))


def planned_names(shop: Shop) -> list[str]:
    """The tenants that a plan speaks of."""
    return [entry.tenant for entry in shop.plan().tenants]


def test_the_history_of_a_versioned_table_and_a_sequence_are_in_the_dump(shop: Shop) -> None:
    add(shop, "pos")
    shop.server.sql("CREATE TABLE pos_one.tariffs (id INT PRIMARY KEY, cents INT) WITH SYSTEM VERSIONING")
    shop.server.sql("INSERT INTO pos_one.tariffs VALUES (1, 100)")
    shop.server.sql("UPDATE pos_one.tariffs SET cents = 123456")
    shop.server.sql("CREATE SEQUENCE pos_one.numbers START WITH 7")
    shop.without("one")
    shop.apply()
    outcome = purge(shop)
    assert outcome.result is Result.APPLIED, outcome
    sql = opened(shop, purged(shop)[0] / "database.sql.sealed")
    assert b"(1,100," in sql
    assert b"numbers" in sql


def test_a_name_that_was_purged_can_be_taken_again(shop: Shop) -> None:
    add(shop, "agenda")
    shop.without("one")
    shop.apply()
    purge(shop)
    add(shop, "agenda")
    assert shop.plan(deep=True).empty


def test_a_tenant_is_kept_until_its_retention_ends(shop: Shop) -> None:
    add(shop, "offline")
    shop.without("one")
    shop.apply()
    with pytest.raises(errors.GuardRefused, match="is kept until"):
        purge(shop, now=False)
    shop.platform(guards={"prune": True}, trash={"retentionDays": 0})
    assert purge(shop, now=False).result is Result.APPLIED


def test_a_protected_tenant_is_not_purged(shop: Shop) -> None:
    add(shop, "offline")
    shop.without("one")
    shop.apply()
    shop.platform(guards={"prune": True, "protect": ["one"]})
    with pytest.raises(errors.GuardRefused, match="protected"):
        purge(shop)


def test_what_is_not_in_the_trash_is_not_purged(shop: Shop) -> None:
    add(shop, "offline")
    with pytest.raises(errors.UsageError, match="not in the trash"):
        purge(shop)


def test_a_database_that_somebody_put_in_its_place_is_not_destroyed(shop: Shop) -> None:
    add(shop, "pos")
    shop.without("one")
    shop.apply()
    shop.server.sql("ALTER DATABASE pos_one COMMENT 'theirs'")
    before = shop.world()
    assert purge(shop).result is Result.BLOCKED
    assert before.difference(shop.world()) == []
    assert purged(shop) == []


def test_a_tenant_whose_database_vanished_is_not_purged_and_it_is_said_why(shop: Shop) -> None:
    add(shop, "pos")
    shop.without("one")
    shop.apply()
    shop.server.sql("DROP DATABASE pos_one")
    before = shop.world()
    outcome = purge(shop)
    assert outcome.result is Result.BLOCKED
    assert outcome.failure is not None
    assert "nothing to take a final dump of" in outcome.failure.message
    assert before.difference(shop.world()) == []


class Broken(Dumper):
    """A dump that stops in the middle, or leaves a row out."""

    def __init__(self, change: Callable[[bytes], bytes]) -> None:
        self.change = change

    def dump(self, server: Any, database: str, *, history: bool = False) -> Iterator[bytes]:
        """Changed."""
        yield self.change(b"".join(super().dump(server, database, history=history)))


@pytest.mark.parametrize(
    "change",
    [
        pytest.param(lambda dump: dump[: len(dump) // 2], id="cut off"),
        pytest.param(lambda dump: re.sub(rb"INSERT INTO `plans` VALUES[^;]+;", b"", dump), id="without rows"),
        pytest.param(lambda dump: re.sub(rb"CREATE TABLE `users`[^;]+;", b"", dump), id="without a table"),
    ],
)
def test_nothing_is_destroyed_if_the_dump_does_not_load_into_the_same(
    shop: Shop, change: Callable[[bytes], bytes]
) -> None:
    add(shop, "agenda")
    shop.without("one")
    shop.apply()
    before = shop.world()
    outcome = purge(shop, Ports(entropy=QUICK, dumper=Broken(change)))
    assert outcome.result is Result.ROLLED_BACK
    assert outcome.failure is not None
    assert outcome.failure.step == "rehearsal"
    assert before.difference(shop.world()) == []
    assert purged(shop) == []
    assert purge(shop).result is Result.APPLIED


class Watching(Boundaries):
    """Looks at the account that loads the dump, once it has logged in and its account was locked again."""

    def __init__(self, shop: Shop) -> None:
        super().__init__()
        self.seen: list[Any] = []
        self._server = shop.server

    def cross(self, kind: Any, what: str, *rest: Any) -> Any:
        """The boundary, and then the look."""
        done: Any = super().cross(kind, what, *rest)
        loading = any(said.startswith("log in rehearsal_") for said in self.log)
        if loading and not self.seen and what.startswith("«ALTER USER"):
            self.seen += self._server.sql("SELECT user, db FROM mysql.db WHERE user LIKE 'rehearsal%'")
            self.seen += self._server.sql(
                "SELECT JSON_VALUE(Priv, '$.access'), JSON_VALUE(Priv, '$.account_locked') FROM mysql.global_priv"
                " WHERE user LIKE 'rehearsal%'"
            )
        return done


def test_the_account_that_loads_a_dump_reaches_the_scratch_database_alone_and_goes_with_it(shop: Shop) -> None:
    add(shop, "agenda")
    shop.without("one")
    shop.apply()
    watching = Watching(shop)
    assert purge(shop, watching.ports()).result is Result.APPLIED
    [(user, pattern), (access, locked)] = watching.seen
    assert str(pattern).replace("\\", "").startswith("agenda_one_rehearsal_")
    assert (int(access or 0), str(locked)) == (0, "1")
    assert shop.server.sql("SELECT user FROM mysql.global_priv WHERE user = %s", user) == []
    assert shop.server.sql("SELECT db FROM mysql.db WHERE user = %s", user) == []


@pytest.mark.parametrize(
    "statement",
    [
        pytest.param("DROP TABLE license_manager.tenants;", id="another database"),
        pytest.param("CREATE USER intruder;", id="an account"),
        pytest.param("DROP DATABASE pos_one;", id="the tenant itself"),
        pytest.param("SET GLOBAL max_connections = 7;", id="the server"),
    ],
)
def test_what_a_dump_would_do_elsewhere_the_server_refuses_even_without_a_firewall(
    shop: Shop, statement: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    add(shop, "pos")
    shop.without("one")
    shop.apply()
    before = shop.world()
    monkeypatch.setattr(firewall.Firewall, "judge", lambda self, item: firewall.Verdict())
    outcome = purge(shop, Ports(entropy=QUICK, dumper=Broken(lambda _dump: statement.encode())))
    assert outcome.result is Result.ROLLED_BACK
    assert outcome.failure is not None
    assert "denied" in outcome.failure.message
    assert before.difference(shop.world()) == []


@pytest.mark.parametrize("name", ["clinica-de-la-familia-de-la-calle-larga", "a" + "-" * 38 + "z", "a" * 40])
def test_a_tenant_of_the_longest_name_is_made_trashed_restored_and_purged(shop: Shop, name: str) -> None:
    before = shop.world()
    for _ in ("made", "restored"):
        shop.tenant("PosTenant", name, pos(30, cloud_sync=True))
        assert shop.apply()[name].result is Result.APPLIED
        assert shop.plan(deep=True).empty
        shop.without(name)
        assert shop.apply()[name].result is Result.APPLIED
    setting = shop.setting()
    assert reconcile.purge(setting, name, Progress(), now=True).result is Result.APPLIED
    setting.opened().close()
    assert before.difference(shop.world()) == []


def test_no_tenant_has_the_name_of_a_rehearsal_or_of_the_folder_of_dumps(shop: Shop) -> None:
    add(shop, "pos")
    for number, name in enumerate(("one-rehearsal", "purged"), 30):
        shop.tenant("PosTenant", name, pos(number, cloud_sync=True))
    shop.apply()
    shop.without("one")
    shop.without("purged")
    shop.apply()
    assert purge(shop).result is Result.APPLIED
    shop.tenant("PosTenant", "purged", pos(31, cloud_sync=True))
    assert shop.apply()["purged"].result is Result.APPLIED
    assert shop.plan(deep=True).empty
    assert len(purged(shop)) == 1


def test_a_purge_that_was_cut_off_is_finished_by_the_next_call(shop: Shop) -> None:
    add(shop, "pos")
    shop.without("one")
    shop.apply()
    clean = Boundaries()
    counted = shop.setting(clean.ports())
    reconcile.purge(clean.watch(counted), "one", Progress(), now=True)
    counted.opened().close()
    [*_, drop] = [number for number, said in enumerate(clean.log, 1) if said.startswith("«DROP USER")]
    add(shop, "pos")
    shop.without("one")
    shop.apply()
    dying = Boundaries({drop: Fault.DEATH_BEFORE})
    setting = dying.watch(shop.setting(dying.ports()))
    with pytest.raises(SimulatedDeath):
        reconcile.purge(setting, "one", Progress(), now=True)
    dying.dead = False
    dying.faults.clear()
    setting.opened().close()
    assert purge(shop).result is Result.APPLIED
    assert "one" not in planned_names(shop)


def test_a_tenant_that_left_the_trash_meanwhile_is_not_purged(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    add(shop, "pos")
    shop.without("one")
    shop.apply()

    def checked_and_restored(*_arguments: Any, **_options: Any) -> None:
        assert restore(shop).result is Result.APPLIED

    monkeypatch.setattr("reconciler.engine.purge.check", checked_and_restored)
    before = shop.world()
    assert purge(shop).result is Result.BLOCKED
    assert before.difference(shop.world()) != []  # it is out of the trash
    assert (shop.root / "state/deliveries/one").exists()
    assert shop.server.databases() == ["license_manager", "pos_one"]


def test_a_tenant_whose_spec_is_back_is_not_purged(shop: Shop) -> None:
    add(shop, "offline")
    shop.without("one")
    shop.apply()
    shop.tenant(*TENANTS["offline"][:1], "one", TENANTS["offline"][1])
    with pytest.raises(errors.GuardRefused, match="spec again"):
        purge(shop)


def test_accounts_go_with_the_host_that_they_were_made_for(shop: Shop) -> None:
    add(shop, "pos")
    shop.without("one")
    shop.apply()
    shop.document("specs/servers/main.yaml", "DatabaseServer", "main", shop.server_spec(clientHost="10.0.0.%"))
    assert purge(shop).result is Result.APPLIED
    assert shop.server.sql("SELECT user FROM mysql.global_priv WHERE user LIKE 'pos%one%'") == []


def test_an_open_session_does_not_outlive_the_way_to_the_trash(shop: Shop) -> None:
    add(shop, "pos")
    values = dotenv.dotenv_values(shop.root / "state/deliveries/one/.env")
    session = shop.server.connect(str(values["DB_USERNAME"]), str(values["DB_PASSWORD"]))
    shop.server.sql("ALTER USER 'pos_one_app'@'%' ACCOUNT LOCK")
    shop.without("one")
    shop.apply()
    with pytest.raises(pymysql.MySQLError):
        session.cursor().execute("SELECT 1")


def test_a_delivery_without_its_manifest_survives_a_failed_way_to_the_trash(shop: Shop) -> None:
    add(shop, "offline")
    (shop.root / "state/deliveries/one/manifest.json").unlink()
    shop.without("one")
    before = shop.world()
    clean = Boundaries()
    shop.apply(clean.ports())
    assert restore(shop).result is Result.APPLIED
    assert before.difference(shop.world()) == []
    shop.tenant(TENANTS["offline"][0], "one", TENANTS["offline"][1])
    shop.apply()
    (shop.root / "state/deliveries/one/manifest.json").unlink()
    shop.without("one")
    before = shop.world()
    moved = [number for number, said in enumerate(clean.log, 1) if said.startswith("rename to")]
    for number in moved:
        assert shop.apply(Boundaries({number + 1: Fault.ERROR}).ports())["one"].result is Result.ROLLED_BACK
        assert before.difference(shop.world()) == []


def test_guards_count_all_that_are_gone_whoever_is_chosen(shop: Shop) -> None:
    names = [f"pos-{number}" for number in range(4)]
    for number, name in enumerate(names, 10):
        shop.tenant("PosTenant", name, pos(number))
    shop.apply()
    for name in names:
        shop.without(name)
    assert shop.apply(tenants=[names[0]])[names[0]].result is Result.BLOCKED
    assert shop.apply(tenants=[names[0]], allow_deletes=4)[names[0]].result is Result.APPLIED


# --- guards ------------------------------------------------------------------------------------------------


def test_twelve_tenants_removed_at_once_are_held_and_one_is_not(shop: Shop) -> None:
    names = [f"pos-{number}" for number in range(13)]
    for number, name in enumerate(names, 10):
        shop.tenant("PosTenant", name, pos(number))
    shop.apply(parallel=4)
    before = shop.world()
    for name in names[:12]:
        shop.without(name)
    outcomes = shop.apply()
    assert {outcomes[name].result for name in names[:12]} == {Result.BLOCKED}
    assert exit_status(outcomes.values()) == 3
    failure = outcomes[names[0]].failure
    assert failure is not None
    assert "12 tenants would be deleted, and guards.maxDeletes is 3" in failure.message
    assert before.difference(shop.world()) == []
    assert shop.apply(allow_deletes=11)[names[0]].result is Result.BLOCKED
    outcomes = shop.apply(allow_deletes=12)
    assert {outcomes[name].result for name in names[:12]} == {Result.APPLIED}


def test_a_protected_tenant_is_never_deleted(shop: Shop) -> None:
    add(shop, "offline")
    shop.platform(guards={"prune": True, "protect": ["one"]})
    shop.without("one")
    assert shop.apply(allow_deletes=5)["one"].result is Result.BLOCKED


def test_a_tenant_without_a_spec_blocks_no_other_one(shop: Shop) -> None:
    add(shop, "offline")
    shop.platform(guards={"prune": True, "protect": ["one"]})
    shop.without("one")
    shop.tenant("PosTenant", "other", {**pos(7), "displayName": "Otra"})
    assert shop.apply()["other"].result is Result.APPLIED


def test_what_it_held_for_itself_is_not_given_away_while_it_is_in_the_trash(shop: Shop) -> None:
    add(shop, "agenda")
    shop.without("one")
    shop.apply()
    shop.tenant("AgendaTenant", "two", agenda(1))
    assert shop.apply()["two"].result is Result.BLOCKED


@pytest.mark.parametrize(
    ("leaving", "staying", "guards", "allowed", "held"),
    [
        pytest.param(3, 10, Guards(), None, False, id="as many as may"),
        pytest.param(4, 10, Guards(), None, True, id="one too many"),
        pytest.param(2, 17, Guards(max_delete_percent=10), None, False, id="too large a share of nineteen"),
        pytest.param(3, 17, Guards(max_delete_percent=10), None, True, id="too large a share of twenty"),
        pytest.param(2, 18, Guards(max_delete_percent=10), None, False, id="exactly the share"),
        pytest.param(1, 30, Guards(max_delete_percent=0), None, False, id="one always passes the share"),
        pytest.param(1, 30, Guards(max_deletes=0), None, True, id="one does not pass the cap of none"),
        pytest.param(2, 0, Guards(), None, True, id="all of them"),
        pytest.param(1, 0, Guards(), None, False, id="the only one"),
        pytest.param(9, 10, Guards(), 9, False, id="allowed this once"),
        pytest.param(10, 10, Guards(), 9, True, id="more than allowed this once"),
    ],
)
def test_the_guard_counts(leaving: int, staying: int, guards: Guards, allowed: int | None, held: bool) -> None:
    going: dict[str, dict[str, str]] = {f"t{number}": {} for number in range(leaving)}
    found = guard.refusals(going, {f"s{number}" for number in range(staying)}, guards, allowed=allowed)
    assert set(found) == (set(going) if held else set())


def test_a_dump_with_programs_is_loaded_also_where_a_binary_log_wants_an_administrator(tmp_path: Path) -> None:
    log = ("--log-bin=log", "--server-id=1", "--log-bin-trust-function-creators=0")
    with servers.private_server(*log) as logging:
        logging.sql(f"GRANT SUPER, SET USER ON *.* TO '{logging.user}'@'%'")
        made = Shop(tmp_path, logging)
        made.platform(guards={"prune": True})
        made.apply()
        add(made, "agenda")
        programs = logging.sql(
            "SELECT TRIGGER_NAME FROM information_schema.TRIGGERS WHERE TRIGGER_SCHEMA = 'agenda_one'"
        )
        assert programs
        made.without("one")
        made.apply()
        outcome = purge(made)
        assert outcome.result is Result.APPLIED, outcome
        assert logging.databases() == ["license_manager"]
