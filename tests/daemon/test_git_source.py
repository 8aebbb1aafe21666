"""Specs from a git remote: real repositories, real fetches, real signatures."""

from __future__ import annotations

import gc
import os
import shutil
import stat
import subprocess
import sys
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler import errors
from reconciler.daemon.git_source import GitSource
from reconciler.daemon.source import Checkout
from reconciler.ports.clock import Clock
from reconciler.ports.store import sources
from reconciler.ports.store import store as stores
from tests.daemon import upstream
from tests.daemon.upstream import Upstream

needs_ssh_keygen = pytest.mark.skipif(not shutil.which("ssh-keygen"), reason="signatures are made with ssh-keygen")


class Daemon:
    """What holds a source: a root with state, and a store that may be there."""

    def __init__(self, root: Path, up: Upstream, branch: str = "main") -> None:
        self.root = root
        self.up = up
        self.branch = branch
        self.store: stores.Store | None = None
        self.source = self.started()

    def started(self) -> GitSource:
        self.source = GitSource(self.root, self.up.url, self.branch, store=lambda: self.store, clock=Clock())
        return self.source

    def lay(self) -> stores.Store:
        self.store = stores.make_store(
            "sqlite:///state/reconcile.db", self.root, platform="p", platform_id="1", now="2027-01-01T00:00:00.000000Z"
        )
        return self.store

    def taken(self) -> Checkout:
        """A new checkout, accepted."""
        found = self.source.look()
        assert found is not None, "there was nothing new"
        self.source.accept(found)
        return found

    @property
    def mirror(self) -> Path:
        return self.root / "state/source/mirror.git"


@pytest.fixture
def up(tmp_path: Path) -> Upstream:
    return Upstream.filled(tmp_path / "up", "acme", "beta")


@pytest.fixture
def daemon(tmp_path: Path, up: Upstream) -> Iterator[Daemon]:
    made = Daemon(tmp_path / "root", up)
    made.root.mkdir()
    yield made
    made.source.close()
    if made.store is not None:
        made.store.close()


def names(checkout: Checkout) -> list[str]:
    return sorted(document.name for document in checkout.tree.tenants)


def messages(checkout: Checkout) -> dict[str, str]:
    return {fault.where.file: fault.message for fault in checkout.tree.faults}


# --- what a commit holds -----------------------------------------------------------------------------------


def test_the_first_look_gives_what_the_branch_holds(daemon: Daemon, up: Upstream) -> None:
    found = daemon.taken()
    assert found.revision == f"main@sha1:{up.tip}"
    assert names(found) == ["acme", "beta"]
    assert not found.tree.faults
    assert found.blobs == {name: up.git("rev-parse", f"HEAD:specs/tenants/{name}.yaml") for name in ("acme", "beta")}
    assert found.tree.root == found.folder
    assert (found.folder / "specs/products/agenda-ia/schema/0001_one.sql").read_text() == "CREATE TABLE one (id INT);\n"
    assert not (found.folder / "specs/tenants").exists()


def test_there_is_never_a_work_tree_and_nobody_else_may_look(daemon: Daemon) -> None:
    found = daemon.taken()
    assert not [path for path in daemon.root.rglob("acme.yaml")]
    for folder in (daemon.root / "state/source", found.folder):
        assert stat.S_IMODE(folder.stat().st_mode) == 0o700


def test_a_look_gives_nothing_until_something_is_pushed(daemon: Daemon, up: Upstream) -> None:
    daemon.taken()
    assert daemon.source.look() is None
    up.tenant("gamma")
    up.commit()
    assert names(daemon.taken()) == ["acme", "beta", "gamma"]


def test_a_changed_file_alone_is_read_again(daemon: Daemon, up: Upstream) -> None:
    before = daemon.taken()
    up.tenant("beta", displayName="Beta again")
    up.commit()
    after = daemon.taken()
    assert before.tree.named("PosTenant", "acme") is after.tree.named("PosTenant", "acme")
    assert before.tree.named("PosTenant", "beta") is not after.tree.named("PosTenant", "beta")
    assert before.blobs["acme"] == after.blobs["acme"]
    assert before.blobs["beta"] != after.blobs["beta"]


