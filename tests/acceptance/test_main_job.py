"""The main job as its users meet it: init, plan, apply; every item of the contract is there, or nothing is.

Nothing here calls the program's own code: it runs in a process of its own, and the world is looked at with other
tools than those that made it.
"""

from __future__ import annotations

import base64
import hashlib
import json
import re
import shutil
import socket
import stat
import subprocess
from collections.abc import Iterator
from pathlib import Path

import argon2
import dotenv
import pymysql
import pytest
import yaml
from cryptography.hazmat.primitives.asymmetric.ed25519 import Ed25519PublicKey

from tests.support import server as servers
from tests.support.repository import PASSWORD, Repository

AGENDA, POS = "clinica-sol", "abarrotes-lupita"
ACTIONS = ("create", "update", "repair", "trash", "restore", "adopt", "unchanged", "orphaned", "blocked")


@pytest.fixture
def offline(tmp_path: Path, server: servers.Server) -> Repository:
    """The same, for what never gets as far as a server."""
    made = Repository(tmp_path / "shop", server)
    made.run("init", "shop", expect=0, cwd=tmp_path)
    return made


@pytest.fixture(scope="module")
def applied(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Repository]:
    """A repository with both sample tenants applied, on a server of its own: for tests that only look."""
    root = tmp_path_factory.mktemp("applied")
    with servers.private_server() as server:
        made = Repository.made(root / "shop", server)
        made.run("apply", "--yes", expect=0)
        yield made


# --- the whole way ----------------------------------------------------------------------------------------


def test_init_plan_apply_and_then_there_is_nothing_left_to_do(repository: Repository) -> None:
    before = repository.world()
    assert "2 to create" in repository.run("--plan", expect=0)
    repository.run("--plan", "--detailed-exitcode", expect=2)
    assert repository.world() == before
    repository.run("--apply", "--yes", expect=0)
    ready = repository.world()
    for tenant in (AGENDA, POS):
        assert {row["state"] for row in repository.rows("tenants", tenant, "name")} == {"active"}
    repository.run("plan", "--detailed-exitcode", expect=0)
    repository.run("plan", "--deep", "--detailed-exitcode", expect=0)
    outcomes = repository.data("apply", "--yes", expect=0)["outcomes"]
    assert {outcome["outcome"] for outcome in outcomes} == {"unchanged"}
    repository.run("recover", expect=0)
    assert repository.world() == ready


def test_each_product_has_what_the_contract_lists_in_the_central_system(applied: Repository) -> None:
    [agenda], [pos] = (applied.rows("tenants", name, "name") for name in (AGENDA, POS))
    assert (agenda["product"], agenda["display_name"], agenda["server"], agenda["database_name"]) == (
        *("agenda-ia", "Clínica Sol", "main"),
        "agenda_clinica_sol",
    )
    assert (agenda["domain"], agenda["plan"]) == ("clinica-sol.example.com", "pro")
    assert (pos["product"], pos["display_name"], pos["server"], pos["database_name"]) == (
        *("pos-tree-codes", "Abarrotes Lupita", "main"),
        "pos_abarrotes_lupita",
    )
    for row in (agenda, pos):
        assert re.fullmatch(r"specs@sha256:[0-9a-f]{64}", row["revision"])
    [of_agenda], [of_pos] = (applied.rows("licenses", name) for name in (AGENDA, POS))
    assert (of_agenda["product"], of_agenda["status"]) == ("agenda-ia", "active")
    assert (of_pos["product"], of_pos["status"], of_pos["max_devices"]) == ("pos-tree-codes", "active", 3)
    assert str(of_pos["expires_at"]) == "2027-12-31"
    assert of_pos["key_id"]
    [device] = applied.rows("license_devices", of_pos["serial"], "serial")
    assert device["name"] == "caja-1"
    assert "8f3c1d7a52e94b06" not in device["hardware"]
    [hook] = applied.rows("webhook_endpoints", AGENDA)
    assert (hook["name"], hook["url"]) == ("crm", "https://crm.example.com/hook")
    assert json.loads(hook["events"]) == ["appointment.created", "appointment.cancelled"]


def test_agenda_ia_has_a_whole_database_with_its_plans_and_one_administrator(applied: Repository) -> None:
    server = applied.server
    [(charset,)] = server.sql(
        "SELECT DEFAULT_CHARACTER_SET_NAME FROM information_schema.SCHEMATA WHERE SCHEMA_NAME = 'agenda_clinica_sol'"
    )
    assert charset == "utf8mb4"
    wanted = yaml.safe_load((applied.root / "specs/products/agenda-ia/product.yaml").read_text())["spec"]["plans"]
    plans = server.sql("SELECT code, name, price_cents, currency FROM agenda_clinica_sol.plans ORDER BY price_cents")
    assert plans == [(plan["code"], plan["name"], plan["priceCents"], plan["currency"]) for plan in wanted]
    [admin] = server.records("SELECT * FROM agenda_clinica_sol.users")
    given = json.loads((applied.delivery(AGENDA) / "admin.json").read_text())
    assert (admin["name"], admin["email"]) == ("Ana Ruiz", "ana@example.com") == (given["name"], given["email"])
    assert admin["password_hash"].startswith("$argon2id$")
    assert argon2.PasswordHasher().verify(admin["password_hash"], given["oneTimePassword"])


