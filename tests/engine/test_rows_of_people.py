"""Rows that people and applications write too, on a real server: what they wrote stays, and is written down nowhere."""

from __future__ import annotations

import dataclasses
import json
import re
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.engine import reconcile
from reconciler.engine.progress import Progress
from reconciler.engine.setting import Setting
from reconciler.model import plan as plans
from reconciler.model.change import Change
from reconciler.model.outcome import Outcome, Result
from reconciler.ports import process
from reconciler.resources.admin_user import AdminUser
from reconciler.resources.seed_rows import SeedRows
from tests.engine.test_bulk_rows import DATABASE, Bench, bench
from tests.support import server as servers
from tests.support import trial
from tests.support.faults import Boundaries, Fault
from tests.support.shop import Shop

__all__ = ["bench"]

DB = "agenda_one"
AGENDA: dict[str, Any] = {
    "displayName": "Clínica Sol",
    "plan": "pro",
    "domain": "sol.example.com",
    "admin": {"name": "Ana Ruiz", "email": "ana@example.com"},
}
EVA = {"name": "Eva Díaz", "email": "eva@example.com"}
OWN = "$argon2id$v=19$m=8,t=1,p=1$OWN$OWN"
LONG_AGO = "2020-02-02 02:02:02"
ADMIN = f"SELECT name, email, password_hash, must_change_password, CAST(last_login_at AS CHAR) FROM {DB}.users"
TIMES = (
    f"SELECT CAST(updated_at AS CHAR) FROM {DB}.users UNION ALL "
    f"SELECT CAST(updated_at AS CHAR) FROM {DB}.business_settings UNION ALL "
    f"SELECT CAST(updated_at AS CHAR) FROM {DB}.plans WHERE code = 'pro'"
)


class Crowd(Boundaries):
    """Somebody else on the server, who runs ``before`` in front of the first transaction of the tenant's rows and
    ``after`` behind it. Then either the proof of the login is refused, or the process dies right there.
    """

    def __init__(self, server: servers.Server, *, before: str = "", after: str = "", ends: Fault | None = None) -> None:
        super().__init__()
        self.server, self.before, self.after, self.ends = server, before, after, ends
        self.begun = self.done = False

    def cross(self, kind: Any, what: str, action: Callable[[], Any], error: Any, lose: Any = None) -> Any:
        """As the other boundaries, with that."""
        if what.startswith("«START TRANSACTION") and not self.begun:
            self.begun = True
            if self.before:
                self.server.sql(self.before)
            if self.ends is Fault.DEATH_BEFORE:
                self.faults[self.count + 1] = self.ends
        if self.done and what == f"log in {DB}_app" and self.ends is Fault.ERROR:
            raise error()
        ending = what.startswith("«COMMIT") and self.begun and not self.done
        if ending and self.ends is Fault.DEATH_AFTER:
            self.faults[self.count + 1] = self.ends
        try:
            return super().cross(kind, what, action, error, lose)
        finally:
            if ending:
                self.done = True
                if self.after:
                    self.server.sql(self.after)


@pytest.fixture
def agenda(shop: Shop) -> Shop:
    """A tenant whose rows are of long ago."""
    shop.tenant("AgendaTenant", "one", AGENDA)
    assert shop.apply()["one"].result is Result.APPLIED
    for table in ("users", "business_settings", "plans"):
        shop.server.sql(f"UPDATE {DB}.{table} SET updated_at = '{LONG_AGO}'")
    return shop


def follows_the_spec(shop: Shop) -> None:
    shop.tenant("AgendaTenant", "one", {**AGENDA, "admin": EVA})


def has_another_name(shop: Shop) -> None:
    shop.tenant("AgendaTenant", "one", {**AGENDA, "displayName": "Clínica Luna"})


def has_other_prices(shop: Shop) -> None:
    file = shop.root / "specs/products/agenda-ia/product.yaml"
    file.write_text(re.sub(r"priceCents: \d+", "priceCents: 7", file.read_text()))


def has_a_seed_more(shop: Shop) -> None:
    file = shop.root / "specs/products/agenda-ia/seeds/zz-more.yaml"
    rows = [{"code": "spa", "name": "Spa", "sort_order": 0}]
    file.write_text(yaml.safe_dump({"table": "service_categories", "key": ["code"], "rows": rows}))


def died(shop: Shop, crowd: Crowd) -> None:
    """A deep apply of a process that is gone."""
    me = process.this()

    def deep(setting: Setting, _: object) -> list[Outcome]:
        return reconcile.apply(setting, reconcile.Options(parallel=1, deep=True), Progress())[1]

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(process, "this", lambda: dataclasses.replace(me, started=me.started - 1))
        assert trial.attempt(shop, crowd, by=deep) is None
    assert crowd.died


# --- what a rollback takes back ---------------------------------------------------------------------------


