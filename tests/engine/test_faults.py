"""Whatever fails, wherever it fails: the tenant is as it should be, or the world is as it was.

A clean run counts the boundaries (statements, logins, file operations, writes of the store); then each of them is made
to fail in turn, in every way. So a longer flow gets a longer sweep, and no number is written down here.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from typing import TypeVar

import pytest

from tests.support import changes, matrix, trial, world
from tests.support.changes import CASES, CREATE_AGENDA, CREATE_POS, REMOVALS, Case
from tests.support.faults import Boundaries, Fault, Kind
from tests.support.matrix import Cells
from tests.support.shop import Shop
from tests.support.trial import Trial

ORDINARY = [Fault.ERROR, Fault.LOST_BEFORE, Fault.LOST_AFTER]
DEADLY = [Fault.DEATH_BEFORE, Fault.DEATH_AFTER]
ALL = [*ORDINARY, *DEADLY]
SLICES = 4
T = TypeVar("T")


def cases(*names: str) -> pytest.MarkDecorator:
    """Parametrize a test by these cases; by all of them, but for removals, where none is named."""
    every = {**CASES, **REMOVALS}
    return pytest.mark.parametrize("case", [pytest.param(every[name], id=name) for name in names or CASES])


sampled = pytest.mark.parametrize(
    "part", ["some", pytest.param("others", marks=[pytest.mark.sweep, pytest.mark.timeout(1800)])]
)
"""Parametrize a test by which of its places it takes: some of them in every run, the others in sweeps."""


def part_of(places: Sequence[T], part: str, every: int) -> list[T]:
    """Of all places some, every so manieth, or the others, or all."""
    return [place for number, place in enumerate(places) if part in ("all", "others" if number % every else "some")]


def hit(tried: Trial, at: int, fault: Fault) -> None:
    """Let one boundary of an apply fail."""
    tried.strike(trial.row_of(fault, tried.kinds[at - 1]), {at: fault})


def check(shop: Shop, cells: Cells, case: Case, fault: Fault, chosen: Callable[[int], Iterable[int]]) -> None:
    """Let the chosen boundaries of the case fail in turn."""
    tried = Trial(shop, case, cells)
    for at in chosen(tried.count):
        hit(tried, at, fault)
    assert len(cells) > 0


@sampled
@cases()
def test_a_failure_somewhere_leaves_before_or_after(shop: Shop, cells: Cells, case: Case, part: str) -> None:
    """Each way of failing has its own places, and from one place to the next the way is another."""
    tried = Trial(shop, case, cells)
    places = [
        (at, fault)
        for number, fault in enumerate(ALL)
        for at in range(1 + number * 9 % tried.count, tried.count + 1, 53)
    ]
    for at, fault in part_of(sorted(places), part, 3):
        hit(tried, at, fault)
    assert len(cells) > 0


@pytest.mark.sweep
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("slice_", range(SLICES))
@cases()
def test_a_failure_anywhere_leaves_before_or_after(shop: Shop, cells: Cells, case: Case, slice_: int) -> None:
    """Each boundary fails in one way; the ways take turns."""
    tried = Trial(shop, case, cells)
    for at in range(1 + slice_, tried.count + 1, SLICES):
        hit(tried, at, ALL[at // SLICES % len(ALL)])
    assert len(cells) > 0


@sampled
@cases(*REMOVALS)
def test_a_failure_somewhere_leaves_a_removal_before_or_after(shop: Shop, cells: Cells, case: Case, part: str) -> None:
    taking_turns(shop, cells, case, 17, part)


@pytest.mark.sweep
@pytest.mark.timeout(1800)
@cases(*REMOVALS)
def test_a_failure_at_every_fourth_place_leaves_a_removal_before_or_after(shop: Shop, cells: Cells, case: Case) -> None:
    taking_turns(shop, cells, case, 4)


def taking_turns(shop: Shop, cells: Cells, case: Case, stride: int, part: str = "all") -> None:
    """Each ``stride``-th boundary fails in one way; the ways take turns."""
    tried = Trial(shop, case, cells)
    places = [(at, ALL[number % len(ALL)]) for number, at in enumerate(range(1, tried.count + 1, stride))]
    for at, fault in part_of(places, part, 2):
        hit(tried, at, fault)
    assert len(cells) > 0


@pytest.mark.sweep
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("slice_", range(SLICES))
@cases(CREATE_AGENDA, CREATE_POS)
@pytest.mark.parametrize("fault", ORDINARY)
def test_every_failure_anywhere_leaves_before_or_after(
    shop: Shop, cells: Cells, case: Case, fault: Fault, slice_: int
) -> None:
    check(shop, cells, case, fault, lambda count: range(1 + slice_, count + 1, SLICES))


@changes.trials(CREATE_POS, "suspend-agenda", often=4, among=CASES)
def test_a_failure_at_any_write_of_the_store_leaves_before_or_after(
    shop: Shop, cells: Cells, case: Case, times: int
) -> None:
    tried = Trial(shop, case, cells)
    for number, at in enumerate(tried.writes):
        for fault in ALL[number % 2 :: 2] if times == 1 else ALL:
            hit(tried, at, fault)
    assert len(cells) >= len(tried.writes)


TWICE = (CREATE_AGENDA, CREATE_POS, "change-agenda", "suspend-pos", "purge-pos")
OFTEN = (
    *("suspend-agenda", "resume-agenda", "edition-pos", "resume-pos"),
    *("trash-agenda", "restore-agenda", "give-up-pos", "return-pos"),
)


@sampled
@cases(*TWICE)
def test_a_death_somewhere_in_a_rollback_leaves_before(shop: Shop, cells: Cells, case: Case, part: str) -> None:
    rollback(shop, cells, case, 17, 0, part)


@pytest.mark.sweep
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("slice_", range(SLICES))
@cases(*TWICE, *OFTEN)
def test_a_death_anywhere_in_a_rollback_leaves_before(shop: Shop, cells: Cells, case: Case, slice_: int) -> None:
    rollback(shop, cells, case, SLICES * 3, slice_ * 3)


def rollback(shop: Shop, cells: Cells, case: Case, stride: int, offset: int, part: str = "all") -> None:
    """Fail at the commit, and die at each boundary of the rollback that follows."""
    tried = Trial(shop, case, cells)
    first = tried.brink
    counted = Boundaries({first: Fault.ERROR})
    tried.attempt(counted)
    assert tried.world() == tried.before
    # A rollback writes little into the store, so a long stride would miss it.
    writes = [at for at in range(first + 1, counted.count + 1) if counted.kinds[at - 1] is Kind.STORE]
    for second in sorted({*part_of(range(first + 1 + offset, counted.count + 1, stride), part, 3), *writes[:1]}):
        fault = Fault.DEATH_BEFORE if second % 2 else Fault.DEATH_AFTER
        row = trial.row_of(fault, counted.kinds[second - 1], "rollback")
        tried.strike(row, {first: Fault.ERROR, second: fault})
    assert len(cells) > 0


@cases(*TWICE)
def test_a_death_somewhere_in_a_recovery_leaves_before(shop: Shop, cells: Cells, case: Case) -> None:
    recovery(shop, cells, case, 17, 0)


@pytest.mark.sweep
@pytest.mark.timeout(1800)
@pytest.mark.parametrize("slice_", range(SLICES))
@cases(*TWICE, *OFTEN)
def test_a_death_anywhere_in_a_recovery_leaves_before(shop: Shop, cells: Cells, case: Case, slice_: int) -> None:
    recovery(shop, cells, case, SLICES * 3, slice_ * 3)


def recovery(shop: Shop, cells: Cells, case: Case, stride: int, offset: int) -> None:
    """Die at the commit, then die at each boundary of the recovery, then recover."""
    tried = Trial(shop, case, cells)
    first = tried.brink
    counted = Boundaries()
    tried.attempt(Boundaries({first: Fault.DEATH_BEFORE}))
    assert trial.attempt_recovery(shop, counted)
    for at in range(1 + offset, counted.count + 1, stride):
        fault = Fault.DEATH_BEFORE if at % 2 else Fault.DEATH_AFTER

        def dying(where: str, faults: dict[int, Fault] = {at: fault}) -> None:  # noqa: B006 - this turn's own
            assert not trial.attempt_recovery(shop, Boundaries(faults)), where

        row = trial.row_of(fault, counted.kinds[at - 1], "recovery")
        tried.strike(row, {first: Fault.DEATH_BEFORE}, dying)
    assert len(cells) > 0


def test_what_a_world_is_can_be_told_apart(shop: Shop) -> None:
    before: world.World = shop.world()
    shop.server.sql("CREATE DATABASE stray")
    assert shop.world() != before


def test_the_page_has_every_line_of_the_matrix_and_no_other() -> None:
    """Made anew by RECONCILE_WRITE_FAULTS=1, see the page."""
    lines = {(row.title, label) for row in matrix.Row for label in matrix.PRODUCTS.values()}
    assert matrix.titles(matrix.PAGE.read_text(encoding="utf-8")) == lines