def test_differences_lead_to_what_a_whole_look_finds(tmp_path: Path, daemon: Daemon, up: Upstream) -> None:
    daemon.taken()
    up.git("mv", "specs/tenants/acme.yaml", "specs/tenants/moved.yaml")
    (up.root / "specs/tenants/beta.yaml").unlink()
    up.tenant("gamma")
    up.write("specs/tenants/deep/er/delta.yaml", upstream.tenant("delta"))
    up.commit()
    (up.root / "specs/tenants/deep/er/delta.yaml").unlink()
    up.write("specs/tenants/deep/er.yaml", upstream.tenant("epsilon"))
    up.write("README.md", "not a spec")
    (up.root / "README.md").chmod(0o755)
    up.commit()
    stepwise = daemon.taken()
    other = Daemon(tmp_path / "other", up)
    whole = other.taken()
    assert names(stepwise) == names(whole) == ["acme", "epsilon", "gamma"]
    assert stepwise.blobs == whole.blobs
    assert stepwise.folder.name == whole.folder.name
    assert [d.file for d in stepwise.tree.documents] == [d.file for d in whole.tree.documents]


def test_a_removed_file_in_a_descendant_is_a_removal(daemon: Daemon, up: Upstream) -> None:
    daemon.taken()
    (up.root / "specs/tenants/acme.yaml").unlink()
    up.commit()
    found = daemon.taken()
    assert names(found) == ["beta"]
    assert not found.tree.unread


def test_no_specs_at_all_in_a_descendant_is_what_it_says(daemon: Daemon, up: Upstream) -> None:
    daemon.taken()
    shutil.rmtree(up.root / "specs")
    up.commit()
    found = daemon.taken()
    assert found.tree.documents == ()


def test_names_that_are_hard_to_say_are_read(daemon: Daemon, up: Upstream) -> None:
    hard = {
        "quoted": 'specs/tenants/with "quotes" and \\back.yaml',
        "broken": "specs/tenants/two\nlines\tand tabs.yaml",
        "latin": os.fsdecode(b"specs/tenants/caf\xe9.yaml"),
        "stars": "specs/tenants/:(glob)*?[a].yaml",
        "accent": "specs/tenants/café.yaml",
    }
    for name, path in hard.items():
        up.write(path, upstream.tenant(name))
    up.commit("hard names")
    found = daemon.taken()
    assert names(found) == sorted(["acme", "beta", *hard])
    assert set(found.blobs) == set(names(found))
    for document in found.tree.tenants:
        last = found.commits(document.file)
        assert last is not None
        assert last.subject == ("hard names" if document.name in hard else "the first")


def test_the_last_commit_of_a_file_is_told_with_its_author(daemon: Daemon, up: Upstream) -> None:
    up.tenant("acme", displayName="Other")
    commit = up.commit("acme is called otherwise\n\nand more", "--author", "Bo \x1b[31m<bo@example.com>")
    up.tenant("beta", displayName="Other")
    up.commit("beta too")
    found = daemon.taken()
    last = found.commits("specs/tenants/acme.yaml")
    assert last is not None
    assert (last.id, last.subject) == (commit, "acme is called otherwise")
    assert last.author == "Bo [31m <bo@example.com>"
    assert last.time[4] == "-"
    assert found.commits("specs/tenants/nobody.yaml") is None


def test_links_and_submodules_hide_documents_and_are_not_followed(daemon: Daemon, up: Upstream, tmp_path: Path) -> None:
    (tmp_path / "secret.yaml").write_text(upstream.tenant("stolen"))
    tenants = up.root / "specs/tenants"
    (tenants / "out.yaml").symlink_to(tmp_path / "secret.yaml")
    (tenants / "in.yaml").symlink_to("acme.yaml")
    (tenants / "folder").symlink_to("../products")
    (tenants / "folder.d").symlink_to("../products")
    (tenants / "README").symlink_to("../platform.yaml")
    (tenants / ".hidden.yaml").symlink_to("acme.yaml")
    up.git("add", "-A")
    up.git("update-index", "--add", "--cacheinfo", f"160000,{up.tip},specs/tenants/sub")
    up.git("commit", "-q", "-m", "links")
    found = daemon.taken()
    assert names(found) == ["acme", "beta"]
    hidden = {f"specs/tenants/{name}" for name in ("out.yaml", "in.yaml", "folder", "folder.d", "sub")}
    assert found.tree.unread == hidden
    assert set(messages(found)) == hidden
    assert found.tree.is_unread("specs/tenants/sub/any.yaml")


def test_a_link_among_products_files_fails_when_it_is_read(daemon: Daemon, up: Upstream) -> None:
    (up.root / "specs/products/agenda-ia/schema/0002_two.sql").symlink_to("/etc/hostname")
    (up.root / "etc").symlink_to("/etc")
    up.commit()
    found = daemon.taken()
    assert found.tree.is_unread("specs/products/agenda-ia/schema/0002_two.sql")
    for path in ("specs/products/agenda-ia/schema/0002_two.sql", "etc"):
        assert (found.folder / path).is_symlink()
        assert not (found.folder / path).exists()


