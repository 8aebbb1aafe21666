"""What the documents say is there: links, files, commands, statements, columns, members of JSON."""

from __future__ import annotations

import re
import shlex
import urllib.parse
from collections.abc import Iterator, Mapping
from pathlib import Path
from typing import Any

import pytest

from reconciler import errors
from reconciler.cli import manual, program, reference
from reconciler.engine import preflight
from reconciler.engine import setting as settings
from reconciler.model.states import TransactionState
from reconciler.ports.central import view
from reconciler.ports.ports import Ports
from reconciler.ports.store import audit
from reconciler.ports.store.outbox import Letter
from reconciler.report import data, outbox, tenants, transaction, why
from reconciler.spec import metadata
from tests.docs import generated, walk
from tests.report import samples, test_tenants, test_why

ROOT = Path(__file__).parents[2]
README = ROOT / "README.md"
CONTRACT = ROOT / "docs" / "contract.md"
PAGES = [README, ROOT / "CHANGELOG.md", *sorted((ROOT / "docs").rglob("*.md"))]
COMMANDS = {" ".join(words[1:]): command for words, command in reference.walk(program.reconcile, ("reconcile",))}
NO_FILES = {
    "reconciler/products/gym.py",  # the product that a reader is to write
    "reconciler/v1",
    *metadata.ANNOTATIONS,
}
FENCE = re.compile(r"^```\w*\n.*?^```$", re.MULTILINE | re.DOTALL)


def relative(page: Path) -> str:
    return page.relative_to(ROOT).as_posix()


def links(page: Path) -> Iterator[str]:
    text = FENCE.sub("", page.read_text(encoding="utf-8"))
    yield from (found for found in re.findall(r"\]\(([^)\s]+)\)", text) if not found.startswith(("http:", "https:")))