def test_a_rollback_leaves_the_person_the_password_that_was_set_meanwhile(agenda: Shop) -> None:
    follows_the_spec(agenda)
    meanwhile = f"UPDATE {DB}.users SET password_hash = '{OWN}', must_change_password = 0, last_login_at = '2027-01-01'"
    crowd = Crowd(agenda.server, after=meanwhile, ends=Fault.ERROR)
    outcome = agenda.apply(crowd.ports())["one"]
    assert (outcome.result, outcome.leftovers) == (Result.ROLLED_BACK, ())
    assert crowd.done
    assert agenda.server.sql(ADMIN) == [("Ana Ruiz", "ana@example.com", OWN, 0, "2027-01-01 00:00:00")]


def test_a_rollback_leaves_the_application_its_own_settings(agenda: Shop) -> None:
    has_another_name(agenda)
    meanwhile = f"UPDATE {DB}.business_settings SET slot_minutes = 45, currency = 'USD'"
    outcome = agenda.apply(Crowd(agenda.server, after=meanwhile, ends=Fault.ERROR).ports())["one"]
    assert (outcome.result, outcome.leftovers) == (Result.ROLLED_BACK, ())
    found = agenda.server.sql(f"SELECT display_name, slot_minutes, currency FROM {DB}.business_settings")
    assert found == [("Clínica Sol", 45, "USD")]


@pytest.mark.parametrize("change", [follows_the_spec, has_another_name, has_other_prices])
def test_a_rollback_puts_back_the_times_that_change_by_themselves(agenda: Shop, change: Callable[[Shop], None]) -> None:
    change(agenda)
    before = agenda.world()
    crowd = Crowd(agenda.server, ends=Fault.ERROR)
    assert agenda.apply(crowd.ports())["one"].result is Result.ROLLED_BACK
    assert crowd.done
    assert agenda.server.sql(TIMES) == [(LONG_AGO,)] * 3
    assert before.difference(agenda.world()) == []


@pytest.mark.parametrize(
    ("change", "meanwhile"),
    [
        pytest.param(follows_the_spec, f"UPDATE {DB}.users SET password_hash = '{OWN}', ", id="a password alone"),
        pytest.param(follows_the_spec, f"UPDATE {DB}.users SET last_login_at = '2027-01-01', ", id="a login"),
        pytest.param(has_another_name, f"UPDATE {DB}.business_settings SET slot_minutes = 45, ", id="a setting"),
        pytest.param(has_another_name, f"UPDATE {DB}.business_settings SET locale = 'en-US', ", id="a setting of ours"),
    ],
)
def test_a_rollback_leaves_the_time_of_what_somebody_else_wrote(
    agenda: Shop, change: Callable[[Shop], None], meanwhile: str
) -> None:
    change(agenda)
    crowd = Crowd(agenda.server, after=f"{meanwhile}updated_at = '2021-01-01 00:00:00'", ends=Fault.ERROR)
    assert agenda.apply(crowd.ports())["one"].result is Result.ROLLED_BACK
    assert agenda.server.sql(TIMES).count(("2021-01-01 00:00:00",)) == 1


def test_a_recovery_leaves_the_person_the_password_that_was_set_since(agenda: Shop) -> None:
    follows_the_spec(agenda)
    died(agenda, Crowd(agenda.server, ends=Fault.DEATH_AFTER))
    assert agenda.server.sql(ADMIN)[0][0] == "Eva Díaz"
    agenda.server.sql(f"UPDATE {DB}.users SET password_hash = '{OWN}', must_change_password = 0")
    assert [entry.result for entry in agenda.recover()] == [Result.ROLLED_BACK]
    assert agenda.server.sql(ADMIN) == [("Ana Ruiz", "ana@example.com", OWN, 0, None)]


# --- what was written between the look and the act --------------------------------------------------------

MEANWHILE = [
    pytest.param(has_other_prices, f"UPDATE {DB}.plans SET price_cents = 5 WHERE code = 'pro'", id="a price"),
    pytest.param(has_other_prices, f"UPDATE {DB}.plans SET name = 'Mine' WHERE code = 'pro'", id="another column"),
    pytest.param(has_other_prices, f"DELETE FROM {DB}.plans WHERE code = 'starter'", id="a row deleted"),
    pytest.param(follows_the_spec, f"UPDATE {DB}.users SET name = 'Me'", id="a name"),
    pytest.param(follows_the_spec, f"DELETE FROM {DB}.users", id="the administrator deleted"),
    pytest.param(
        has_a_seed_more,
        f"INSERT INTO {DB}.service_categories (code, name) VALUES ('SPA', 'My spa')",
        id="the same row made",
    ),
]


def rows_of(shop: Shop) -> list[Any]:
    return [
        shop.server.sql(f"SELECT * FROM {DB}.{table} ORDER BY 1") for table in ("plans", "users", "service_categories")
    ]


