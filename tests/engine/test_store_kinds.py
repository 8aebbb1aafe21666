"""What a store promises, wherever it is: in a file, on MariaDB, on PostgreSQL."""

from __future__ import annotations

import concurrent.futures
import contextlib
import dataclasses
import sys
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from reconciler import errors
from reconciler.model.record import Record
from reconciler.model.secret import Secret
from reconciler.model.standing import Condition, Hold
from reconciler.ports import process
from reconciler.ports.clock import Clock
from reconciler.ports.store import audit, engines, journal, leases, outbox, records, sources, standing, tables
from reconciler.ports.store import store as stores
from tests.engine.test_journal import AT, begin, end
from tests.support import server as servers
from tests.support.postgres import Postgres
from tests.support.stores import KINDS, SERVERS, OnMariaDB, Where, where

FORMER = ("standing", "conditions", "holds", "sources")
"""Tables that the first versions did not make."""


@pytest.fixture(params=KINDS)
def place(request: pytest.FixtureRequest) -> Where:
    """Where a store can be made."""
    return where(request.param, request)


on_servers = pytest.mark.parametrize("place", SERVERS, indirect=True)
on_postgresql = pytest.mark.parametrize("place", ["postgresql"], indirect=True)


def make(place: Where, root: Path, platform_id: str = "p") -> stores.Store:
    return stores.make_store(place.url, root, platform="default", platform_id=platform_id, now=AT)


Opens = Callable[[], stores.Store]


@pytest.fixture
def opens(place: Where, tmp_path: Path) -> Iterator[Opens]:
    """Opens the store, each time as another process would."""
    made: list[stores.Store] = []

    def another() -> stores.Store:
        made.append(make(place, tmp_path))
        return made[-1]

    yield another
    for store in made:
        store.close()


@pytest.fixture
def store(opens: Opens) -> stores.Store:
    """A new store."""
    return opens()


def note(store: stores.Store, subject: str) -> None:
    """A small write."""
    store.write(lambda connection: standing.hold(connection, Hold(subject, "ana", "why", since=AT)))


def noted(store: stores.Store) -> set[str]:
    return {*store.read(standing.holds)}


# --- making and opening -----------------------------------------------------------------------------------


def test_a_place_where_none_was_made_has_no_store(place: Where, tmp_path: Path) -> None:
    assert stores.open_store(place.url, tmp_path) is None


def test_several_that_make_it_at_once_all_open_the_same(place: Where, tmp_path: Path) -> None:
    together = threading.Barrier(4)

    def first_start(number: int) -> stores.Store:
        together.wait()
        return make(place, tmp_path, f"platform-{number}")

    with concurrent.futures.ThreadPoolExecutor(4) as pool:
        made = list(pool.map(first_start, range(4)))
    assert len({store.platform_id for store in made}) == 1
    for number, store in enumerate(made):
        note(store, f"s{number}")
    assert noted(made[0]) == {"s0", "s1", "s2", "s3"}
    for store in made:
        store.close()


def test_tables_that_an_earlier_version_had_not_are_read_as_empty_and_made(store: stores.Store, opens: Opens) -> None:
    for name in FORMER:  # one by one, and not inside a savepoint, which it would end on MariaDB
        tables.metadata.tables[name].drop(store._writer)
    assert (store.read(standing.load), store.read(standing.conditions), noted(store)) == ({}, {}, set())
    assert store.read(lambda connection: sources.load(connection, "u", "b")) is None
    together = [store, opens()]
    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda one: one.make_tables(), together))
    note(store, "one")
    assert noted(store) == {"one"}


def test_a_store_of_another_format_is_refused_without_its_password(
    store: stores.Store, place: Where, tmp_path: Path
) -> None:
    store.write(lambda connection: connection.execute(sa.update(tables.store).values(format=1)))
    with pytest.raises(errors.PlatformMisconfigured, match=f"has format 1; .* reads format {tables.FORMAT}") as caught:
        stores.open_store(place.url, tmp_path)
    assert getattr(place, "password", "nothing") not in str(caught.value)