def test_a_huge_file_is_a_fault_and_no_burden(daemon: Daemon, up: Upstream) -> None:
    up.write("specs/tenants/huge.yaml", b"# long\n" * (8 << 20 >> 3))
    up.write("specs/tenants/binary.yaml", b"name: \xff\xfe")
    up.write("specs/tenants/empty.yaml", b"")
    up.write("dump.sql", b"-- row\n" * (24 << 20 >> 3))
    up.commit()
    found = daemon.taken()
    assert names(found) == ["acme", "beta"]
    assert set(messages(found)) == {f"specs/tenants/{name}.yaml" for name in ("huge", "binary", "empty")}
    assert found.tree.unread == set(messages(found))
    assert (found.folder / "dump.sql").stat().st_size == (up.root / "dump.sql").stat().st_size


def test_a_document_in_a_wrong_place_is_not_missed(daemon: Daemon, up: Upstream) -> None:
    up.write("specs/tenant/lost.yaml", upstream.tenant("lost"))
    up.write("specs/products/agenda-ia/seeds/rows.yaml", "table: t\nkey: [a]\nrows: []\n")
    up.commit()
    assert set(messages(daemon.taken())) == {"specs/tenant/lost.yaml"}


def test_folders_without_end_are_a_fault(daemon: Daemon, up: Upstream) -> None:
    up.write("specs/tenants/" + "a/" * 40 + "deep.yaml", upstream.tenant("deep"))
    up.commit()
    found = daemon.taken()
    assert names(found) == ["acme", "beta"]
    assert found.tree.is_unread("specs/tenants/" + "a/" * 40 + "deep.yaml")


@pytest.mark.parametrize("name", ["..", ".", "", "a/../.."])
def test_a_tree_that_leads_elsewhere_is_refused(daemon: Daemon, up: Upstream, name: str) -> None:
    daemon.taken()
    blob = up.git("hash-object", "-w", "--stdin", data=b"out")
    inner = b"100644 evil\0" + bytes.fromhex(blob)
    held = up.git("hash-object", "-w", "-t", "tree", "--literally", "--stdin", data=inner)
    entry = b"40000 " + name.encode() + b"\0" + bytes.fromhex(held)
    top = up.git("hash-object", "-w", "-t", "tree", "--literally", "--stdin", data=entry)
    commit = up.git("commit-tree", top, "-p", "HEAD", "-m", "evil")
    up.git("update-ref", "refs/heads/main", commit)
    with pytest.raises(errors.SourceFailed):
        daemon.source.look()
    assert not list((daemon.root / "state").rglob("evil"))


def test_a_branch_may_have_slashes_and_a_tag_its_name(tmp_path: Path, up: Upstream) -> None:
    up.git("branch", "release/2027")
    up.tenant("gamma")
    up.commit()
    up.git("tag", "release/2027")
    daemon = Daemon(tmp_path / "root", up, "release/2027")
    found = daemon.taken()
    assert found.revision == f"release/2027@sha1:{up.git('rev-parse', 'refs/heads/release/2027')}"
    assert names(found) == ["acme", "beta"]
    assert not subprocess.check_output(["git", f"--git-dir={daemon.mirror}", "tag"])


# --- exports -----------------------------------------------------------------------------------------------


def test_products_files_move_only_when_they_change_and_old_ones_go(daemon: Daemon, up: Upstream) -> None:
    first = daemon.taken().folder
    up.tenant("gamma")
    up.commit()
    assert daemon.taken().folder == first
    folders = []
    for number in range(4):
        up.write("specs/products/agenda-ia/schema/0001_one.sql", f"CREATE TABLE t{number} (id INT);\n")
        up.commit()
        folders.append(daemon.taken().folder)
        gc.collect()
    assert len(set(folders)) == 4
    assert set(first.parent.iterdir()) == set(folders[-2:])


def test_products_files_stay_as_long_as_their_tree_is_in_use(daemon: Daemon, up: Upstream) -> None:
    tree = daemon.taken().tree
    for number in range(4):
        up.write("specs/products/agenda-ia/schema/0001_one.sql", f"CREATE TABLE t{number} (id INT);\n")
        up.commit()
        daemon.taken()
        gc.collect()
    assert (tree.root / "specs/products/agenda-ia/schema/0001_one.sql").read_text() == "CREATE TABLE one (id INT);\n"
    assert len(list(tree.root.parent.iterdir())) == 3


