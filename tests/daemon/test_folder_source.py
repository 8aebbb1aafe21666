"""Specs from a folder: what is heard, what is read, and what never counts as gone."""

from __future__ import annotations

import os
import shutil
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
import watchfiles

from reconciler import errors
from reconciler.daemon.folder_source import FolderSource
from reconciler.daemon.source import Checkout
from reconciler.ports import watch
from tests.daemon import upstream

SCHEMA = "specs/products/agenda-ia/schema/0001_one.sql"


@pytest.fixture
def root(tmp_path: Path) -> Path:
    root = tmp_path / "root"
    write(root, upstream.PLATFORM, upstream.document("Platform", "default", {}))
    write(root, SCHEMA, "CREATE TABLE one (id INT);\n")
    for name in ("acme", "beta"):
        write(root, f"specs/tenants/{name}.yaml", upstream.tenant(name))
    return root


@pytest.fixture
def source(root: Path) -> Iterator[FolderSource]:
    made = FolderSource(root)
    yield made
    made.close()


def write(root: Path, path: str, text: str) -> None:
    place = root / path
    place.parent.mkdir(parents=True, exist_ok=True)
    place.write_text(text, encoding="utf-8")


def looked(source: FolderSource) -> Checkout:
    found = source.look()
    assert found is not None, "there was nothing new"
    source.accept(found)
    return found


def names(checkout: Checkout) -> list[str]:
    return sorted(document.name for document in checkout.tree.tenants)


def woken(source: FolderSource, change: Callable[[], object], seconds: float = 60) -> bool:
    """Whether the source hears of a change long before ``seconds`` are over."""
    wake = threading.Event()
    timer = threading.Timer(0.3, change)
    timer.start()
    began = time.monotonic()
    source.wait(seconds, wake)
    timer.join()
    return wake.is_set() and time.monotonic() - began < seconds / 2


def test_the_folder_is_read_as_it_is(root: Path, source: FolderSource) -> None:
    found = looked(source)
    assert names(found) == sorted(found.blobs) == ["acme", "beta"]
    assert found.folder == found.tree.root == root
    assert found.revision.startswith("specs@sha256:")
    assert len(found.revision.rpartition(":")[2]) == 64
    assert found.commits("specs/tenants/acme.yaml") is None
    assert source.look() is None


def test_a_clean_checkout_is_known_by_its_commit(tmp_path: Path) -> None:
    up = upstream.Upstream.filled(tmp_path / "up", "acme")
    source = FolderSource(up.root)
    try:
        assert looked(source).revision == f"main@sha1:{up.tip}"
        up.tenant("acme", displayName="Not committed")
        assert looked(source).revision.startswith("specs@sha256:")
    finally:
        source.close()


def test_a_changed_file_alone_is_read_again(root: Path, source: FolderSource) -> None:
    before = looked(source)
    write(root, "specs/tenants/beta.yaml", upstream.tenant("beta", displayName="Beta again"))
    after = looked(source)
    assert before.revision != after.revision
    assert before.tree.named("PosTenant", "acme") is after.tree.named("PosTenant", "acme")
    assert before.blobs["acme"] == after.blobs["acme"]
    assert before.blobs["beta"] != after.blobs["beta"]


def test_a_file_that_is_only_touched_is_nothing_new(root: Path, source: FolderSource) -> None:
    looked(source)
    os.utime(root / "specs/tenants/acme.yaml", (1, 1))
    assert source.look() is None


def test_a_changed_file_of_a_product_is_new(root: Path, source: FolderSource) -> None:
    before = looked(source)
    write(root, SCHEMA, "CREATE TABLE two (id INT);\n")
    after = looked(source)
    assert before.revision != after.revision
    assert before.blobs == after.blobs


def test_a_file_that_is_gone_is_a_removal_once_it_stays_away(root: Path, source: FolderSource) -> None:
    looked(source)
    (root / "specs/tenants/acme.yaml").unlink()
    found = looked(source)
    assert names(found) == ["beta"]
    assert not found.tree.unread


def test_a_file_that_is_just_being_replaced_is_not_gone(root: Path, source: FolderSource) -> None:
    looked(source)
    place = root / "specs/tenants/acme.yaml"
    place.unlink()
    timer = threading.Timer(
        0.4, lambda: write(root, "specs/tenants/acme.yaml", upstream.tenant("acme", displayName="A"))
    )
    timer.start()
    try:
        assert names(looked(source)) == ["acme", "beta"]
    finally:
        timer.join()


def test_a_folder_that_is_away_is_a_failure_and_no_empty_tree(root: Path, source: FolderSource) -> None:
    looked(source)
    (root / "specs").rename(root / "away")
    with pytest.raises(errors.SourceFailed):
        source.look()
    (root / "away").rename(root / "specs")
    source.look()
    assert woken(source, lambda: write(root, "specs/tenants/gamma.yaml", upstream.tenant("gamma")))
    assert names(looked(source)) == ["acme", "beta", "gamma"]


