"""A foreigner takes what a tenant needs, between plan and apply, and between the intent and the act.

What is a foreigner's survives; the tenant is as it was.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import TypeVar

import pytest

from reconciler.model import plan as plans
from reconciler.model.outcome import Outcome, Result
from tests.support import changes, trial
from tests.support.changes import CREATE_AGENDA, CREATE_POS, NAME, Case
from tests.support.deeds import Aside
from tests.support.faults import Boundaries, Fault
from tests.support.matrix import Cells, Recovery, Row
from tests.support.shop import Shop
from tests.support.trial import Trial

T = TypeVar("T")


@dataclass(frozen=True)
class Foreigner:
    """Makes a thing, tells it from any other of that name, and takes it away."""

    makes: Callable[[Shop, str], object]
    sees: Callable[[Shop, str], object]
    clears: Callable[[Shop, str], object]


def _make_database(shop: Shop, prefix: str) -> None:
    shop.server.sql(f"CREATE DATABASE {prefix}_one")
    shop.server.sql(f"CREATE TABLE {prefix}_one.theirs (id INT PRIMARY KEY)")
    shop.server.sql(f"INSERT INTO {prefix}_one.theirs VALUES (7)")


def _row(shop: Shop, prefix: str) -> list[tuple[object, ...]]:
    return shop.server.sql("SELECT * FROM license_manager.tenants WHERE name = 'one'")


def _make_row(shop: Shop, prefix: str) -> None:
    columns = shop.server.sql(
        "SELECT COLUMN_NAME, DATA_TYPE, IS_NULLABLE FROM information_schema.COLUMNS"
        " WHERE TABLE_SCHEMA = 'license_manager' AND TABLE_NAME = 'tenants'"
    )
    values: dict[str, object] = {
        name: "theirs" if "char" in kind or "text" in kind else 0 for name, kind, null in columns if null == "NO"
    }
    values |= {"name": NAME, "product": "agenda-ia", "platform_id": "t" * 32, "transaction_id": "t" * 32}
    listed = ", ".join(f"`{name}`" for name in values)
    marks = ", ".join(["%s"] * len(values))
    shop.server.sql(f"INSERT INTO license_manager.tenants ({listed}) VALUES ({marks})", *values.values())


def _make_folder(shop: Shop, prefix: str) -> None:
    (shop.root / "state/deliveries/one").mkdir()
    (shop.root / "state/deliveries/one/theirs").write_text("theirs")


def _clear_folder(shop: Shop, prefix: str) -> None:
    (shop.root / "state/deliveries/one/theirs").unlink()
    (shop.root / "state/deliveries/one").rmdir()


FOREIGNERS = {
    "database": Foreigner(
        _make_database,
        lambda shop, prefix: shop.server.dump([f"{prefix}_one"]),
        lambda shop, prefix: shop.server.sql(f"DROP DATABASE {prefix}_one"),
    ),
    "account": Foreigner(
        lambda shop, prefix: shop.server.sql(f"CREATE USER {prefix}_one_app IDENTIFIED BY 'theirs'"),
        lambda shop, prefix: shop.server.sql(
            "SELECT JSON_VALUE(Priv, '$.authentication_string'), JSON_VALUE(Priv, '$.account_locked')"
            " FROM mysql.global_priv WHERE User = %s",
            f"{prefix}_one_app",
        ),
        lambda shop, prefix: shop.server.sql(f"DROP USER {prefix}_one_app"),
    ),
    "row": Foreigner(
        _make_row,
        _row,
        lambda shop, prefix: shop.server.sql("DELETE FROM license_manager.tenants WHERE name = 'one'"),
    ),
    "folder": Foreigner(
        _make_folder,
        lambda shop, prefix: (shop.root / "state/deliveries/one/theirs").read_text(),
        _clear_folder,
    ),
}


def kinds(*, of_update: tuple[str, ...]) -> pytest.MarkDecorator:
    """Each thing that a case makes; the sweep has all of them for both products."""
    everywhere = [(CREATE_AGENDA, kind) for kind in FOREIGNERS] + [(CREATE_POS, kind) for kind in FOREIGNERS]
    everywhere += [("cloud-sync-on", kind) for kind in of_update]
    few = {(CREATE_AGENDA, "database"), (CREATE_POS, "account"), (CREATE_AGENDA, "folder"), (CREATE_POS, "row")}
    return pytest.mark.parametrize(
        ("case", "foreigner"),
        [
            pytest.param(
                changes.CASES[name],
                FOREIGNERS[kind],
                id=f"{kind}-{name}",
                marks=() if (name, kind) in few else pytest.mark.sweep,
            )
            for name, kind in everywhere
        ],
    )


def prefix_of(case: Case) -> str:
    """How names of the product's databases begin."""
    return case.kind.removesuffix("Tenant").lower()


def survived(tried: Trial, foreigner: Foreigner, there: object, where: str) -> None:
    """The foreigner's thing is as it was made; without it the world is the one before."""
    shop, prefix = tried.shop, prefix_of(tried.case)
    assert foreigner.sees(shop, prefix) == there, where
    foreigner.clears(shop, prefix)
    assert tried.before.difference(shop.world()) == [], where


