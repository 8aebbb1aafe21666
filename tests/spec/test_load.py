import json
import os
from pathlib import Path

import pytest

from reconciler.spec import folder, load
from reconciler.spec.source import Source
from reconciler.spec.tree import Tree
from tests.spec import sample


def tree_of(root: Path) -> Tree:
    return load.load(root, sample.KINDS)


def rules_of(tree: Tree) -> list[str]:
    return [f"{fault.where} {fault.rule}" for fault in tree.faults]


def tenant(name: str) -> str:
    return sample.TENANT.replace("clinica-sol", name)


def test_a_repository_is_read_in_the_order_of_its_files(tmp_path: Path) -> None:
    sample.repository(tmp_path, tenants__b=tenant("second"), tenants__a__deep=tenant("first"))
    product = tmp_path / "specs/products/shop/product.yml"
    product.parent.mkdir(parents=True)
    product.write_text("apiVersion: reconciler/v1\nkind: ShopProduct\nmetadata: {name: shop}\nspec: {}\n")
    tree = tree_of(tmp_path)
    assert tree.faults == ()
    assert [(one.kind, one.name, one.file) for one in tree.documents] == [
        ("Platform", "default", "specs/platform.yaml"),
        ("ShopProduct", "shop", "specs/products/shop/product.yml"),
        ("DatabaseServer", "main", "specs/servers/main.yaml"),
        ("ShopTenant", "first", "specs/tenants/a/deep.yaml"),
        ("ShopTenant", "second", "specs/tenants/b.yaml"),
    ]
    assert [one.name for one in tree.tenants] == ["first", "second"]
    platform = tree.one("Platform")
    assert platform is not None
    assert platform.spec.trash.retention_days == 30
    assert tree.one("Absent") is None
    assert tree.named("ShopTenant", "second") is tree.documents[-1]


def test_several_documents_in_a_file_keep_their_own_places(tmp_path: Path) -> None:
    text = tenant("first") + "---\n" + tenant("second") + "---\n---\n" + tenant("third").replace("plan: pro", "plan: x")
    tree = tree_of(sample.repository(tmp_path, tenants__many=text))
    assert [(one.name, one.where.line, one.spec is None) for one in tree.tenants] == [
        ("first", 2, False),
        ("second", 18, False),
        ("third", 35, True),
    ]
    assert rules_of(tree) == ["specs/tenants/many.yaml:43:9 not-in-list"]
    assert tree.faulty_files == {"specs/tenants/many.yaml"}
    assert tree.unread == frozenset()
    assert [one.name for one in tree.valid("ShopTenant")] == ["first", "second"]


def test_paths_lead_to_places_and_values(tmp_path: Path) -> None:
    tree = tree_of(sample.repository(tmp_path, tenants__sol=sample.TENANT))
    (document,) = tree.tenants
    assert str(document.at("spec", "admin", "email")) == "specs/tenants/sol.yaml:13:34"
    assert str(document.key("spec", "admin", "email")) == "specs/tenants/sol.yaml:13:27"
    assert str(document.at("spec", "match", "of")) == "specs/tenants/sol.yaml:7:1"
    assert str(document.at("spec", "hooks", 0, "events", 7)) == "specs/tenants/sol.yaml:14:60"
    assert document.get("spec", "hooks", 0, "name") == "crm"
    assert document.get("spec", "hooks", 4, "name") is None
    assert document.get("spec", "domain", "x") is None
    fault = document.fault(("spec", "domain"), "taken", rule="mine", hint="move")
    assert (fault.quoted, fault.tenant) == ("  domain: clinica-sol.example.com", "clinica-sol")


def test_the_canonical_spec_has_defaults_and_reads_back(tmp_path: Path) -> None:
    tree = tree_of(sample.repository(tmp_path, tenants__sol=sample.TENANT))
    (document,) = tree.tenants
    written = json.loads(document.canonical())
    assert written["ratio"] == 0.5
    assert written["displayName"] == "Clínica Sol"
    assert list(written) == sorted(written)
    assert sample.SHOP.build(written) == document.spec


def test_what_means_the_same_has_the_same_canonical_spec() -> None:
    def canonical(text: str) -> bytes:
        (document,) = load.parse(Source("specs/tenants/sol.yaml", text), sample.KINDS).documents
        return document.canonical()

    reordered = sample.TENANT.replace("  plan: pro\n", "").replace("  state: active\n", "  ratio: 0.5\n  plan: 'pro'\n")
    assert canonical(reordered) == canonical(sample.TENANT)
    assert canonical(sample.TENANT.replace("pro\n", "free\n")) != canonical(sample.TENANT)


