"""A plan from a snapshot is the plan that looks at the servers, and the file tells nobody a secret."""

from __future__ import annotations

import gzip
import hashlib
import json
import re
import shutil
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from reconciler import errors
from reconciler.engine import reconcile, reveal, snapshot
from reconciler.engine import setting as settings
from reconciler.licensing import armor, keys
from reconciler.licensing import format as signed_file
from reconciler.model import drift
from reconciler.model import plan as plans
from reconciler.model import snapshot as model
from reconciler.model.outcome import Result
from reconciler.model.plan import Action
from reconciler.ports.files import Files
from reconciler.ports.mysql import census, remembered
from reconciler.ports.ports import Ports
from reconciler.report import data
from tests.engine.drifting import AGENDA, CASES, DB, POS, Case
from tests.support import server as servers
from tests.support.shop import QUICK, Shop

ROOTED = re.compile(r"/[^ \"]*/state/")
"""Paths of deliveries, which are below another root in a checkout."""


@pytest.fixture(scope="module")
def place(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Shop]]:
    """A server of its own, and at most one shop on it."""
    with servers.private_server() as started:
        yield [_made(tmp_path_factory.mktemp("shop"), started)]


@pytest.fixture
def shop(place: list[Shop], tmp_path_factory: pytest.TempPathFactory) -> Iterator[Shop]:
    """The tenant ``one`` of Agenda IA and ``two`` of POS Tree Codes, both ready; made anew where a test changed it."""
    yield place[0]
    # By the specs that are there now, and once more by those of the fixture: both have to say that all is well.
    if _tenants(place[0]) != {"one", "two"} or not place[0].plan(deep=True).empty:
        server = place[0].server
        server.wipe()
        place[0] = _made(tmp_path_factory.mktemp("shop"), server)


def _tenants(shop: Shop) -> set[str]:
    return {path.stem for path in (shop.root / "specs/tenants").iterdir()}


def _made(root: Path, server: servers.Server) -> Shop:
    made = Shop(root, server)
    made.tenant("AgendaTenant", "one", AGENDA)
    made.tenant("PosTenant", "two", POS)
    assert {entry.result for entry in made.apply().values()} == {Result.APPLIED}
    return made


def taken(shop: Shop, ports: Ports | None = None) -> bytes:
    """What ``reconcile snapshot`` writes."""
    setting = shop.setting(ports)
    try:
        return snapshot.signed(setting, snapshot.take(setting))[0]
    finally:
        setting.opened().close()


def ring(shop: Shop) -> keys.KeyRing:
    """The platform's public keys."""
    return keys.read_ring((shop.root / "state/keys/license-keys.json").read_bytes())


def no_connection(*_: Any, **__: Any) -> Any:
    raise AssertionError("a plan from a snapshot logs in nowhere")


def offline(shop: Shop, file: bytes, tmp_path: Path, **options: Any) -> plans.Plan:
    """What ``reconcile plan --offline`` finds in a checkout that has nothing but the specs."""
    checkout = tmp_path / "checkout"
    shutil.rmtree(checkout, ignore_errors=True)
    shutil.copytree(shop.root / "specs", checkout / "specs")
    setting = settings.load_setting(checkout, Ports(connect=no_connection), offline=True)
    found = snapshot.recalled(setting, snapshot.opened(file, "snapshot.json", ring(shop)))
    planned = reconcile.plan(found, reconcile.Options(**options))
    assert sorted(path.name for path in checkout.iterdir()) == ["specs"]
    return planned


def same(online: plans.Plan, from_snapshot: plans.Plan) -> None:
    """The two say the same, but for when."""
    one, other = (json.loads(ROOTED.sub("state/", data.text(data.plan(found)))) for found in (online, from_snapshot))
    assert other["tenants"] == one["tenants"]
    assert other["fingerprint"] == one["fingerprint"]
    assert other["snapshot"] is not None
    for key in ("createdAt", "snapshot"):
        one.pop(key), other.pop(key)
    assert other == one


# --- the same plan -----------------------------------------------------------------------------------------


DEEP = {entry.code for entry in drift.CLASSES if entry.look is drift.Look.DEEP}
DEFAULT = [case for case in CASES if case.code not in DEEP]


@pytest.mark.parametrize(
    "case", DEFAULT, ids=lambda case: re.sub(r"[^a-z0-9]+", "-", f"{case.code}-{case.says}".lower())
)
def test_drift_is_seen_in_a_snapshot_as_on_the_server(shop: Shop, case: Case, tmp_path: Path) -> None:
    undo = case.make(shop)
    online = shop.plan()
    same(online, offline(shop, taken(shop), tmp_path))
    if undo is not None:
        undo(shop)
    if not shop.plan().empty:
        shop.apply()


