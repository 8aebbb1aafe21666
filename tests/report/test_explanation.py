from __future__ import annotations

import pytest

from reconciler import errors
from reconciler.report import explanation, problem, styled


@pytest.mark.parametrize("kind", list(errors.tree()), ids=lambda kind: kind.__name__)
def test_every_error_can_be_explained_by_its_code(kind: type[errors.ReconcileError]) -> None:
    found = explanation.by_code()[kind.code]
    shown = styled.plain(explanation.lines(found))
    assert f"{kind.code}  exit {found.exit}" in shown
    assert found.advice in shown


def test_no_two_errors_with_one_code_end_differently() -> None:
    exits: dict[str, set[int]] = {}
    for kind in errors.tree():
        exits.setdefault(kind.code, set()).add(kind.exit)
    assert {code: found for code, found in exits.items() if len(found) > 1} == {}


def test_an_error_says_what_where_and_what_next() -> None:
    error = errors.ForbiddenChange("the server can't change", where=errors.Where("specs/x.yaml", 3, 5), advice="Do so.")
    assert styled.plain(problem.lines(error)) == "error: the server can't change\n  at specs/x.yaml:3:5\n  → Do so.\n"
