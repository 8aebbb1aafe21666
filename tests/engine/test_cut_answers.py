"""What a server says in one text is never taken for all of it where it was cut off."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler.model import plan as plans
from reconciler.model.outcome import Result
from reconciler.ports.central import view
from reconciler.ports.mysql import anatomy, census
from reconciler.ports.mysql import connection as mysql
from tests.engine.test_counts import agenda, pos
from tests.support import server as servers
from tests.support.shop import Shop

CENTRAL = "license_manager"


@pytest.fixture
def terse(shop: Shop) -> Iterator[Shop]:
    """A server that gives every session next to nothing to say at once."""
    former = shop.server.sql("SELECT @@GLOBAL.group_concat_max_len")[0][0]
    shop.server.sql("SET GLOBAL group_concat_max_len = 4")
    yield shop
    shop.server.sql("SET GLOBAL group_concat_max_len = %s", former)


def test_tenants_are_made_and_looked_at_in_depth_on_a_server_of_few_words(terse: Shop) -> None:
    terse.tenant("AgendaTenant", "one", agenda(1))
    terse.tenant("PosTenant", "two", pos(2, cloud_sync=True))
    assert {entry.result for entry in terse.apply().values()} == {Result.APPLIED}
    found = terse.plan(deep=True)
    assert found.empty
    assert [entry.unknown for entry in found.tenants] == [(), ()]
    terse.server.sql("ALTER TABLE agenda_one.clients ALTER phone SET DEFAULT '555'")
    (one, _) = terse.plan(deep=True).tenants
    assert [entry.code for entry in one.blockers] == ["schema-drift"]


@pytest.fixture
def connection(shop: Shop) -> Iterator[mysql.Connection]:
    """To the shop's server, as a look has it."""
    made = mysql.connect(shop.setting().servers["main"])
    yield made
    made.close()


def test_digests_of_central_rows_are_all_there_or_not_used(shop: Shop, connection: mysql.Connection) -> None:
    """The names begin alike: what is left of one that was cut off could be another's."""
    for number, name in enumerate(("sol", "sol-12", "sol-1")):
        shop.tenant("PosTenant", name, pos(number))
    shop.apply()
    whole = view.digests(connection, CENTRAL, 3)
    assert whole is not None
    assert set(whole["tenants"]) == {"sol", "sol-12", "sol-1"}
    length, told = 0, 0
    for length in range(4, 300):
        connection.run("SET group_concat_max_len = %s", (length,))
        found = view.digests(connection, CENTRAL, 3)
        told += found is not None
        assert found in (None, whole)
    assert 0 < told < length


def test_a_shape_that_the_server_cuts_off_is_unknown(tmp_path: Path) -> None:
    with servers.private_server() as server:
        shop = Shop(tmp_path, server)
        shop.tenant("AgendaTenant", "one", agenda(1))
        assert shop.apply()["one"].result is Result.APPLIED
        columns = ", ".join(f"`{chr(1) * 59}{number:04}` INT" for number in range(300))  # each letter becomes six
        server.sql(f"CREATE TABLE agenda_one.wide ({columns}) ENGINE = MyISAM")
        server.sql("SET GLOBAL max_allowed_packet = 16384")
        made = mysql.connect(shop.setting().servers["main"])
        with pytest.raises(census.Unseen, match=r"columns of agenda_one\.wide"):
            anatomy.read(made, ["agenda_one"])
        made.close()
        (found,) = shop.plan(deep=True).tenants
        assert (found.action, found.blockers) == (plans.Action.UNCHANGED, ())
        assert ["agenda_one.wide" in entry.what for entry in found.unknown] == [True]