@pytest.mark.parametrize("harm", ["emptied", "gone", "more"])
def test_a_damaged_export_of_an_earlier_process_is_made_again(daemon: Daemon, harm: str) -> None:
    folder = daemon.taken().folder
    file = folder / "specs/products/agenda-ia/schema/0001_one.sql"
    (folder.parent / ".left").mkdir()
    file.chmod(0o600)
    if harm == "emptied":
        file.write_text("")
    elif harm == "gone":
        file.unlink()
    else:
        file.with_name("0002_more.sql").write_text("DROP TABLE one")
    daemon.started()
    again = daemon.taken().folder
    assert again == folder
    assert file.read_text() == "CREATE TABLE one (id INT);\n"
    assert [path.name for path in file.parent.iterdir()] == ["0001_one.sql"]
    assert list(folder.parent.iterdir()) == [folder]


# --- only forward ------------------------------------------------------------------------------------------


def test_a_rewritten_history_stops_and_names_both_commits(daemon: Daemon, up: Upstream) -> None:
    old = daemon.taken().revision[-40:]
    up.tenant("beta", displayName="Amended")
    up.git("add", "-A")
    up.git("commit", "-q", "--amend", "-m", "amended")
    for _ in range(2):
        with pytest.raises(errors.HistoryRewritten) as raised:
            daemon.source.look()
        assert old in str(raised.value)
        assert up.tip in str(raised.value)
    daemon.started()
    with pytest.raises(errors.HistoryRewritten):
        daemon.source.look()


def test_a_rewritten_history_that_is_put_back_goes_on(daemon: Daemon, up: Upstream) -> None:
    old = daemon.taken().revision[-40:]
    up.git("commit", "-q", "--amend", "-m", "amended")
    with pytest.raises(errors.HistoryRewritten):
        daemon.source.look()
    up.git("reset", "-q", "--hard", old)
    daemon.source.look()
    up.tenant("gamma")
    up.commit()
    assert names(daemon.taken()) == ["acme", "beta", "gamma"]


def test_only_the_newest_commit_by_its_whole_id_is_accepted(daemon: Daemon, up: Upstream) -> None:
    daemon.taken()
    up.git("commit", "-q", "--amend", "-m", "amended")
    amended = up.tip
    with pytest.raises(errors.UsageError):
        daemon.source.accept_history(amended[:12])
    daemon.source.accept_history(amended)
    up.tenant("gamma")
    moved = up.commit("one more, after the person looked")
    with pytest.raises(errors.HistoryRewritten):
        daemon.source.look()
    daemon.source.accept_history(moved)
    assert names(daemon.taken()) == ["acme", "beta", "gamma"]
    up.git("commit", "-q", "--amend", "-m", "and again")
    with pytest.raises(errors.HistoryRewritten):
        daemon.source.look()


def test_an_unrelated_root_and_a_step_back_are_rewritings(daemon: Daemon, up: Upstream) -> None:
    first = up.tip
    up.tenant("gamma")
    up.commit()
    daemon.taken()
    up.git("reset", "-q", "--hard", first)
    with pytest.raises(errors.HistoryRewritten):
        daemon.source.look()
    up.git("checkout", "-q", "--orphan", "other")
    up.commit("unrelated")
    up.git("branch", "-q", "-M", "other", "main")
    with pytest.raises(errors.HistoryRewritten):
        daemon.source.look()


def test_what_the_store_trusts_survives_a_lost_mirror(daemon: Daemon, up: Upstream) -> None:
    store = daemon.lay()
    old = daemon.taken().revision[-40:]
    assert store.read(lambda c: sources.load(c, up.url, "main")) == old
    daemon.source.close()
    shutil.rmtree(daemon.root / "state/source")
    up.git("commit", "-q", "--amend", "-m", "rewritten meanwhile")
    daemon.started()
    with pytest.raises(errors.HistoryRewritten, match=old):
        daemon.source.look()


def test_a_rewriting_is_seen_at_the_latest_when_the_store_is_there(daemon: Daemon, up: Upstream) -> None:
    store = daemon.lay()
    daemon.taken()
    shutil.rmtree(daemon.root / "state/source")
    up.git("commit", "-q", "--amend", "-m", "rewritten meanwhile")
    daemon.store = None  # where the store is stands in the specs, which have not been read yet
    source = daemon.started()
    found = source.look()
    assert found is not None
    daemon.store = store
    with pytest.raises(errors.HistoryRewritten):
        source.accept(found)
    with pytest.raises(errors.HistoryRewritten):
        source.look()
    source.accept_history(up.tip)
    daemon.taken()


