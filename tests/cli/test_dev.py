"""``reconcile dev``: a real private MariaDB under state/dev/ that is found again, stopped, and named to a spec."""

from __future__ import annotations

import json
import os
import shutil
import stat
import subprocess
import tempfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pymysql
import pytest
import yaml

from reconciler import cli
from reconciler.ports import devserver
from reconciler.spec import load, platform
from tests.support import server as servers


@pytest.fixture
def repository(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Iterator[Path]:
    """A fresh specs repository, and the current folder."""
    root = Path(tempfile.mkdtemp(prefix="reconcile-test-", dir=servers.fast_folder()))
    assert cli.main(["init", str(root)]) == 0
    capsys.readouterr()
    monkeypatch.chdir(root)
    yield root
    if (root / "state" / "dev").is_dir():
        devserver.DevServer(root / "state" / "dev").kill()
    shutil.rmtree(root)


def status(capsys: pytest.CaptureFixture[str]) -> dict[str, Any]:
    assert cli.main(["dev", "status", "--format", "json"]) == 0
    found: dict[str, Any] = json.loads(capsys.readouterr().out)
    return found


def log_in(facts: dict[str, Any], root: Path) -> list[tuple[Any, ...]]:
    connection = pymysql.connect(
        host=facts["host"],
        port=facts["port"],
        user=facts["user"],
        password=(root / facts["passwordFile"]).read_text(),
    )
    try:
        with connection.cursor() as cursor:
            cursor.execute("SHOW GRANTS")
            return list(cursor.fetchall())
    finally:
        connection.close()


def test_up_again_and_down_leave_one_server_that_the_printed_spec_names(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert status(capsys)["running"] is False
    assert cli.main(["dev", "up"]) == 0
    first = capsys.readouterr().out
    server = devserver.DevServer(repository / "state" / "dev")
    assert server.running()
    assert server.password not in first
    pid = (repository / "state" / "dev" / "server.pid").read_text()

    assert cli.main(["dev", "up"]) == 0
    assert capsys.readouterr().out == first
    assert (repository / "state" / "dev" / "server.pid").read_text() == pid

    facts = status(capsys)
    assert facts["running"] is True
    log_in(facts, repository)
    for name in ("state", "state/dev"):
        assert stat.S_IMODE((repository / name).stat().st_mode) == 0o700
    assert stat.S_IMODE((repository / facts["passwordFile"]).stat().st_mode) == 0o600

    snippet = yaml.safe_load(first[first.index("spec:\n") :])["spec"]
    spec = repository / "specs" / "servers" / "main.yaml"
    document = yaml.safe_load(spec.read_text())
    spec.write_text(yaml.safe_dump({**document, "spec": {**document["spec"], **snippet}}))
    (named,) = load.load(repository, platform.KINDS).valid(platform.SERVER.name)
    assert (named.spec.host, named.spec.port, named.spec.user) == (facts["host"], facts["port"], "provisioner")
    assert named.spec.password_from.file == facts["passwordFile"]

    assert cli.main(["dev", "down"]) == 0
    assert "has stopped" in capsys.readouterr().out
    assert not server.running()
    assert cli.main(["dev", "down"]) == 0
    assert "was not running" in capsys.readouterr().out
    assert cli.main(["dev", "status"]) == 0
    assert "does not run" in capsys.readouterr().out


def test_the_account_reaches_the_databases_that_the_specs_speak_of(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    for name, old, new in (
        ("specs/platform.yaml", "database: license_manager", "database: central_office"),
        ("specs/products/agenda-ia/product.yaml", "databasePrefix: agenda_", "databasePrefix: visits_"),
    ):
        text = (repository / name).read_text()
        assert old in text
        (repository / name).write_text(text.replace(old, new))
    assert cli.main(["dev", "up"]) == 0
    capsys.readouterr()
    grants = "\n".join(str(row[0]) for row in log_in(status(capsys), repository))
    for reach in (r"`visits\_%`", r"`pos\_%`", r"`central\_office`"):
        assert reach in grants
    assert "agenda" not in grants


def test_up_works_whatever_is_wrong_with_the_specs(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (repository / "specs" / "platform.yaml").write_text("nonsense")
    shutil.rmtree(repository / "specs" / "products")
    assert cli.main(["dev", "up"]) == 0
    capsys.readouterr()
    grants = "\n".join(str(row[0]) for row in log_in(status(capsys), repository))
    for reach in (r"`agenda\_%`", r"`pos\_%`", r"`license\_manager`"):
        assert reach in grants


def test_up_is_refused_where_git_would_take_the_password(repository: Path, capsys: pytest.CaptureFixture[str]) -> None:
    subprocess.run(["git", "init", "--quiet", str(repository)], check=True)
    (repository / ".gitignore").unlink()
    assert cli.main(["dev", "up"]) == 78
    assert ".gitignore" in capsys.readouterr().err
    assert not (repository / "state").exists()


@pytest.mark.parametrize("command", ["up", "down", "status"])
def test_outside_of_a_repository_it_is_a_wrong_call(
    command: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert cli.main(["dev", command]) == 64
    assert "reconcile init" in capsys.readouterr().err
    assert not os.listdir(tmp_path)


def test_a_state_that_is_no_folder_is_said_without_a_traceback(
    repository: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (repository / "state").write_text("")
    assert cli.main(["dev", "up"]) == 78
    error = capsys.readouterr().err
    assert "could not make the folder" in error
    assert "unforeseen" not in error
