from __future__ import annotations

import re
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import click
import pytest

from reconciler.cli import manual, options, program, reference

Said = Callable[..., tuple[int, str, str]]

HEAVY = ("sqlalchemy", "jsonschema", "pymysql", "cryptography", "rich", "alembic", "yaml", "watchfiles")
PAGES = list(reference.walk(program.reconcile, ("reconcile",)))


@pytest.mark.parametrize("words", [["--help"], ["--version"], ["no-such-command"], []], ids=" ".join)
def test_help_version_and_mistakes_load_nothing_heavy(words: list[str]) -> None:
    code = f"import sys; from reconciler import cli; cli.main({words!r}); print(*sys.modules, file=sys.stderr)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    loaded = {name.partition(".")[0] for name in done.stderr.splitlines()[-1].split()}
    assert loaded & set(HEAVY) == set()
    assert "click" in loaded


def test_the_table_names_every_command_as_it_names_itself() -> None:
    context = click.Context(program.reconcile)
    for name in program.COMMANDS:
        command = program.reconcile.get_command(context, name)
        assert command is not None
        assert command.name == name


@pytest.mark.parametrize(("words", "command"), PAGES, ids=[" ".join(words) for words, _ in PAGES])
def test_every_command_has_a_help_page_with_examples_and_exit_statuses(
    words: tuple[str, ...], command: click.Command, said: Said
) -> None:
    status, out, _ = said(*words[1:], "--help")
    assert status == 0
    assert out.startswith(f"Usage: {' '.join(words)}")
    if not isinstance(command, click.Group):
        assert "Examples:" in out
        assert f"  {' '.join(words)}" in out.partition("Examples:")[2]
        statuses = re.findall(r"^ +(\d+)  \S", out.partition("Exit status:")[2].partition("Options:")[0], re.MULTILINE)
        assert "64" in statuses
        assert {int(status) for status in statuses} <= set(manual.EXITS)


@pytest.mark.parametrize(
    "words",
    [
        ["--no-such-flag"],
        ["no-such-command"],
        [],
        ["plan", "--no-such-flag"],
        ["plan", "too", "many"],
        ["plan", "--format", "xml"],
        ["apply", "--parallel", "0"],
        ["apply", "--parallel", "many"],
        ["apply", "--atomic", "some"],
        ["explain", "no-such-code"],
        ["schema", "NoSuchKind"],
        ["schema"],
        ["secrets"],
        ["secrets", "show"],
        ["-C", "/no/such/folder", "plan"],
        ["--color", "sometimes", "plan"],
    ],
    ids=" ".join,
)
def test_wrong_usage_ends_with_64_and_never_with_2(words: list[str], said: Said) -> None:
    status, out, err = said(*words)
    assert status == 64
    assert out == ""
    assert err


def test_a_mistyped_command_is_answered_with_the_nearest_one(said: Said) -> None:
    assert "Did you mean apply?" in said("aply")[2]


@pytest.mark.parametrize("word", ["-C", "--verbose", "--color"])
def test_a_global_option_behind_the_command_is_told_where_it_belongs(word: str, said: Said) -> None:
    status, _, err = said("plan", word, "x")
    assert status == 64
    assert f"{word} stands before the command" in err


@pytest.mark.parametrize(
    ("given", "read"),
    [
        (["--plan"], ["plan"]),
        (["--apply", "--yes"], ["apply", "--yes"]),
        (["-C", "here", "--verbose", "--color=never", "--plan"], ["-C", "here", "--verbose", "--color=never", "plan"]),
        (["-Chere", "--color", "never", "--apply"], ["-Chere", "--color", "never", "apply"]),
        (["history", "--plan"], ["history", "--plan"]),
        (["-C"], ["-C"]),
    ],
    ids=str,
)
def test_plan_and_apply_may_be_written_as_flags_in_the_first_place_only(given: list[str], read: list[str]) -> None:
    assert program.worded(given) == read


def test_flags_in_the_first_place_run_the_commands(said: Said) -> None:
    for word in ("plan", "apply"):
        assert said(f"--{word}", "--help") == said(word, "--help")


def test_the_repository_is_the_nearest_folder_upwards_with_specs(specs: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(specs / "specs" / "tenants")
    assert options.Call().root == specs


def test_without_a_repository_the_way_to_one_is_shown(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    monkeypatch.chdir(tmp_path)
    status, _, err = said("plan")
    assert status == 64
    assert "-C DIR" in err
    assert "reconcile init" in err


def test_a_folder_without_specs_that_is_named_has_invalid_specs(tmp_path: Path, said: Said) -> None:
    status, _, err = said("-C", str(tmp_path), "plan")
    assert status == 65
    assert "there is no folder `specs` here" in err


def test_the_module_runs_as_the_program_does() -> None:
    done = subprocess.run([sys.executable, "-m", "reconciler", "--version"], capture_output=True, text=True, check=True)
    assert re.fullmatch(r"reconcile \d+\.\d+\.\d+\n", done.stdout)
    assert subprocess.run([sys.executable, "-m", "reconciler", "--foo"], capture_output=True).returncode == 64


@pytest.mark.parametrize("name", reference.pages())
def test_the_generated_documentation_is_fresh(name: str) -> None:
    docs = Path(__file__).parents[2] / "docs"
    assert (docs / name).read_text(encoding="utf-8") == reference.pages()[name], (
        "python -m reconciler.cli.reference docs"
    )


def test_the_documentation_does_not_depend_on_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "40")
    narrow = reference.commands()
    monkeypatch.setenv("COLUMNS", "200")
    assert reference.commands() == narrow