@kinds(of_update=("database", "account"))
def test_what_a_foreigner_makes_between_plan_and_apply_is_left_alone(
    shop: Shop, cells: Cells, case: Case, foreigner: Foreigner
) -> None:
    tried = Trial(shop, case, cells)
    prefix = prefix_of(case)

    def confirm(_plan: plans.Plan) -> bool:
        foreigner.makes(shop, prefix)
        return True

    outcome = trial.attempt(shop, Boundaries(), confirm=confirm)
    assert outcome is not None
    assert outcome.result is Result.BLOCKED, outcome
    survived(tried, foreigner, _as_made(shop, foreigner, prefix), str(outcome))
    tried.record(Row.FOREIGN_BEFORE, outcome.result.value, after=False, recovery=Recovery.NONE)
    # Nothing is in the way of the next one.
    assert shop.apply()[NAME].result is Result.APPLIED


@kinds(of_update=("database", "account"))
def test_what_a_foreigner_makes_between_intent_and_act_is_left_alone(
    shop: Shop, cells: Cells, case: Case, foreigner: Foreigner
) -> None:
    tried = Trial(shop, case, cells)
    prefix = prefix_of(case)
    outcome = trial.attempt(shop, Boundaries({tried.acts[0]: Aside(lambda: foreigner.makes(shop, prefix))}))
    assert outcome is not None
    assert outcome.result is Result.ROLLED_BACK, outcome
    survived(tried, foreigner, _as_made(shop, foreigner, prefix), str(outcome))
    tried.record(Row.FOREIGN_WITHIN, outcome.result.value, after=False, recovery=Recovery.APPLY)
    assert shop.apply()[NAME].result is Result.APPLIED


@kinds(of_update=("database", "account"))
def test_what_a_foreigner_makes_before_a_death_is_left_alone_by_recover(
    shop: Shop, cells: Cells, case: Case, foreigner: Foreigner
) -> None:
    tried = Trial(shop, case, cells)
    prefix = prefix_of(case)

    def begin(action: Callable[[], T]) -> T:
        result = action()
        foreigner.makes(shop, prefix)
        return result

    outcome = trial.attempt(shop, Boundaries({tried.writes[1]: begin, tried.acts[0]: Fault.DEATH_BEFORE}))
    assert outcome is None
    if foreigner in (FOREIGNERS["folder"], FOREIGNERS["row"]):
        assert [entry.result for entry in shop.recover()] == [Result.ROLLED_BACK]
        survived(tried, foreigner, _as_made(shop, foreigner, prefix), "recovered")
    else:
        names = {"database": f"main/{prefix}_one", "account": f"main/{prefix}_one_app@%"}
        name = next(name for kind, name in names.items() if FOREIGNERS[kind] is foreigner)
        stuck_with(shop, tried, foreigner, shop.recover(), name)
    tried.record(Row.FOREIGN_WITHIN, "killed", after=False, recovery=Recovery.RECOVER)
    assert shop.apply()[NAME].result is Result.APPLIED


def stuck_with(shop: Shop, tried: Trial, foreigner: Foreigner, outcomes: list[Outcome], name: str) -> None:
    """The foreign thing alone is listed, again and again, and left alone; when it is gone, so is the transaction."""
    there = _as_made(shop, foreigner, prefix_of(tried.case))
    for again in (outcomes, shop.recover()):
        assert [entry.result for entry in again] == [Result.STUCK]
        assert [left.name for left in again[0].leftovers] == [name]
    survived(tried, foreigner, there, str(outcomes))
    assert [entry.result for entry in shop.recover()] == [Result.ROLLED_BACK]


def _as_made(shop: Shop, foreigner: Foreigner, prefix: str) -> object:
    """What a foreigner's thing looks like when nobody has touched it: made anew where nothing else is."""
    seen = foreigner.sees(shop, prefix)
    assert seen, "it is gone"
    foreigner.clears(shop, prefix)
    foreigner.makes(shop, prefix)
    assert foreigner.sees(shop, prefix) == seen
    return seen


def test_a_row_that_somebody_changed_between_look_and_act_stays_as_they_left_it(shop: Shop, cells: Cells) -> None:
    tried = Trial(shop, changes.CASES["edition-pos"], cells)

    def change() -> None:
        shop.server.sql("UPDATE license_manager.licenses SET grace_days = 77 WHERE tenant = 'one'")

    outcome = trial.attempt(shop, Boundaries({tried.acts[0]: Aside(change)}))
    assert outcome is not None
    assert outcome.result is Result.ROLLED_BACK, outcome
    assert outcome.failure is not None
    assert outcome.failure.code == "moved-meanwhile"
    assert shop.server.sql("SELECT grace_days FROM license_manager.licenses WHERE tenant = 'one'") == [(77,)]
    shop.server.sql("UPDATE license_manager.licenses SET grace_days = 14 WHERE tenant = 'one'")
    assert tried.before.difference(shop.world()) == []
    tried.record(Row.FOREIGN_WITHIN, outcome.result.value, after=False, recovery=Recovery.APPLY)
