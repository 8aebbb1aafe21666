from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import jsonschema
import pytest

from reconciler import errors
from reconciler.cli import formats
from reconciler.engine import reconcile
from reconciler.model.plan import Plan
from reconciler.report import shapes
from tests.report import reports, samples

Said = Callable[..., tuple[int, str, str]]


@pytest.fixture
def planned(specs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A pass that has found the sample plan."""
    monkeypatch.setattr(reconcile, "plan", lambda _setting, _options: samples.PLAN)


@pytest.fixture
def broken(specs: Path) -> Path:
    """The repository with a fault."""
    path = specs / "specs" / "tenants" / "clinica-sol.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("plan: pro", "plam: pro"), encoding="utf-8")
    return specs


@pytest.mark.parametrize("form", formats.PLAN)
def test_a_plan_is_printed_in_every_format_with_the_same_exit_status(form: str, planned: None, said: Said) -> None:
    assert said("plan", "--format", form) == (3, formats.of_plan(samples.PLAN, form, ""), "")


def test_one_look_gives_all_reports(planned: None, said: Said, tmp_path: Path) -> None:
    asked = [f"--report={form}={tmp_path / form}" for form in formats.PLAN]
    assert said("plan", *asked) == (3, samples.golden("plan.txt"), "")
    for form in formats.PLAN:
        assert (tmp_path / form).read_text(encoding="utf-8") == formats.of_plan(samples.PLAN, form, "")


@pytest.mark.parametrize("wrong", ["markdown", "markdown=", "=plan.md", "html=plan.html"])
def test_a_report_needs_a_format_and_a_file(wrong: str, planned: None, said: Said) -> None:
    status, out, err = said("plan", "--report", wrong)
    assert (status, out) == (64, "")
    assert "FORMAT=FILE" in err


def test_a_report_that_can_not_be_written_is_wrong_usage(planned: None, said: Said, tmp_path: Path) -> None:
    status, out, err = said("plan", "--report", f"markdown={tmp_path / 'missing' / 'plan.md'}")
    assert (status, out) == (64, "")
    assert "plan.md" in err


@pytest.mark.parametrize("form", formats.TOLD)
def test_why_there_is_no_plan_is_told_in_the_format(form: str, broken: Path, said: Said) -> None:
    status, out, err = said("plan", "--format", form, f"--report={form}=report")
    assert status == 65
    assert "specs/tenants/clinica-sol.yaml" in out
    assert "plam" in out
    assert (broken / "report").read_text(encoding="utf-8") == out
    assert "reconcile validate" in err


def test_a_line_of_a_spec_is_no_command_for_github(broken: Path, said: Said) -> None:
    path = broken / "specs" / "tenants" / "clinica-sol.yaml"
    path.write_text("::error::x: 1\n" + path.read_text(encoding="utf-8"), encoding="utf-8")
    status, out, err = said("plan", "--format", "github")
    assert status == 65
    assert not [line for line in err.splitlines() if line.strip().startswith("::")]
    assert not [line for line in out.splitlines() if line.startswith("::error::")]


@pytest.mark.parametrize("form", ["text", "json"])
def test_the_other_formats_leave_it_to_stderr(form: str, broken: Path, said: Said) -> None:
    status, out, err = said("plan", "--format", form, "--report", "markdown=plan.md", "--report", "json=plan.json")
    assert (status, out) == (65, "")
    assert "clinica-sol.yaml" in err
    assert (broken / "plan.md").exists()
    assert not (broken / "plan.json").exists()


def test_an_unreachable_server_is_told_too(specs: Path, said: Said, monkeypatch: pytest.MonkeyPatch) -> None:
    def unreachable(*_: Any) -> Plan:
        raise errors.ServerUnreachable("server main does not answer")

    monkeypatch.setattr(reconcile, "plan", unreachable)
    status, out, _ = said("plan", "--format", "sarif")
    assert status == 69
    (result,) = json.loads(out)["runs"][0]["results"]
    assert (result["ruleId"], result["level"]) == ("server-unreachable", "error")


def test_no_repository_is_wrong_usage_in_every_format(tmp_path: Path, said: Said) -> None:
    for form in formats.PLAN:
        assert said("-C", str(tmp_path), "plan", "--format", form)[0] in (64, 65)


def test_paths_are_those_of_the_checkout(broken: Path, said: Said) -> None:
    (broken.parent / ".git").mkdir()
    for words in (["plan"], ["validate"]):
        assert "::error file=repository/specs/tenants/clinica-sol.yaml,line=" in said(*words, "--format", "github")[1]


@pytest.mark.parametrize("form", ["github", "sarif"])
def test_validate_shows_faults_where_they_stand(form: str, broken: Path, said: Said) -> None:
    status, out, err = said("validate", "--format", form)
    assert (status, err) == (65, "")
    if form == "github":
        assert "::error file=specs/tenants/clinica-sol.yaml,line=" in out
    else:
        run = json.loads(out)["runs"][0]
        place = run["results"][0]["locations"][0]["physicalLocation"]
        assert place["artifactLocation"]["uri"] == "specs/tenants/clinica-sol.yaml"
        assert run["results"][0]["ruleId"] in {rule["id"] for rule in run["tool"]["driver"]["rules"]}
        assert run["automationDetails"]["id"] == "reconcile-validate/"


def test_valid_specs_have_nothing_to_annotate(specs: Path, said: Said) -> None:
    assert said("validate", "--format", "github") == (0, "::notice title=reconcile::The specs are valid.\n", "")
    status, out, _ = said("validate", "--format", "sarif")
    assert (status, json.loads(out)["runs"][0]["results"]) == (0, [])


def test_what_the_commands_print_is_what_the_schemas_say(
    broken: Path, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(reconcile, "plan", lambda _setting, _options: reports.HOSTILE)
    for words, command in ((["validate"], "validate"), (["plan", "--tenant", "abarrotes-lupita"], "plan")):
        printed = json.loads(said(*words, "--format", "json")[1])
        jsonschema.Draft202012Validator(shapes.all_of_them()[command]).validate(printed)