def anchors(page: Path) -> set[str]:
    """As GitHub makes them of the headings."""
    headings = re.findall(r"^#+ (.+)$", FENCE.sub("", page.read_text(encoding="utf-8")), re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", heading.lower()).replace(" ", "-") for heading in headings}


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_link_leads_somewhere(page: Path) -> None:
    for link in links(page):
        path, _, anchor = urllib.parse.unquote(link).partition("#")
        target = (page.parent / path).resolve() if path else page
        assert target.exists(), f"{relative(page)} links {link}"
        if anchor:
            assert anchor in anchors(target), f"{relative(page)} links {link}"


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_file_of_the_code_that_is_named_is_there(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    for name in re.findall(r"`((?:reconciler|tests|scripts)/[\w./-]+)`", text):
        if name not in NO_FILES:
            assert (ROOT / name).exists(), f"{relative(page)} names {name}"


@pytest.mark.parametrize("page", PAGES, ids=relative)
def test_every_command_that_is_named_is_there_with_its_options(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    typed = [command.text for commands in walk.blocks(text) for command in commands]
    shell = "\n".join([*re.findall(r"^```sh\n(.*?)^```$", text, re.MULTILINE | re.DOTALL), *typed])
    said = re.findall(r"`(reconcile [^`]+)`", FENCE.sub("", text)) + re.findall(r"\breconcile [^\n|&>()$]*", shell)
    for line in said:
        words = shlex.split(line, comments=True)[1:]
        if len(words) > 1 and words[0] == "-C":
            words = words[2:]
        if not words or words[0].isupper() or words[0] in ("--help", "--version"):
            continue
        words[0] = words[0].removeprefix("--")  # --plan and --apply read as commands
        name = " ".join(words[:2]) if " ".join(words[:2]) in COMMANDS else words[0]
        assert name in COMMANDS, f"{relative(page)} names `{line}`"
        offered = {option for parameter in COMMANDS[name].params for option in parameter.opts} | {"-h", "--help"}
        for option in (word.split("=")[0] for word in words if word.startswith("-")):
            assert option in offered, f"{relative(page)} names `{line}`"


@pytest.mark.parametrize("page", generated.DOCUMENTS, ids=relative)
def test_generated_parts_are_fresh(page: Path) -> None:
    text = page.read_text(encoding="utf-8")
    assert generated.fresh(text) == text, f"`python -m tests.docs.generated` writes {relative(page)} anew"


def test_the_architecture_draws_every_floor() -> None:
    text = (ROOT / "docs" / "ARCHITECTURE.md").read_text(encoding="utf-8")
    drawn = re.findall(r"^[a-z| ]+?(?=  )", text.split("```")[1], re.MULTILINE)
    there = [floor for floor in generated.floors() if [*(ROOT / "reconciler").glob(f"{floor}.py")] or code(floor)]
    assert [floor.strip() for line in drawn for floor in line.split("|")] == there


def code(floor: str) -> list[Path]:
    return [*(ROOT / "reconciler" / floor).rglob("*.py")]


def test_the_readme_has_the_statements_that_doctor_prints() -> None:
    setting = settings.load_setting(ROOT, Ports())
    try:
        statements = preflight.grants_needed(setting, setting.servers["main"])
    finally:
        if setting.store is not None:
            setting.store.close()
    shown = re.findall(r"^GRANT .*;$", README.read_text(encoding="utf-8"), re.MULTILINE)
    assert shown == statements


def test_the_readme_tells_every_exit_status_that_can_happen() -> None:
    table = README.read_text(encoding="utf-8").split("## Exit statuses")[1].split("##")[0]
    told = {int(number) for row in re.findall(r"^\| ([\d, ]+) \|", table, re.MULTILINE) for number in row.split(", ")}
    assert told == set(manual.EXITS)


def test_the_contract_has_the_central_tables_column_by_column() -> None:
    text = CONTRACT.read_text(encoding="utf-8")
    for table, columns in view.COLUMNS.items():
        row = next(line for line in text.splitlines() if line.startswith(f"| `{table}` |"))
        _, _, key, rest, _ = row.split("|")
        assert re.findall(r"`(\w+)`", key) == list(view.KEYS[table])
        assert {*re.findall(r"`(\w+)`", key + rest), "platform_id", "transaction_id"} == set(columns)


SHAPES: Mapping[str, Mapping[str, Any]] = {
    "validate": data.faults([errors.Fault(errors.Where("a.yaml", 1, 1), "is wrong", rule="unknown-key")]),
    "plan": data.plan(samples.PLAN),
    "apply": data.outcomes(samples.OUTCOMES),
    "history": tenants.history_data([samples.head()]),
    "history --verify": tenants.audit_data(audit.Audit(2, 4, audit.End(2, "0" * 64), ("record 1 was changed",))),
    "outbox list": outbox.data([Letter("1.2", "ops", "one", "applied", {}, "2027-01-31T12:00:00.000000Z")]),
    "status": tenants.status_data(test_tenants.FOUND),
    "why": why.data(test_why.WORST),
    "show": transaction.as_data(samples.head(TransactionState.STUCK), samples.STUCK),
}


@pytest.mark.parametrize("command", SHAPES)
def test_the_contract_names_every_member_of_json(command: str) -> None:
    section = CONTRACT.read_text(encoding="utf-8").split("## 6. JSON")[1]
    row = next(line for line in section.splitlines() if line.startswith(f"| `{command}`"))
    if command == "why":
        row += next(line for line in section.splitlines() if line.startswith("| `status`"))
    if command in ("show", "status", "why"):
        row += next(line for line in section.splitlines() if line.startswith("| `history`"))
    told = set(re.findall(r"`(\w+)`", row))
    told |= {
        word for line in section.splitlines() if line.startswith("- A **") for word in re.findall(r"`(\w+)`", line)
    }
    free = ("body", "summary") if command in ("show", "plan") else ()
    assert members(SHAPES[command], free) - told - {"formatVersion", "file", "line", "column"} == set()


def members(value: Any, free: tuple[str, ...]) -> set[str]:
    """The names of all members, those below the members ``free`` left out."""
    if isinstance(value, Mapping):
        below = (members(held, free) for name, held in value.items() if name not in free)
        return set(value).union(*below)
    if isinstance(value, list):
        return set[str]().union(*(members(held, free) for held in value))
    return set()


# --- the walk itself --------------------------------------------------------------------------------------------


def test_a_block_is_read_as_commands_with_their_outputs() -> None:
    text = "a\n```console\n$ one\nfirst\n\n$ two \\\n> three\n$ four\n```\nb\n```sh\n$ five\n```\n"
    expected = [walk.Command("one", "first\n\n"), walk.Command("two \\\nthree", ""), walk.Command("four", "")]
    assert walk.blocks(text) == [expected]


def test_a_document_is_rewritten_in_place() -> None:
    text = "a\n```console\n$ one\nfirst\n$ two\n> three\n```\nb\n"
    assert walk.rewritten(text, [["1\n", "2\n"]]) == "a\n```console\n$ one\n1\n$ two\n> three\n2\n```\nb\n"


@pytest.mark.parametrize(
    ("one", "other"),
    [
        ("+ sol  applied  1.4 s  d1be12c4", "+ sol  applied  12.0 s  11223344"),
        ("2026-11-24 07:43:59Z  d1be12c4", "2027-01-01 00:00:00Z  abcdefab"),
        ("applied  0.1      specs@sha256:16f5def223e2", "applied  10.1     specs@sha256:000000000000"),
    ],
)
def test_what_differs_from_run_to_run_is_alike(one: str, other: str) -> None:
    assert walk.alike(one) == walk.alike(other)


@pytest.mark.parametrize(
    ("one", "other"),
    [("[1/15] database", "[1/16] database"), ("Apply: 1 applied.", "Apply: 2 applied."), ("exit 6", "exit 7")],
)
def test_what_a_run_says_is_not_alike(one: str, other: str) -> None:
    assert walk.alike(one) != walk.alike(other)