def test_before_there_is_a_store_the_mirror_remembers_and_then_both(daemon: Daemon, up: Upstream) -> None:
    found = daemon.taken()
    store = daemon.lay()
    assert store.read(lambda c: sources.load(c, up.url, "main")) is None
    daemon.source.accept(found)
    assert store.read(lambda c: sources.load(c, up.url, "main")) == up.tip
    daemon.store = None
    up.git("commit", "-q", "--amend", "-m", "rewritten")
    daemon.started()
    with pytest.raises(errors.HistoryRewritten):
        daemon.source.look()
    daemon.store = store


def test_what_somebody_else_accepted_is_not_taken_back(daemon: Daemon, up: Upstream) -> None:
    store = daemon.lay()
    old = daemon.source.look()
    assert old is not None
    up.tenant("gamma")
    newer = up.commit()
    other = GitSource(daemon.root, up.url, "main", store=lambda: store, clock=Clock())
    found = other.look()
    assert found is not None
    other.accept(found)
    with pytest.raises(errors.SourceFailed, match="somebody else") as raised:
        daemon.source.accept(old)
    assert not isinstance(raised.value, errors.HistoryRewritten)
    assert daemon.taken().revision.endswith(newer)


# --- what goes wrong ---------------------------------------------------------------------------------------


def test_a_deleted_branch_is_a_failure_and_no_empty_tree(daemon: Daemon, up: Upstream) -> None:
    daemon.taken()
    up.git("checkout", "-q", "-b", "other")
    up.git("branch", "-q", "-D", "main")
    with pytest.raises(errors.SourceFailed, match="no branch main"):
        daemon.source.look()
    up.git("branch", "-q", "-M", "other", "main")
    assert daemon.source.look() is None


def test_a_remote_that_is_gone_fails_until_it_is_back(daemon: Daemon, up: Upstream) -> None:
    daemon.taken()
    away = up.root.with_name("away")
    up.root.rename(away)
    with pytest.raises(errors.SourceFailed) as raised:
        daemon.source.look()
    assert "Check that the remote answers" in raised.value.next
    away.rename(up.root)
    up.tenant("gamma")
    up.commit()
    assert names(daemon.taken()) == ["acme", "beta", "gamma"]


def _drop_objects(mirror: Path) -> None:
    shutil.rmtree(mirror / "objects")
    (mirror / "objects").mkdir()


def _truncate_objects(mirror: Path) -> None:
    for path in (mirror / "objects").rglob("*"):
        if path.is_file():
            path.chmod(0o600)
            path.write_bytes(path.read_bytes()[:10])


def _drop_head(mirror: Path) -> None:
    (mirror / "HEAD").write_text("nonsense")


def _drop_refs(mirror: Path) -> None:
    for path in (mirror / "refs").rglob("*"):
        if path.is_file():
            path.write_text("nonsense\n")


def _drop_config(mirror: Path) -> None:
    (mirror / "config").write_text("[core\n")


@pytest.mark.parametrize(
    "harm", [_drop_objects, _truncate_objects, _drop_head, _drop_refs, _drop_config, shutil.rmtree]
)
@pytest.mark.parametrize("again", [False, True], ids=["running", "started again"])
def test_a_damaged_mirror_is_fetched_again(daemon: Daemon, up: Upstream, harm: object, again: bool) -> None:
    store = daemon.lay()
    daemon.taken()
    assert callable(harm)
    harm(daemon.mirror)
    if again:
        daemon.started()
    up.tenant("gamma")
    up.commit()
    assert names(daemon.taken()) == ["acme", "beta", "gamma"]
    assert store.read(lambda c: sources.load(c, up.url, "main")) == up.tip
    assert [path.name for path in (daemon.root / "state/source").iterdir() if path.name.endswith(".new")] == []
    up.git("commit", "-q", "--amend", "-m", "rewritten")
    with pytest.raises(errors.HistoryRewritten):
        daemon.source.look()


def test_locks_of_a_git_that_was_killed_do_no_harm(daemon: Daemon, up: Upstream) -> None:
    daemon.taken()
    refs = next((daemon.mirror / "refs/reconciler").iterdir())
    locks = [
        refs / "tip.lock",
        refs / "trusted.lock",
        daemon.mirror / "packed-refs.lock",
        daemon.mirror / "shallow.lock",
    ]
    for lock in locks:
        lock.write_text("")
    (daemon.mirror / "objects/pack/tmp_pack_x").write_text("half")
    up.tenant("gamma")
    up.commit()
    assert names(daemon.taken()) == ["acme", "beta", "gamma"]


