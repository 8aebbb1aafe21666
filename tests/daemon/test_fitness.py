from __future__ import annotations

import shutil
import stat
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import pytest

from reconciler import errors
from reconciler.daemon import fitness
from reconciler.engine import reconcile, snapshot, sweep
from reconciler.engine.setting import Setting
from reconciler.model.outcome import Result
from tests.engine.test_counts import agenda, pos
from tests.support import server as servers
from tests.support.shop import Shop
from tests.support.stores import where


@pytest.fixture(params=["sqlite", "mariadb"])
def shop(request: pytest.FixtureRequest, tmp_path: Path, clean_server: servers.Server) -> Shop:
    """A platform that was laid, without tenants, its store in a file or on a server."""
    made = Shop(tmp_path / "here", clean_server)
    url = where(request.param, request).url if request.param == "mariadb" else f"sqlite:///{tmp_path}/store.db"
    made.platform(state={"url": url})
    made.apply()
    return made


@pytest.fixture
def elsewhere(shop: Shop, tmp_path: Path) -> Shop:
    """The same platform and store as seen from another host: with nothing in its state folder."""
    (tmp_path / "there").mkdir()
    other = Shop.__new__(Shop)
    other.root, other.server = tmp_path / "there", shop.server
    shutil.copytree(shop.root / "specs", other.root / "specs")
    shutil.copy(shop.root / "password", other.root / "password")
    return other


def made(shop: Shop, kind: str = "AgendaTenant", spec: dict[str, Any] | None = None) -> None:
    shop.tenant(kind, "one", spec or agenda(1))
    assert shop.apply()["one"].result is Result.APPLIED


@contextmanager
def opened(shop: Shop) -> Iterator[Setting]:
    setting = shop.setting()
    try:
        yield setting
    finally:
        if setting.store is not None:
            setting.store.close()


def check(shop: Shop) -> None:
    with opened(shop) as setting:
        fitness.check(setting)


def refusal(shop: Shop) -> errors.NotLeader:
    with pytest.raises(errors.NotLeader) as found:
        check(shop)
    assert found.value.exit == 78
    assert found.value.message.startswith("this daemon must not lead: ")
    return found.value


def mark(shop: Shop) -> Path:
    return shop.root / "state/deliveries" / fitness.MARK


def test_before_the_first_tenant_anyone_is_fit_and_nothing_is_claimed(shop: Shop, elsewhere: Shop) -> None:
    check(shop)
    check(elsewhere)
    assert not mark(shop).exists()
    assert not mark(elsewhere).exists()


def test_before_there_is_a_store_anyone_is_fit(tmp_path: Path, clean_server: servers.Server) -> None:
    check(Shop(tmp_path, clean_server))


def test_where_a_tenant_was_delivered_the_folder_is_marked_with_the_stores_id(shop: Shop) -> None:
    made(shop)
    check(shop)
    with opened(shop) as setting:
        assert mark(shop).read_text() == f"{setting.opened().platform_id}\n"
    assert stat.S_IMODE(mark(shop).stat().st_mode) == 0o600
    (shop.root / "state/deliveries/one/manifest.json").unlink()
    check(shop)  # the mark alone is enough from now on


def test_another_host_without_the_keys_is_refused(shop: Shop, elsewhere: Shop) -> None:
    made(shop)
    said = refusal(elsewhere)
    assert "keys of the platform are not in" in said.message
    assert "keys.directory" in said.next


def test_another_host_with_keys_of_its_own_is_refused(shop: Shop, elsewhere: Shop) -> None:
    made(shop)
    with opened(elsewhere) as setting:
        setting.keys.make()
    assert "was not sealed with the key" in refusal(elsewhere).message


def test_where_licenses_are_all_there_is_the_signing_key_is_tried(shop: Shop, elsewhere: Shop) -> None:
    made(shop, "PosTenant", {**pos(1), "cloudSync": False})
    with opened(shop) as setting:
        assert setting.opened().read(fitness.records.sample) is None, "the test has lost its point"
    check(shop)
    with opened(elsewhere) as setting:
        setting.keys.make()
    assert "licenses were signed with the key" in refusal(elsewhere).message


def test_without_the_seed_that_signs_it_is_refused(shop: Shop) -> None:
    made(shop)
    for seed in (shop.root / "state/keys").glob("*.seed"):
        seed.unlink()
    assert "is not there" in refusal(shop).message


def test_a_damaged_sealing_key_is_refused(shop: Shop) -> None:
    made(shop)
    (shop.root / "state/keys/sealing.key").write_text("no key")
    assert "is damaged" in refusal(shop).message


def test_the_same_keys_and_an_empty_folder_are_refused_until_it_is_the_shared_one(shop: Shop, elsewhere: Shop) -> None:
    made(shop)
    shutil.copytree(shop.root / "state/keys", elsewhere.root / "state/keys")
    for make in (lambda: None, lambda: (elsewhere.root / "state/deliveries").mkdir()):
        make()
        assert "neither .reconciler-store nor the delivery" in refusal(elsewhere).message
    assert not mark(elsewhere).exists()
    (elsewhere.root / "state/deliveries").rmdir()
    (elsewhere.root / "state/deliveries").symlink_to(shop.root / "state/deliveries")
    check(shop)
    check(elsewhere)


def test_a_folder_of_another_store_is_refused_and_left_as_it_is(shop: Shop) -> None:
    made(shop)
    mark(shop).write_text("another\n")
    assert "belongs to the store another" in refusal(shop).message
    assert mark(shop).read_text() == "another\n"


@pytest.mark.parametrize("manifest", ['{"transaction": "0"}', "{}", "no json"])
def test_a_folder_with_a_tenants_name_is_no_proof_by_itself(shop: Shop, manifest: str) -> None:
    made(shop)
    (shop.root / "state/deliveries/one/manifest.json").write_text(manifest)
    refusal(shop)
    assert not mark(shop).exists()


def test_lost_deliveries_are_written_anew_by_an_apply_and_then_it_is_fit(shop: Shop) -> None:
    made(shop)
    shutil.rmtree(shop.root / "state/deliveries")
    assert "reconcile apply" in refusal(shop).next
    shop.apply()
    check(shop)
    assert mark(shop).exists()


def test_the_mark_is_in_nobodys_way(shop: Shop) -> None:
    made(shop)
    check(shop)
    before = mark(shop).read_bytes()
    assert shop.plan(deep=True).empty
    with opened(shop) as setting:
        assert sweep.sweep(setting) == []
        found = snapshot.take(setting)
        assert snapshot.opened(snapshot.signed(setting, found)[0], "s", setting.keys.ring) == found
        assert reconcile.plan(snapshot.recalled(setting, found), reconcile.Options()).empty
    shop.tenant("PosTenant", "two", pos(2))
    assert shop.apply()["two"].result is Result.APPLIED
    assert shop.recover() == []
    assert mark(shop).read_bytes() == before


def test_a_mark_that_a_dead_process_had_only_half_written_is_swept_away(shop: Shop) -> None:
    made(shop)
    half = shop.root / "state/deliveries" / f".{fitness.MARK}.{'0' * 32}"
    half.write_text("half")
    with opened(shop) as setting:
        assert sweep.sweep(setting) == []  # somebody may be about to put it in place
        fitness.check(setting)
        assert sweep.sweep(setting) == [half.name]
        fitness.check(setting)
