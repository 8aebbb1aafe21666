from __future__ import annotations

import dataclasses
import io
import json
import signal
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

import pytest

from reconciler import errors
from reconciler.cli import apply, plan, recover
from reconciler.engine import reconcile
from reconciler.engine import setting as settings
from reconciler.model import plan as plans
from reconciler.model.outcome import Failure, Outcome, Result
from tests.report import samples

Said = Callable[..., tuple[int, str, str]]


def _blocked(exit_status: int) -> plans.TenantPlan:
    blocker = plans.Blocker("some-code", "no", exit=exit_status)
    return dataclasses.replace(samples.BLOCKED, blockers=(blocker,))


def _of(*tenants: plans.TenantPlan, platform: bool = False) -> plans.Plan:
    changes = samples.PLAN.platform if platform else ()
    return dataclasses.replace(samples.PLAN, tenants=tenants, platform=changes)


@pytest.mark.parametrize(
    ("found", "plain", "detailed"),
    [
        (_of(), 0, 0),
        (samples.IN_SYNC, 0, 0),
        (_of(samples.CREATE), 0, 2),
        (_of(platform=True), 0, 2),
        (_of(_blocked(3)), 3, 3),
        (_of(_blocked(3), samples.CREATE), 3, 3),
        (_of(_blocked(69), samples.CREATE), 69, 69),
        (_of(_blocked(69), _blocked(3)), 3, 3),
    ],
)
def test_a_plans_exit_status_is_the_contracts(found: plans.Plan, plain: int, detailed: int) -> None:
    assert plan.status(found, detailed=False) == plain
    assert plan.status(found, detailed=True) == detailed


def _outcomes(*results: Result) -> list[Outcome]:
    failure = Failure("some-code", "", "no", exit=3)
    return [
        Outcome(f"t{number}", result, failure=failure if result is Result.BLOCKED else None)
        for number, result in enumerate(results)
    ]


@pytest.mark.parametrize(
    ("results", "signalled", "status"),
    [
        ([], 0, 0),
        ([Result.APPLIED, Result.UNCHANGED], 0, 0),
        ([Result.APPLIED, Result.BLOCKED], 0, 3),
        ([Result.ROLLED_BACK, Result.BLOCKED, Result.LEASED], 0, 6),
        ([Result.STUCK, Result.ROLLED_BACK], 0, 7),
        ([Result.LEASED, Result.BLOCKED], 0, 5),
        ([Result.ROLLED_BACK, Result.SKIPPED], signal.SIGINT, 130),
        ([Result.APPLIED], signal.SIGTERM, 143),
        ([Result.STUCK], signal.SIGINT, 7),
    ],
)
def test_an_applys_exit_status_is_the_contracts(results: Sequence[Result], signalled: int, status: int) -> None:
    assert apply.status(_outcomes(*results), signalled) == status


@pytest.mark.parametrize(
    ("results", "status"),
    [
        ([], 0),
        ([Result.ROLLED_BACK, Result.ROLLED_BACK], 0),
        ([Result.ROLLED_BACK, Result.STUCK], 7),
        ([Result.ROLLED_BACK, Result.LEASED], 5),
        ([Result.STUCK, Result.LEASED], 7),
    ],
)
def test_a_recovery_that_settled_everything_ends_with_0(results: Sequence[Result], status: int) -> None:
    assert recover.status(_outcomes(*results)) == status


class _Engine:
    """Stands in for the pass, which has tests of its own; what is tested here is what is handed to it and shown."""

    def __init__(self, found: plans.Plan, ended: list[Outcome]) -> None:
        self.found, self.ended = found, ended
        self.options: list[reconcile.Options] = []
        self.setting: settings.Setting | None = None
        self.agreed: bool | None = None

    def plan(self, setting: settings.Setting, options: reconcile.Options) -> plans.Plan:
        self.setting = setting
        self.options.append(options)
        return self.found

    def apply(self, setting: settings.Setting, options: reconcile.Options, _progress: object, *, confirm: Any) -> Any:
        self.options.append(options)
        self.agreed = confirm(self.found)
        skipped = [Outcome(entry.tenant, Result.SKIPPED) for entry in self.found.tenants]
        return self.found, self.ended if self.agreed else skipped