_LOOKER = """
import sys
from pathlib import Path
from reconciler.daemon.git_source import GitSource
from reconciler.ports.clock import Clock
source = GitSource(Path(sys.argv[1]), sys.argv[2], "main", store=lambda: None, clock=Clock())
print("ready", flush=True)
source.accept(source.look())
"""


def test_a_process_that_is_killed_at_any_moment_of_a_look_leaves_nothing_that_hinders(
    daemon: Daemon, up: Upstream
) -> None:
    daemon.taken()
    moments = [0.02, 0.05, 0.08, 0.12, 0.16, 0.2, 0.25, 0.3, 0.4, 0.5]
    for number, moment in enumerate(moments):
        up.tenant("acme", displayName=f"Acme {number}")
        up.write("specs/products/agenda-ia/schema/0001_one.sql", f"CREATE TABLE t{number} (id INT);\n")
        up.commit()
        with subprocess.Popen(
            [sys.executable, "-c", _LOOKER, str(daemon.root), up.url],
            cwd=Path(__file__).parents[2],
            stdout=subprocess.PIPE,
        ) as process:
            assert process.stdout is not None
            assert process.stdout.readline() == b"ready\n"
            time.sleep(moment)
            process.kill()
    daemon.started()
    found = daemon.taken()
    assert found.revision.endswith(up.tip)
    assert (found.folder / "specs/products/agenda-ia/schema/0001_one.sql").read_text() == "CREATE TABLE t9 (id INT);\n"
    assert list(found.folder.parent.iterdir()) == [found.folder]


def test_a_first_fetch_that_was_killed_is_begun_again(daemon: Daemon) -> None:
    daemon.mirror.mkdir(parents=True)
    (daemon.mirror / "HEAD.lock").write_text("")
    (daemon.mirror / "config").write_text("")
    assert names(daemon.taken()) == ["acme", "beta"]


def test_a_shallow_remote_is_refused_and_never_half_taken(tmp_path: Path, up: Upstream) -> None:
    for number in range(3):
        up.commit(f"number {number}")
    shallow = tmp_path / "shallow"
    up.git("clone", "-q", "--depth", "1", up.url, str(shallow))
    copy = Upstream.__new__(Upstream)
    copy.root = shallow
    daemon = Daemon(tmp_path / "root", copy)
    with pytest.raises(errors.SourceFailed, match="shallow"):
        daemon.source.look()
    copy.git("fetch", "-q", "--unshallow")
    assert names(daemon.taken()) == ["acme", "beta"]


def test_a_remote_that_lacks_objects_is_a_failure(daemon: Daemon, up: Upstream) -> None:
    daemon.taken()
    up.tenant("gamma")
    up.commit()
    blob = up.git("rev-parse", "HEAD:specs/tenants/gamma.yaml")
    lost = up.root / ".git/objects" / blob[:2] / blob[2:]
    content = lost.read_bytes()
    lost.unlink()
    with pytest.raises(errors.SourceFailed):
        daemon.source.look()
    lost.write_bytes(content)
    assert names(daemon.taken()) == ["acme", "beta", "gamma"]


def test_hooks_attributes_and_filters_of_the_repository_are_never_run(
    daemon: Daemon, up: Upstream, tmp_path: Path
) -> None:
    up.write(".gitattributes", "* filter=evil export-subst ident\n")
    up.write("specs/products/agenda-ia/schema/0001_one.sql", "-- $Id$ $Format:%H$\r\n")
    up.commit()
    daemon.taken()
    hooks = daemon.mirror / "hooks"
    assert not hooks.exists()
    hooks.mkdir()
    for name in ("reference-transaction", "post-fetch", "pre-auto-gc"):
        (hooks / name).write_text(f"#!/bin/sh\ntouch {tmp_path}/ran\n")
        (hooks / name).chmod(0o755)
    up.tenant("gamma")
    up.commit()
    found = daemon.taken()
    daemon.source.wait(0, threading.Event())
    assert not (tmp_path / "ran").exists()
    assert (found.folder / "specs/products/agenda-ia/schema/0001_one.sql").read_bytes() == b"-- $Id$ $Format:%H$\r\n"


def test_a_wait_ends_when_it_is_woken_and_a_close_ends_a_look(daemon: Daemon) -> None:
    daemon.taken()
    wake = threading.Event()
    began = time.monotonic()
    threading.Timer(0.1, wake.set).start()
    daemon.source.wait(60, wake)
    assert time.monotonic() - began < 30
    daemon.source.close()
    with pytest.raises(errors.SourceFailed, match="stopped"):
        daemon.source.look()


