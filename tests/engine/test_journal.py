"""The journal as an audit trail: who wrote what, and that nothing in it was changed or taken out since."""

from __future__ import annotations

import concurrent.futures
import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from reconciler import errors
from reconciler.model.states import TransactionState
from reconciler.ports import process
from reconciler.ports.store import audit, journal, tables
from reconciler.ports.store import store as stores
from tests.engine.test_counts import agenda, pos
from tests.support import server as servers
from tests.support.faults import Boundaries, Fault
from tests.support.shop import Shop

AT = "2027-01-01T00:00:00.000000Z"


@pytest.fixture
def store(tmp_path: Path) -> Any:
    """A new store."""
    made = stores.make_store("sqlite:///reconcile.db", tmp_path, platform="default", platform_id="p", now=AT)
    yield made
    made.close()


def begin(connection: sa.Connection, identity: str, tenant: str = "one") -> None:
    """A transaction that is open."""
    head = journal.Transaction(identity, tenant, "create", TransactionState.OPEN, 1, "ana@host", "r", AT)
    journal.begin(connection, head, {"changes": [], "product": "agenda-ia"})


def end(connection: sa.Connection, identity: str, how: str = "committed") -> None:
    """It ends."""
    if how == "rolled-back":
        journal.append(connection, identity, "undoing", {"reason": "why"}, token=1, at=AT)
        journal.advance(connection, identity, TransactionState.UNDOING, token=1)
    journal.append(connection, identity, how, {}, token=1, at=AT)
    journal.advance(connection, identity, TransactionState(how), token=1, at=AT)


def past(store: stores.Store, count: int = 4) -> None:
    """Some transactions; every third was rolled back, the last is open."""
    for number in range(1, count + 1):
        identity = f"{number:032x}"
        store.write(lambda connection, identity=identity: begin(connection, identity))
        how = "committed" if number % 3 else "rolled-back"
        store.write(lambda connection, identity=identity, how=how: end(connection, identity, how))
    store.write(lambda connection: begin(connection, "f" * 32))


def test_a_journal_that_nobody_touched_is_whole(store: stores.Store) -> None:
    past(store)
    found = store.read(audit.audit)
    assert found.faults == ()
    assert (found.transactions, found.records) == (5, 10)
    assert found.last is not None
    assert found.last.number == 4


def test_an_empty_journal_is_whole(store: stores.Store) -> None:
    assert store.read(audit.audit) == audit.Audit(0, 0, None, ())


def test_every_record_says_who_wrote_it_for_whom_and_from_what(store: stores.Store) -> None:
    past(store)
    for entry in store.read(lambda connection: journal.entries(connection, f"{3:032x}")):
        assert (entry.tenant, entry.revision, entry.token, entry.at) == ("one", "r", 1, AT)
        assert entry.actor == ("ana@host" if entry.kind == "begin" else process.actor())


SECOND = f"{2:032x}"
TAMPERINGS: dict[str, Callable[[Any, Any], Any]] = {
    "a record's body": lambda j, _: sa.update(j).where(j.c.transaction_id == SECOND, j.c.number == 1).values(body="{}"),
    "a record's actor": lambda j, _: sa.update(j).where(j.c.transaction_id == SECOND).values(actor="eva@host"),
    "a record's time": lambda j, _: sa.update(j).where(j.c.transaction_id == SECOND).values(at="2026" + AT[4:]),
    "a record's token": lambda j, _: sa.update(j).where(j.c.transaction_id == SECOND).values(token=9),
    "a first record gone": lambda j, _: sa.delete(j).where(j.c.transaction_id == SECOND, j.c.number == 1),
    "a last record gone": lambda j, _: sa.delete(j).where(j.c.transaction_id == SECOND, j.c.number == 2),
    "an open transaction's record gone": lambda j, _: sa.delete(j).where(j.c.transaction_id == "f" * 32),
    "all records gone": lambda j, _: sa.delete(j).where(j.c.transaction_id == SECOND),
    "the actor in the list": lambda _, t: sa.update(t).where(t.c.id == SECOND).values(actor="eva@host"),
    "the tenant in the list": lambda _, t: sa.update(t).where(t.c.id == SECOND).values(tenant="two"),
    "the state in the list": lambda _, t: sa.update(t).where(t.c.id == SECOND).values(state="rolled-back"),
    "the action in the list": lambda _, t: sa.update(t).where(t.c.id == SECOND).values(action="update"),
    "the list's entry gone": lambda _, t: sa.delete(t).where(t.c.id == SECOND),
    "a record's kind": lambda j, _: sa.update(j).where(j.c.transaction_id == SECOND).values(kind="nonsense"),
    "a body that is no JSON": lambda j, _: sa.update(j).where(j.c.transaction_id == SECOND).values(body="{"),
    "a body that is a list": lambda j, _: sa.update(j).where(j.c.transaction_id == SECOND).values(body="[]"),
    "an end gone": lambda _j, _t: sa.delete(tables.ends).where(tables.ends.c.number == 2),
    "the last end gone": lambda _j, _t: sa.delete(tables.ends).where(tables.ends.c.number == 4),
    "an end's hash": lambda _j, _t: sa.update(tables.ends).where(tables.ends.c.number == 2).values(hash="0" * 64),
}


@pytest.mark.parametrize("what", TAMPERINGS)
def test_what_was_changed_or_taken_out_is_found(store: stores.Store, what: str) -> None:
    past(store)
    statement = TAMPERINGS[what](tables.journal, tables.transactions)
    assert store.write(lambda connection: connection.execute(statement).rowcount) > 0
    assert store.read(audit.audit).faults != ()


