"""A platform that was copied is the one that was laid."""

from __future__ import annotations

import shutil
from pathlib import Path

from reconciler.model.outcome import Result
from tests.support import changes, world
from tests.support import server as servers
from tests.support.shop import Shop


def test_a_copied_platform_is_the_one_that_was_laid(tmp_path: Path, clean_server: servers.Server) -> None:
    shop = Shop(tmp_path, clean_server)
    shop.platform(delivery={"directory": "state/of-this-test"})  # by these documents none was laid yet
    bare = world.snapshot(clean_server, [tmp_path])
    shop.lay()
    laid = world.snapshot(clean_server, [tmp_path])
    assert laid != bare
    clean_server.wipe()
    shutil.rmtree(tmp_path / "state")
    assert bare.difference(world.snapshot(clean_server, [tmp_path])) == []
    shop.lay()
    assert laid.difference(world.snapshot(clean_server, [tmp_path])) == []
    assert shop.plan(deep=True).empty
    case = changes.CASES[changes.CREATE_AGENDA]
    assert case.after is not None
    shop.tenant(case.kind, changes.NAME, case.after)
    assert shop.apply()[changes.NAME].result is Result.APPLIED
    assert shop.plan(deep=True).empty