def test_what_can_not_be_read_is_a_fault_and_not_an_absence(root: Path, source: FolderSource, tmp_path: Path) -> None:
    looked(source)
    place = root / "specs/tenants/acme.yaml"
    place.unlink()
    os.mkfifo(place)
    (root / "specs/tenants/out.yaml").symlink_to(tmp_path / "nowhere")
    write(root, "specs/tenants/beta.yaml", "kind: [")
    found = looked(source)
    assert found.tree.unread == {f"specs/tenants/{name}.yaml" for name in ("acme", "beta", "out")}
    assert source.look() is None


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads every folder")
def test_a_folder_that_can_not_be_read_is_a_fault_and_seen_again(root: Path, source: FolderSource) -> None:
    looked(source)
    (root / "specs/tenants").chmod(0)
    try:
        assert looked(source).tree.is_unread("specs/tenants")
    finally:
        (root / "specs/tenants").chmod(0o755)
    assert names(looked(source)) == ["acme", "beta"]


def test_links_to_folders_are_followed_once_and_seen_to_change(root: Path, source: FolderSource) -> None:
    write(root, "shared/gamma.yaml", upstream.tenant("gamma"))
    (root / "specs/tenants/shared").symlink_to("../../shared")
    (root / "specs/tenants/circle").symlink_to("..")
    assert names(looked(source)) == ["acme", "beta", "gamma"]
    write(root, "shared/gamma.yaml", upstream.tenant("gamma", displayName="Gamma again"))
    assert names(looked(source)) == ["acme", "beta", "gamma"]


@pytest.mark.parametrize("path", ["specs/tenants/gamma.yaml", "specs/tenants/new/er/gamma.yaml", SCHEMA])
def test_a_change_ends_the_wait(root: Path, source: FolderSource, path: str) -> None:
    looked(source)
    assert woken(source, lambda: write(root, path, upstream.tenant("gamma")))
    looked(source)


def test_a_change_during_a_look_ends_the_next_wait_at_once(root: Path, source: FolderSource) -> None:
    looked(source)
    write(root, "specs/tenants/gamma.yaml", upstream.tenant("gamma"))
    time.sleep(1.5)
    assert woken(source, lambda: None)


def test_a_change_before_the_kernel_is_listened_to_is_heard(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    listen, heard = watchfiles.watch, threading.Event()

    def late(*given: Any, **named: Any) -> Any:
        write(root, "specs/tenants/gamma.yaml", upstream.tenant("gamma"))
        return listen(*given, **named)

    monkeypatch.setattr(watchfiles, "watch", late)
    monkeypatch.setattr(watch, "_LOOK_MILLISECONDS", 200)
    made = watch.Watch(root / "specs", heard.set)
    assert heard.wait(30)
    made.close()


def test_reading_alone_wakes_nobody(source: FolderSource) -> None:
    looked(source)
    time.sleep(0.5)
    source.look()
    wake = threading.Event()
    source.wait(1.5, wake)
    assert not wake.is_set()


def test_a_wait_ends_when_it_is_woken(source: FolderSource) -> None:
    wake = threading.Event()
    threading.Timer(0.1, wake.set).start()
    began = time.monotonic()
    source.wait(60, wake)
    assert time.monotonic() - began < 30


def test_where_no_watch_can_be_had_looking_still_finds_what_changed(
    root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    tried = threading.Event()

    def exhausted(*_paths: object, **_options: object) -> None:
        tried.set()
        raise OSError("OS file watch limit reached")

    monkeypatch.setattr(watchfiles, "watch", exhausted)
    source = FolderSource(root)
    try:
        looked(source)
        assert tried.wait(30)
        write(root, "specs/tenants/gamma.yaml", upstream.tenant("gamma"))
        source.wait(0.1, threading.Event())
        assert names(looked(source)) == ["acme", "beta", "gamma"]
    finally:
        source.close()


def test_a_close_ends_the_thread_and_may_be_repeated(root: Path) -> None:
    before = threading.active_count()
    source = FolderSource(root)
    source.close()
    source.close()
    assert threading.active_count() == before


def test_a_folder_that_another_takes_the_place_of_is_told(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(watch, "_LOOK_MILLISECONDS", 100)
    source = FolderSource(root)
    try:
        looked(source)
        shutil.copytree(root / "specs", root / "next")
        write(root, "next/tenants/gamma.yaml", upstream.tenant("gamma"))

        def swap() -> None:
            (root / "specs").rename(root / "before")
            (root / "next").rename(root / "specs")

        assert woken(source, swap)
        assert names(looked(source)) == ["acme", "beta", "gamma"]
        assert woken(source, lambda: write(root, "specs/tenants/delta.yaml", upstream.tenant("delta")))
    finally:
        source.close()
