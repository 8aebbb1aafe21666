from __future__ import annotations

from reconciler.model.outcome import Outcome, Result
from reconciler.report import data, outcomes, styled
from tests.report import samples


def test_outcomes_read_as_in_their_golden_file() -> None:
    assert styled.plain(outcomes.lines(samples.OUTCOMES)) == samples.golden("outcomes.txt")


def test_the_json_of_outcomes_is_as_in_its_golden_file() -> None:
    assert data.text(data.outcomes(samples.OUTCOMES)) == samples.golden("outcomes.json")


def test_outcomes_for_programs_have_the_keys_of_the_contract() -> None:
    found = data.outcomes(samples.OUTCOMES)["outcomes"][2]
    assert set(found) == {"tenant", "outcome", "transaction", "seconds", "error", "leftovers"}
    assert {"code", "step", "message"} <= set(found["error"])


def test_every_result_has_a_look() -> None:
    for result in Result:
        assert result.value.replace("-", " ") in styled.flat(outcomes.headline(Outcome("x", result)))


def test_a_run_in_which_nothing_changed_says_only_how_many() -> None:
    assert styled.plain(outcomes.lines([Outcome("x", Result.UNCHANGED)])) == "Apply: 1 unchanged.\n"


def test_a_run_over_nothing_says_so() -> None:
    assert styled.plain(outcomes.lines([])) == "Apply: nothing to do.\n"
