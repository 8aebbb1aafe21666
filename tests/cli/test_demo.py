"""``reconcile demo``: from end to end as a person starts it, over and over, and honest about what goes wrong."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler import cli
from reconciler.cli import demo, tour, witness
from reconciler.ports import devserver
from tests.support import server as servers


@pytest.fixture
def here(monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """An empty current folder, outside of any repository."""
    folder = Path(tempfile.mkdtemp(prefix="reconcile-test-", dir=servers.fast_folder()))
    monkeypatch.chdir(folder)
    yield folder
    if (folder / "state" / "demo" / "state" / "dev").is_dir():
        devserver.DevServer(folder / "state" / "demo" / "state" / "dev").kill()
    shutil.rmtree(folder)


def secrets_of(folder: Path) -> set[str]:
    """Every value that must not be shown: what is delivered as a secret, and what the keys and the server are."""
    found = {(folder / "state" / "dev" / "provisioner.password").read_text()}
    found |= {path.read_text().strip() for path in (folder / "state" / "keys").iterdir() if path.suffix != ".json"}
    for delivered in (folder / "state" / "deliveries").glob("*/.env"):
        pairs = (line.partition("=") for line in delivered.read_text().splitlines())
        found |= {value for key, _, value in pairs if "PASSWORD" in key or "SECRET" in key}
    for delivered in (folder / "state" / "deliveries").glob("*/admin.json"):
        found |= {value for key, value in json.loads(delivered.read_text()).items() if "assword" in key}
    return found


def test_the_demo_shows_the_main_job_and_clears_an_earlier_one(here: Path) -> None:
    folder = here / "state" / "demo"
    folder.mkdir(parents=True)
    (folder / ".reconcile-demo").touch()
    (folder / "of an earlier demo").touch()
    earlier = devserver.DevServer(folder / "state" / "dev", options=servers.QUICK_AND_SMALL)
    earlier.start()
    pid = int((folder / "state" / "dev" / "server.pid").read_text())

    done = subprocess.run([sys.executable, "-m", "reconciler", "demo"], capture_output=True, text=True, check=False)

    assert done.returncode == 0, done.stdout[-3000:] + done.stderr[-3000:]
    assert not (folder / "of an earlier demo").exists()
    assert not Path(f"/proc/{pid}/cmdline").exists() or not Path(f"/proc/{pid}/cmdline").read_bytes()
    assert not devserver.DevServer(folder / "state" / "dev").running()
    titles = [line.strip("─ ") for line in done.stdout.splitlines() if line.startswith("── ")]
    assert [title.split(". ")[0] for title in titles] == [str(number + 1) for number in range(len(demo.STAGES))]
    for shown in (
        "$ reconcile plan\n",
        "$ reconcile apply --yes\n",
        "$ reconcile recover\n",
        "VALID\n",
        "3 of 3 ready.",
    ):
        assert shown in done.stdout
    assert "exit status 6" in done.stdout
    assert "different" not in done.stdout
    assert os.listdir(here) == ["state"]
    secrets = secrets_of(folder)
    assert len(secrets) > 8
    shown = done.stdout + done.stderr + (folder / "killed.log").read_text()
    assert not [secret for secret in secrets if secret in shown]


def test_a_folder_that_is_no_demo_is_left_alone(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (here / "state" / "demo").mkdir(parents=True)
    (here / "state" / "demo" / "thesis.txt").write_text("of three years")
    assert cli.main(["demo"]) == 64
    assert "was not made by the demo" in capsys.readouterr().err
    assert (here / "state" / "demo" / "thesis.txt").read_text() == "of three years"


def test_what_is_not_as_expected_ends_the_demo_and_its_server(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fails(going: tour.Tour) -> None:
        going.folder.mkdir(parents=True)
        going.server.start()
        going.run("no-such-word", ends=0)

    monkeypatch.setattr(demo, "STAGES", (fails,))
    assert cli.main(["demo"]) == 1
    assert "`reconcile no-such-word` ended with 64 instead of 0" in capsys.readouterr().err
    assert not devserver.DevServer(here / "state" / "demo" / "state" / "dev").running()


def test_with_keep_the_server_goes_on(
    here: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def starts(going: tour.Tour) -> None:
        going.folder.mkdir(parents=True)
        going.server.start()

    monkeypatch.setattr(demo, "STAGES", (starts,))
    assert cli.main(["demo", "--keep"]) == 0
    assert "dev down" in capsys.readouterr().out
    assert devserver.DevServer(here / "state" / "demo" / "state" / "dev").running()


def test_the_witness_sees_every_kind_of_leftover(clean_server: servers.Server, tmp_path: Path) -> None:
    server = clean_server
    assert server.dev is not None
    server.sql("CREATE DATABASE witness_central")
    server.sql("CREATE TABLE witness_central.tenants (name VARCHAR(20) PRIMARY KEY, plan VARCHAR(20))")
    server.sql("INSERT INTO witness_central.tenants VALUES ('a', 'pro')")
    (tmp_path / "a").mkdir(mode=0o700)
    before = witness.look(server.dev, tmp_path, "witness_central")
    assert before.difference(witness.look(server.dev, tmp_path, "witness_central")) == []
    server.sql("CREATE DATABASE witness_left")
    server.sql("CREATE USER witness_user@'%' ACCOUNT LOCK")
    server.sql("GRANT SELECT ON witness_left.* TO witness_user@'%'")
    server.sql("INSERT INTO witness_central.tenants VALUES ('b', 'pro')")
    server.sql("UPDATE witness_central.tenants SET plan = 'lite' WHERE name = 'a'")
    (tmp_path / "a" / ".env").write_text("x")
    (tmp_path / "a").chmod(0o711)
    lines = before.difference(witness.look(server.dev, tmp_path, "witness_central"))
    for line in (
        "databases: witness_left is new",
        "databases: witness_central changed",
        "accounts: witness_user@% is new",
        "privileges: SELECT on witness_left to 'witness_user'@'%' is new",
        "central rows: tenants b is new",
        "central rows: tenants a changed",
        "delivered files: a/ changed",
        "delivered files: a/.env is new",
    ):
        assert line in lines
