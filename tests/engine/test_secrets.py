"""No secret is ever in clear but in its delivery: canaries are planted, then everything that was left is searched.

Also: sealed values open at their own place only, and deliveries are for their owner's eyes, whatever the umask is.
"""

from __future__ import annotations

import base64
import dataclasses
import json
import logging
import os
import stat
import subprocess
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from reconciler import cli, errors
from reconciler.engine import reconcile
from reconciler.engine.progress import Progress
from reconciler.model.outcome import Result
from reconciler.model.secret import Drawn, Recipe, Secret
from reconciler.ports.ports import Ports
from reconciler.ports.secrets import Entropy, Vault, native_hash
from reconciler.ports.store import records
from reconciler.report import data as reports
from tests.support import server as servers
from tests.support.faults import Boundaries, Fault, SimulatedDeath
from tests.support.shop import Shop

AGENDA = {
    "displayName": "Clínica Sol",
    "plan": "pro",
    "domain": "sol.example.com",
    "admin": {"name": "Ana Ruiz", "email": "ana@example.com"},
    "webhooks": [{"name": "crm", "url": "https://crm.example.com/hook", "events": ["appointment.created"]}],
}
DEVICE = {"name": "caja-1", "hardware": {"machineId": "8f3c1d7a52e94b06", "boardSerial": "PF2K9X1B"}}
POS = {
    "displayName": "Abarrotes Lupita",
    "edition": "standard",
    "cloudSync": True,
    "license": {"expires": "2099-12-31", "devices": [DEVICE]},
}
LATE = 150  # of the boundaries of an apply of them: behind every secret and before the commits
TENANTS: dict[str, tuple[str, dict[str, Any]]] = {"sol": ("AgendaTenant", AGENDA), "lupita": ("PosTenant", POS)}


class Planted(Entropy):
    """Draws values that can be found again; ``drawn`` are all of them, keys included."""

    def __init__(self) -> None:
        super().__init__()
        self.drawn: list[bytes] = []

    def token(self, length: int) -> bytes:
        """Real random bytes; those of a key's length are remembered."""
        found = super().token(length)
        if length == 32:
            self.drawn.append(found)
        return found

    def draw(self, name: str, recipe: Recipe) -> Drawn:
        """A canary of the recipe's length and alphabet."""
        number = f"{len(self.drawn):03}"
        drawn = super().draw(name, recipe)
        match recipe:
            case Recipe.WEBHOOK_SECRET:
                clear = f"whsec_CANARY{number}{drawn.clear[15:-2]}A="
                found = Drawn(Secret(name, 1), clear)
            case Recipe.ONE_TIME_PASSWORD:
                clear = f"CANARY{number}{drawn.clear[9:]}"
                found = Drawn(Secret(name, 1, drawn.secret.mark), clear)
            case Recipe.DATABASE_PASSWORD:
                clear = f"CANARY{number}{drawn.clear[9:]}"
                found = Drawn(Secret(name, 1, native_hash(clear)), clear)
        assert len(clear) == len(drawn.clear)
        self.drawn.append(clear.encode())
        return found