def edited(spec: dict[str, Any], **more: Any) -> dict[str, Any]:
    return {**spec, **more}


CHANGED: list[tuple[str, str, dict[str, Any]]] = [
    ("AgendaTenant", "one", edited(AGENDA, displayName="Another", plan="starter", domain="luna.example.com")),
    ("AgendaTenant", "one", edited(AGENDA, admin={"name": "Eva Díaz", "email": "eva@example.com"})),
    ("AgendaTenant", "one", edited(AGENDA, webhooks=[])),
    ("AgendaTenant", "one", edited(AGENDA, state="suspended")),
    ("PosTenant", "two", edited(POS, license={"expires": "2098-12-31", "devices": []})),
    ("PosTenant", "two", edited(POS, cloudSync=False)),
    ("PosTenant", "one", edited(POS, license={"expires": "2098-12-31", "devices": []})),
    ("AgendaTenant", "three", edited(AGENDA, domain="three.example.com")),
    ("PosTenant", "three", edited(POS, license={"expires": "2098-12-31", "devices": []})),
]


@pytest.mark.parametrize(("kind", "name", "spec"), CHANGED, ids=range(len(CHANGED)))
def test_a_changed_spec_and_a_new_tenant_are_planned_as_with_the_server(
    shop: Shop, kind: str, name: str, spec: dict[str, Any], tmp_path: Path
) -> None:
    file, kept = taken(shop), shop.root / "kept"
    shutil.copytree(shop.root / "specs", kept)
    try:
        shop.tenant(kind, name, spec)
        online = shop.plan()
        assert not online.empty
        same(online, offline(shop, file, tmp_path))
    finally:
        shutil.rmtree(shop.root / "specs")
        kept.rename(shop.root / "specs")


def test_a_changed_catalogue_is_planned_as_with_the_server(shop: Shop, tmp_path: Path) -> None:
    file, catalogue = taken(shop), shop.root / "specs/products/agenda-ia/product.yaml"
    text = catalogue.read_text()
    try:
        catalogue.write_text(re.sub(r"priceCents: \d+", "priceCents: 7", text))
        online = shop.plan()
        assert any(change.resource == "seed-rows" for entry in online.tenants for change in entry.changes)
        same(online, offline(shop, file, tmp_path))
    finally:
        catalogue.write_text(text)


def test_rows_that_drifted_show_where_a_spec_changes(shop: Shop, tmp_path: Path) -> None:
    shop.server.sql(f"UPDATE {DB}.users SET email = 'x@example.com', name = 'X'")
    shop.tenant("AgendaTenant", "one", edited(AGENDA, admin={"name": "Eva Díaz", "email": "eva@example.com"}))
    try:
        online = shop.plan()
        assert "x@example.com" in json.dumps(data.plan(online))
        same(online, offline(shop, taken(shop), tmp_path))
    finally:
        shop.tenant("AgendaTenant", "one", AGENDA)
        shop.apply(deep=True)


def test_removed_trashed_and_restored_tenants_are_planned_as_with_the_server(
    tmp_path: Path, clean_server: servers.Server
) -> None:
    shop = _made(tmp_path / "shop", clean_server)
    shop.without("one")
    same(shop.plan(), offline(shop, taken(shop), tmp_path))
    spec = (shop.root / "specs/platform.yaml").read_text()
    (shop.root / "specs/platform.yaml").write_text(spec.replace("prune: false", "prune: true"))
    if "prune: true" not in spec.replace("prune: false", "prune: true"):
        shop.platform(guards={"prune": True, "maxDeletes": 3})
    file = taken(shop)
    online = shop.plan()
    assert [entry.action for entry in online.tenants] == [Action.TRASH, Action.UNCHANGED]
    same(online, offline(shop, file, tmp_path))
    assert shop.apply()["one"].result is Result.APPLIED
    shop.tenant("AgendaTenant", "one", edited(AGENDA, admin={"name": "Eva Díaz", "email": "eva@example.com"}))
    online = shop.plan()
    assert online.tenants[0].action is Action.RESTORE
    same(online, offline(shop, taken(shop), tmp_path))


def test_one_tenant_alone_is_planned_as_with_the_server(shop: Shop, tmp_path: Path) -> None:
    same(shop.plan(tenants=("two",)), offline(shop, taken(shop), tmp_path, tenants=("two",)))


