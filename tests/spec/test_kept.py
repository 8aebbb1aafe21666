"""Documents that are kept from run to run: what a later run saves, and that no cache can change a result."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from reconciler.ports import cache
from reconciler.spec import folder, kept, load, reader
from reconciler.spec.document import Document
from reconciler.spec.source import Source
from reconciler.spec.tree import Tree
from tests.spec import sample

CACHE = Path("state/cache")
RICH = sample.TENANT.replace("clinica-sol", "rich").replace(
    "  state: active\n",
    "  state: suspended\n  ratio: 1\n  sync: false\n  limits: {users: 5, rooms: null}\n"
    '  extra: {labels: [1, 2.5, "á\\t\\u2028", {deep: ~}], big: 18446744073709551615}\n'
    + "  match: {match: 3.0, of: [mac], from: 2026-01-31, mode: strict, ca: ca.pem}\n",
)
NOTED = sample.TENANT.replace("labels: {tier: gold}", "annotations: {note: 'x', reconciler/protect: 'true'}")


@pytest.fixture
def root(tmp_path: Path) -> Path:
    """A repository with tenants of every form, that has been applied once."""
    many = sample.TENANT.replace("clinica-sol", "first") + "---\n" + sample.TENANT.replace("clinica-sol", "second")
    (tmp_path / "state").mkdir(mode=0o700)
    return sample.repository(tmp_path, tenants__many=many, tenants__rich=RICH, tenants__noted=NOTED)


@pytest.fixture
def parsed(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are parsed, as they come."""
    found: list[str] = []
    parse = load.parse

    def counting(source: Any, kinds: Any) -> load.Parsed:
        found.append(source.file)
        return parse(source, kinds)

    monkeypatch.setattr(load, "parse", counting)
    return found


def tree_of(root: Path) -> Tree:
    return load.load(root, sample.KINDS)


def facts_of(document: Document) -> tuple[Any, ...]:
    """Everything that can be asked of a document."""
    places = {path: (document.at(*path), document.key(*path)) for path in document.marks}
    return (
        *(document.kind, document.name, dict(document.labels), dict(document.annotations), document.spec),
        *(document.data, document.where, document.file, document.definition, document.is_tenant, document.valid),
        *(document.canonical(), document.digest, places, document.source),
    )


def seen(tree: Tree) -> tuple[Any, ...]:
    return ([facts_of(document) for document in tree.documents], tree.faults, tree.unread)


def test_a_second_run_parses_nothing_and_reads_the_same(root: Path, parsed: list[str]) -> None:
    first = tree_of(root)
    assert (first.faults, len(parsed)) == ((), 5)
    parsed.clear()
    second = tree_of(root)
    assert parsed == []
    assert all(isinstance(document, kept.Kept) for document in second.documents)
    assert seen(second) == seen(first)
    assert second.digest == first.digest != ""


def test_a_run_reads_as_yaml_only_what_has_changed(root: Path, parsed: list[str]) -> None:
    before = tree_of(root)
    path = root / "specs/tenants/many.yaml"
    path.write_text(path.read_text().replace("plan: pro", "plan: free", 1))
    (root / "specs/tenants/new.yaml").write_text(sample.TENANT.replace("clinica-sol", "new"))
    parsed.clear()
    after = tree_of(root)
    assert parsed == ["specs/tenants/many.yaml", "specs/tenants/new.yaml"]
    assert [document.spec.plan for document in after.tenants if document.name in ("first", "second")] == ["free", "pro"]
    assert after.digest != before.digest
    parsed.clear()
    tree_of(root)
    assert parsed == []


def test_a_text_that_was_there_before_is_kept_no_longer(root: Path, parsed: list[str]) -> None:
    path = root / "specs/tenants/rich.yaml"
    text = path.read_text()
    tree_of(root)
    path.unlink()
    tree_of(root)
    path.write_text(text)
    parsed.clear()
    tree_of(root)
    assert parsed == ["specs/tenants/rich.yaml"]


