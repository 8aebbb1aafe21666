from __future__ import annotations

import dataclasses
import re
from collections import Counter

import pytest

from reconciler import errors
from reconciler.model.plan import Action
from reconciler.report import findings, github
from reconciler.report.findings import Finding, Level, Rule
from tests.report import reports, samples

COMMAND = re.compile(r"::(error|warning|notice) ?([^:]*)::(.*)")
RULE = Rule("rule", "It means something.", "Do something.")


def commands(text: str) -> list[tuple[str, dict[str, str], str]]:
    """What GitHub's runner reads out of a log: lines that begin with :: behind any space."""
    found = []
    for line in re.split(r"\r\n|\r|\n", text):
        if line.strip().startswith("::"):
            match = COMMAND.fullmatch(line)
            if match is None:
                assert re.fullmatch(r"::group::[^:]*|::endgroup::", line)
                continue
            said = dict(part.split("=", 1) for part in match[2].split(",") if part)
            values = {name: _unescaped(value.replace("%3A", ":").replace("%2C", ",")) for name, value in said.items()}
            found.append((match[1], values, _unescaped(match[3])))
    return found


def _unescaped(text: str) -> str:
    return text.replace("%0D", "\r").replace("%0A", "\n").replace("%25", "%")


def finding(level: Level = Level.ERROR, text: str = "wrong", **where: int) -> Finding:
    return Finding(level, RULE, text, (text,), errors.Where("specs/a.yaml", **where))


def test_an_annotation_stands_on_the_line_of_the_spec() -> None:
    (first, *_, last) = commands(github.render([finding(line=3, column=5)], "Done."))
    assert first == ("error", {"file": "specs/a.yaml", "line": "3", "col": "5", "title": "wrong"}, "wrong")
    assert last == ("notice", {"title": "reconcile"}, "Done.")


def test_what_has_no_line_stands_at_the_file() -> None:
    assert commands(github.render([finding()], ""))[0][1] == {"file": "specs/a.yaml", "title": "wrong"}


def test_a_folder_stands_before_the_files_of_its_repository() -> None:
    assert commands(github.render([finding()], "", folder="shop/"))[0][1]["file"] == "shop/specs/a.yaml"


def test_data_and_properties_are_escaped_as_the_runner_reads_them() -> None:
    text = "100%: a, b\r\n::error::x %0A %3A"
    command = github.command(Level.WARNING, text, title=text)
    assert command == (
        "::warning title=100%25%3A a%2C b%0D%0A%3A%3Aerror%3A%3Ax %250A %253A::100%25: a, b%0D%0A::error::x %250A %253A"
    )


@pytest.mark.parametrize("case", reports.CASES)
def test_every_line_is_a_command_of_ours(case: str) -> None:
    text = reports.rendered(case, "github")
    assert len(commands(text)) == len(text.splitlines())


def test_no_more_than_ten_of_a_level_and_the_rest_in_the_log() -> None:
    found = [finding(level, f"{level.value} ::{number}") for level in Level for number in range(15)]
    text = github.render(found, "Done.")
    counts = Counter(level for level, _, _ in commands(text))
    assert counts == {"error": 10, "warning": 10, "notice": 10}
    assert commands(text)[-1][2] == "Done. 16 more findings have no annotation; the log has them."
    assert "\n::group::16 more without an annotation" in text
    for entry in found:
        assert entry.title in text


def test_the_worst_comes_first() -> None:
    found = findings.of_plan(reports.RISKY)
    levels = [entry.level for entry in found]
    assert levels == sorted(levels, key=list(Level).index)
    assert [(entry.subject, entry.rule.id) for entry in found] == [
        ("sin-spec", "guard"),
        ("se-va", "removes"),
        ("clinica-sol", "removes"),
        ("clinica-sol", "widens-privileges"),
        ("clinica-sol", "tenant-create"),
        ("clinica-sol", "unknown"),
        ("clinica-sol", "tenant-update"),
        ("clinica-sol", "unknown"),
        ("a-quiet", "tenant-update"),
        ("a-la-deriva", "left-as-it-is"),
    ]


def test_the_first_privileges_of_a_new_tenant_are_no_warning() -> None:
    tenant = reports.RISKY.tenants[0]
    assert tenant.action is Action.CREATE
    found = findings.of_plan(dataclasses.replace(samples.PLAN, tenants=(tenant,), platform=()))
    assert {entry.level for entry in found} == {Level.NOTE}


def test_a_blocker_stands_where_it_says_and_else_at_its_tenant() -> None:
    found = findings.of_plan(dataclasses.replace(samples.PLAN, tenants=(samples.BLOCKED,), platform=()))
    assert [str(entry.where) for entry in found] == [
        "specs/tenants/abarrotes-lupita.yaml:2:1",
        "specs/tenants/abarrotes-lupita.yaml:9:11",
    ]


def test_what_has_no_spec_stands_at_the_platform() -> None:
    found = findings.of_plan(reports.RISKY)
    assert [entry.where.file for entry in found[:2]] == ["specs/platform.yaml"] * 2