@pytest.mark.parametrize(("tenant", "database"), [(AGENDA, "agenda_clinica_sol"), (POS, "pos_abarrotes_lupita")])
def test_the_delivered_credential_logs_in_and_reaches_no_neighbour(
    applied: Repository, tenant: str, database: str
) -> None:
    values = dotenv.dotenv_values(applied.delivery(tenant) / ".env")
    assert values["DB_DATABASE"] == database
    assert values["DB_USERNAME"] == f"{database}_app"
    with pymysql.connect(
        host=values["DB_HOST"],
        port=int(values["DB_PORT"] or 0),
        user=values["DB_USERNAME"],
        password=values["DB_PASSWORD"] or "",
        database=values["DB_DATABASE"],
    ) as connection:
        cursor = connection.cursor()
        cursor.execute("SHOW DATABASES")
        assert {name for (name,) in cursor.fetchall()} == {"information_schema", database}
        cursor.execute("SHOW TABLES")
        assert len(cursor.fetchall()) > 5
        for refused in (
            "SELECT * FROM license_manager.tenants",
            "SELECT * FROM mysql.global_priv",
            "CREATE TABLE mine (id INT)",
            f"DROP DATABASE {database}",
            "CREATE USER somebody",
        ):
            with pytest.raises(pymysql.MySQLError):
                cursor.execute(refused)
    # The other account owns the schema, and is locked.
    locked = "SELECT JSON_VALUE(Priv, '$.account_locked') FROM mysql.global_priv WHERE User = %s"
    assert applied.server.sql(locked, f"{database}_own") == [("1",)]


@pytest.mark.parametrize("tenant", [AGENDA, POS])
def test_the_env_file_reads_the_same_in_dotenv_and_in_a_shell(applied: Repository, tenant: str) -> None:
    folder = applied.delivery(tenant)
    values = dotenv.dotenv_values(folder / ".env")
    assert {"DB_HOST", "DB_PORT", "DB_DATABASE", "DB_USERNAME", "DB_PASSWORD"} <= values.keys()
    if tenant == AGENDA:
        hooks = [value for name, value in values.items() if "WEBHOOK" in name]
        assert len(hooks) == 1
        assert hooks[0] is not None
        assert len(base64.b64decode(hooks[0].removeprefix("whsec_"), validate=True)) == 32
    shown = "".join(f'printf "%s\\0" "${name}";' for name in values)
    read = subprocess.run(
        ["sh", "-euc", f". ./.env; {shown}"], cwd=folder, env={}, capture_output=True, text=True, check=True
    )
    assert read.stdout.split("\0")[:-1] == list(values.values())


@pytest.mark.parametrize(
    ("tenant", "files"),
    [
        (AGENDA, {".env", "admin.json", "manifest.json"}),
        (POS, {".env", "license.lic", "device-policy.json", "manifest.json"}),
    ],
)
def test_the_manifest_lists_every_file_and_nobody_else_may_read_them(
    applied: Repository, tenant: str, files: set[str]
) -> None:
    folder = applied.delivery(tenant)
    assert {path.name for path in folder.iterdir()} == files
    manifest = json.loads((folder / "manifest.json").read_text())
    listed = {entry["name"]: entry["sha256"] for entry in manifest["files"]}
    assert listed == {
        name: hashlib.sha256((folder / name).read_bytes()).hexdigest() for name in files - {"manifest.json"}
    }
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert {stat.S_IMODE(path.stat().st_mode) for path in folder.iterdir()} == {0o600}