def test_an_octet_that_is_not_utf_8_is_a_fault_at_its_place(tmp_path: Path) -> None:
    sample.repository(tmp_path)
    file = tmp_path / "specs/tenants/latin.yaml"
    file.parent.mkdir()
    file.write_bytes(b"# \xc3\xb1\nname: Cl\xednica\n")
    tree = tree_of(tmp_path)
    assert rules_of(tree) == ["specs/tenants/latin.yaml:2:9 not-utf-8"]
    assert tree.is_unread("specs/tenants")
    assert not tree.is_unread("specs/servers")


def test_utf_16_is_refused_and_a_byte_order_mark_is_dropped(tmp_path: Path) -> None:
    assert folder.decode("a", "a: 1".encode("utf-16")) == folder.decode("a", b"\xff\xfe")
    source = folder.decode("a", b"\xef\xbb\xbfa: 1")
    assert source == Source("a", "a: 1")


def test_a_file_over_one_mebioctet_is_not_read(tmp_path: Path) -> None:
    sample.repository(tmp_path, tenants__big=sample.TENANT + "#" * folder.MAX_OCTETS)
    assert rules_of(tree_of(tmp_path)) == ["specs/tenants/big.yaml too-large"]


def test_a_file_that_is_empty_is_a_fault_because_a_write_may_have_failed(tmp_path: Path) -> None:
    tree = tree_of(sample.repository(tmp_path, tenants__sol=""))
    assert rules_of(tree) == ["specs/tenants/sol.yaml:1:1 empty-file"]
    assert tree.unread == {"specs/tenants/sol.yaml"}


@pytest.mark.parametrize("kind", ["file", "folder"])
def test_a_link_out_of_the_repository_is_refused(tmp_path: Path, kind: str) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "sol.yaml").write_text(sample.TENANT)
    root = sample.repository(tmp_path / "repository", tenants__other=tenant("other"))
    link = root / "specs/tenants" / ("sol.yaml" if kind == "file" else "more")
    link.symlink_to(outside / "sol.yaml" if kind == "file" else outside)
    tree = tree_of(root)
    assert rules_of(tree) == [f"specs/tenants/{link.name} link-out"]
    assert [one.name for one in tree.tenants] == ["other"]


def test_a_link_inside_the_repository_is_followed(tmp_path: Path) -> None:
    root = sample.repository(tmp_path)
    (root / "shared").mkdir()
    (root / "shared/sol.yaml").write_text(sample.TENANT)
    (root / "specs/tenants").symlink_to(root / "shared")
    tree = tree_of(root)
    assert [(one.name, one.file) for one in tree.tenants] == [("clinica-sol", "specs/tenants/sol.yaml")]


def test_a_link_in_a_circle_ends(tmp_path: Path) -> None:
    root = sample.repository(tmp_path, tenants__sol=sample.TENANT)
    (root / "specs/tenants/again").symlink_to(root / "specs")
    assert rules_of(tree_of(root)) == ["specs/tenants/again link-loop"]


def test_a_link_to_nothing_is_a_fault_and_not_an_absence(tmp_path: Path) -> None:
    root = sample.repository(tmp_path, tenants__other=tenant("other"))
    (root / "specs/tenants/sol.yaml").symlink_to(root / "gone.yaml")
    (root / "specs/tenants/itself.yaml").symlink_to(root / "specs/tenants/itself.yaml")
    (root / "specs/tenants/notes.txt").symlink_to(root / "gone.txt")
    assert rules_of(tree_of(root)) == ["specs/tenants/itself.yaml unreadable", "specs/tenants/sol.yaml unreadable"]


def test_a_pipe_in_place_of_a_file_does_not_hang(tmp_path: Path) -> None:
    root = sample.repository(tmp_path, tenants__other=tenant("other"))
    os.mkfifo(root / "specs/tenants/sol.yaml")
    assert rules_of(tree_of(root)) == ["specs/tenants/sol.yaml unreadable"]


@pytest.mark.skipif(os.geteuid() == 0, reason="root reads everything")
@pytest.mark.parametrize("name", ["specs/tenants", "specs/tenants/sol.yaml"])
def test_what_may_not_be_read_is_a_fault_and_not_an_absence(tmp_path: Path, name: str) -> None:
    root = sample.repository(tmp_path, tenants__sol=sample.TENANT)
    (root / name).chmod(0)
    try:
        tree = tree_of(root)
    finally:
        (root / name).chmod(0o700)
    assert rules_of(tree) == [f"{name} unreadable"]
    assert tree.is_unread("specs/tenants/sol.yaml")