# --- the account that takes it -----------------------------------------------------------------------------


def as_reader(shop: Shop, *grants: str) -> None:
    """Let the shop log in as an account that can only look."""
    shop.server.sql("CREATE OR REPLACE USER reader@'%' IDENTIFIED BY 'r3ader'")
    for grant in grants:
        shop.server.sql(f"{grant} TO reader@'%'")
    (shop.root / "password").write_text("r3ader")
    shop.document("specs/servers/main.yaml", "DatabaseServer", "main", {**shop.server_spec(), "user": "reader"})


@pytest.fixture
def restored(shop: Shop) -> Iterator[Shop]:
    """The shop, which gets its own account back."""
    yield shop
    (shop.root / "password").write_text(shop.server.password)
    shop.document("specs/servers/main.yaml", "DatabaseServer", "main", shop.server_spec())
    shop.server.sql("DROP USER IF EXISTS reader@'%'")


@pytest.mark.parametrize(
    "grants",
    [
        ["GRANT SELECT, SHOW DATABASES, SHOW VIEW, PROCESS, EVENT ON *.*"],
        ["GRANT SELECT ON license_manager.*", "GRANT SELECT ON agenda_one.*", "GRANT SHOW DATABASES ON *.*"],
        ["GRANT SELECT ON mysql.*", "GRANT SELECT ON license_manager.*", "GRANT SHOW DATABASES ON *.*"],
    ],
    ids=["planning", "no-system-tables", "no-tenants"],
)
def test_what_the_account_may_not_see_is_unknown_later_too(restored: Shop, tmp_path: Path, grants: list[str]) -> None:
    as_reader(restored, *grants)
    same(restored.plan(), offline(restored, taken(restored), tmp_path))


def test_taking_a_snapshot_changes_nothing_and_holds_no_lease(shop: Shop) -> None:
    before, files = shop.world(), sorted(shop.root.rglob("*"))
    store = (shop.root / "state/reconcile.db").read_bytes()
    taken(shop)
    assert before.difference(shop.world()) == []
    assert (shop.root / "state/reconcile.db").read_bytes() == store
    assert [path for path in sorted(shop.root.rglob("*")) if not path.name.startswith("reconcile.db-")] == [
        path for path in files if not path.name.startswith("reconcile.db-")
    ]


# --- secrets -----------------------------------------------------------------------------------------------


def secrets_of(shop: Shop) -> dict[str, str]:
    """Everything that must not be in a snapshot, with what it is."""
    setting = shop.setting()
    found: dict[str, str] = {}
    try:
        for name, record in setting.records().items():
            for secret, clear in reveal.secrets(setting, name).items():
                found[f"{name} {secret}"] = clear
                if mark := record.secrets[secret].mark:
                    found[f"{name} {secret} mark"] = mark
    finally:
        setting.opened().close()
    for path in (shop.root / "state/deliveries").rglob("*"):
        if path.is_file():
            found[f"digest of {path}"] = hashlib.sha256(path.read_bytes()).hexdigest()
    for path in (shop.root / "state/keys").iterdir():
        if path.suffix in (".key", ".seed"):
            found[f"key {path}"] = path.read_text().strip()
    for user, said in shop.server.sql("SELECT User, authentication_string FROM mysql.user"):
        if said:
            found[f"hash of {user}"] = said
    return found


def test_no_secret_is_in_a_snapshot_and_nothing_that_a_guess_could_be_tried_on(shop: Shop) -> None:
    canary, chosen = "canary-Zx9", "the hash of a password that a person chose"
    ((former,),) = shop.server.sql(f"SELECT password_hash FROM {DB}.users")
    shop.server.sql(f"CREATE USER canary@'%' IDENTIFIED BY '{canary}'")
    shop.server.sql(f"CREATE USER again@'%' IDENTIFIED BY '{canary}'")
    shop.server.sql("CREATE USER empty@'%'")
    shop.server.sql(f"UPDATE {DB}.users SET password_hash = '{chosen}'")
    try:
        file, secrets = taken(shop).decode(), secrets_of(shop)
    finally:
        shop.server.sql(f"UPDATE {DB}.users SET password_hash = %s", former)
        for user in ("canary", "again", "empty"):
            shop.server.sql(f"DROP USER {user}@'%'")
    said = json.loads(file)
    hidden = {**secrets, "canary": canary, "chosen": chosen}
    assert len(hidden) > 10
    for what, value in hidden.items():
        assert value not in file, what
        assert value.removeprefix("*").lower() not in file.lower(), what
    auth = {
        entry["user"]: entry["auth"][0][1]
        for entry in said["servers"]["main"]["census"]["accounts"]["seen"]
        if entry["auth"]
    }
    assert auth["canary"] != auth["again"]
    assert auth["empty"].startswith("masked:")
    marks = {secret["mark"] for record in said["records"].values() for secret in record["secrets"].values()}
    assert auth["agenda_one_app"] in marks