def test_the_license_verifies_offline_and_against_its_signature_only(applied: Repository, tmp_path: Path) -> None:
    desk = tmp_path / "desk"
    desk.mkdir()
    shutil.copy(applied.delivery(POS) / "license.lic", desk)
    shutil.copy(applied.root / "state/keys/license-keys.json", desk / "keys.json")
    (desk / "caja-1.json").write_text(
        json.dumps({"machineId": "8f3c1d7a52e94b06a1c47e90d25b6f38", "boardSerial": "PF2K9X1B"})
    )
    (desk / "other.json").write_text(json.dumps({"machineId": "0f3c1d7a52e94b06a1c47e90d25b6f38"}))
    applied.run("license", "verify", str(applied.delivery(POS) / "license.lic"), expect=0)
    verify = ("license", "verify", "license.lic", "--keys", "keys.json")
    assert applied.run(*verify, expect=0, cwd=desk).startswith("VALID")
    applied.run(*verify, "--hardware", "caja-1.json", expect=0, cwd=desk)
    applied.run(*verify, "--hardware", "other.json", expect=3, cwd=desk)
    applied.run(*verify, "--at", "2028-01-15", expect=3, cwd=desk)
    # The same with nothing of the program: armor, JSON, Ed25519.
    armored = (desk / "license.lic").read_text().splitlines()
    envelope = json.loads(base64.b64decode("".join(armored[1:-1])))
    ring = json.loads((desk / "keys.json").read_text())
    [public] = [key for key in ring["keys"] if key["kid"] == envelope["kid"]]
    key = Ed25519PublicKey.from_public_bytes(base64.b64decode(public["public"]))
    signed = "/".join([envelope["typ"], str(envelope["ver"]), envelope["alg"], envelope["kid"], envelope["enc"]])
    key.verify(base64.b64decode(envelope["sig"]), signed.encode())
    said = json.loads(base64.b64decode(envelope["enc"]))
    [row] = applied.rows("licenses", POS)
    assert (said["tenant"], said["serial"], said["maxDevices"]) == (POS, row["serial"], 3)
    damaged = (desk / "license.lic").read_text().replace(armored[3], armored[3][::-1])
    (desk / "license.lic").write_text(damaged)
    applied.run(*verify, expect=3, cwd=desk)


def test_a_suspended_tenant_can_not_log_in_and_comes_back_with_the_same_password(repository: Repository) -> None:
    repository.run("apply", "--yes", "--tenant", AGENDA, expect=0)
    values = dotenv.dotenv_values(repository.delivery(AGENDA) / ".env")

    def log_in() -> None:
        pymysql.connect(
            host=values["DB_HOST"],
            port=int(values["DB_PORT"] or 0),
            user=values["DB_USERNAME"],
            password=values["DB_PASSWORD"] or "",
        ).close()

    log_in()
    repository.edit(f"specs/tenants/{AGENDA}.yaml", "state: active", "state: suspended")
    repository.run("apply", "--yes", "--tenant", AGENDA, expect=0)
    assert repository.rows("tenants", AGENDA, "name")[0]["state"] == "suspended"
    with pytest.raises(pymysql.MySQLError):
        log_in()
    repository.edit(f"specs/tenants/{AGENDA}.yaml", "state: suspended", "state: active")
    repository.run("apply", "--yes", "--tenant", AGENDA, expect=0)
    log_in()


# --- how it ends ------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "words",
    [
        pytest.param(["apply"], id="no-terminal-and-no-yes"),
        pytest.param(["plan", "--no-such-flag"], id="unknown-flag"),
        pytest.param(["plann"], id="unknown-command"),
        pytest.param(["plan", "--format", "xml"], id="unknown-format"),
        pytest.param([], id="nothing"),
    ],
)
def test_wrong_usage_ends_with_64(offline: Repository, words: list[str]) -> None:
    offline.edit("specs/servers/main.yaml", "port: 3306", f"port: {offline.server.port}")
    out, err = offline.call(*words, expect=64)
    assert out == ""
    assert err


def test_specs_that_are_wrong_end_with_65_and_are_all_shown_with_their_place(offline: Repository) -> None:
    offline.edit(f"specs/tenants/{AGENDA}.yaml", "plan: pro ", "plan: prro ")
    offline.edit(f"specs/tenants/{POS}.yaml", "cloudSync:", "cloudSynk:")
    offline.edit(f"specs/tenants/{POS}.yaml", "graceDays: 14", "graceDays: lots")
    out = offline.run("validate", expect=65)
    places = set(re.findall(r"^(specs/\S+?:\d+:\d+):? .*error", out, re.MULTILINE)) or set(
        re.findall(r"specs/[\w/.-]+:\d+:\d+", out)
    )
    lines = {
        f"{file}:{number}:{line.index(word) + shift}"
        for file, word, shift in (
            (f"specs/tenants/{AGENDA}.yaml", "prro", 1),
            (f"specs/tenants/{POS}.yaml", "cloudSynk", 1),
            (f"specs/tenants/{POS}.yaml", "lots", 1),
        )
        for number, line in enumerate((offline.root / file).read_text().splitlines(), 1)
        if word in line
    }
    assert places == lines
    assert "cloudSync" in out  # the nearest known key
    faults = json.loads(offline.run("validate", "--format", "json", expect=65))["faults"]
    assert {f"{f['where']['file']}:{f['where']['line']}:{f['where']['column']}" for f in faults} == lines
    offline.run("plan", expect=65)
    offline.run("apply", "--yes", expect=65)