# --- what is kept -----------------------------------------------------------------------------------------

DOUBLE = {"subject": "double", "actor": "a", "reason": "b", "since": AT}
EVERY_BYTE = bytes(range(256)) * 16
LONG = "ñ😀\0\n\\'\"%s" * 100_000
RECORD = Record(
    tenant="sol",
    product="agenda-ia",
    server="main",
    database="agenda_sol",
    client_host="%",
    state="active",
    revision="main@sha1:" + "a" * 40,
    transaction="t" * 32,
    spec={"text": LONG},
    tokens={},
    secrets={},
    facts={"none": None, "yes": True, "number": 1.5, "list": [1, "two"]},
    updated_at=AT,
)


def test_long_texts_and_every_byte_come_back_as_they_were(store: stores.Store) -> None:
    sealed = [records.Sealed(Secret("DB_PASSWORD", number, "m"), EVERY_BYTE[number:]) for number in (1, 2)]

    def write(connection: sa.Connection) -> None:
        records.save(connection, dataclasses.replace(RECORD, state="suspended"))
        records.save(connection, RECORD)
        records.seal(connection, "sol", "t" * 32, sealed)

    store.write(write)
    found = store.read(records.load)["sol"]
    assert dict(found.spec) == RECORD.spec
    assert dict(found.facts) == RECORD.facts
    assert found.state == "active"
    assert found.secrets == {"DB_PASSWORD": sealed[1].secret}
    assert store.read(lambda connection: records.unseal(connection, "sol")) == sealed[1:]


def test_a_text_for_people_may_quote_anything(store: stores.Store) -> None:
    said = Condition("Stalled", "True", "RolledBack", "it has a \0 in line 1", AT)
    letter = outbox.Letter("id.1", "ops", "sol", "applied", {"a": "\0"}, AT)

    def write(connection: sa.Connection) -> None:
        standing.put_conditions(connection, "sol", [said])
        standing.hold(connection, Hold("sol", "ana", "be\0cause", since=AT))
        outbox.put(connection, [letter])
        outbox.failed(connection, letter, "it answered \0", dead=False)

    store.write(write)
    [found] = store.read(standing.conditions)["sol"]
    assert found.message in (said.message, said.message.replace("\0", "␀"))
    [waits] = store.read(outbox.waiting)
    assert waits.body == letter.body
    assert store.write(lambda connection: standing.put_conditions(connection, "sol", [said])) == []


def test_a_letter_is_taken_once_given_up_revived_and_dropped(store: stores.Store) -> None:
    letters = [outbox.Letter(f"{number}_%.1", "ops", "sol", "applied", {"n": number}, AT) for number in (1, 2)]
    store.write(lambda connection: outbox.put(connection, letters))
    one, two = store.read(outbox.waiting)
    takes = [store.write(lambda c: outbox.attempt(c, one, now=AT, due_at=AT)) for _ in range(2)]
    assert takes == [True, False]
    store.write(lambda connection: outbox.failed(connection, one, "it answered 410", dead=True))
    store.write(lambda connection: outbox.sent(connection, two))
    [dead] = store.read(outbox.dead)
    assert (dead.attempts, dead.dead, dead.error) == (1, True, "it answered 410")
    assert store.write(lambda connection: outbox.revive(connection, "1_%", now=AT)) == 1
    assert store.write(lambda connection: outbox.drop(connection, "1_%")) == 0
    assert [letter.attempts for letter in store.read(outbox.waiting)] == [0]


def test_what_is_trusted_of_a_source_is_replaced(store: stores.Store) -> None:
    for commit in ("a" * 40, "b" * 40, "b" * 40):
        store.write(lambda c, commit=commit: sources.remember(c, "https://git/" + "x" * 300, "main", commit, now=AT))
        found = store.read(lambda connection: sources.load(connection, "https://git/" + "x" * 300, "main"))
        assert found == commit