def test_two_snapshots_mask_the_same_hash_differently(shop: Shop) -> None:
    marks = [
        {secret["mark"] for secret in json.loads(taken(shop))["records"]["one"]["secrets"].values() if secret["mark"]}
        for _ in range(2)
    ]
    assert marks[0]
    assert marks[0].isdisjoint(marks[1])


# --- the signature -----------------------------------------------------------------------------------------


def test_a_snapshot_is_canonical_and_packs(shop: Shop) -> None:
    file = taken(shop)
    assert model.canonical(json.loads(file)) + b"\n" == file
    packed = snapshot.packed(file)
    assert gzip.decompress(packed) == file
    assert snapshot.opened(packed, "snapshot.json.gz", ring(shop)).platform == "default"


def other_key() -> keys.KeyRing:
    pair = keys.derive(b"\7" * 32)
    return keys.KeyRing((keys.PublicKey(pair.kid, pair.public),))


def with_(change: Callable[[dict[str, Any]], object]) -> Callable[[bytes], bytes]:
    def changed(file: bytes) -> bytes:
        said = json.loads(file)
        change(said)
        return model.canonical(said)

    return changed


@pytest.mark.parametrize(
    ("change", "says"),
    [
        (with_(lambda said: said["records"].pop("one")), "changed or forged"),
        (with_(lambda said: said.update(createdAt="2099-01-01T00:00:00.000000Z")), "changed or forged"),
        (with_(lambda said: said.update(more=1)), "changed or forged"),
        (with_(lambda said: said.pop("signature")), "not signed"),
        (with_(lambda said: said["signature"].update(value="")), "signature|base64"),
        (with_(lambda said: said["signature"].update(value="AAAA")), "changed or forged|signature"),
        (with_(lambda said: said["signature"].update(kid="0" * 16)), "not among"),
        (with_(lambda said: said.update(formatVersion=2)), "format reconciler/snapshot 2"),
        (with_(lambda said: said.update(kind="reconciler/plan")), "format reconciler/plan"),
        (lambda file: file[:-40], "no snapshot"),
        (lambda file: b"[]", "no snapshot"),
        (lambda file: gzip.compress(file)[:-20], "can't be unpacked"),
    ],
    ids=range(12),
)
def test_a_snapshot_that_is_not_as_it_was_signed_is_refused(
    shop: Shop, change: Callable[[bytes], bytes], says: str
) -> None:
    with pytest.raises(errors.SnapshotUnusable, match=says) as raised:
        snapshot.opened(change(taken(shop)), "snapshot.json", ring(shop))
    assert raised.value.exit == 65


def test_a_key_that_is_not_in_the_ring_or_revoked_vouches_for_nothing(shop: Shop) -> None:
    file, own = taken(shop), ring(shop)
    with pytest.raises(errors.SnapshotUnusable, match="not among"):
        snapshot.opened(file, "snapshot.json", other_key())
    assert own.active is not None
    with pytest.raises(errors.SnapshotUnusable, match="revoked"):
        snapshot.opened(file, "snapshot.json", own.revoked(own.active.kid))
    rotated = own.rotated(keys.derive(b"\7" * 32).public)
    assert snapshot.opened(file, "snapshot.json", rotated).platform == "default"


def test_no_signature_of_a_license_passes_for_one_of_a_snapshot(shop: Shop) -> None:
    said, kid, _ = model.parse(taken(shop), "snapshot.json")
    (seed,) = [path for path in (shop.root / "state/keys").iterdir() if path.suffix == ".seed"]
    text = signed_file.signed_text(signed_file.TYPE, kid, model.digest(said))
    value = armor.encode64(keys.sign(bytes.fromhex(seed.read_text()), text))
    forged = model.canonical({**said, "signature": {"kid": kid, "value": value}})
    with pytest.raises(errors.SnapshotUnusable, match="changed or forged"):
        snapshot.opened(forged, "snapshot.json", ring(shop))


# --- what it can't know ------------------------------------------------------------------------------------