def test_specs_that_are_right_validate_without_a_server(offline: Repository) -> None:
    del offline.environment[PASSWORD]
    offline.run("validate", expect=0)


def test_a_server_that_does_not_answer_ends_with_69(offline: Repository) -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        offline.edit("specs/servers/main.yaml", "port: 3306", f"port: {free.getsockname()[1]}")
    for words in (["plan"], ["apply", "--yes"]):
        offline.run(*words, expect=69)


def test_a_password_that_is_not_there_ends_with_78(offline: Repository) -> None:
    del offline.environment[PASSWORD]
    _, err = offline.call("plan", expect=78)
    assert PASSWORD in err
    offline.run("apply", "--yes", expect=78)


def test_what_belongs_to_somebody_else_is_refused_with_3_and_left_alone(repository: Repository) -> None:
    repository.server.sql("CREATE DATABASE agenda_clinica_sol")
    repository.server.sql("CREATE TABLE agenda_clinica_sol.theirs (id INT PRIMARY KEY)")
    dump = repository.server.dump(["agenda_clinica_sol"])
    found = repository.data("plan", expect=3)
    [blocked] = [entry for entry in found["tenants"] if entry["tenant"] == AGENDA]
    assert (blocked["action"], [reason["code"] for reason in blocked["blockers"]]) == ("blocked", ["foreign"])
    outcomes = {entry["tenant"]: entry for entry in repository.data("apply", "--yes", expect=3)["outcomes"]}
    assert outcomes[AGENDA]["outcome"] == "blocked"
    assert outcomes[POS]["outcome"] == "applied"
    assert repository.server.dump(["agenda_clinica_sol"]) == dump
    assert not repository.delivery(AGENDA).exists()
    assert repository.rows("tenants", AGENDA, "name") == []


def test_a_tenant_that_fails_is_rolled_back_in_full_and_ends_with_6(repository: Repository) -> None:
    repository.run("apply", "--yes", "--tenant", POS, expect=0)
    path = repository.root / "specs/products/agenda-ia/schema/9999_wrong.sql"
    path.write_text("CREATE TABLE late (id INT PRIMARY KEY, at NO_SUCH_TYPE);\n")
    before = repository.world()
    [outcome] = repository.data("apply", "--yes", "--tenant", AGENDA, expect=6)["outcomes"]
    assert outcome["outcome"] == "rolled-back"
    assert outcome["error"]["step"] == "schema"
    assert "9999_wrong.sql:1" in outcome["error"]["message"]
    assert before.difference(repository.world()) == []


# --- for programs -----------------------------------------------------------------------------------------


def test_what_programs_read_has_the_shape_of_the_contract(repository: Repository) -> None:
    plan = repository.data("plan", expect=0)
    assert {"formatVersion", "revision", "createdAt", "deep", "fingerprint", "summary", "platform", "tenants"} <= {
        *plan
    }
    assert set(plan["summary"]) == set(ACTIONS)
    assert plan["summary"]["create"] == 2
    assert plan["platform"]
    for tenant in plan["tenants"]:
        assert {"tenant", "product", "action", "fingerprint", "changes", "unknown", "blockers"} <= {*tenant}
        assert tenant["action"] == "create"
        for change in tenant["changes"]:
            assert {"step", "resource", "name", "action", "summary", "reason", "undo"} <= {*change}
            assert all(change[key] for key in ("step", "resource", "name", "action", "summary", "reason", "undo"))
    assert repository.data("plan", expect=0)["fingerprint"] == plan["fingerprint"]
    outcomes = repository.data("apply", "--yes", expect=0)["outcomes"]
    assert [entry["tenant"] for entry in outcomes] == [POS, AGENDA]
    for entry in outcomes:
        assert {"tenant", "outcome", "transaction", "seconds", "error", "leftovers"} <= {*entry}
        assert (entry["outcome"], entry["error"], entry["leftovers"]) == ("applied", None, [])
        assert repository.data("show", entry["transaction"], expect=0)
    status = repository.data("status", expect=0)["tenants"]
    assert [(entry["tenant"], entry["product"], entry["state"]) for entry in status] == [
        (POS, "pos-tree-codes", "active"),
        (AGENDA, "agenda-ia", "active"),
    ]
    for entry in status:
        [ready] = [condition for condition in entry["conditions"] if condition["type"] == "Ready"]
        assert {"type", "status", "reason", "message", "lastTransitionTime"} <= {*ready}
        assert ready["status"] == "True"
    assert len(repository.data("history", AGENDA, expect=0)["transactions"]) == 1
