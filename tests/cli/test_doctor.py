from __future__ import annotations

import contextlib
import json
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.ports.store import store as stores
from tests.support import server as servers

Said = Callable[..., tuple[int, str, str]]


@pytest.fixture
def served(specs: Path, clean_server: servers.Server, monkeypatch: pytest.MonkeyPatch) -> servers.Server:
    """The repository on a real server, with the provisioning account of the tests."""
    path = specs / "specs/servers/main.yaml"
    text = path.read_text(encoding="utf-8").replace("port: 3306", f"port: {clean_server.port}", 1)
    path.write_text(text.replace("user: provisioner", f"user: {clean_server.user}"), encoding="utf-8")
    monkeypatch.setenv("RECONCILE_MAIN_PASSWORD", clean_server.password)
    return clean_server


def _checks(said: Said) -> tuple[int, dict[str, dict[str, Any]]]:
    status, out, _ = said("doctor", "--format", "json")
    return status, {check["name"]: check for check in json.loads(out)["checks"]}


def test_where_everything_is_there_the_doctor_is_content(served: servers.Server, said: Said) -> None:
    status, found = _checks(said)
    assert status == 0
    assert list(found) == ["python", "specs", "store", "keys", "delivery", "server main", "central database"]
    assert {check["health"] for check in found.values()} == {"ok", "note"}
    assert "MariaDB" in found["server main"]["message"]


def test_a_central_database_that_lost_a_part_is_named(served: servers.Server, said: Said) -> None:
    assert "the first apply makes it" in _checks(said)[1]["central database"]["message"]
    assert said("apply", "--yes")[0] == 0
    status, found = _checks(said)
    assert (status, found["central database"]["health"]) == (0, "ok")
    served.sql("DROP TABLE license_manager.webhook_endpoints")
    status, found = _checks(said)
    assert (status, found["central database"]["code"]) == (3, "central-damaged")
    assert "has lost the table webhook_endpoints" in found["central database"]["message"]


def test_both_lists_of_privileges_are_printed_as_statements(served: servers.Server, said: Said) -> None:
    status, out, err = said("doctor")
    assert (status, err) == (0, "")
    grants = [line for line in out.splitlines() if line.startswith("GRANT ")]
    assert any("CREATE USER" in line for line in grants)
    assert any("`agenda\\_%`.*" in line and "WITH GRANT OPTION" in line for line in grants)
    assert any("SHOW VIEW" in line and "EVENT" in line for line in grants)


def test_a_planning_account_made_by_the_printed_statement_is_told_that_it_can_only_plan(
    served: servers.Server, specs: Path, said: Said, monkeypatch: pytest.MonkeyPatch
) -> None:
    (grants,) = json.loads(said("doctor", "--format", "json")[1])["grants"]
    served.sql("CREATE USER planner IDENTIFIED BY 'p'")
    for statement in grants["planning"]:
        served.sql(statement.rstrip(";"))
    path = specs / "specs/servers/main.yaml"
    text = path.read_text(encoding="utf-8")
    path.write_text(text.replace(f"user: {served.user}", "user: planner"), encoding="utf-8")
    monkeypatch.setenv("RECONCILE_MAIN_PASSWORD", "p")
    status, found = _checks(said)
    assert status == 0
    assert found["server main"]["health"] == "note"
    assert "can only plan" in found["server main"]["message"]


def test_a_password_that_is_not_set_is_a_wrong_configuration(
    served: servers.Server, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    monkeypatch.delenv("RECONCILE_MAIN_PASSWORD")
    status, found = _checks(said)
    assert status == 78
    assert "RECONCILE_MAIN_PASSWORD" in found["server main"]["message"]


def test_a_wrong_password_reads_as_unreachable(
    served: servers.Server, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    monkeypatch.setenv("RECONCILE_MAIN_PASSWORD", "wrong")
    status, found = _checks(said)
    assert status == 69
    assert (found["server main"]["health"], found["server main"]["code"]) == ("failed", "server-unreachable")


def test_all_that_is_wrong_is_found_at_once(
    past: stores.Store, specs: Path, monkeypatch: pytest.MonkeyPatch, said: Said
) -> None:
    monkeypatch.setenv("RECONCILE_MAIN_PASSWORD", "x")
    (specs / "state/keys/sealing.key").unlink()
    (specs / "state/deliveries").write_text("a file")
    (specs / "specs/tenants/clinica-sol.yaml").write_text("kind: [\n")
    path = specs / "specs/servers/main.yaml"
    path.write_text(path.read_text(encoding="utf-8").replace("port: 3306", "port: 1", 1), encoding="utf-8")
    status, found = _checks(said)
    assert status == 78
    assert {name for name, check in found.items() if check["health"] == "failed"} == {
        "specs",
        "keys",
        "delivery",
        "server main",
    }
    assert all(check["advice"] for check in found.values() if check["health"] == "failed")


def test_without_a_platform_the_specs_are_what_is_wrong(specs: Path, said: Said) -> None:
    (specs / "specs/platform.yaml").unlink()
    status, found = _checks(said)
    assert status == 65
    assert list(found) == ["python", "specs"]


def test_a_store_that_is_damaged_is_named(specs: Path, said: Said) -> None:
    (specs / "state").mkdir()
    (specs / "state/reconcile.db").write_text("no database, and long enough to be read as one " * 20)
    status, found = _checks(said)
    assert status == 1
    assert found["store"]["health"] == "failed"
    assert not [number for number in os.listdir("/proc/self/fd") if _opened(number).startswith(str(specs / "state"))]


def _opened(number: str) -> str:
    with contextlib.suppress(FileNotFoundError):  # that of the listing itself is closed already
        return os.readlink(f"/proc/self/fd/{number}")
    return ""


def test_the_doctor_changes_nothing(served: servers.Server, specs: Path, said: Said) -> None:
    before = sorted(specs.rglob("*"))
    said("doctor")
    assert sorted(specs.rglob("*")) == before
