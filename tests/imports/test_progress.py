"""What is said while an import takes long."""

from __future__ import annotations

import io
import time

import pytest

from reconciler.engine import reconcile
from reconciler.engine.progress import Progress
from reconciler.model.change import Change
from reconciler.report import live, progress
from tests.imports import parity
from tests.support.shop import Shop

CHANGE = Change("schema", "schema", "main/x", "create", None, None, "import 1 SQL file", "it is new", "nothing")


class Clock:
    now = 100.0

    def monotonic(self) -> float:
        return self.now


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> Clock:
    made = Clock()
    monkeypatch.setattr(time, "monotonic", made.monotonic)
    return made


def test_a_log_gets_a_line_every_few_seconds(clock: Clock) -> None:
    stream = io.StringIO()
    lines = progress.Lines(stream)
    lines.begins("one", 1)
    lines.doing("one", 1, CHANGE)
    for second, done in enumerate(range(0, 120, 10)):
        clock.now = 100.0 + second
        lines.advances("one", done, 120)
    said = stream.getvalue().splitlines()[2:]
    assert said == ["  one  41 % done", "  one  83 % done"]


def test_a_terminal_shows_the_share_beside_the_step(clock: Clock) -> None:
    view = live.View(io.StringIO())
    try:
        view.begins("one", 1)
        view.doing("one", 1, CHANGE)
        view.advances("one", 1, 4)
        assert view._rows["one"].what == "schema: import 1 SQL file"
        clock.now += 1
        view.advances("one", 2, 4)
        clock.now += 1
        view.advances("one", 3, 4)
        assert view._rows["one"].what == "schema: import 1 SQL file … 75 %"
    finally:
        view.close()


def test_an_import_tells_how_far_it_is(shop: Shop) -> None:
    told: list[tuple[int, int]] = []

    class Ears(Progress):
        def advances(self, tenant: str, done: int, total: int) -> None:
            told.append((done, total))

    text = b"CREATE TABLE t (a longtext);\n" + b"INSERT INTO t VALUES ('%b');\n" % (b"x" * 300_000) * 3
    (shop.root / "specs/schema.sql").write_bytes(text)
    parity.product(shop, "specs/schema.sql")
    shop.tenant("PosTenant", parity.TENANT, parity.SPEC)
    _, (ended,) = reconcile.apply(shop.setting(), reconcile.Options(), Ears())
    assert ended.failure is None
    assert told == sorted(told)
    assert len(told) >= 3
    assert told[-1][0] <= told[-1][1] == len(text)
