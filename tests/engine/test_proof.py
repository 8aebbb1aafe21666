"""What the proof at the end of a transaction finds of what somebody else did meanwhile, and what it reads for that."""

from __future__ import annotations

import re
from collections.abc import Callable

import pytest

from reconciler.engine import reconcile
from reconciler.engine.progress import Progress
from reconciler.model.outcome import Outcome, Result
from tests.engine.drifting import AGENDA, CENTRAL, DB
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
        pytest.param(f"ALTER VIEW {DB}.client_summary AS SELECT 1 AS one", "view client_summary", id="body-of-view"),
        pytest.param(f"DROP TRIGGER {DB}.appointments_made", "trigger appointments_made is gone", id="trigger"),
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
    outcome = made(shop, lambda: shop.server.sql(statement))
    assert outcome.result is Result.ROLLED_BACK
    assert outcome.failure is not None
    assert said in outcome.failure.message
    assert shop.world() == before


def test_the_proof_reads_a_schema_once_and_each_table_of_rows_once(shop: Shop, said: list[str]) -> None:
    acts = list[int]()
    assert made(shop, lambda: acts.append(len(said))).result is Result.APPLIED
    proof = said[acts[0] :]
    assert len([statement for statement in proof if DEEP.search(statement)]) == 1
    assert [statement for statement in proof if statement.startswith("SHOW")] == []
    assert len([statement for statement in proof if f"`{DB}`" in statement]) == 8