def test_a_file_with_a_fault_is_read_each_time(root: Path, parsed: list[str]) -> None:
    path = root / "specs/tenants/rich.yaml"
    path.write_text(path.read_text().replace("plan: pro", "plan: gold"))
    found = [tree_of(root) for _ in range(3)]
    assert parsed.count("specs/tenants/rich.yaml") == 3
    assert {str(fault.where) for tree in found for fault in tree.faults} == {"specs/tenants/rich.yaml:10:9"}
    assert {fault.quoted for tree in found for fault in tree.faults} == {"  plan: pro".replace("pro", "gold")}
    assert [tree.digest for tree in found] == ["", "", ""]


def test_a_text_that_is_right_in_one_place_is_wrong_in_another(root: Path) -> None:
    tree_of(root)
    os.rename(root / "specs/tenants/rich.yaml", root / "specs/servers/rich.yaml")
    assert [fault.rule for fault in tree_of(root).faults] == ["wrong-folder"]


def test_a_fault_of_a_kept_document_has_its_place(root: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    tree_of(root)
    document = tree_of(root).tenants[1]
    read: list[str] = []
    whole = reader.read

    def reading(source: Source) -> reader.Reading:
        read.append(source.file)
        return whole(source)

    monkeypatch.setattr(reader, "read", reading)
    # It is the text that was checked which is read again, whatever stands on the disk by now.
    (root / "specs/tenants/many.yaml").write_text("broken: [")
    fault = document.fault(("spec", "plan"), "no", rule="r")
    assert (str(fault.where), fault.quoted) == ("specs/tenants/many.yaml:26:9", "  plan: pro")
    assert read == ["specs/tenants/many.yaml"]


def test_without_a_state_folder_nothing_is_written(tmp_path: Path) -> None:
    sample.repository(tmp_path, tenants__rich=RICH)
    tree_of(tmp_path)
    assert sorted(path.name for path in tmp_path.iterdir()) == ["specs"]


def test_only_the_user_may_look_into_it(root: Path) -> None:
    old = os.umask(0)
    try:
        tree_of(root)
    finally:
        os.umask(old)
    assert (root / CACHE).stat().st_mode & 0o777 == 0o700
    assert [(path.name, path.stat().st_mode & 0o777) for path in (root / CACHE).iterdir()] == [("specs", 0o600)]


def _flipped(path: Path) -> None:
    data = bytearray(path.read_bytes())
    data[len(data) // 2] ^= 1
    path.write_bytes(data)


def _of_another_program(path: Path) -> None:
    head, body = path.read_bytes().split(b"\n", 1)
    words = head.split(b" ")
    path.write_bytes(b" ".join([*words[:-2], b"0" * 64, words[-1]]) + b"\n" + body)


def _a_link(path: Path) -> None:
    path.rename(path.with_name("elsewhere"))
    path.symlink_to("elsewhere")


def _a_folder(path: Path) -> None:
    path.unlink()
    path.mkdir()


def _a_pipe(path: Path) -> None:
    path.unlink()
    os.mkfifo(path)


def _nobodys_program(path: Path) -> None:
    """Whole and by this program, as far as anybody can tell; and no line of it makes sense."""
    stamp = path.read_bytes().split(b" ")[3].decode()
    lines = [b"", b"\t" * 9, b"a" * 64 + b"\tx", *[line[:70] for line in path.read_bytes().split(b"\n")[1:]]]
    cache.write(path.parents[2], path.name, stamp, [b"\n".join(lines)])


SPOILT: list[Callable[[Path], object]] = [
    _flipped,
    _of_another_program,
    _a_link,
    _a_folder,
    _nobodys_program,
    lambda path: path.write_bytes(b""),
    lambda path: path.write_bytes(b"\xff\x00 garbage\n" * 99),
    lambda path: path.write_bytes(path.read_bytes()[:-7]),
    lambda path: path.write_bytes(path.read_bytes() + b"\n"),
    lambda path: path.chmod(0o640),
    lambda path: path.parent.chmod(0o750),
    _a_pipe,
]


@pytest.mark.parametrize("spoil", SPOILT, ids=range(len(SPOILT)))
def test_a_cache_that_is_not_ours_to_the_letter_changes_nothing(
    root: Path, parsed: list[str], spoil: Callable[[Path], object]
) -> None:
    wanted = seen(tree_of(root))
    spoil(root / CACHE / "specs")
    parsed.clear()
    assert seen(tree_of(root)) == wanted
    assert len(parsed) == 5
    assert seen(tree_of(root)) == wanted


@pytest.mark.skipif(os.geteuid() != 0, reason="only root can give a file away")
@pytest.mark.parametrize("path", [CACHE, CACHE / "specs"])
def test_a_cache_of_somebody_else_is_not_read(root: Path, parsed: list[str], path: Path) -> None:
    tree_of(root)
    os.chown(root / path, 12345, 12345)
    parsed.clear()
    assert tree_of(root).faults == ()
    assert len(parsed) == 5


def test_a_cache_that_came_with_the_repository_is_not_believed(
    root: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    with monkeypatch.context() as theirs:
        theirs.setenv("XDG_STATE_HOME", str(tmp_path_factory.mktemp("theirs")))
        wanted = seen(tree_of(root))
        path = root / CACHE / "specs"
        stamp = path.read_bytes().split(b" ")[3].decode()
        forged = path.read_bytes().partition(b"\n")[2].replace(b'"active"', b'"suspended"')
        cache.write(root, "specs", stamp, [forged])
        assert [one.spec.state for one in tree_of(root).tenants] == ["suspended"] * 4
    assert seen(tree_of(root)) == wanted


@pytest.mark.parametrize("place", ["a file", "open to others"])
def test_without_a_key_of_the_users_own_nothing_is_kept(
    root: Path, parsed: list[str], place: str, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    home = tmp_path_factory.mktemp("home")
    if place == "a file":
        (home / "reconciler").touch()
    else:
        monkeypatch.setenv("XDG_STATE_HOME", str(home))
        tree_of(root)
        (home / "reconciler/cache.key").chmod(0o644)
        parsed.clear()
    monkeypatch.setenv("XDG_STATE_HOME", str(home))
    assert [tree_of(root).faults for _ in range(2)] == [(), ()]
    assert len(parsed) == 10


def test_two_files_that_are_shown_by_one_name_stay_two(root: Path) -> None:
    for name in (b"\xff.yaml", b"\\xff.yaml"):
        with open(os.fsencode(root) + b"/specs/tenants/" + name, "w") as file:
            file.write(sample.TENANT.replace("clinica-sol", "by-octet" if name[:1] == b"\xff" else "by-letter"))
    assert [len(tree_of(root).tenants) for _ in range(3)] == [6, 6, 6]


def test_where_the_cache_can_not_be_written_everything_is_read(root: Path, parsed: list[str]) -> None:
    (root / CACHE).write_text("in the way")
    assert [tree_of(root).faults for _ in range(2)] == [(), ()]
    assert len(parsed) == 10
    assert (root / CACHE).read_text() == "in the way"


def test_what_a_killed_process_left_is_removed_after_a_while(root: Path) -> None:
    tree_of(root)
    old, young = root / CACHE / ".specs.dead", root / CACHE / ".specs.busy"
    old.write_text("half")
    young.write_text("half")
    os.utime(old, (1, 1))
    (root / "specs/tenants/rich.yaml").unlink()
    tree_of(root)
    assert sorted(path.name for path in (root / CACHE).iterdir()) == [".specs.busy", "specs"]


_LOADS = """
import sys
from pathlib import Path
from reconciler.spec import load
from tests.spec import sample
root, name = Path(sys.argv[1]), sys.argv[2]
for number in range(40):
    path = root / f"specs/tenants/{name}.yaml"
    path.write_text(sample.TENANT.replace("clinica-sol", f"{name}-{number}"))
    tree = load.load(root, sample.KINDS)
    mine = [document.name for document in tree.tenants if document.file == f"specs/tenants/{name}.yaml"]
    assert mine == [f"{name}-{number}"], mine
    assert [document.spec.display_name for document in tree.tenants if document.name == "rich"] == ["Clínica Sol"]
"""


def test_processes_that_read_at_once_each_read_what_stands_there(root: Path) -> None:
    running = [
        subprocess.Popen([sys.executable, "-c", _LOADS, str(root), name], cwd=Path(__file__).parents[2])
        for name in ("one", "two")
    ]
    assert [process.wait(120) for process in running] == [0, 0]
    assert [path.name for path in (root / CACHE).iterdir()] == ["specs"]


# --- files that are not opened ------------------------------------------------------------------------------


@pytest.fixture
def opened(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """The files that are opened, as they come, where no file counts as changed just now."""
    found: list[str] = []
    content = folder.content

    def counting(path: str) -> bytes:
        found.append(Path(path).name)
        return content(path)

    monkeypatch.setattr(folder, "content", counting)
    monkeypatch.setattr(cache, "_TICK", -(10**15))
    return found


def test_files_that_were_not_touched_are_not_opened(root: Path, parsed: list[str], opened: list[str]) -> None:
    first = tree_of(root)
    assert (len(parsed), len(opened)) == (5, 5)
    opened.clear()
    second = tree_of(root)
    assert (len(parsed), opened) == (5, [])
    assert seen(second) == seen(first)
    assert second.digest == first.digest != ""


def _same_size_and_time(path: Path) -> None:
    """As somebody does who wants to hide a change: the size and the time of the change are as they were."""
    state = path.stat()
    path.write_text(path.read_text().replace("state: suspended", "state: active   "))
    os.utime(path, ns=(state.st_atime_ns, state.st_mtime_ns))
    assert (path.stat().st_size, path.stat().st_mtime_ns) == (state.st_size, state.st_mtime_ns)


def _another_in_its_place(path: Path) -> None:
    state, other = path.stat(), path.with_name("other.tmp")
    other.write_text(path.read_text().replace("state: suspended", "state: active   "))
    os.utime(other, ns=(state.st_atime_ns, state.st_mtime_ns))
    other.replace(path)


@pytest.mark.parametrize("change", [_same_size_and_time, _another_in_its_place])
def test_a_change_that_keeps_size_and_time_is_seen(
    root: Path, opened: list[str], change: Callable[[Path], None]
) -> None:
    before = tree_of(root)
    change(root / "specs/tenants/rich.yaml")
    opened.clear()
    after = tree_of(root)
    assert opened == ["rich.yaml"]
    states = [document.spec.state for tree in (before, after) for document in tree.tenants if document.name == "rich"]
    assert states == ["suspended", "active"]
    assert after.digest != before.digest


def test_a_file_that_was_only_touched_is_opened_once_and_not_parsed(
    root: Path, parsed: list[str], opened: list[str]
) -> None:
    tree_of(root)
    (root / "specs/tenants/rich.yaml").touch()
    parsed.clear()
    opened.clear()
    tree_of(root)
    tree_of(root)
    assert (opened, parsed) == (["rich.yaml"], [])


def test_a_file_that_was_changed_just_now_is_opened_again(
    root: Path, opened: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cache, "_TICK", 3600 * 10**9)
    for _ in range(3):
        opened.clear()
        tree_of(root)
        assert len(opened) == 5


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
def test_a_file_that_can_not_be_read_any_more_is_a_fault_though_it_is_kept(root: Path, opened: list[str]) -> None:
    tree_of(root)
    (root / "specs/tenants/rich.yaml").chmod(0)
    assert [fault.rule for fault in tree_of(root).faults] == ["unreadable"]


def test_a_place_in_a_text_that_was_replaced_meanwhile_is_where_its_document_began(
    root: Path, opened: list[str]
) -> None:
    tree_of(root)
    [document] = [one for one in tree_of(root).tenants if one.name == "second"]
    (root / "specs/tenants/many.yaml").write_text("broken: [")
    fault = document.fault(("spec", "plan"), "no", rule="r")
    assert (fault.where, fault.quoted) == (document.where, "")
    assert document.where.line > 1
