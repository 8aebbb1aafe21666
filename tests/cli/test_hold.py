from __future__ import annotations

import json
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import yaml

from reconciler.ports import process
from reconciler.ports.store import standing, tables
from reconciler.ports.store import store as stores

Said = Callable[..., tuple[int, str, str]]
SPEC = "specs/tenants/clinica-sol.yaml"


def conditions(said: Said, tenant: str) -> dict[str, str]:
    [found] = json.loads(said("status", tenant, "--format", "json")[1])["tenants"]
    return {one["type"]: one["message"] for one in found["conditions"]}


def paused(said: Said) -> dict[str, Any] | None:
    found: dict[str, Any] | None = json.loads(said("status", "--format", "json")[1])["paused"]
    return found


def test_a_pause_says_who_why_and_until_when_until_it_is_resumed(past: stores.Store, said: Said) -> None:
    status, out, err = said("pause", "clinica-sol", "--reason", "audit", "--until", "9000-01-31")
    assert (status, out) == (0, "")
    words = f"held until 9000-01-31 23:59:59Z, by {process.actor()}: audit"
    assert words in err
    assert conditions(said, "clinica-sol")["Suspended"] == words
    assert "Suspended: Suspended, held until" in said("status")[1]
    status, _, err = said("resume", "clinica-sol")
    assert status == 0
    assert "no longer held" in err
    assert "Suspended" not in conditions(said, "clinica-sol")


def test_a_moment_is_understood_with_its_offset(past: stores.Store, said: Said) -> None:
    assert said("pause", "clinica-sol", "--reason", "audit", "--until", "9000-01-31T18:00:00-06:00")[0] == 0
    assert past.read(standing.holds)["clinica-sol"].until == "9000-02-01T00:00:00.000000Z"


def test_the_whole_daemon_is_paused_without_a_tenant(past: stores.Store, said: Said) -> None:
    assert said("pause", "--reason", "moving the server")[0] == 0
    found = paused(said)
    assert found is not None
    assert (found["by"], found["reason"], found["until"]) == (process.actor(), "moving the server", None)
    assert "Suspended" not in conditions(said, "clinica-sol")
    assert "Paused: " in said("status")[1]
    assert said("resume")[0] == 0
    assert paused(said) is None


@pytest.mark.parametrize(
    ("words", "said_of_it"),
    [
        (["clinica-sol"], "--reason"),
        (["clinica-sol", "--reason", " "], "says nothing"),
        (["clinica-sol", "--reason", "x", "--until", "soon"], "'soon' is neither"),
        (["clinica-sol", "--reason", "x", "--until", "2027-02-30"], "is neither"),
        (["clinica-sol", "--reason", "x", "--until", "2027-01-31T10:00:00"], "is neither"),
        (["clinica-sol", "--reason", "x", "--until", "2020-01-31"], "is over"),
        (["clinica-sool", "--reason", "x"], "there is no tenant clinica-sool"),
    ],
    ids=str,
)
def test_a_pause_that_would_hold_nobody_is_wrong_usage(
    words: list[str], said_of_it: str, past: stores.Store, said: Said
) -> None:
    status, out, err = said("pause", *words)
    assert (status, out) == (64, "")
    assert said_of_it in err
    assert past.read(standing.holds) == {}


def test_resuming_what_nobody_paused_says_so(past: stores.Store, said: Said) -> None:
    status, _, err = said("resume", "clinica-sol")
    assert status == 0
    assert "nothing in the store held it" in err
    assert said("resume", "nobody")[0] == 64


def test_resuming_names_the_annotation_that_still_holds(past: stores.Store, specs: Path, said: Said) -> None:
    path = specs / SPEC
    note = 'metadata:\n  annotations: {reconciler/suspend: {reason: audit, by: ana, until: "9000-01-31"}}\n'
    path.write_text(path.read_text().replace("metadata:\n", note))
    assert said("pause", "clinica-sol", "--reason", "move")[0] == 0
    err = said("resume", "clinica-sol")[2]
    assert "no longer held until it is released" in err
    assert "its spec holds it until 9000-01-31 23:59:59Z, by ana: audit" in err
    assert f"({SPEC}:" in conditions(said, "clinica-sol")["Suspended"]


def test_a_tenant_can_be_paused_before_it_is_made(past: stores.Store, said: Said) -> None:
    assert said("pause", "abarrotes-lupita", "--reason", "not yet")[0] == 0
    assert set(conditions(said, "abarrotes-lupita")) == {"Ready", "Suspended"}


def test_a_store_of_an_earlier_version_is_given_its_tables(past: stores.Store, said: Said) -> None:
    past.write(lambda connection: tables.holds.drop(connection))
    assert said("resume", "clinica-sol")[0] == 0
    assert said("pause", "clinica-sol", "--reason", "audit")[0] == 0
    assert set(past.read(standing.holds)) == {"clinica-sol"}


def test_without_a_store_there_is_nothing_to_pause(specs: Path, said: Said) -> None:
    assert said("pause", "--reason", "x")[0] == 78


def test_the_annotation_holds_tenants_and_nothing_else(specs: Path, said: Said) -> None:
    path = specs / "specs/platform.yaml"
    data = yaml.safe_load(path.read_text())
    data["metadata"]["annotations"] = {"reconciler/suspend": {"reason": "audit", "by": "ana"}}
    path.write_text(yaml.safe_dump(data))
    status, out, err = said("validate")
    assert status == 65
    assert "holds tenants" in out + err
