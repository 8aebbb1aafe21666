"""What the daemon is run with: unit, image and compose file, as far as no machine of their own is needed for it."""

from __future__ import annotations

import configparser
import json
import os
import re
import shlex
import shutil
import subprocess
import sys
from pathlib import Path
from typing import Any

import click
import pymysql
import pytest
import yaml

from reconciler.cli import program, reference
from reconciler.spec.daemon import Daemon
from tests.support import server as servers
from tests.support.shop import Shop

ROOT = Path(__file__).parents[2]
PACKAGING = ROOT / "packaging"
PAGE = ROOT / "docs" / "daemon.md"
UNIT = PACKAGING / "systemd" / "reconciler.service"
COMPOSE = yaml.safe_load((PACKAGING / "compose.yaml").read_text(encoding="utf-8"))
IMAGES = {"mariadb:11.4", "python:3.13-slim", "reconciler"}
GRACE = Daemon().grace_seconds


class Unit(configparser.RawConfigParser):
    """A unit file; keys may come again and again, and the last one counts."""

    def optionxform(self, optionstr: str) -> str:
        return optionstr


def unit() -> Unit:
    found = Unit(strict=False, delimiters=("=",), comment_prefixes=("#",), interpolation=None)
    found.read_string(UNIT.read_text(encoding="utf-8"))
    return found


def check_daemon(words: list[str]) -> dict[str, Any]:
    """The options of a call of `reconcile … daemon …`, which has to be one that the program takes."""
    at = words.index("daemon")
    assert words[:at] in ([], ["-C", "/var/lib/reconciler"]), words
    command = {" ".join(names[1:]): found for names, found in reference.walk(program.reconcile, ("reconcile",))}[
        "daemon"
    ]
    with command.make_context("daemon", words[at + 1 :], resilient_parsing=True) as context:
        return {
            parameter.opts[0]: context.params[parameter.name]
            for parameter in command.params
            if context.get_parameter_source(parameter.name) is click.core.ParameterSource.COMMANDLINE
        }


def instructions() -> list[tuple[str, str]]:
    text = (PACKAGING / "Dockerfile").read_text(encoding="utf-8")
    lines = re.sub(r"^\s*#.*\n", "", text, flags=re.MULTILINE).replace("\\\n", " ").splitlines()
    return [(word, " ".join(rest.split())) for word, _, rest in (line.partition(" ") for line in lines if line)]


def last(word: str) -> str:
    return [rest for name, rest in instructions() if name == word][-1]


# --- systemd -------------------------------------------------------------------------------------------------


def test_the_unit_calls_what_there_is() -> None:
    given = check_daemon(shlex.split(unit()["Service"]["ExecStart"])[1:])
    assert {"--git", "--branch", "--listen", "--log-format"} <= {*given}


def test_what_the_unit_takes_from_the_environment_is_given() -> None:
    service = unit()["Service"]
    named = set(re.findall(r"\$\{(\w+)\}", service["ExecStart"]))
    example = (PACKAGING / "systemd" / "environment.example").read_text(encoding="utf-8")
    assert named <= set(re.findall(r"^(\w+)=", example, re.MULTILINE))


def test_the_unit_waits_longer_than_the_grace_and_knows_a_good_end() -> None:
    service = unit()["Service"]
    assert int(service["TimeoutStopSec"]) > 2 * GRACE
    assert service["KillSignal"] == "SIGTERM"
    assert service["KillMode"] == "mixed"
    assert service["SuccessExitStatus"] == "143"
    assert service["Restart"] == "on-failure"
    assert service["ExecReload"].endswith("kill -HUP $MAINPID")


def test_the_unit_gives_the_daemon_its_state_and_nothing_else() -> None:
    service = unit()["Service"]
    assert service["User"] not in ("", "root")
    assert service["ReadWritePaths"] == f"/var/lib/{service['StateDirectory']}" == service["WorkingDirectory"]
    assert (service["NoNewPrivileges"], service["ProtectSystem"]) == ("yes", "strict")
    # Leases are judged by /proc: whoever is hidden from there would be taken for dead.
    assert not {"ProtectProc", "ProcSubset", "PrivateUsers"} & {*service}


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not installed")
def test_systemd_finds_nothing_wrong_with_the_unit(tmp_path: Path) -> None:
    text = UNIT.read_text(encoding="utf-8")
    for program_there in re.findall(r"^Exec\w+=(\S+)", text, re.MULTILINE):
        text = text.replace(program_there, sys.executable)  # only what is installed here counts as a program
    (tmp_path / UNIT.name).write_text(text, encoding="utf-8")
    done = subprocess.run(
        ["systemd-analyze", "verify", "--man=no", str(tmp_path / UNIT.name)],
        capture_output=True,
        text=True,
        check=False,
    )
    about = [line for line in done.stderr.splitlines() if UNIT.name in line]
    assert (done.returncode, about) == (0, []), done.stderr


# --- the image -----------------------------------------------------------------------------------------------


def test_the_image_runs_as_nobody_special_in_exec_form_and_is_looked_after() -> None:
    assert last("FROM") == "python:3.13-slim"
    assert re.fullmatch(r"[1-9]\d*:[1-9]\d*", last("USER"))
    assert json.loads(last("ENTRYPOINT")) == ["reconcile"]
    assert "/healthz" in json.loads(last("HEALTHCHECK").partition("CMD ")[2])[-1]
    assert json.loads(last("VOLUME")) == [last("WORKDIR")]
    assert last("STOPSIGNAL") == "SIGTERM"
    installed = next(rest for name, rest in reversed(instructions()) if name == "RUN")
    assert {"git", "mariadb-client", "openssh-client"} <= {*installed.split()}


