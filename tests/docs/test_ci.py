"""The examples for CI are whole: they parse, they call what there is, and the comment is made once and then edited."""

from __future__ import annotations

import json
import os
import re
import shlex
import subprocess
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import click
import pytest
import yaml

from reconciler import cli
from reconciler.cli import program
from reconciler.report import markdown
from reconciler.spec import platform, schemas

ROOT = Path(__file__).parents[2]
PAGE = ROOT / "docs" / "ci.md"
EXAMPLES = ROOT / "docs" / "examples"
CI = EXAMPLES / "ci"
HOOKS = ROOT / ".pre-commit-hooks.yaml"


def parsed(path: Path) -> Any:
    return yaml.safe_load(path.read_text(encoding="utf-8"))


def calls(text: str) -> Iterator[list[str]]:
    """The calls of reconcile in a script, without what a shell does around them."""
    for line in re.findall(r"^\s*(?:- |- run: |run: |entry: )?(reconcile [^|&#\n]*)", text, re.MULTILINE):
        yield shlex.split(line)[1:]


@pytest.mark.parametrize("path", [CI / "github-actions.yml", CI / "gitlab-ci.yml", HOOKS], ids=lambda path: path.name)
def test_every_call_in_an_example_is_one_that_there_is(path: Path) -> None:
    found = list(calls(path.read_text(encoding="utf-8")))
    assert found
    for words in found:
        command = program.reconcile.get_command(click.Context(program.reconcile), words[0])
        assert command is not None
        command.make_context(words[0], words[1:])


@pytest.mark.parametrize("path", sorted(EXAMPLES.rglob("*.*")), ids=lambda path: path.name)
def test_every_example_is_named_on_the_page_and_can_be_read(path: Path) -> None:
    assert f"]({path.relative_to(PAGE.parent).as_posix()})" in PAGE.read_text(encoding="utf-8")
    assert parsed(path) if path.suffix in (".yml", ".yaml") else json.loads(path.read_text(encoding="utf-8"))


def test_every_variable_and_secret_of_an_example_is_told() -> None:
    told = PAGE.read_text(encoding="utf-8")
    for path in (CI / "github-actions.yml", CI / "gitlab-ci.yml"):
        text = path.read_text(encoding="utf-8")
        for name in re.findall(r"(?:secrets|vars)\.(\w+)|\$(RECONCILE_\w+)", text):
            assert f"`{''.join(name)}`" in told


def test_the_workflow_gives_no_secret_to_the_code_of_a_fork() -> None:
    workflow = parsed(CI / "github-actions.yml")
    # YAML 1.1 reads the key `on` as true.
    assert set(workflow[True]) == {"pull_request"}
    assert workflow["permissions"] == {"contents": "read"}
    jobs = workflow["jobs"]
    assert "secrets." not in json.dumps(jobs["validate"])
    assert "head.repo.full_name == github.repository" in jobs["plan"]["if"]
    assert jobs["plan"]["environment"] == "plan"


@pytest.mark.parametrize("name", ["github-actions.yml", "gitlab-ci.yml"])
def test_no_script_has_an_expression_in_it_that_somebody_else_may_write(name: str) -> None:
    for script in scripts(parsed(CI / name)):
        for expression in re.findall(r"\$\{\{(.*?)\}\}", script):
            assert expression.strip().startswith("vars.")


@pytest.mark.parametrize("name", ["github-actions.yml", "gitlab-ci.yml"])
def test_every_script_is_one_that_a_shell_reads(name: str) -> None:
    for script in scripts(parsed(CI / name)):
        text = re.sub(r"\$\{\{.*?\}\}", "x", script)
        assert subprocess.run(["bash", "-n"], input=text, text=True, check=False).returncode == 0


def test_the_examples_look_for_the_marker() -> None:
    for name in ("github-actions.yml", "gitlab-ci.yml"):
        assert f'startswith(\\"{markdown.MARKER}\\")' in json.dumps(parsed(CI / name))


@pytest.mark.parametrize(("known", "sent"), [("", "POST"), ("41\n42\n", "PATCH")])
def test_the_comment_is_made_once_and_then_edited(known: str, sent: str, tmp_path: Path) -> None:
    steps = parsed(CI / "github-actions.yml")["jobs"]["plan"]["steps"]
    script = next(step["run"] for step in steps if "comment" in step.get("name", ""))
    log = tmp_path / "calls"
    stand_in(tmp_path / "gh", log, known)
    (tmp_path / "plan.md").write_text(f"{markdown.MARKER}\n", encoding="utf-8")
    run(script, tmp_path, GITHUB_REPOSITORY="o/r", NUMBER="7", GITHUB_STEP_SUMMARY=str(tmp_path / "summary"))
    looked, said = (json.loads(line) for line in log.read_text(encoding="utf-8").splitlines())
    assert looked[:3] == ["api", "--paginate", "repos/o/r/issues/7/comments"]
    target = "repos/o/r/issues/comments/41" if known else "repos/o/r/issues/7/comments"
    assert said == ["api", "--silent", "--method", sent, target, "--field", "body=@plan.md"]
    assert (tmp_path / "summary").read_text(encoding="utf-8") == f"{markdown.MARKER}\n"


