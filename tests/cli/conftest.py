"""A specs repository for the commands to work on, and a store in it with a past."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

from reconciler import cli
from reconciler.engine.keyring import KeyFolder
from reconciler.model.record import Record
from reconciler.model.secret import Drawn, Secret
from reconciler.model.states import TransactionState
from reconciler.ports.ports import Ports
from reconciler.ports.store import journal, records
from reconciler.ports.store import store as stores
from tests.report import samples

URL = "sqlite:///state/reconcile.db"
COMMITTED, STUCK = "1" * 32, "2" * 32


@pytest.fixture
def specs(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> Path:
    """The sample repository, and the current folder."""
    root = tmp_path / "repository"
    assert cli.main(["init", str(root)]) == 0
    capsys.readouterr()
    monkeypatch.chdir(root)
    return root


@pytest.fixture
def past(specs: Path) -> Iterator[stores.Store]:
    """The repository's store, with one tenant that was made and one whose making got stuck."""
    store = stores.make_store(URL, specs, platform="default", platform_id="p1", now="2027-01-01T00:00:00.000000Z")
    ports = Ports()
    keys = KeyFolder(specs / "state" / "keys", ports)
    keys.make()
    drawn = Drawn(Secret("db.app", 1), "the-planted-canary")
    sealed = [records.Sealed(drawn.secret, keys.vault.seal("clinica-sol", drawn))]

    def write(connection: Any) -> None:
        begin(connection, samples.head(TransactionState.OPEN, id=COMMITTED, ended_at=None))
        records.seal(connection, "clinica-sol", COMMITTED, sealed)
        body = {"facts": {}, "tokens": {}, "seconds": [0.01, 0.5, 0.02, 0.1]}
        at = "2027-01-31T12:00:01.250000Z"
        journal.append(connection, COMMITTED, "committed", body, token=1, at=at)
        journal.advance(connection, COMMITTED, TransactionState.COMMITTED, token=1, at=at)
        records.save(connection, record("clinica-sol", COMMITTED))
        stuck = samples.head(
            TransactionState.OPEN,
            id=STUCK,
            tenant="clinica-luna",
            started_at="2027-02-01T12:00:00.000000Z",
            ended_at=None,
        )
        begin(connection, stuck)
        for kind, state in (("undoing", TransactionState.UNDOING), ("stuck", TransactionState.STUCK)):
            found = next(entry for entry in samples.STUCK if entry.kind == kind)
            at = "2027-02-01T12:00:09.000000Z"
            journal.append(connection, STUCK, kind, found.body, token=1, at=at)
            journal.advance(connection, STUCK, state, token=1, at=at)

    store.write(write)
    yield store
    store.close()


def begin(connection: Any, head: journal.Transaction) -> None:
    journal.begin(connection, head, samples.BEGIN.body)


def record(tenant: str, transaction: str, **more: Any) -> Record:
    known: dict[str, Any] = {
        "product": "agenda-ia",
        "server": "main",
        "database": "agenda_x",
        "client_host": "%",
        "state": "active",
        "revision": "main@sha1:" + "a" * 40,
        "spec": {},
        "updated_at": "2027-01-31T12:00:01.250000Z",
    }
    return Record(tenant=tenant, transaction=transaction, **{**known, **more})


@pytest.fixture
def said(capsys: pytest.CaptureFixture[str]) -> Callable[..., tuple[int, str, str]]:
    """Runs the program and gives its exit status, its stdout and its stderr."""

    def run(*words: str) -> tuple[int, str, str]:
        capsys.readouterr()
        status = cli.main(list(words))
        captured = capsys.readouterr()
        return status, captured.out, captured.err

    return run