def test_the_image_calls_what_there_is_and_listens_where_it_is_looked_after() -> None:
    given = check_daemon(json.loads(last("CMD")))
    port = given["--listen"].rpartition(":")[2]
    assert last("EXPOSE") == port
    assert f"127.0.0.1:{port}/healthz" in last("HEALTHCHECK")


def test_the_image_is_built_from_pinned_packages_and_from_files_that_are_there() -> None:
    for name, rest in instructions():
        if name == "RUN" and " install" in rest and "pip" in rest:
            assert rest.count("--constraint constraints.txt") == len(re.findall(r"pip install", rest))
        if name == "COPY" and "--from" not in rest:
            *sources, _ = [word for word in rest.split() if not word.startswith("--")]
            assert all((ROOT / source).exists() for source in sources), rest


def test_what_the_image_copies_is_let_through_and_the_state_is_not() -> None:
    ignore = (PACKAGING / "Dockerfile.dockerignore").read_text(encoding="utf-8").splitlines()
    let = {line[1:] for line in ignore if line.startswith("!")}
    copied = {
        word
        for name, rest in instructions()
        if name == "COPY" and "--from" not in rest
        for word in [word for word in rest.split() if not word.startswith("--")][:-1]
    }
    assert "*" in ignore
    assert copied == let
    assert "state" not in let


def test_no_image_stands_on_somebody_elses_host() -> None:
    named = {rest.split()[0] for name, rest in instructions() if name == "FROM"}
    named |= {service["image"] for service in COMPOSE["services"].values()}
    assert named <= IMAGES


# --- compose -------------------------------------------------------------------------------------------------


def test_the_compose_file_names_only_what_it_has() -> None:
    for name, service in COMPOSE["services"].items():
        assert set(service.get("secrets", [])) <= {*COMPOSE["secrets"]}, name
        assert set(service.get("depends_on", {})) <= {*COMPOSE["services"]}, name
        for volume in service.get("volumes", []):
            assert volume.split(":")[0] in COMPOSE["volumes"], name
        if "build" in service:
            context = (PACKAGING / service["build"]["context"]).resolve()
            assert (context / service["build"]["dockerfile"]).is_file(), name


def test_the_daemon_of_the_compose_file_is_called_as_it_can_be_and_comes_last() -> None:
    daemon = COMPOSE["services"]["daemon"]
    given = check_daemon(daemon["command"])
    assert {"--git", "--branch", "--listen"} <= {*given}
    assert daemon["ports"][0].endswith(given["--listen"].rpartition(":")[2])
    assert daemon["depends_on"] == {
        "mariadb": {"condition": "service_healthy"},
        "account": {"condition": "service_completed_successfully"},
    }
    assert int(daemon["stop_grace_period"].removesuffix("m")) * 60 > 2 * GRACE
    assert daemon["volumes"] == [f"state:{last('WORKDIR')}"]
    assert daemon["init"] is True


def test_no_password_stands_in_the_compose_file() -> None:
    for service in COMPOSE["services"].values():
        for name, value in service.get("environment", {}).items():
            assert "PASSWORD" not in name or value.startswith("/run/secrets/")


@pytest.fixture
def administrator(clean_server: servers.Server) -> str:
    clean_server.sql("CREATE USER boss@'%' IDENTIFIED BY 'its-password'")
    clean_server.sql("GRANT ALL ON *.* TO boss@'%' WITH GRANT OPTION")
    return "boss"


def test_the_account_that_is_made_can_apply(clean_server: servers.Server, administrator: str, tmp_path: Path) -> None:
    shop = Shop(tmp_path, clean_server)
    shop.document(
        "specs/servers/main.yaml", "DatabaseServer", "main", shop.server_spec(user="worker", passwordFrom={"file": "w"})
    )
    (tmp_path / "boss").write_text("its-password\n")
    environment = {
        **os.environ,
        "PATH": f"{Path(sys.executable).parent}:{os.environ['PATH']}",
        "PYTHONPATH": str(ROOT),
        "RECONCILE_PATH": str(tmp_path),
        "ADMIN_HOST": clean_server.host,
        "ADMIN_PORT": str(clean_server.port),
        "ADMIN_USER": administrator,
        "ADMIN_PASSWORD_FILE": str(tmp_path / "boss"),
        "ACCOUNT_PASSWORD_FILE": str(tmp_path / "w"),
    }
    for secret in ("one's \\ own\n", "another"):  # the second call changes the password
        (tmp_path / "w").write_text(secret)
        done = subprocess.run(
            [sys.executable, str(PACKAGING / "make_account.py")],
            env=environment,
            capture_output=True,
            text=True,
            check=False,
        )
        assert (done.returncode, done.stderr) == (0, ""), done.stdout
        assert done.stdout.startswith("'worker'@'%' is ready: ")
        clean_server.connect("worker", secret.rstrip("\n")).close()
    with pytest.raises(pymysql.OperationalError):
        clean_server.connect("worker", "one's \\ own")
    assert shop.apply() == {}
    assert shop.plan().empty