def recalled(shop: Shop, found: model.Snapshot) -> plans.Plan:
    setting = settings.load_setting(shop.root, Ports(connect=no_connection), offline=True)
    return reconcile.plan(snapshot.recalled(setting, found), reconcile.Options())


def test_a_server_that_is_elsewhere_by_now_is_unknown(shop: Shop) -> None:
    found = snapshot.opened(taken(shop), "snapshot.json", ring(shop))
    moved = replace(found, servers={"main": replace(found.servers["main"], address="elsewhere:3306")})
    planned = recalled(shop, moved)
    assert [entry.changes for entry in planned.tenants] == [(), ()]
    for entry in planned.tenants:
        assert any("server main" in unknown.what for unknown in entry.unknown)
        assert {unknown.privilege for unknown in entry.unknown} == {remembered.A_SNAPSHOT}


def test_rows_that_nobody_looked_at_are_unknown(shop: Shop) -> None:
    found = snapshot.opened(taken(shop), "snapshot.json", ring(shop))
    less = replace(found, servers={"main": replace(found.servers["main"], tables={})})
    shop.tenant("AgendaTenant", "one", edited(AGENDA, admin={"name": "Eva Díaz", "email": "eva@example.com"}))
    try:
        (one, _) = recalled(shop, less).tenants
    finally:
        shop.tenant("AgendaTenant", "one", AGENDA)
    assert any("table users" in unknown.what for unknown in one.unknown)
    assert not any(change.resource == "admin-user" for change in one.changes)


def test_a_server_that_could_not_be_reached_blocks_its_tenants(shop: Shop) -> None:
    found = snapshot.opened(taken(shop), "snapshot.json", ring(shop))
    gone = model.SeenServer(found.servers["main"].address, "it was away", (), {}, {}, {}, {})
    with pytest.raises(errors.ServerUnreachable, match="it was away"):
        recalled(shop, replace(found, servers={"main": gone}))


@pytest.mark.parametrize("what", ["platform", "central", "folders"])
def test_a_snapshot_of_something_else_is_refused(shop: Shop, what: str) -> None:
    found = snapshot.opened(taken(shop), "snapshot.json", ring(shop))
    other: Any = "another" if what == "platform" else ("another", "another")
    with pytest.raises(errors.SnapshotUnusable, match="was another and is"):
        recalled(shop, replace(found, **{what: other}))


def test_the_age_is_in_the_plan(shop: Shop) -> None:
    found = snapshot.opened(taken(shop), "snapshot.json", ring(shop))
    planned = recalled(shop, replace(found, created_at="2020-01-01T00:00:00.000000Z"))
    assert planned.snapshot is not None
    assert planned.snapshot.created_at == "2020-01-01T00:00:00.000000Z"
    assert planned.snapshot.age > 6 * 365 * 86400
    fresh = recalled(shop, found).snapshot
    assert fresh is not None
    assert fresh.age < 600
    assert shop.plan().snapshot is None


def test_a_census_that_remembers_asks_nothing() -> None:
    look = remembered.Remembered({"tables": {}})
    for name in ("schemas", "accounts", "links", "grants", "events", "routines", "version", "folds"):
        with pytest.raises(census.Unseen, match=remembered.A_SNAPSHOT):
            getattr(look, name)
    for call in (
        lambda: look.tables("x"),
        lambda: look.reaching("x"),
        lambda: look.grants_of,
        lambda: look.global_privileges("x", "%"),
        lambda: look.privileges_of_all,
    ):
        with pytest.raises(census.Unseen):
            call()


# --- while something is applied ----------------------------------------------------------------------------


class Meanwhile(Files):
    """Files, whose listing of the deliveries takes so long that a tenant is changed in it."""

    def __init__(self, shop: Shop, times: int) -> None:
        self.shop, self.times = shop, times

    def listing(self, folder: Path) -> Any:
        if folder.name == "trash" and self.times:
            self.times -= 1
            self.shop.tenant("PosTenant", "two", {**POS, "displayName": f"Changed {self.times}"})
            assert self.shop.apply()["two"].result is Result.APPLIED
        return super().listing(folder)


def test_a_tenant_that_is_changed_meanwhile_is_looked_at_again(tmp_path: Path, clean_server: servers.Server) -> None:
    shop = _made(tmp_path / "shop", clean_server)
    file = taken(shop, Ports(entropy=QUICK, files=Meanwhile(shop, 1)))
    same(shop.plan(), offline(shop, file, tmp_path))
    with pytest.raises(errors.Refused, match="two"):
        taken(shop, Ports(entropy=QUICK, files=Meanwhile(shop, 9)))
