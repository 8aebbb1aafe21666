"""Named locks in a schema: a script takes and gives back none, and a body that does leaves no import without its own.

The connection of the own account holds such a lock, by which a successor ends it. It is kept for what comes behind the
import.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

from reconciler import errors
from reconciler.model import names
from reconciler.model.outcome import Result
from tests.imports import parity
from tests.support.faults import Boundaries, Kind
from tests.support.shop import Shop

TABLES = "CREATE TABLE t (a INT);\nDELIMITER //\n"
REFUSED = {
    "given back": ("CREATE TABLE t (a int);\nSELECT RELEASE_ALL_LOCKS();\n", 2, "named lock"),
    "taken": ("DO GET_LOCK('x', 1);\n", 1, "named lock"),
    "among rows": ("CREATE TABLE t (a int);\n\nINSERT INTO t VALUES (RELEASE_LOCK('x'));\n", 3, "named lock"),
    "in a procedure that is called": (
        f"{TABLES}CREATE PROCEDURE p() DO RELEASE_ALL_LOCKS()//\nDELIMITER ;\nCALL p();\n",
        5,
        "procedure",
    ),
}
RUN_BY_THE_IMPORT = {
    "a trigger": "CREATE TRIGGER g AFTER INSERT ON t FOR EACH ROW SET @x = RELEASE_ALL_LOCKS()//\nDELIMITER ;\n",
    "a function": "CREATE FUNCTION f() RETURNS INT RETURN RELEASE_ALL_LOCKS()//\nDELIMITER ;\nSELECT f();\n",
    "a view": "CREATE VIEW v AS SELECT RELEASE_ALL_LOCKS() AS x//\nDELIMITER ;\nSELECT * FROM v;\n",
}


class Watching(Boundaries):
    """Looks who holds the lock of the own account, whenever the own account is about to do something of ours."""

    def __init__(self, holder: Callable[[], Any]) -> None:
        super().__init__()
        self.held: list[Any] = []
        self._holder = holder

    def cross(self, kind: Kind, what: str, *rest: Any, **more: Any) -> Any:
        """One boundary."""
        if "CREATE OR REPLACE TABLE" in what or "ALTER EVENT" in what or "character_set_client = " in what:
            self.held.append(self._holder())
        return super().cross(kind, what, *rest, **more)


@pytest.mark.parametrize("name", REFUSED)
def test_a_named_lock_is_refused_with_its_line_and_nothing_is_touched(shop: Shop, name: str) -> None:
    text, line, words = REFUSED[name]
    before = shop.world()
    with pytest.raises(errors.InvalidSpecs) as refused:
        parity.ours(shop, text.encode())
    (fault,) = refused.value.faults
    assert (fault.where.file, fault.where.line) == ("specs/schema.sql", line)
    assert words in fault.message
    assert fault.hint
    assert shop.world() == before


@pytest.mark.parametrize("name", RUN_BY_THE_IMPORT)
def test_whatever_an_import_ran_what_comes_behind_it_holds_its_lock(shop: Shop, name: str) -> None:
    event = "CREATE EVENT e ON SCHEDULE EVERY 1 DAY DO DELETE FROM t;\n"
    text = f"{TABLES}{RUN_BY_THE_IMPORT[name]}INSERT INTO t VALUES (1);\n{event}"
    lock = names.lock(platform_id(shop), parity.TENANT, "owner")
    watching = Watching(lambda: shop.server.sql("SELECT IS_USED_LOCK(%s) IS NOT NULL", lock))
    assert parity.ours(shop, text.encode(), ports=watching.ports()).result is Result.APPLIED
    assert watching.held == [[(1,)]] * 2
    assert shop.plan(deep=True).empty


def platform_id(shop: Shop) -> str:
    """What the platform's marks and locks are called by."""
    setting = shop.setting()
    setting.opened().close()
    return setting.place.platform_id