def forms(secret: bytes) -> Iterator[bytes]:
    """The secret as it is, and as it would look in some other writing."""
    for text in (secret, secret[::-1]):
        yield text
        yield text.hex().encode()
        yield text.hex().upper().encode()
        for offset in range(3):  # base64 depends on where in three bytes a text begins
            for encode in (base64.b64encode, base64.urlsafe_b64encode):
                whole = encode(b"\0" * offset + text)
                yield whole[4 if offset else 0 : len(whole) // 4 * 4 - 4]


def leaks(where: str, text: str | bytes, canaries: list[bytes]) -> list[str]:
    """Which canaries ``text`` holds in any form."""
    held = text.encode("utf-8", "backslashreplace") if isinstance(text, str) else text
    return [f"{where} holds {canary!r} as {form!r}" for canary in canaries for form in forms(canary) if form in held]


class Witness:
    """Everything that anybody could have seen of a run, by the place where it was seen."""

    def __init__(self, shop: Shop) -> None:
        self.shop = shop
        self.seen: dict[str, bytes] = {}

    def note(self, where: str, what: object) -> None:
        """Remember some text."""
        self.seen[where] = self.seen.get(where, b"") + repr(what).encode("utf-8", "backslashreplace") + b"\n"

    def files(self, moment: str) -> None:
        """Remember every file below state/ but keys and what a delivery is for."""
        state = self.shop.root / "state"
        for path in state.rglob("*"):
            inner = path.relative_to(state)
            if not path.is_file() or inner.parts[0] == "keys" or inner.parts[0] == "deliveries":
                continue
            self.seen[f"{moment}: {inner}"] = path.read_bytes()
        for path in (state / "deliveries").glob("*/manifest.json"):
            self.seen[f"{moment}: {path.relative_to(state)}"] = path.read_bytes()
        for path in state.rglob("device-policy.json"):
            self.seen[f"{moment}: {path.relative_to(state)}"] = path.read_bytes()

    @contextmanager
    def server(self) -> Iterator[None]:
        """Watch the general log, the process list and the error log of the server."""
        server = self.shop.server
        assert server.dev is not None
        log = server.dev.data / "canaries.log"
        server.sql("SET GLOBAL general_log_file = %s", log.name)
        server.sql("SET GLOBAL log_output = 'FILE'")
        server.sql("SET GLOBAL general_log = ON")
        done = threading.Event()

        def look() -> None:
            with server.root() as connection, connection.cursor() as cursor:
                while not done.wait(0.002):
                    cursor.execute("SHOW FULL PROCESSLIST")
                    self.note("process list", cursor.fetchall())

        thread = threading.Thread(target=look)
        thread.start()
        try:
            yield
        finally:
            done.set()
            thread.join()
            server.sql("SET GLOBAL general_log = OFF")
            self.seen["general log"] = log.read_bytes()
            self.seen["error log"] = server.dev.log.read_bytes()
            log.unlink()


@pytest.fixture
def shop(tmp_path: Path, clean_server: servers.Server) -> Shop:
    """A repository that has never been applied."""
    return Shop(tmp_path, clean_server)


def run(shop: Shop, ports: Ports, witness: Witness, boundaries: Boundaries | None = None, **options: Any) -> None:
    """Apply, and note all that a caller gets to see."""
    setting = shop.setting(ports)
    if boundaries is not None:
        boundaries.watch(setting)
    try:
        planned, outcomes = reconcile.apply(setting, reconcile.Options(parallel=1, **options), Progress())
        witness.note("plan", planned)
        witness.note("plan as JSON", json.dumps(reports.plan(planned)))
        witness.note("outcomes", outcomes)
        witness.note("outcomes as JSON", json.dumps(reports.outcomes(outcomes)))
    except SimulatedDeath:
        pass
    except errors.ReconcileError as error:
        witness.note("errors", [repr(error), str(error), error.next])
        witness.note("errors", [repr(error.__cause__), repr(error.__context__)])
    finally:
        witness.files("during")
        if setting.store is not None:
            setting.store.close()


def call(shop: Shop, *words: str) -> int:
    """The command line, in this process."""
    return cli.main(["--verbose", "-C", str(shop.root), *words])


def test_no_canary_is_found_anywhere_but_in_its_delivery(
    shop: Shop, caplog: pytest.LogCaptureFixture, capfd: pytest.CaptureFixture[str]
) -> None:
    caplog.set_level(logging.DEBUG)
    entropy, witness = Planted(), Witness(shop)
    password = b"CANARYprovisioner9x7k2m5q8w3e6r1t4"
    shop.server.sql(f"ALTER USER '{shop.server.user}'@'%' IDENTIFIED BY '{password.decode()}'")
    (shop.root / "password").write_bytes(password + b"\n")
    with witness.server():
        for name, (kind, spec) in TENANTS.items():
            shop.tenant(kind, name, spec)
        call(shop, "validate")
        call(shop, "plan")
        # A run that fails late and is undone, one that dies and is recovered, one that ends well.
        run(shop, Ports(entropy=entropy), witness, tenants=["nobody"])
        for fault in (Fault.ERROR, Fault.LOST_AFTER, Fault.DEATH_AFTER):
            boundaries = Boundaries({LATE: fault})
            run(shop, dataclasses.replace(boundaries.ports(), entropy=entropy), witness, boundaries)
            assert boundaries.count >= LATE
            boundaries.dead = False
            assert call(shop, "recover") == 0
        run(shop, Ports(entropy=entropy), witness)
        witness.note("deep plan", shop.plan(deep=True))
        shop.tenant("AgendaTenant", "sol", {**AGENDA, "plan": "starter", "state": "suspended"})
        shop.tenant("PosTenant", "lupita", {**POS, "edition": "enterprise"})
        # Another password than the delivered one on the server: the repair must not show it either.
        shop.server.sql(f"ALTER USER 'pos_lupita_app'@'%' IDENTIFIED VIA mysql_native_password USING '*{0:040}'")
        for words in (["plan", "--deep"], ["plan", "--format", "json"], ["apply", "--yes", "--deep"], ["recover"]):
            assert call(shop, *words) == 0, words
        setting = shop.setting()
        with_journal = setting.opened().read(lambda connection: connection.exec_driver_sql("SELECT * FROM journal"))
        witness.note("journal", with_journal)
        for (identity,) in setting.opened().read(
            lambda connection: connection.exec_driver_sql("SELECT id FROM transactions").all()
        ):
            assert call(shop, "show", identity) == 0
            assert call(shop, "show", identity, "--format", "json") == 0
        records = [*setting.records().values()]
        setting.opened().close()
        for words in (["status"], ["status", "--format", "json"], ["history"], ["doctor"]):
            assert call(shop, *words) == 0, words
        witness.note("records", records)
        (shop.root / "password").write_bytes(b"wrong" + password)
        run(shop, Ports(entropy=entropy), witness)
        call(shop, "plan")
    witness.files("after")
    witness.note("log", caplog.text)
    printed = capfd.readouterr()
    witness.note("stdout", printed.out)
    witness.note("stderr", printed.err)
    canaries = [*entropy.drawn, password]
    assert len(canaries) > 12
    found = [leak for where, text in witness.seen.items() for leak in leaks(where, text, canaries)]
    assert found == []
    # The search would have found them: what each place holds is not empty, and the deliveries do hold canaries.
    places = ("general log", "process list", "error log", "plan", "outcomes", "errors", "stdout", "stderr")
    assert all(witness.seen[place] for place in places)
    assert any("reconcile.db-wal" in place for place in witness.seen)
    for name in TENANTS:
        assert b"CANARY" in (shop.root / f"state/deliveries/{name}/.env").read_bytes()
    assert b"CANARY" in (shop.root / "state/deliveries/sol/admin.json").read_bytes()
    assert b"CANARY" not in (shop.root / "state/deliveries/lupita/license.lic").read_bytes()


@pytest.mark.parametrize("before", [b"", b"x", b"xy"])
def test_the_search_finds_a_canary_in_any_writing(before: bytes) -> None:
    canary = b"CANARY007aB3dE5fG7hJ9"
    for text in (canary, canary[::-1]):
        whole = before + text + b"after"
        for written in (whole, whole.hex().encode(), whole.hex().upper().encode(), base64.b64encode(whole)):
            assert leaks("here", b"<" + written + b">", [canary])
    assert leaks("here", b"CANARY007", [canary]) == []


def test_only_secrets_show_prints_a_secret_and_only_on_stdout(shop: Shop, capfd: pytest.CaptureFixture[str]) -> None:
    entropy = Planted()
    shop.tenant("AgendaTenant", "sol", AGENDA)
    assert shop.apply(Ports(entropy=entropy))["sol"].result is Result.APPLIED
    capfd.readouterr()
    assert call(shop, "secrets", "show", "sol") == 0
    printed = capfd.readouterr()
    assert printed.out.count("CANARY") == 4
    assert "CANARY" not in printed.err
    assert call(shop, "secrets", "show", "sol", "nothing") != 0
    printed = capfd.readouterr()
    assert "CANARY" not in printed.out + printed.err


# --- sealed -----------------------------------------------------------------------------------------------


def test_a_sealed_secret_opens_at_its_place_with_its_key_and_nowhere_else(shop: Shop) -> None:
    entropy = Planted()
    shop.tenant("AgendaTenant", "sol", AGENDA)
    shop.apply(Ports(entropy=entropy))
    setting = shop.setting()
    vault = setting.keys.vault
    entries = setting.opened().read(lambda connection: records.unseal(connection, "sol"))
    setting.opened().close()
    assert {entry.secret.name for entry in entries} == {"db.own", "db.app", "admin.password", "webhook.crm"}
    for entry in entries:
        assert vault.open("sol", entry.secret, entry.sealed).encode() in entropy.drawn
        others = [
            (vault, "luna", entry.secret, entry.sealed),
            (vault, "sol", dataclasses.replace(entry.secret, name="db.other"), entry.sealed),
            (vault, "sol", dataclasses.replace(entry.secret, version=2), entry.sealed),
            (vault, "sol", entry.secret, entry.sealed[:-1] + bytes([entry.sealed[-1] ^ 1])),
            (vault, "sol", entry.secret, entry.sealed[:5]),
            (vault, "sol", entry.secret, b""),
            (Vault(bytes(32), entropy), "sol", entry.secret, entry.sealed),
        ]
        for other, tenant, secret, sealed in others:
            with pytest.raises(errors.PlatformMisconfigured):
                other.open(tenant, secret, sealed)


def test_one_value_sealed_twice_looks_different() -> None:
    entropy = Entropy()
    drawn = entropy.draw("db.app", Recipe.DATABASE_PASSWORD)
    vault = Vault(entropy.token(32), entropy)
    assert vault.seal("sol", drawn) != vault.seal("sol", drawn)


# --- who may read it --------------------------------------------------------------------------------------


@contextmanager
def umask(mask: int) -> Iterator[None]:
    """The process's umask for a while."""
    before = os.umask(mask)
    try:
        yield
    finally:
        os.umask(before)


@pytest.mark.parametrize("mask", [0o000, 0o077, 0o022])
def test_whatever_the_umask_is_only_the_owner_reads_the_state(shop: Shop, mask: int) -> None:
    with umask(mask):
        for name, (kind, spec) in TENANTS.items():
            shop.tenant(kind, name, spec)
        shop.apply()
        shop.tenant("PosTenant", "lupita", {**POS, "edition": "enterprise"})
        setting = shop.setting()
        reconcile.apply(setting, reconcile.Options(parallel=1), Progress())
        shop.recover()
        state = shop.root / "state"
        modes = {
            str(path.relative_to(shop.root)): oct(stat.S_IMODE(path.lstat().st_mode))
            for path in [state, *state.rglob("*")]
            if stat.S_IMODE(path.lstat().st_mode) != (0o700 if path.is_dir() else 0o600)
        }
        assert modes == {}
        assert shop.plan(deep=True).empty


def test_the_write_ahead_log_is_for_the_owner_only_while_it_is_open(shop: Shop) -> None:
    with umask(0o000):
        shop.apply()
        setting = shop.setting()
        beside = list((shop.root / "state").glob("reconcile.db*"))
        setting.opened().close()
    assert len(beside) > 1
    assert {oct(stat.S_IMODE(path.stat().st_mode)) for path in beside if path.exists()} <= {"0o600"}


def test_a_delivery_folder_that_is_a_symlink_is_refused(shop: Shop, tmp_path: Path) -> None:
    shop.apply()
    elsewhere = tmp_path / "elsewhere"
    (shop.root / "state/deliveries").rename(elsewhere)
    (shop.root / "state/deliveries").symlink_to(elsewhere)
    shop.tenant("AgendaTenant", "sol", AGENDA)
    planned = shop.plan()
    assert [blocker.code for blocker in planned.tenants[0].blockers] == ["delivery-unusable"]
    with pytest.raises(errors.DeliveryUnusable):
        shop.apply()
    assert list(elsewhere.iterdir()) == []


@pytest.mark.parametrize("known", [False, True])
def test_a_delivery_that_is_a_symlink_is_refused_before_anything_is_done(
    shop: Shop, tmp_path: Path, known: bool
) -> None:
    shop.apply()
    shop.tenant("PosTenant", "lupita", POS)
    if known:
        shop.apply()
        (shop.root / "state/deliveries/lupita").rename(tmp_path / "elsewhere")
    else:
        (tmp_path / "elsewhere").mkdir()
    (shop.root / "state/deliveries/lupita").symlink_to(tmp_path / "elsewhere")
    before = shop.world()
    outcome = shop.apply()["lupita"]
    assert outcome.result is Result.BLOCKED
    assert outcome.failure is not None
    assert outcome.failure.exit == 3
    assert shop.world() == before


@pytest.mark.parametrize("folder", ["state/deliveries", "state/keys"])
def test_secrets_are_not_put_where_git_would_commit_them(shop: Shop, folder: str) -> None:
    subprocess.run(["git", "init", "--quiet", str(shop.root)], check=True)
    other = "state/keys/" if folder == "state/deliveries" else "state/deliveries/"
    (shop.root / ".gitignore").write_text(other)
    with pytest.raises(errors.DeliveryUnusable, match="git"):
        shop.apply()
    assert not (shop.root / folder).exists()
    (shop.root / ".gitignore").write_text("state/\n")
    shop.apply()
    assert (shop.root / folder).is_dir()
