"""The clock set back in the middle; SIGTERM and Ctrl-C, as the engine hears of them, at any moment."""

from __future__ import annotations

import datetime as dt

from reconciler.engine import setting as settings
from reconciler.model.outcome import Result
from reconciler.ports.clock import Clock
from tests.support import changes
from tests.support.changes import CREATE_AGENDA, CREATE_POS, Case
from tests.support.deeds import Aside
from tests.support.faults import Boundaries, Fault
from tests.support.matrix import Cells, Row
from tests.support.shop import Shop
from tests.support.trial import Trial


class SetBack(Clock):
    """A wall clock that somebody can set back by a day."""

    def __init__(self) -> None:
        self._behind = dt.timedelta(0)

    def now(self) -> dt.datetime:
        """The present moment, or that of the day before."""
        return super().now() - self._behind

    def set_back(self) -> None:
        """By a day."""
        self._behind = dt.timedelta(days=1)


def at_another_time(faults: dict[int, Fault], at: int) -> Boundaries:
    """The clock is set back in front of boundary ``at``."""
    clock = SetBack()
    boundaries = Boundaries({**faults, at: Aside(clock.set_back)})
    boundaries.clock = clock
    return boundaries


@changes.trials(CREATE_POS, "resume-agenda", often=5)
def test_a_clock_that_is_set_back_changes_nothing(shop: Shop, cells: Cells, case: Case, times: int) -> None:
    tried = Trial(shop, case, cells)
    for at in changes.moments(1, tried.writes[-1], times):
        outcome = tried.attempt(at_another_time({}, at))
        assert outcome is not None
        assert outcome.result is Result.APPLIED, outcome
        tried.judge(Row.CLOCK_BACK, outcome, f"set back at {at}")


@changes.trials(CREATE_AGENDA, "suspend-pos", often=3)
def test_a_clock_that_is_set_back_before_a_death_leaves_before(
    shop: Shop, cells: Cells, case: Case, times: int
) -> None:
    tried = Trial(shop, case, cells)
    for at in changes.moments(tried.acts[0], tried.acts[-1], times):
        outcome = tried.attempt(at_another_time({at + 1: Fault.DEATH_AFTER}, at))
        assert not tried.judge(Row.CLOCK_BACK, outcome, f"set back at {at}, then killed")


@changes.trials(
    CREATE_AGENDA, "change-agenda", "resume-pos", often=12, among=(*changes.MAIN, "cloud-sync-on", *changes.TRASH)
)
def test_who_is_told_to_stop_finishes_or_undoes(shop: Shop, cells: Cells, case: Case, times: int) -> None:
    tried = Trial(shop, case, cells)
    for at in changes.moments(tried.acts[0], tried.count, times + 1):
        stop: list[settings.Setting] = []
        boundaries = Boundaries({at: Aside(lambda stop=stop: stop[0].stop.set())})  # type: ignore[misc]
        outcome = tried.attempt(boundaries, ready=stop.append)
        assert outcome is not None
        if outcome.result is Result.ROLLED_BACK:
            assert outcome.failure is not None
            assert outcome.failure.code == "interrupted"
        tried.judge(Row.TOLD_TO_STOP, outcome, f"told at {at}, {tried.log[at - 1]}: {outcome}")