# --- signatures --------------------------------------------------------------------------------------------


class Signed:
    """A repository in which ana and bo may sign, and eve has a key too."""

    def __init__(self, folder: Path, *, outside: bool) -> None:
        folder.mkdir()
        self.ana, self.bo, self.eve = (upstream.key(folder, name) for name in ("ana", "bo", "eve"))
        self.outside = folder / "allowed"
        self.outside.write_text(upstream.signers(self.ana, self.bo))
        self.up = Upstream.filled(folder / "up", "acme", "beta")
        self.up.platform(verify={"signers": str(self.outside) if outside else "allowed_signers"})
        if not outside:
            self.up.write("allowed_signers", upstream.signers(self.ana, self.bo))
        self.commit(self.ana, "ask for signatures")

    def commit(self, key: Path | None, message: str = "a change") -> str:
        self.up.git("add", "-A")
        self.up.git(*(upstream.signing(key) if key else ()), "commit", "-q", "--allow-empty", "-m", message)
        return self.up.tip


@pytest.fixture
def signed(tmp_path: Path) -> Signed:
    return Signed(tmp_path / "signed", outside=False)


@pytest.fixture
def guarded(tmp_path: Path, signed: Signed) -> Iterator[Daemon]:
    """A daemon that trusts the first signed commit."""
    made = Daemon(tmp_path / "guarded", signed.up)
    made.source.accept_history(signed.up.tip)
    made.taken()
    yield made
    made.source.close()


@needs_ssh_keygen
def test_signed_commits_are_taken(guarded: Daemon, signed: Signed) -> None:
    signed.up.tenant("gamma")
    signed.commit(signed.bo)
    signed.commit(signed.ana)
    assert names(guarded.taken()) == ["acme", "beta", "gamma"]


@needs_ssh_keygen
@pytest.mark.parametrize(("who", "said"), [(None, "no signature"), ("eve", "not an allowed one")])
def test_one_commit_without_a_good_signature_stops_all(guarded: Daemon, signed: Signed, who: str, said: str) -> None:
    signed.commit(signed.ana)
    bad = signed.commit(getattr(signed, who) if who else None, "the bad one")
    signed.commit(signed.ana)
    for _ in range(2):
        with pytest.raises(errors.SourceUnverified, match=said) as raised:
            guarded.source.look()
        assert f"1 commit can't be trusted: {bad} by Ana Ruiz <ana@example.com> (the bad one)" in str(raised.value)


@needs_ssh_keygen
def test_an_unsigned_commit_in_a_merged_branch_is_found(guarded: Daemon, signed: Signed) -> None:
    up = signed.up
    up.git("checkout", "-q", "-b", "side")
    up.tenant("hidden")
    hidden = signed.commit(None, "hidden")
    up.git("checkout", "-q", "main")
    signed.commit(signed.ana)
    up.git(*upstream.signing(signed.ana), "merge", "-q", "--no-ff", "-m", "merge", "side")
    with pytest.raises(errors.SourceUnverified, match=hidden):
        guarded.source.look()


@needs_ssh_keygen
def test_signers_are_not_read_from_the_commit_under_test(guarded: Daemon, signed: Signed) -> None:
    signed.up.write("allowed_signers", upstream.signers(signed.ana, signed.bo, signed.eve))
    signed.commit(signed.eve)
    with pytest.raises(errors.SourceUnverified, match="not an allowed one"):
        guarded.source.look()


@needs_ssh_keygen
@pytest.mark.parametrize("way", ["no longer asked for", "broken", "removed", "another file"])
def test_the_question_can_not_be_taken_away_unsigned(guarded: Daemon, signed: Signed, way: str) -> None:
    if way == "no longer asked for":
        signed.up.platform()
    elif way == "broken":
        signed.up.write(upstream.PLATFORM, "spec: [")
    elif way == "removed":
        (signed.up.root / upstream.PLATFORM).unlink()
    else:
        signed.up.write("mine", upstream.signers(signed.eve))
        signed.up.platform(verify={"signers": "mine"})
    signed.commit(None)
    with pytest.raises(errors.SourceUnverified):
        guarded.source.look()


