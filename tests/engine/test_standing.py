"""What stands beside the tenants' records: the tables `standing`, `conditions` and `holds`."""

from __future__ import annotations

import functools
from collections.abc import Iterator
from pathlib import Path

import pytest
import sqlalchemy as sa

from reconciler.model.standing import Condition, Hold, Standing, Transition
from reconciler.ports.store import standing
from reconciler.ports.store import store as stores
from tests.support.stores import SERVERS, where

FIRST, SECOND = "2027-01-01T00:00:00.000000Z", "2027-01-02T00:00:00.000000Z"
READY = Condition("Ready", "True", "ReconciliationSucceeded", "in sync", FIRST, generation="g1")
STALLED = Condition("Stalled", "True", "RolledBack", "undone", FIRST)
WHOLE = Standing(
    "sol",
    generation="g1",
    revision="main@sha1:" + "a" * 40,
    failures=2,
    final=True,
    next_at=SECOND,
    handled_request="now",
    plan_digest="sha256:" + "b" * 64,
    said={"code": "step-failed", "undone": ["schema: import"]},
    updated_at=FIRST,
)


@pytest.fixture
def store(tmp_path: Path) -> Iterator[stores.Store]:
    made = stores.make_store("sqlite:///r.db", tmp_path, platform="default", platform_id="p", now=FIRST)
    yield made
    made.close()