def test_a_folder_that_fails_is_a_fault_that_covers_all_below_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    root = sample.repository(tmp_path, tenants__west__sol=sample.TENANT, tenants__east__luz=tenant("luz"))
    scan = os.scandir

    def failing(path: Path) -> object:
        if str(path).endswith("west"):
            raise PermissionError(13, "Permission denied")
        return scan(path)

    monkeypatch.setattr(os, "scandir", failing)
    tree = tree_of(root)
    assert rules_of(tree) == ["specs/tenants/west unreadable"]
    assert [one.name for one in tree.tenants] == ["luz"]
    assert tree.is_unread("specs/tenants/west/sol.yaml")
    assert not tree.is_unread("specs/tenants/east")


def test_a_repository_without_specs_says_how_to_get_one(tmp_path: Path) -> None:
    tree = tree_of(tmp_path)
    assert rules_of(tree) == ["specs no-specs"]
    assert tree.is_unread("specs/tenants")


def test_folders_without_end_are_a_fault(tmp_path: Path) -> None:
    folders = "specs/tenants/" + "a/" * folder.MAX_FOLDERS
    (tmp_path / folders).mkdir(parents=True)
    (found,) = rules_of(tree_of(sample.repository(tmp_path)))
    assert found.endswith("/a too-deep")


def test_hidden_files_and_other_files_are_left_alone(tmp_path: Path) -> None:
    sample.repository(tmp_path)
    for name in (
        "tenants/.sol.yaml",
        "tenants/.git/x.yaml",
        "tenants/readme.md",
        "products/shop/seeds/a.yaml",
        "x.yaml",
    ):
        (tmp_path / "specs" / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / "specs" / name).write_text("not: [ours")
    assert tree_of(tmp_path).faults == ()


@pytest.mark.parametrize("name", ["sol.yaml", "servers/west/sol.yaml", "products/sol.yaml", "tenant/sol.yaml"])
def test_a_document_of_ours_in_a_place_that_is_not_read_is_not_missed(tmp_path: Path, name: str) -> None:
    sample.repository(tmp_path)
    file = tmp_path / "specs" / name
    file.parent.mkdir(parents=True, exist_ok=True)
    file.write_text(sample.TENANT)
    assert rules_of(tree_of(tmp_path)) == [f"specs/{name}:3:7 wrong-folder"]


@pytest.mark.parametrize(
    ("file", "read"),
    [
        ("specs/platform.yaml", True), ("specs/platform.yml", True), ("specs/other.yaml", False),
        ("specs/servers/a.YAML", True), ("specs/servers/x/a.yaml", False), ("specs/tenants/a/b/c.yml", True),
        ("specs/products/x/product.yaml", True), ("specs/products/x/seeds/a.yaml", False),
        ("specs/tenants/.a.yaml", False), ("specs/tenants/.x/a.yaml", False), ("specs/tenants/a.json", False),
        ("other/specs/tenants/a.yaml", False), ("specs/tenants/.yaml", False),
    ],
)  # fmt: skip
def test_the_names_of_files_that_hold_documents(file: str, read: bool) -> None:
    assert folder.holds_documents(file) is read


def test_a_file_name_that_is_not_utf_8_can_be_shown(tmp_path: Path) -> None:
    sample.repository(tmp_path, tenants__a=tenant("first"))
    name = os.fsencode(tmp_path) + b"/specs/tenants/\xff.yaml"
    with open(name, "w") as file:
        file.write(tenant("second"))
    tree = tree_of(tmp_path)
    assert [one.file for one in tree.tenants] == ["specs/tenants/\\xff.yaml", "specs/tenants/a.yaml"]
    assert str(tree.tenants[0].where).encode() == b"specs/tenants/\\xff.yaml:2:1"


def test_a_file_with_an_unknown_kind_or_without_a_name_may_hide_a_tenant(tmp_path: Path) -> None:
    sample.repository(
        tmp_path,
        tenants__a=sample.TENANT.replace("ShopTenant", "Shop"),
        tenants__b=sample.TENANT.replace("name: clinica-sol\n", "title: x\n"),
    )
    assert tree_of(tmp_path).unread == {"specs/tenants/a.yaml", "specs/tenants/b.yaml"}