def test_a_whole_transaction_that_was_taken_out_is_found(store: stores.Store) -> None:
    past(store)

    def take_out(connection: sa.Connection) -> None:
        connection.execute(sa.delete(tables.journal).where(tables.journal.c.transaction_id == SECOND))
        connection.execute(sa.delete(tables.transactions).where(tables.transactions.c.id == SECOND))
        connection.execute(sa.delete(tables.ends).where(tables.ends.c.transaction_id == SECOND))

    store.write(take_out)
    faults = store.read(audit.audit).faults
    assert any("end 2 is missing" in fault for fault in faults), faults


def test_a_record_that_was_changed_and_hashed_anew_breaks_the_chain(store: stores.Store) -> None:
    past(store)

    def forge(connection: sa.Connection) -> None:
        rows = tables.journal.c
        is_end = sa.and_(rows.transaction_id == SECOND, rows.number == 2)
        row = dict(connection.execute(sa.select(tables.journal).where(is_end)).mappings().one())
        row["actor"] = "eva@host"
        forged = journal.digest(row)
        connection.execute(sa.update(tables.journal).where(is_end).values(actor="eva@host", hash=forged))
        connection.execute(sa.update(tables.transactions).where(tables.transactions.c.id == SECOND).values(head=forged))
        connection.execute(sa.update(tables.ends).where(tables.ends.c.number == 2).values(hash=forged))

    store.write(forge)
    assert any("end 3" in fault for fault in store.read(audit.audit).faults)


def test_an_end_that_was_noted_elsewhere_finds_a_journal_that_was_replaced(store: stores.Store, tmp_path: Path) -> None:
    past(store)
    noted = store.read(audit.audit).last
    assert noted is not None
    assert store.read(lambda connection: audit.audit(connection, noted)).faults == ()
    other = stores.make_store("sqlite:///other.db", tmp_path, platform="default", platform_id="p", now=AT)
    past(other, 7)
    assert other.read(audit.audit).faults == ()
    # The same number of transactions at other times would do: here the first records differ by nothing but their ids.
    other.write(lambda connection: begin(connection, "e" * 32, "two"))
    other.write(lambda connection: end(connection, "e" * 32))
    last = other.read(audit.audit).last
    assert last is not None
    assert store.read(lambda connection: audit.audit(connection, last)).faults != ()
    other.close()


def test_ends_of_two_processes_at_once_take_one_number_each(store: stores.Store, tmp_path: Path) -> None:
    stores_ = [store, *(stores.open_store("sqlite:///reconcile.db", tmp_path) for _ in range(3))]

    def work(number: int) -> None:
        mine = stores_[number % 4]
        assert mine is not None
        identity = f"{number:032x}"
        mine.write(lambda connection: begin(connection, identity))
        mine.write(lambda connection: end(connection, identity))

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        list(pool.map(work, range(40)))
    found = store.read(audit.audit)
    assert found.faults == ()
    assert found.last is not None
    assert found.last.number == 40
    for opened in stores_[1:]:
        assert opened is not None
        opened.close()


def test_a_number_that_another_process_took_first_is_left_to_it(
    store: stores.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    """As on a store server, where two writers can read the same last end; SQLite lets only one of them write."""
    past(store)
    hashed, races = journal._hashed, iter([3])

    def racing(record: dict[str, Any], body: Any) -> dict[str, Any]:
        made = hashed(record, body)
        for number in races if "end" in body else ():
            values = {"number": number + 2, "transaction_id": "theirs", "record": 2, "hash": "a" * 64}
            racing_connection.execute(tables.ends.insert().values(**values))
        return made

    def write(connection: sa.Connection) -> dict[str, Any]:
        nonlocal racing_connection
        racing_connection = connection
        monkeypatch.setattr(journal, "_hashed", racing)
        end(connection, "f" * 32)
        return dict(connection.execute(sa.select(tables.ends).where(tables.ends.c.number == 6)).mappings().one())

    racing_connection: Any = None
    assert store.write(write)["transaction_id"] == "f" * 32
    [last] = [
        entry
        for entry in store.read(lambda connection: journal.entries(connection, "f" * 32))
        if entry.kind == "committed"
    ]
    assert last.body["end"] == {"number": 6, "previous": "a" * 64}


def test_a_transaction_whose_record_was_changed_is_not_recovered_from(store: stores.Store) -> None:
    past(store)
    store.write(
        lambda connection: connection.execute(
            sa.update(tables.journal).where(tables.journal.c.transaction_id == "f" * 32).values(body="{}")
        )
    )
    with pytest.raises(errors.JournalBroken, match="record 1 of transaction ffff"):
        store.read(lambda connection: journal.entries(connection, "f" * 32))


def test_what_applies_rollbacks_and_recoveries_write_is_whole(tmp_path: Path, clean_server: servers.Server) -> None:
    shop = Shop(tmp_path, clean_server)
    for number in range(2):
        shop.tenant("AgendaTenant", f"agenda-{number}", agenda(number))
        shop.tenant("PosTenant", f"pos-{number}", pos(number))
    shop.apply(parallel=4)
    shop.tenant("PosTenant", "pos-0", {**pos(0), "displayName": "Otra"})
    assert shop.apply(Boundaries({60: Fault.ERROR}).ports())  # somewhere in its work
    found = shop.setting()
    store = found.opened()
    audited = store.read(audit.audit)
    bodies = [
        json.loads(body)
        for (body,) in store.read(lambda connection: connection.execute(sa.select(tables.journal.c.body)).all())
    ]
    store.close()
    assert audited.faults == ()
    assert audited.last is not None
    assert audited.last.number == audited.transactions
    assert sorted(body["end"]["number"] for body in bodies if "end" in body) == list(range(1, audited.last.number + 1))