@pytest.mark.parametrize(("change", "meanwhile"), MEANWHILE)
def test_what_was_written_between_look_and_act_is_left_and_the_tenant_is_as_it_was(
    agenda: Shop, change: Callable[[Shop], None], meanwhile: str
) -> None:
    change(agenda)
    crowd = Crowd(agenda.server, before=meanwhile)
    outcome = agenda.apply(crowd.ports())["one"]
    stood = rows_of(agenda)
    assert outcome.failure is not None
    assert (outcome.result, outcome.failure.code, outcome.leftovers) == (Result.ROLLED_BACK, "moved-meanwhile", ())
    assert agenda.recover() == []
    assert rows_of(agenda) == stood
    assert agenda.apply(deep=True)["one"].result in (Result.APPLIED, Result.UNCHANGED)


@pytest.mark.parametrize(("change", "meanwhile"), MEANWHILE)
def test_what_was_written_in_front_of_an_act_that_a_dead_process_never_made_holds_up_no_recovery(
    agenda: Shop, change: Callable[[Shop], None], meanwhile: str
) -> None:
    change(agenda)
    died(agenda, Crowd(agenda.server, before=meanwhile, ends=Fault.DEATH_BEFORE))
    stood = rows_of(agenda)
    (outcome,) = agenda.recover()
    assert (outcome.result, outcome.leftovers) == (Result.ROLLED_BACK, ())
    assert rows_of(agenda) == stood
    assert agenda.apply(deep=True)["one"].result in (Result.APPLIED, Result.UNCHANGED)


def test_who_merely_logs_in_is_in_nobodys_way(agenda: Shop) -> None:
    follows_the_spec(agenda)
    crowd = Crowd(agenda.server, before=f"UPDATE {DB}.users SET last_login_at = '2027-01-01', password_hash = '{OWN}'")
    assert agenda.apply(crowd.ports())["one"].result is Result.APPLIED
    assert agenda.server.sql(ADMIN) == [("Eva Díaz", "eva@example.com", OWN, 1, "2027-01-01 00:00:00")]


@pytest.mark.parametrize("acted", [True, False], ids=["after the act", "before the act"])
def test_whose_an_administrator_is_tells_the_hash_of_the_first_password(agenda: Shop, acted: bool) -> None:
    agenda.server.sql(f"DELETE FROM {DB}.users")
    before = agenda.world()
    own = (
        f"INSERT INTO {DB}.users (provision_key, name, email, role, must_change_password, password_hash) "
        f"VALUES ('admin', 'Ana Ruiz', 'ana@example.com', 'admin', 1, '{OWN}')"
    )
    crowd = Crowd(
        agenda.server, **({"ends": Fault.DEATH_AFTER} if acted else {"before": own, "ends": Fault.DEATH_BEFORE})
    )
    died(agenda, crowd)
    assert len(agenda.server.sql(ADMIN)) == 1
    assert [entry.result for entry in agenda.recover()] == [Result.ROLLED_BACK]
    if acted:
        assert before.difference(agenda.world()) == []
    else:
        assert agenda.server.sql(ADMIN) == [("Ana Ruiz", "ana@example.com", OWN, 1, None)]


# --- what is written down ---------------------------------------------------------------------------------


def test_nothing_of_a_person_is_written_down_but_what_the_spec_says(agenda: Shop) -> None:
    agenda.server.sql(f"UPDATE {DB}.users SET password_hash = '$argon2id$CANARY', last_login_at = '1999-09-09'")
    agenda.server.sql(f"UPDATE {DB}.business_settings SET currency = 'ZQX'")
    shop_spec = {**AGENDA, "admin": EVA, "displayName": "Clínica Luna"}
    agenda.tenant("AgendaTenant", "one", shop_spec)
    (planned,) = agenda.plan(deep=True).tenants
    assert planned.action is plans.Action.UPDATE
    said = json.dumps([change.as_data() for change in planned.changes])
    assert "Ana Ruiz" in said
    assert agenda.apply()["one"].result is Result.APPLIED
    said += "".join(path.read_bytes().decode("latin1") for path in _files(agenda.root / "state"))
    assert [canary for canary in ("CANARY", "1999-09-09", "ZQX") if canary in said] == []


def _files(folder: Path) -> list[Path]:
    return [path for path in folder.rglob("*") if path.is_file()]


# --- older journals ---------------------------------------------------------------------------------------