@pytest.fixture(params=SERVERS)
def on_a_server(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[stores.Store]:
    url = where(request.param, request).url
    made = stores.make_store(url, tmp_path, platform="default", platform_id="p", now=FIRST)
    yield made
    made.close()


def test_a_store_on_a_server_keeps_the_same(on_a_server: stores.Store) -> None:
    hold = Hold("sol", "ana", "auditoría", until=SECOND, since=FIRST)
    for _ in range(2):
        on_a_server.write(functools.partial(_both, stands=WHOLE, hold=hold))
    assert on_a_server.read(standing.load) == {"sol": WHOLE}
    assert on_a_server.read(standing.holds) == {"sol": hold}
    long = Condition("Ready", "False", "BuildFailed", "😀" * 20_000, FIRST)
    assert len(put(on_a_server, long, STALLED)) == 2
    assert put(on_a_server, long, STALLED) == []
    assert set(kept(on_a_server)) == {"Ready", "Stalled"}
    on_a_server.write(lambda connection: standing.forget(connection, "sol"))
    assert on_a_server.read(standing.load) == {}
    assert on_a_server.read(standing.conditions) == {}


def put(store: stores.Store, *wanted: Condition, subject: str = "sol") -> list[Transition]:
    return store.write(lambda connection: standing.put_conditions(connection, subject, wanted))


def kept(store: stores.Store, subject: str = "sol") -> dict[str, Condition]:
    found = store.read(lambda connection: standing.conditions(connection, [subject]))
    return {entry.type: entry for entry in found.get(subject, ())}


def test_a_standing_comes_back_as_it_was_saved(store: stores.Store) -> None:
    bare = Standing("luna", updated_at=FIRST)
    store.write(lambda connection: standing.save(connection, WHOLE, bare))
    assert store.read(standing.load) == {"sol": WHOLE, "luna": bare}
    assert store.read(lambda connection: standing.load(connection, ["luna", "nobody"])) == {"luna": bare}


def test_a_standing_takes_the_place_of_the_one_before(store: stores.Store) -> None:
    store.write(lambda connection: standing.save(connection, WHOLE))
    store.write(lambda connection: standing.save(connection, Standing("sol", updated_at=SECOND)))
    assert store.read(standing.load) == {"sol": Standing("sol", updated_at=SECOND)}


def test_thousands_are_written_and_read_at_once(store: stores.Store) -> None:
    found = [Standing(f"t{number}", updated_at=FIRST) for number in range(2_500)]
    for _ in range(2):
        store.write(lambda connection: standing.save(connection, *found))
    names = [entry.tenant for entry in found]
    assert len(store.read(lambda connection: standing.load(connection, names))) == 2_500


def test_many_subjects_cost_few_statements(store: stores.Store) -> None:
    statements = []

    def write(connection: sa.Connection) -> None:
        sa.event.listen(connection, "before_cursor_execute", lambda *said: statements.append(said[2]))
        standing.put_all(connection, {f"t{number}": [READY] for number in range(1_000)})

    store.write(write)
    # Five hundred names each: two reads, two deletions, one insertion of many rows.
    assert len([text for text in statements if "SAVEPOINT" not in text and "PRAGMA" not in text]) == 5


def test_a_conditions_time_moves_only_when_its_status_flips(store: stores.Store) -> None:
    put(store, READY)
    put(store, Condition("Ready", "True", "Other", "still", SECOND, generation="g2"))
    assert kept(store)["Ready"] == Condition("Ready", "True", "Other", "still", FIRST, generation="g2")
    put(store, Condition("Ready", "False", "Other", "no more", SECOND))
    assert kept(store)["Ready"].since == SECOND


def test_conditions_that_are_not_wanted_any_more_vanish(store: stores.Store) -> None:
    put(store, READY, STALLED)
    put(store, STALLED, subject="luna")
    put(store, READY)
    assert set(kept(store)) == {"Ready"}
    assert set(kept(store, "luna")) == {"Stalled"}
    put(store)
    assert kept(store) == {}


def test_a_condition_that_comes_back_has_a_new_time(store: stores.Store) -> None:
    put(store, STALLED)
    put(store)
    put(store, Condition("Stalled", "True", "RolledBack", "undone", SECOND))
    assert kept(store)["Stalled"].since == SECOND


def test_transitions_are_told_once(store: stores.Store) -> None:
    assert put(store, READY) == [Transition("sol", None, READY)]
    assert put(store, READY) == []
    assert put(store, Condition("Ready", "True", READY.reason, "another message", SECOND)) == []
    [turn] = put(store, Condition("Ready", "True", "Other", "", SECOND))
    assert turn.before is not None
    assert turn.after is not None
    assert (turn.before.reason, turn.after.reason) == (READY.reason, "Other")
    [turn] = put(store)
    assert turn.after is None


def test_a_message_of_any_length_is_kept_short(store: stores.Store) -> None:
    long = Condition("Ready", "False", "BuildFailed", "x" * 100_000, FIRST)
    put(store, long)
    assert len(kept(store)["Ready"].message) == 8_000
    assert put(store, long) == []


def test_a_hold_is_kept_replaced_and_released(store: stores.Store) -> None:
    one, other = Hold("sol", "ana", "audit", since=FIRST), Hold("sol", "eva", "move", until=SECOND, since=FIRST)
    store.write(lambda connection: standing.hold(connection, one))
    store.write(lambda connection: standing.hold(connection, other))
    assert store.read(standing.holds) == {"sol": other}
    assert store.write(lambda connection: standing.release(connection, "sol")) == other
    assert store.write(lambda connection: standing.release(connection, "sol")) is None
    assert store.read(standing.holds) == {}


def test_what_is_released_is_not_called_suspended_any_more(store: stores.Store) -> None:
    put(store, READY, Condition("Suspended", "True", "Suspended", "held", FIRST))
    store.write(lambda connection: standing.hold(connection, Hold("sol", "ana", "audit", since=FIRST)))
    store.write(lambda connection: standing.release(connection, "sol"))
    assert set(kept(store)) == {"Ready"}


def _both(connection: sa.Connection, *, stands: Standing, hold: Hold) -> None:
    standing.save(connection, stands)
    standing.hold(connection, hold)


def test_a_tenant_is_forgotten_and_a_person_s_hold_on_it_stays(store: stores.Store) -> None:
    for name in ("sol", "luna"):
        put(store, READY, subject=name)
        stands, hold = Standing(name, updated_at=FIRST), Hold(name, "ana", "audit", since=FIRST)
        store.write(functools.partial(_both, stands=stands, hold=hold))
    store.write(lambda connection: standing.forget(connection, "sol"))
    assert set(store.read(standing.load)) == set(store.read(standing.conditions)) == {"luna"}
    assert set(store.read(standing.holds)) == {"sol", "luna"}