def test_a_reader_sees_one_moment(store: stores.Store) -> None:
    note(store, "one")

    def read(connection: sa.Connection) -> tuple[set[str], set[str]]:
        before = {*standing.holds(connection)}
        note(store, "two")
        return before, {*standing.holds(connection)}

    assert store.read(read) == ({"one"}, {"one"})
    assert noted(store) == {"one", "two"}


def test_a_long_journal_is_whole_and_a_change_in_it_is_found(store: stores.Store) -> None:
    count = 1100  # more records than are fetched at once

    def write(connection: sa.Connection) -> None:
        begin(connection, "a" * 32)
        row = dict(connection.execute(sa.select(tables.journal)).mappings().one())
        rows = []
        for number in range(2, count):
            row = journal._hashed({**row, "number": number, "kind": "noted", "previous": row["hash"]}, {"n": number})
            rows.append(row)
        connection.execute(tables.journal.insert(), rows)
        connection.execute(sa.update(tables.transactions).values(head=row["hash"], records=count - 1))
        end(connection, "a" * 32)

    store.write(write)
    found = store.read(audit.audit)
    assert (found.faults, found.transactions, found.records) == ((), 1, count)
    changed = sa.update(tables.journal).where(tables.journal.c.number == 1050).values(actor="eva")
    store.write(lambda connection: connection.execute(changed))
    assert len(store.read(audit.audit).faults) == 1


# --- two writers ------------------------------------------------------------------------------------------