@pytest.fixture
def engine(specs: Path, monkeypatch: pytest.MonkeyPatch) -> _Engine:
    made = _Engine(samples.PLAN, samples.OUTCOMES)
    monkeypatch.setattr(reconcile, "plan", made.plan)
    monkeypatch.setattr(reconcile, "apply", made.apply)
    return made


class _Typed(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_a_plan_is_a_result_on_stdout(engine: _Engine, said: Said) -> None:
    assert said("plan") == (3, samples.golden("plan.txt"), "")
    assert said("plan", "--format", "json") == (3, samples.golden("plan.json"), "")


def test_color_may_be_forced(engine: _Engine, said: Said) -> None:
    assert "\x1b[" in said("--color", "always", "plan")[1]


def test_plan_and_apply_hand_the_same_options_on(engine: _Engine, said: Said) -> None:
    said("plan", "--deep", "--tenant", "clinica-sol", "--tenant", "abarrotes-lupita")
    said("apply", "--yes", "--deep", "--tenant", "clinica-sol", "--tenant", "abarrotes-lupita")
    first, second = engine.options
    assert first == second == reconcile.Options(tenants=("clinica-sol", "abarrotes-lupita"), deep=True)


def test_apply_hands_its_own_options_on(engine: _Engine, said: Said) -> None:
    said("apply", "--yes", "--keep-going", "--atomic", "all", "--parallel", "7")
    assert engine.options == [reconcile.Options(tenants=(), keep_going=True, atomic="all", parallel=7)]


def test_apply_without_a_terminal_needs_yes(engine: _Engine, monkeypatch: pytest.MonkeyPatch, said: Said) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO("y\n"))
    status, out, err = said("apply")
    assert (status, out) == (64, "")
    assert "--yes" in err
    assert engine.options == []


