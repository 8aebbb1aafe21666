"""What is written down is written in the end, in the order in which it was said, and by the one that leads."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler import errors
from reconciler.daemon.book import Book, condition
from reconciler.daemon.election import Election
from reconciler.engine.setting import Setting
from reconciler.model.standing import Hold, Standing
from reconciler.ports.store import leases, standing
from tests.support import server as servers
from tests.support.shop import Shop

NOW = "2027-01-31T12:00:00.000000Z"
STALLED = condition("Stalled", "RolledBack", "it failed", now=NOW)


@pytest.fixture
def setting(tmp_path: Path, clean_server: servers.Server) -> Iterator[Setting]:
    shop = Shop(tmp_path / "shop", clean_server)
    shop.apply()
    made = shop.setting()
    yield made
    made.opened().close()


@pytest.fixture
def election(setting: Setting) -> Iterator[Election]:
    made = Election(leases.Leases(setting.opened(), setting.ports.clock.stamp))
    assert made.try_lead()
    yield made
    made.close()


def kept(setting: Setting) -> tuple[dict[str, str], dict[str, list[str]]]:
    """What the store has: the generations, and the types of the conditions."""
    standings, said = setting.opened().read(lambda c: (standing.load(c), standing.conditions(c)))
    return (
        {name: entry.generation for name, entry in standings.items()},
        {name: [entry.type for entry in entries] for name, entries in said.items()},
    )


def test_what_is_said_after_it_was_forgotten_is_kept(setting: Setting, election: Election) -> None:
    book = Book(election)
    book.load(setting)
    book.stands(Standing("sol", generation="first"))
    book.says("sol", STALLED)
    book.flush(setting)
    book.forget("sol")
    book.stands(Standing("sol", generation="second"))
    book.says("sol", STALLED)
    book.flush(setting)
    assert kept(setting) == ({"sol": "second"}, {"sol": ["Stalled"]})


def test_a_person_s_hold_outlives_what_was_written_down(setting: Setting, election: Election) -> None:
    hold = Hold("sol", "ana", "audit", since=NOW)
    setting.opened().write(lambda connection: standing.hold(connection, hold))
    book = Book(election)
    book.load(setting)
    book.stands(Standing("sol", generation="first"))
    book.forget("sol")
    book.flush(setting)
    assert setting.opened().read(standing.holds) == {"sol": hold}


def test_who_does_not_lead_writes_nothing_and_writes_it_when_it_leads_again(
    setting: Setting, election: Election
) -> None:
    book = Book(election)
    book.load(setting)
    election.resign()
    book.stands(Standing("sol", generation="first"))
    with pytest.raises(errors.NotLeader):
        book.flush(setting)
    assert kept(setting) == ({}, {})
    assert election.try_lead()
    book.flush(setting)
    assert kept(setting) == ({"sol": "first"}, {})
