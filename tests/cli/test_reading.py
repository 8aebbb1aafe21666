from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path

import pytest

from reconciler.ports.store import store as stores
from tests.cli import conftest

Said = Callable[..., tuple[int, str, str]]


@pytest.mark.parametrize("words", [["status"], ["history"], ["status", "clinica-sol"]], ids=" ".join)
def test_where_nothing_was_applied_there_is_a_hint_and_an_empty_result(
    words: list[str], specs: Path, said: Said
) -> None:
    status, out, err = said(*words)
    assert (status, out) == (0, "")
    assert "reconcile apply" in err
    assert next(iter(reversed(json.loads(said(*words, "--format", "json")[1]).values()))) == []


def test_status_lists_every_tenant_with_its_conditions(past: stores.Store, said: Said) -> None:
    status, out, err = said("status")
    assert (status, err) == (0, "")
    luna, sol = (line for line in out.splitlines() if line.startswith("clinica-"))
    assert "provisioning" in luna
    assert "False" in luna
    assert "True" in sol
    assert "Stalled: RollbackFailed" in out
    assert out.endswith("1 of 2 ready.\n")


def test_status_of_one_tenant_for_programs(past: stores.Store, said: Said) -> None:
    status, out, _ = said("status", "clinica-luna", "--format", "json")
    (found,) = json.loads(out)["tenants"]
    assert status == 0
    assert (found["tenant"], found["product"], found["state"]) == ("clinica-luna", "agenda-ia", "provisioning")
    assert {(one["type"], one["status"], one["reason"]) for one in found["conditions"]} == {
        ("Ready", "False", "RollbackFailed"),
        ("Stalled", "True", "RollbackFailed"),
        ("RollbackFailed", "True", "RollbackFailed"),
    }


def test_status_of_a_tenant_that_nobody_knows_is_wrong_usage(past: stores.Store, said: Said) -> None:
    assert said("status", "nobody")[0] == 64


def test_history_is_newest_first_and_can_be_narrowed(past: stores.Store, said: Said) -> None:
    found = json.loads(said("history", "--format", "json")[1])["transactions"]
    assert [one["transaction"] for one in found] == [conftest.STUCK, conftest.COMMITTED]
    (only,) = json.loads(said("history", "clinica-sol", "--format", "json")[1])["transactions"]
    assert only["tenant"] == "clinica-sol"
    assert only["outcome"] == "applied"
    assert len(json.loads(said("history", "--limit", "1", "--format", "json")[1])["transactions"]) == 1
    assert said("history")[1].splitlines()[1].split()[2:6] == ["22222222", "clinica-luna", "create", "stuck"]


def test_the_first_digits_of_a_transaction_are_enough(past: stores.Store, said: Said) -> None:
    status, out, _ = said("show", "22")
    assert status == 0
    assert conftest.STUCK in out
    assert "left over: database main/agenda_clinica_sol: it has lost its mark" in out
    assert "clear it: DROP DATABASE x;" in out
    assert json.loads(said("show", "1", "--format", "json")[1])["transaction"] == conftest.COMMITTED


@pytest.mark.parametrize("identity", ["3", "", "%", "_"])
def test_a_transaction_that_is_not_there_is_wrong_usage(identity: str, past: stores.Store, said: Said) -> None:
    assert said("show", identity)[0] == 64


def test_a_journal_that_was_tampered_with_is_reported(past: stores.Store, specs: Path, said: Said) -> None:
    past.write(lambda connection: connection.exec_driver_sql("UPDATE journal SET body = '{}' WHERE kind = 'committed'"))
    status, _, err = said("show", "1")
    assert status == 1
    assert "was changed after it was written" in err


def test_looking_back_needs_no_valid_tenants(past: stores.Store, specs: Path, said: Said) -> None:
    (specs / "specs/tenants/clinica-sol.yaml").write_text("kind: [\n")
    for words in (["status"], ["history"], ["show", "1"], ["secrets", "show", "clinica-sol"]):
        status, out, err = said(*words)
        assert status == 0
        assert out
        assert "reconcile validate" in err


def test_secrets_are_printed_by_one_command_only(past: stores.Store, said: Said) -> None:
    assert said("secrets", "show", "clinica-sol") == (0, "db.app = the-planted-canary\n", "")
    assert said("secrets", "show", "clinica-sol", "db.app") == (0, "the-planted-canary\n", "")
    assert json.loads(said("secrets", "show", "clinica-sol", "--format", "json")[1]) == {
        "formatVersion": 1,
        "tenant": "clinica-sol",
        "secrets": {"db.app": "the-planted-canary"},
    }
    for words in (["status"], ["history"], ["show", "1"], ["doctor"], ["validate"]):
        for form in ("text", "json"):
            assert "canary" not in "".join(map(str, said(*words, "--format", form)))


def test_a_secret_that_is_not_there_is_told_from_those_that_are(past: stores.Store, said: Said) -> None:
    status, out, err = said("secrets", "show", "clinica-sol", "db.ap")
    assert (status, out) == (64, "")
    assert "db.app" in err
    assert said("secrets", "show", "nobody")[0] == 64


def test_without_the_key_no_secret_is_shown(past: stores.Store, specs: Path, said: Said) -> None:
    (specs / "state/keys/sealing.key").unlink()
    status, out, err = said("secrets", "show", "clinica-sol")
    assert (status, out) == (78, "")
    assert "sealing.key" in err


def test_with_another_key_no_secret_is_shown(past: stores.Store, specs: Path, said: Said) -> None:
    (specs / "state/keys/sealing.key").write_text("00" * 32)
    assert said("secrets", "show", "clinica-sol")[:2] == (78, "")


def test_secrets_without_a_store_are_a_wrong_configuration(specs: Path, said: Said) -> None:
    assert said("secrets", "show", "clinica-sol")[0] == 78


def test_all_errors_are_listed_and_each_is_explained(said: Said) -> None:
    status, out, _ = said("explain")
    assert status == 0
    for line in out.splitlines():
        exit_status, code, _ = line.split(maxsplit=2)
        shown = said("explain", code)
        assert shown[0] == 0
        assert f"exit {exit_status}" in shown[1]


def test_a_mistyped_error_is_answered_with_the_nearest_one(said: Said) -> None:
    assert "Did you mean isolation?" in said("explain", "isolaton")[2]


@pytest.mark.parametrize(
    "kind", ["Platform", "DatabaseServer", "AgendaTenant", "PosTenant", "AgendaProduct", "PosProduct"]
)
def test_every_kind_has_a_schema(kind: str, said: Said) -> None:
    status, out, _ = said("schema", kind)
    assert status == 0
    assert json.loads(out)["title"] == kind
    assert said("schema", kind.lower()) == (0, out, "")