@pytest.mark.parametrize(
    ("plan", "status", "state", "said"),
    [
        (f"{markdown.MARKER}\n<!-- x -->\n## Plan: 1 to create\n\n## x\n", "0", "success", "Plan: 1 to create"),
        (f"{markdown.MARKER}\n## Plan: {'x' * 200}\n", "3", "failure", f"Plan: {'x' * 134}"),
        ("", "", "failure", "No plan"),
    ],
)
def test_the_status_of_the_commit_is_the_first_line_of_the_plan(
    plan: str, status: str, state: str, said: str, tmp_path: Path
) -> None:
    job = parsed(CI / "github-actions.yml")["jobs"]["plan"]
    script = next(step["run"] for step in job["steps"] if "Status" in step.get("name", ""))
    stand_in(tmp_path / "gh", tmp_path / "calls", "")
    if plan:
        (tmp_path / "plan.md").write_text(plan, encoding="utf-8")
    run(script, tmp_path, GITHUB_REPOSITORY="o/r", HEAD="abc", STATUS=status)
    sent = json.loads((tmp_path / "calls").read_text(encoding="utf-8"))
    assert sent[2:5] == ["--method", "POST", "repos/o/r/statuses/abc"]
    assert sent[6::2] == [f"state={state}", "context=reconcile/plan", f"description={said}"]
    assert job["permissions"]["statuses"] == "write"


@pytest.mark.parametrize(("known", "sent"), [("", "POST"), ("41", "PUT")])
def test_the_note_is_made_once_and_then_edited(known: str, sent: str, tmp_path: Path) -> None:
    script = next(step for step in parsed(CI / "gitlab-ci.yml")["plan"]["script"] if "plan.md" in step and "\n" in step)
    log = tmp_path / "calls"
    stand_in(tmp_path / "curl", log, "[]")
    stand_in(tmp_path / "jq", tmp_path / "asked", known or "", numbers="length")
    (tmp_path / "plan.md").write_text(f"{markdown.MARKER}\n", encoding="utf-8")
    names = {"CI_API_V4_URL": "https://git.example.com/api/v4", "CI_PROJECT_ID": "5", "CI_MERGE_REQUEST_IID": "7"}
    run(script, tmp_path, **names, RECONCILE_NOTE_TOKEN="token")
    said = json.loads(log.read_text(encoding="utf-8").splitlines()[-1])
    notes = "https://git.example.com/api/v4/projects/5/merge_requests/7/notes"
    assert said[said.index("--request") + 1] == sent
    assert said[-1] == (f"{notes}/{known}" if known else notes)
    assert said[said.index("--data-urlencode") + 1] == "body@plan.md"


def test_the_hook_is_one_that_pre_commit_takes() -> None:
    (hook,) = parsed(HOOKS)
    assert {"id", "name", "entry", "language", "files"} <= set(hook)
    assert re.match(hook["files"], "specs/tenants/clinica-sol.yaml")
    assert not hook["pass_filenames"]
    (repository,) = parsed(CI / "pre-commit-config.yaml")["repos"]
    assert [one["id"] for one in repository["hooks"]] == [hook["id"]]


def test_the_editors_settings_name_schemas_and_files_that_are_there() -> None:
    pairs = json.loads((EXAMPLES / "editors" / "vscode-settings.json").read_text(encoding="utf-8"))["yaml.schemas"]
    for schema, files in pairs.items():
        assert (ROOT / schema).is_file()
        for path in ROOT.glob(files):
            wanted = json.loads((ROOT / schema).read_text(encoding="utf-8"))["title"]
            assert parsed(path)["kind"] == wanted
        assert [*ROOT.glob(files)]
    assert schemas.file_name(platform.SERVER) in {Path(schema).name for schema in pairs}


def test_a_new_repository_has_its_modelines(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert cli.main(["init", str(tmp_path)]) == 0
    kinds = [path for path in (tmp_path / "specs").rglob("*.yaml") if "kind" in parsed(path)]
    assert kinds
    for path in kinds:
        first = path.read_text(encoding="utf-8").split("\n", 1)[0]
        assert first.startswith("# yaml-language-server: $schema=")
        assert (path.parent / first.split("=", 1)[1]).is_file()


def scripts(found: Any) -> Iterator[str]:
    if isinstance(found, dict):
        for name, held in found.items():
            if name == "run":
                yield held
            elif name == "script":
                yield from held
            else:
                yield from scripts(held)
    elif isinstance(found, list):
        for held in found:
            yield from scripts(held)


def stand_in(path: Path, log: Path, output: str, numbers: str = "") -> None:
    """A program that writes its arguments down and prints ``output``, and 0 when asked for the filter ``numbers``."""
    path.write_text(
        f"#!{sys.executable}\nimport json, sys\n"
        # Whoever writes into a pipe that nobody reads fails, now and then.
        f"{numbers!r} and sys.stdin.read()\n"
        f"open({str(log)!r}, 'a').write(json.dumps(sys.argv[1:]) + '\\n')\n"
        f"sys.stdout.write('0' if {numbers!r} and {numbers!r} in sys.argv else {output!r})\n",
        encoding="utf-8",
    )
    path.chmod(0o755)


def run(script: str, folder: Path, **environment: str) -> None:
    path = f"{folder}{os.pathsep}{os.environ['PATH']}"
    subprocess.run(
        ["bash", "--noprofile", "--norc", "-e", "-o", "pipefail", "-c", script],
        cwd=folder,
        env={"PATH": path, **environment},
        check=True,
    )