@pytest.mark.parametrize(("typed", "agreed"), [("y\n", True), ("n\n", False), ("\n", False), ("", False)])
def test_apply_on_a_terminal_shows_the_plan_and_asks(
    typed: str, agreed: bool, engine: _Engine, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    monkeypatch.setattr("sys.stdin", _Typed(typed))
    status, out, err = said("apply")
    assert samples.golden("plan.txt") in err
    assert engine.agreed is agreed
    assert status == (7 if agreed else 0)
    assert ("Nothing was applied." in err) is not agreed
    assert "Plan:" not in out


def test_nobody_is_asked_about_nothing(engine: _Engine, monkeypatch: pytest.MonkeyPatch, said: Said) -> None:
    engine.found, engine.ended = samples.IN_SYNC, [Outcome("en-orden", Result.UNCHANGED)]
    monkeypatch.setattr("sys.stdin", _Typed(""))
    status, out, err = said("apply")
    assert (status, out) == (0, "Apply: 1 unchanged.\n")
    assert "Apply this?" not in err


def test_outcomes_are_the_result_of_an_apply(engine: _Engine, said: Said) -> None:
    status, out, err = said("apply", "--yes")
    assert (status, out) == (7, samples.golden("outcomes.txt"))
    assert samples.golden("plan.txt") in err
    assert said("apply", "--yes", "--format", "json")[1] == samples.golden("outcomes.json")


def test_a_fault_anywhere_refuses_all_tenants(engine: _Engine, specs: Path, said: Said) -> None:
    _break(specs / "specs/tenants/abarrotes-lupita.yaml", "edition: standard", "edition: [")
    for words in (["plan"], ["apply", "--yes"]):
        status, out, err = said(*words)
        assert (status, out) == (65, "")
        assert "specs/tenants/abarrotes-lupita.yaml:" in err
    assert engine.options == []


def test_a_named_tenant_goes_on_whatever_is_wrong_with_others(engine: _Engine, specs: Path, said: Said) -> None:
    _break(specs / "specs/tenants/abarrotes-lupita.yaml", "edition: standard", "edition: [")
    assert said("plan", "--tenant", "clinica-sol")[0] == 3
    assert engine.setting is not None
    assert [tenant.name for tenant in engine.setting.tenants({})] == ["clinica-sol"]


def test_a_named_tenant_does_not_go_on_with_a_fault_of_its_own(engine: _Engine, specs: Path, said: Said) -> None:
    _break(specs / "specs/tenants/clinica-sol.yaml", "plan: pro", "plan: none-such")
    assert said("plan", "--tenant", "clinica-sol")[0] == 65


def test_a_named_tenant_may_stand_behind_any_fault_if_it_is_not_found(engine: _Engine, specs: Path, said: Said) -> None:
    _break(specs / "specs/tenants/abarrotes-lupita.yaml", "edition: standard", "edition: [")
    status, _, err = said("plan", "--tenant", "abarrotes-lupita")
    assert status == 65
    assert "abarrotes-lupita.yaml" in err


@pytest.mark.parametrize(
    ("file", "old", "new"),
    [
        ("specs/platform.yaml", "retentionDays: 30", "retentionDays: x"),
        ("specs/servers/main.yaml", "port: 3306", "port: x"),
        ("specs/products/pos-tree-codes/product.yaml", "databasePrefix: pos_", "databasePrefix: test_"),
    ],
)
def test_a_named_tenant_does_not_go_on_with_a_fault_in_what_all_stand_on(
    file: str, old: str, new: str, engine: _Engine, specs: Path, said: Said
) -> None:
    _break(specs / file, old, new)
    assert said("plan", "--tenant", "clinica-sol")[0] == 65


def test_a_tenant_in_the_same_file_as_a_fault_does_not_go_on(engine: _Engine, specs: Path, said: Said) -> None:
    file = specs / "specs/tenants/abarrotes-lupita.yaml"
    other = (
        file.read_text(encoding="utf-8").replace("name: abarrotes-lupita", "name: other").replace("edition", "editon")
    )
    file.write_text(file.read_text(encoding="utf-8") + "\n---\n" + other, encoding="utf-8")
    assert said("plan", "--tenant", "abarrotes-lupita")[0] == 65
    assert said("plan", "--tenant", "clinica-sol")[0] == 3


def test_a_server_that_is_away_ends_with_69(specs: Path, monkeypatch: pytest.MonkeyPatch, said: Said) -> None:
    monkeypatch.setenv("RECONCILE_MAIN_PASSWORD", "x")
    _break(specs / "specs/servers/main.yaml", "port: 3306", "port: 1")
    for words in (["plan"], ["apply", "--yes"]):
        status, out, err = said(*words)
        assert (status, out) == (errors.ServerUnreachable.exit, "")
        assert "server main" in err
    assert not (specs / "state").exists()


def test_recover_without_a_store_has_nothing_to_do(specs: Path, said: Said) -> None:
    assert said("recover") == (0, "Recover: nothing was left open.\n", "")
    assert json.loads(said("recover", "--format", "json")[1]) == {"formatVersion": 1, "outcomes": []}


def _break(path: Path, old: str, new: str) -> None:
    text = path.read_text(encoding="utf-8")
    assert old in text
    path.write_text(text.replace(old, new), encoding="utf-8")


def test_a_saved_plan_is_handed_to_apply(engine: _Engine, tmp_path: Path, said: Said) -> None:
    file = tmp_path / "plan.json"
    status, out, _ = said("plan", "--out", str(file))
    assert (status, bool(out)) == (3, True)  # the sample has a blocked tenant
    assert file.exists()
    assert said("apply", "--yes", "--allow-equal-risk", str(file))[0] == 7  # the sample has a stuck outcome
    chosen = engine.options[-1]
    assert chosen.saved is not None
    assert set(chosen.saved.tenants) == {entry.tenant for entry in samples.PLAN.changed}
    assert chosen.equal_risk


@pytest.mark.parametrize("more", [["--tenant", "clinica-sol"], ["--deep"]])
def test_a_saved_plan_says_itself_what_it_is_of(engine: _Engine, tmp_path: Path, said: Said, more: list[str]) -> None:
    file = tmp_path / "plan.json"
    said("plan", "--out", str(file))
    assert said("apply", "--yes", *more, str(file))[0] == 64


def test_a_file_that_is_no_plan_ends_with_65(engine: _Engine, tmp_path: Path, said: Said) -> None:
    file = tmp_path / "plan.json"
    file.write_text("{}")
    status, out, err = said("apply", "--yes", str(file))
    assert (status, out) == (65, "")
    assert "reconcile plan --out" in err


def test_equal_risk_belongs_to_a_saved_plan(engine: _Engine, said: Said) -> None:
    assert said("apply", "--yes", "--allow-equal-risk")[0] == 64