@needs_ssh_keygen
@pytest.mark.parametrize("broken", ["spec: [", "kind: Platform\nspec: {daemon: {verify: 3}}\n", None])
def test_a_platform_that_can_not_be_read_asks_what_the_one_before_asked(
    guarded: Daemon, signed: Signed, broken: str | None
) -> None:
    if broken is None:
        (signed.up.root / upstream.PLATFORM).unlink()
    else:
        signed.up.write(upstream.PLATFORM, broken)
    signed.commit(signed.ana)
    guarded.taken()
    signed.commit(None)
    with pytest.raises(errors.SourceUnverified):
        guarded.source.look()


@needs_ssh_keygen
def test_a_new_signer_counts_from_the_next_commit_on_also_in_one_fetch(guarded: Daemon, signed: Signed) -> None:
    signed.up.write("allowed_signers", upstream.signers(signed.eve))
    signed.commit(signed.ana)
    signed.up.tenant("gamma")
    signed.commit(signed.eve)
    assert names(guarded.taken()) == ["acme", "beta", "gamma"]
    signed.commit(signed.ana)
    with pytest.raises(errors.SourceUnverified):
        guarded.source.look()


@needs_ssh_keygen
def test_a_side_branch_can_not_make_its_own_signers(guarded: Daemon, signed: Signed) -> None:
    up = signed.up
    up.git("checkout", "-q", "-b", "side")
    up.write("allowed_signers", upstream.signers(signed.eve))
    signed.commit(signed.eve)
    side = signed.commit(signed.eve)
    up.git("checkout", "-q", "main")
    signed.commit(signed.ana)
    up.git(*upstream.signing(signed.eve), "merge", "-q", "--no-ff", "-m", "merge", "side")
    with pytest.raises(errors.SourceUnverified, match=side):
        guarded.source.look()


@needs_ssh_keygen
def test_the_first_look_does_not_believe_signers_that_it_brings(tmp_path: Path, signed: Signed) -> None:
    daemon = Daemon(tmp_path / "new", signed.up)
    with pytest.raises(errors.SourceUnverified, match="stand in") as raised:
        daemon.source.look()
    assert f"--accept-history {signed.up.tip}" in raised.value.next


@needs_ssh_keygen
def test_the_first_look_goes_by_signers_from_outside(tmp_path: Path) -> None:
    signed = Signed(tmp_path / "signed", outside=True)
    daemon = Daemon(tmp_path / "new", signed.up)
    daemon.taken()
    signed.commit(signed.bo)
    daemon.taken()
    signed.outside.write_text(upstream.signers(signed.eve))
    signed.commit(signed.bo)
    with pytest.raises(errors.SourceUnverified):
        daemon.source.look()
    signed.outside.unlink()
    with pytest.raises(errors.SourceUnverified, match="no file of allowed signers"):
        daemon.source.look()
    other = Daemon(tmp_path / "other", signed.up)
    signed.outside.write_text(upstream.signers(signed.ana))
    with pytest.raises(errors.SourceUnverified):
        other.source.look()


@needs_ssh_keygen
def test_who_accepts_a_rewritten_history_is_told_of_its_signatures(guarded: Daemon, signed: Signed) -> None:
    signed.up.git("commit", "-q", "--amend", "-m", "unsigned")
    with pytest.raises(errors.HistoryRewritten, match="no signature"):
        guarded.source.look()
    signed.up.git(*upstream.signing(signed.ana), "commit", "-q", "--amend", "-m", "signed")
    with pytest.raises(errors.HistoryRewritten, match="all of its new commits are signed"):
        guarded.source.look()


@needs_ssh_keygen
@pytest.mark.skipif(not shutil.which("gpg"), reason="GPG signatures are made with gpg")
def test_a_gpg_key_counts_that_this_users_keyring_trusts(
    guarded: Daemon, signed: Signed, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path / "g"
    home.mkdir(mode=0o700)
    monkeypatch.setenv("GNUPGHOME", str(home))
    quiet = ("gpg", "--batch", "--quiet", "--pinentry-mode", "loopback", "--passphrase", "")
    try:
        subprocess.run([*quiet, "--quick-generate-key", "Ana <ana@example.com>", "ed25519"], check=True)
        signed.up.git("-c", "user.signingKey=ana@example.com", "commit", "-q", "--allow-empty", "-S", "-m", "by gpg")
        guarded.taken()
        signed.up.git("-c", "user.signingKey=ana@example.com", "commit", "-q", "--allow-empty", "-S", "-m", "again")
        ((trust),) = (home / "trustdb.gpg",)
        trust.unlink()
        with pytest.raises(errors.SourceUnverified, match="not an allowed one"):
            guarded.source.look()
    finally:
        subprocess.run(["gpgconf", "--kill", "all"], check=False)
