"""What the proof at the end of a transaction finds of what somebody else did meanwhile, and what it reads for that."""

from __future__ import annotations

import re
import time
from collections.abc import Callable
from typing import Any

import pytest

from reconciler.engine import reconcile
from reconciler.engine.progress import Progress
from reconciler.model.outcome import Outcome, Result
from reconciler.ports.mysql import anatomy
from reconciler.ports.mysql import connection as mysql
from tests.engine.drifting import AGENDA, CENTRAL, DB, planned
from tests.support.shop import Shop

DEEP = re.compile(r"information_schema\.(COLUMNS|STATISTICS|TRIGGERS|VIEWS|KEY_COLUMN_USAGE)")


class BeforeTheProof(Progress):
    """Does something when all changes are made, before anything is looked at again."""

    def __init__(self, does: Callable[[], object]) -> None:
        self._does = does

    def proving(self, tenant: str) -> None:
        """Now."""
        self._does()


def made(shop: Shop, before_the_proof: Callable[[], object]) -> Outcome:
    """A new tenant, during whose transaction something else happens."""
    shop.tenant("AgendaTenant", "one", AGENDA)
    _, (outcome,) = reconcile.apply(shop.setting(), reconcile.Options(), BeforeTheProof(before_the_proof))
    return outcome


@pytest.mark.parametrize(
    ("statement", "said"),
    [
        pytest.param(f"ALTER TABLE {DB}.clients ADD COLUMN note INT", "column clients.note was added", id="column"),
        pytest.param(f"ALTER TABLE {DB}.clients ALTER phone SET DEFAULT '5'", "column clients.phone", id="default"),
        pytest.param(f"CREATE INDEX extra ON {DB}.clients (notes(9))", "key clients.extra was added", id="key"),
        pytest.param(f"DROP TABLE {DB}.appointment_history", "table appointment_history is gone", id="table"),
        pytest.param(f"DROP VIEW {DB}.client_summary", "view client_summary is gone", id="view"),
        pytest.param(f"DROP FUNCTION {DB}.staff_is_free", "function staff_is_free is gone", id="function"),
        pytest.param(f"DROP EVENT {DB}.purge_expired_sessions", "purge_expired_sessions", id="event"),
        pytest.param(f"DELETE FROM {DB}.roles WHERE code = 'staff'", "seed roles: 1 to add", id="row"),
        pytest.param(f"ALTER TABLE {DB}.plans DROP COLUMN currency", "plans.currency", id="column-of-rows"),
        pytest.param(f"UPDATE {DB}.plans SET price_cents = 1", "seed plans: 3 to correct", id="enforced-row"),
        pytest.param(f"ALTER TABLE {DB}.users DROP COLUMN password_hash", "users.password_hash", id="hidden-column"),
        pytest.param(f"UPDATE {CENTRAL}.tenants SET plan = 'starter'", "one", id="central-row"),
        pytest.param("GRANT DROP ON `agenda\\_one`.* TO 'agenda_one_app'@'%'", "to agenda_one_app@%", id="grant"),
    ],
)
def test_what_somebody_does_before_the_proof_undoes_the_tenant(shop: Shop, statement: str, said: str) -> None:
    before = shop.world()

    def somebody() -> None:
        time.sleep(1.01)  # to the second a table's time of making is told
        shop.server.sql(statement)

    outcome = made(shop, somebody)
    assert outcome.result is Result.ROLLED_BACK
    assert outcome.failure is not None
    assert said in outcome.failure.message
    assert shop.world() == before


def test_what_the_proof_does_not_read_the_next_deep_look_finds(shop: Shop) -> None:
    outcome = made(shop, lambda: shop.server.sql(f"DROP TRIGGER {DB}.appointments_made"))
    assert outcome.result is Result.APPLIED
    assert [entry.code for entry in planned(shop, deep=True).blockers] == ["schema-drift"]


def test_a_schema_is_read_in_depth_once_a_transaction(shop: Shop, monkeypatch: pytest.MonkeyPatch) -> None:
    heard: list[str] = []
    send = mysql.Connection.send

    def hearing(self: mysql.Connection, statement: Any, parameters: Any = ()) -> Any:
        heard.append(str(statement))
        return send(self, statement, parameters)

    monkeypatch.setattr(mysql.Connection, "send", hearing)
    acts = list[int]()
    assert made(shop, lambda: acts.append(len(heard))).result is Result.APPLIED
    assert len([statement for statement in heard if DEEP.search(statement)]) == 1
    proof = heard[acts[0] :]
    assert [statement for statement in proof if DEEP.search(statement) or statement.startswith("SHOW")] == []
    assert len([statement for statement in proof if f"`{DB}`" in statement]) == 8  # each table of rows once


def test_the_second_in_which_a_table_was_altered_is_told_by_both_readings(shop: Shop) -> None:
    assert made(shop, lambda: None).result is Result.APPLIED
    setting = shop.setting()
    setting.opened().close()
    connection = mysql.connect(setting.servers["main"])
    try:
        read, before = anatomy.read(connection, [DB])[DB].altered, anatomy.altered(connection, DB)
        assert read == before
        shop.server.sql(f"UPDATE {DB}.plans SET price_cents = 1")
        shop.server.sql(f"ANALYZE TABLE {DB}.plans")
        assert anatomy.altered(connection, DB) == before
        time.sleep(1.01)
        shop.server.sql(f"ALTER TABLE {DB}.plans COMMENT 'x'")
        after = anatomy.altered(connection, DB)
        assert after != before
        assert anatomy.read(connection, [DB])[DB].altered == after
        assert anatomy.altered(connection, "nothing") == anatomy.read(connection, ["nothing"])["nothing"].altered
    finally:
        connection.close()