def test_of_many_that_take_a_lease_at_once_one_gets_it(
    opens: Opens, store: stores.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    here, numbers = process.this(), iter(range(8))
    monkeypatch.setattr(
        process, "this", lambda: dataclasses.replace(here, host=f"h{(n := next(numbers))}", boot=str(n))
    )
    each = [leases.Leases(one, Clock().stamp, length=0.5) for one in (store, opens(), opens(), opens())]
    for token in (1, 2):
        with concurrent.futures.ThreadPoolExecutor(4) as pool:
            took = [lease for lease in pool.map(lambda one: one.look("sol"), each) if lease is not None]
        assert [lease.token for lease in took] == [token]
        leases.fenced(store, took[0], lambda connection: None)
        for one in each:
            one.release(took[0])
    for one in each:
        one.close()


def test_who_was_taken_over_writes_nothing_more(opens: Opens, store: stores.Store) -> None:
    held = leases.Leases(store, Clock().stamp, length=60)
    lease = held.acquire("sol")
    theirs = dataclasses.replace(lease, lost=threading.Event())
    leases.refresh(opens(), theirs)
    assert theirs.token == 2
    with pytest.raises(errors.LeaseLost, match="taken over"):
        leases.fenced(store, lease, lambda connection: standing.hold(connection, Hold("x", "a", "b", since=AT)))
    assert noted(store) == set()
    held.close()


def test_ends_of_several_at_once_take_one_number_each(opens: Opens, store: stores.Store) -> None:
    each = [store, opens(), opens()]

    def work(number: int) -> None:
        identity = f"{number:032x}"
        each[number % 3].write(lambda connection: begin(connection, identity))
        each[number % 3].write(lambda connection: end(connection, identity))

    with concurrent.futures.ThreadPoolExecutor(6) as pool:
        list(pool.map(work, range(18)))
    found = store.read(audit.audit)
    assert found.faults == ()
    assert found.last is not None
    assert found.last.number == 18


def test_writes_that_share_a_commit_do_not_share_a_failure(store: stores.Store) -> None:
    """An error leaves a transaction of PostgreSQL aborted: only going back to a savepoint mends it."""
    inside, go = threading.Event(), threading.Event()
    wrong = [
        lambda connection: connection.execute(sa.text("SELECT nothing FROM nowhere")),
        lambda connection: connection.execute(tables.holds.insert(), [DOUBLE, DOUBLE]),
        lambda connection: swallowing(connection),
    ]

    def block(_connection: sa.Connection) -> None:
        inside.set()
        go.wait(20)

    def swallowing(connection: sa.Connection) -> None:
        standing.hold(connection, Hold("swallowed", "a", "b", since=AT))
        with contextlib.suppress(sa.exc.SQLAlchemyError):
            connection.execute(sa.text("SELECT nothing FROM nowhere"))

    with concurrent.futures.ThreadPoolExecutor(8) as pool:
        blocking = pool.submit(store.write, block)
        assert inside.wait(20)
        before = store.commits
        waiting = []
        for number in range(3):
            waiting.append(pool.submit(note, store, f"s{number}"))
            waiting.append(pool.submit(store.write, wrong[number]))
        while store._queue.qsize() < 6 and not blocking.done():
            time.sleep(0.01)
        go.set()
        blocking.result()
        failures = [future.exception() for future in waiting]
    assert store.commits == before + 2
    assert failures[::2] == [None] * 3
    assert [type(failure) for failure in failures[1:4:2]] == [errors.StoreFailed] * 2
    assert noted(store) - {"swallowed"} == {"s0", "s1", "s2"}
    note(store, "later")


@on_servers
def test_a_deadlock_is_broken_and_both_writes_are_kept(opens: Opens, store: stores.Store) -> None:
    note(store, "a")
    note(store, "b")
    other, both, times = opens(), threading.Barrier(2), []

    def write(first: str, second: str) -> Callable[[sa.Connection], None]:
        def action(connection: sa.Connection) -> None:
            times.append(first)
            change(connection, first)
            with contextlib.suppress(threading.BrokenBarrierError):
                both.wait(1 if len(times) <= 2 else 0.01)
            with connection.begin_nested():
                change(connection, second)

        return action

    def change(connection: sa.Connection, subject: str) -> None:
        later = tables.holds.c.reason + "+"
        connection.execute(sa.update(tables.holds).where(tables.holds.c.subject == subject).values(reason=later))

    with concurrent.futures.ThreadPoolExecutor(2) as pool:
        list(pool.map(lambda one: one[0].write(write(*one[1])), [(store, "ab"), (other, "ba")]))
    assert len(times) > 2
    assert {hold.reason for hold in store.read(standing.holds).values()} == {"why++"}


@on_postgresql
@pytest.mark.parametrize("state", ["40001", "55P03"])
def test_what_the_server_refuses_only_for_now_is_tried_again(store: stores.Store, state: str) -> None:
    tries = []

    def action(connection: sa.Connection) -> None:
        tries.append(state)
        standing.hold(connection, Hold("one", "a", "b", since=AT))
        if len(tries) < 3:
            connection.exec_driver_sql(f"DO $$ BEGIN RAISE 'not now' USING ERRCODE = '{state}'; END $$")

    store.write(action)
    assert len(tries) == 3
    assert noted(store) == {"one"}


@on_postgresql
def test_a_row_that_stays_locked_is_waited_for_and_then_given_up(
    opens: Opens, store: stores.Store, monkeypatch: pytest.MonkeyPatch
) -> None:
    note(store, "one")
    monkeypatch.setattr(engines, "BUSY_SECONDS", 0.3)
    other, locked, go = opens(), threading.Event(), threading.Event()

    def hold(connection: sa.Connection) -> None:
        connection.execute(sa.update(tables.holds).values(reason="mine"))
        locked.set()
        go.wait(20)

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        holding = pool.submit(store.write, hold)
        assert locked.wait(20)
        with pytest.raises(errors.StoreFailed, match=r"lock timeout \(SQLSTATE 55P03\)"):
            note(other, "one")
        go.set()
        holding.result()
    note(other, "one")


@on_postgresql
def test_who_was_paused_inside_a_write_gives_its_locks_up(opens: Opens, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(engines, "IDLE_SECONDS", 1)
    paused, other, locked, go = opens(), opens(), threading.Event(), threading.Event()
    note(other, "one")

    def pause(connection: sa.Connection) -> None:
        connection.execute(sa.update(tables.holds).values(reason="mine"))
        locked.set()
        go.wait(20)
        connection.execute(sa.update(tables.holds).values(reason="mine again"))

    with concurrent.futures.ThreadPoolExecutor(1) as pool:
        pausing = pool.submit(paused.write, pause)
        assert locked.wait(20)
        note(other, "one")
        go.set()
        with pytest.raises(errors.StoreFailed):
            pausing.result()
    assert other.read(standing.holds)["one"].reason == "why"
    note(paused, "two")


# --- a server that refuses --------------------------------------------------------------------------------


@on_servers
def test_a_connection_that_is_lost_in_a_write_leaves_nothing_of_it(store: stores.Store, place: Where) -> None:
    def lose(connection: sa.Connection) -> None:
        standing.hold(connection, Hold("one", "a", "b", since=AT))
        place.cut()
        with connection.begin_nested():
            standing.hold(connection, Hold("two", "a", "b", since=AT))

    def lose_at_the_end(connection: sa.Connection) -> None:
        standing.hold(connection, Hold("one", "a", "b", since=AT))
        place.cut()

    for action in (lose, lose_at_the_end):
        with pytest.raises(errors.StoreFailed) as caught:
            store.write(action)
        assert "password" not in str(caught.value)
        assert noted(store) == set()
    note(store, "three")
    assert noted(store) == {"three"}


@on_servers
def test_connections_that_were_ended_while_idle_are_not_noticed(store: stores.Store, place: Where) -> None:
    note(store, "one")
    assert noted(store) == {"one"}
    place.cut()
    assert noted(store) == {"one"}
    note(store, "two")
    assert noted(store) == {"one", "two"}


@on_servers
def test_a_server_that_is_read_only_is_read_and_says_so(store: stores.Store, place: Where) -> None:
    note(store, "one")
    place.read_only(True)
    try:
        with pytest.raises(errors.StoreFailed, match="read-only"):
            note(store, "two")
        assert noted(store) == {"one"}
    finally:
        place.read_only(False)
    note(store, "two")
    assert noted(store) == {"one", "two"}


@on_servers
def test_a_right_that_is_missing_is_named(store: stores.Store, place: Where) -> None:
    place.deny("holds")
    with pytest.raises(errors.StoreFailed, match="denied"):
        note(store, "one")
    assert noted(store) == set()


@on_servers
@pytest.mark.parametrize(
    ("wrong", "says"),
    [
        ({"password": "s3cret-canary"}, "(?i)access denied|password authentication failed"),
        ({"database": "nowhere"}, r"(?i)access denied|database \"nowhere\" does not exist"),
        ({"port": 1}, "(?i)connection refused"),
    ],
)
def test_a_server_that_can_not_be_used_is_told_from_a_store_that_was_not_made(
    place: Where, tmp_path: Path, wrong: dict[str, Any], says: str
) -> None:
    for attempt in (
        lambda: stores.open_store(place.address(**wrong), tmp_path),
        lambda: stores.make_store(place.address(**wrong), tmp_path, platform="d", platform_id="p", now=AT),
    ):
        with pytest.raises(errors.StoreFailed, match=says) as caught:
            attempt()
        assert "canary" not in str(caught.value)
        assert "\n" not in str(caught.value)
        assert (caught.value.exit, caught.value.code) == (1, "store-failed")
        assert "server answers" in caught.value.next


# --- PostgreSQL alone -------------------------------------------------------------------------------------


@on_postgresql
def test_a_role_that_may_make_no_tables_is_told_so(place: Where, tmp_path: Path) -> None:
    place.run("REVOKE ALL ON SCHEMA public FROM pg_database_owner, PUBLIC")
    with pytest.raises(errors.StoreFailed, match="schema"):
        make(place, tmp_path)


def test_a_database_that_can_not_hold_every_text_is_refused(postgres_server: Postgres, tmp_path: Path) -> None:
    with (
        postgres_server.fresh("ENCODING 'SQL_ASCII' TEMPLATE template0") as made,
        pytest.raises(errors.PlatformMisconfigured, match="encoding SQL_ASCII") as caught,
    ):
        stores.make_store(made.url, tmp_path, platform="d", platform_id="p", now=AT)
    assert "ENCODING 'UTF8'" in caught.value.next


def test_tables_of_a_former_version_that_can_not_hold_every_text_are_refused(
    clean_server: servers.Server, tmp_path: Path
) -> None:
    where = OnMariaDB(clean_server)
    stores.make_store(where.url, tmp_path, platform="d", platform_id="p", now=AT).close()
    where.run("ALTER TABLE journal CONVERT TO CHARACTER SET latin1")
    with pytest.raises(errors.PlatformMisconfigured, match="the table journal in latin1") as caught:
        stores.make_store(where.url, tmp_path, platform="d", platform_id="p", now=AT)
    where.run(caught.value.next.removesuffix(";"))
    stores.make_store(where.url, tmp_path, platform="d", platform_id="p", now=AT).close()


def test_the_order_of_a_language_does_not_matter(postgres_server: Postgres, tmp_path: Path) -> None:
    with postgres_server.fresh("LOCALE_PROVIDER icu ICU_LOCALE 'es' TEMPLATE template0") as made:
        store = stores.make_store(made.url, tmp_path, platform="d", platform_id="p", now=AT)
        for identity in ("B-1", "a1", "a-2", "Á", "b"):
            store.write(lambda connection, identity=identity: begin(connection, identity))
            store.write(lambda connection, identity=identity: end(connection, identity))
        assert store.read(audit.audit).faults == ()
        store.close()


def test_without_the_driver_it_says_how_to_get_it(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "psycopg", None)
    with pytest.raises(errors.PlatformMisconfigured, match="driver psycopg can't be loaded") as caught:
        stores.open_store("postgresql+psycopg://reconcile:canary@db.example.com/reconcile", tmp_path)
    assert "canary" not in str(caught.value)
    assert "pip install 'reconciler[postgresql]'" in caught.value.next
    assert caught.value.exit == 78


@pytest.mark.parametrize(
    "url",
    [
        "postgresql+psycopg://u:canary@host:port/x",
        "postgresql+psycopg://u:canary@h/x?port=x",
        "postgresql+psycopg://u@h/x?password=canary&port=x",
        "mysql+pymysql://u:c:an/ary@[::1/x",
        "mysql+pymysql://u:canary@h/x?nonsense=1",
        "mysql+pymysql://u:p@canary@h/x",
        "postgresql+psycopg://u:p@canary@h:1/x",
        "sqlite:///x.db?nonsense=1",
    ],
)
def test_an_address_that_is_none_is_refused_without_its_password(tmp_path: Path, url: str) -> None:
    with pytest.raises(errors.PlatformMisconfigured, match="can't be used") as caught:
        stores.open_store(url, tmp_path)
    assert "canary" not in str(caught.value)
    assert "ary" not in str(caught.value)


def test_an_address_is_shown_as_it_stands_but_for_its_password() -> None:
    assert engines.shown("sqlite:///state/reconcile.db") == "sqlite:///state/reconcile.db"
    assert engines.shown("postgresql+psycopg://r@h/d") == "postgresql+psycopg://r@h/d"
    assert engines.shown("postgresql+psycopg://r:p@h/d") == "postgresql+psycopg://r:***@h/d"
    assert "canary" not in engines.shown("mysql+pymysql://r@h/d?ssl_key=k.pem&ssl_key_password=canary")
    assert "canary" not in engines.shown("postgresql+psycopg://r@h/d?PASSWORD=canary&scram_client_key=canary")
    assert engines.shown("postgresql+psycopg:///d?password=p&host=%2Frun") == (
        "postgresql+psycopg:///d?host=%2Frun&password=hidden"
    )