PEOPLE = """CREATE TABLE agenda_bulk.people (
    id INT PRIMARY KEY AUTO_INCREMENT,
    provision_key VARCHAR(9) UNIQUE,
    name VARCHAR(20),
    email VARCHAR(20),
    password_hash VARCHAR(99),
    must_change_password BOOLEAN NOT NULL DEFAULT 0,
    updated_at DATETIME DEFAULT CURRENT_TIMESTAMP ON UPDATE CURRENT_TIMESTAMP
)"""
FORMER = {
    "id": 1,
    "provision_key": "admin",
    "name": "Ana",
    "email": "a@example.com",
    "password_hash": "$argon2id$first",
    "must_change_password": 1,
    "updated_at": LONG_AGO,
}


def older(kind: str, name: str, before: Any, after: Any) -> Change:
    """A change as it was written down when whole rows were."""
    data = {"step": "schema", "resource": kind, "name": name, "action": "update", "before": before, "after": after}
    said = {"summary": "", "reason": "", "undo": "", "details": [], "destroys": False, "takesAway": False}
    return Change.from_data(json.loads(json.dumps({**data, **said})))


@pytest.mark.parametrize("since", [True, False], ids=["the password was changed since", "nobody was there since"])
def test_an_older_journal_with_an_administrators_whole_row_is_undone_too(bench: Bench, since: bool) -> None:
    bench.server.sql(PEOPLE)
    row = {**FORMER, "name": "Eva", "updated_at": "2026-01-01 00:00:00"}
    if since:
        row |= {"password_hash": OWN, "must_change_password": 0}
    bench.server.sql(
        f"INSERT INTO agenda_bulk.people ({', '.join(row)}) VALUES ({', '.join(['%s'] * len(row))})", *row.values()
    )
    after = {"row": {"name": "Eva", "email": "a@example.com"}, "key": {"provision_key": "admin"}}
    change = older("admin-user", f"main/{DATABASE}/people", {"row": FORMER}, after)
    assert not AdminUser.undone(change, bench.session)
    AdminUser.undo(change, bench.session)
    assert AdminUser.undone(change, bench.session)
    found = bench.server.sql("SELECT name, password_hash, CAST(updated_at AS CHAR) FROM agenda_bulk.people")
    assert found == [("Ana", OWN, "2026-01-01 00:00:00") if since else ("Ana", "$argon2id$first", LONG_AGO)]


@pytest.mark.parametrize("since", [True, False], ids=["the password was changed since", "nobody was there since"])
def test_an_older_journal_with_an_administrator_that_was_made_is_undone_too(bench: Bench, since: bool) -> None:
    bench.server.sql(PEOPLE)
    row = {key: FORMER[key] for key in ("provision_key", "name", "email", "password_hash")}
    stored = {**row, "password_hash": OWN} if since else row
    bench.server.sql(f"INSERT INTO agenda_bulk.people ({', '.join(row)}) VALUES (%s, %s, %s, %s)", *stored.values())
    after = {"row": row, "key": {"provision_key": "admin"}}
    change = older("admin-user", f"main/{DATABASE}/people", {"row": None}, after)
    AdminUser.undo(change, bench.session)
    assert AdminUser.undone(change, bench.session)
    assert len(bench.server.sql("SELECT * FROM agenda_bulk.people")) == int(since)


def test_an_older_journal_with_whole_rows_of_a_table_is_undone_too(bench: Bench) -> None:
    bench.server.sql(PEOPLE)
    bench.server.sql(
        "INSERT INTO agenda_bulk.people (id, provision_key, name, email, password_hash, must_change_password, "
        f"updated_at) VALUES (1, 'admin', 'Ana', 'a@example.com', '$argon2id$first', 1, '{LONG_AGO}'), "
        f"(2, 'b', 'B', NULL, NULL, 1, '{LONG_AGO}')"
    )
    stood = bench.server.sql("SELECT * FROM agenda_bulk.people ORDER BY id")
    other = {**FORMER, "id": 2, "provision_key": "b", "name": "B", "email": None, "password_hash": None}
    after = {name: {"provision_key": name, "name": f"New {name}"} for name in ("admin", "b", "c")}
    before = {"rows": {"admin": FORMER, "b": other, "c": None}}
    change = older("seed-rows", f"main/{DATABASE}/people", before, {"rows": after, "key": ["provision_key"]})
    assert SeedRows.undone(change, bench.session)
    bench.server.sql("UPDATE agenda_bulk.people SET name = CONCAT('New ', provision_key)")
    bench.server.sql("INSERT INTO agenda_bulk.people (provision_key, name) VALUES ('c', 'New c')")
    bench.server.sql("UPDATE agenda_bulk.people SET email = 'b@example.com', updated_at = '2026-01-01' WHERE id = 2")
    SeedRows.undo(change, bench.session)
    assert SeedRows.undone(change, bench.session)
    found = bench.server.sql("SELECT * FROM agenda_bulk.people ORDER BY id")
    assert found[0] == stood[0]
    assert [found[1][2], found[1][3], str(found[1][6])] == ["B", "b@example.com", "2026-01-01 00:00:00"]
    assert len(found) == 2
