from collections.abc import Iterator
from pathlib import Path

import pytest

from reconciler import errors
from reconciler.spec import load, validate
from reconciler.spec.tree import Tree
from tests.spec import sample

PRODUCT = "apiVersion: reconciler/v1\nkind: ShopProduct\nmetadata: {name: shop}\nspec: {}\n"


def faults_of(root: Path, *rules: validate.Rule) -> list[str]:
    found = validate.validate(load.load(root, sample.KINDS), rules)
    return [f"{fault.where} [{fault.rule}] {fault.message} | {fault.hint}" for fault in found]


def tenant(name: str, domain: str = "") -> str:
    named = sample.TENANT.replace("name: clinica-sol", f"name: {name}")
    return named.replace("domain: clinica-sol.example.com", f"domain: {domain or name}.example.com")


def domains_unique(tree: Tree) -> Iterator[errors.Fault]:
    """A product's own rule, as a product would write it."""
    claimed = (validate.Used(one, ("spec", "domain"), one.spec.domain) for one in tree.valid("ShopTenant"))
    yield from validate.unique(claimed, "the domain", rule="duplicate-domain")


def test_a_repository_in_order_has_no_faults(tmp_path: Path) -> None:
    assert faults_of(sample.repository(tmp_path, tenants__a=tenant("first"), tenants__b=tenant("second"))) == []


def test_a_platform_is_needed(tmp_path: Path) -> None:
    sample.repository(tmp_path)
    (tmp_path / "specs/platform.yaml").unlink()
    assert faults_of(tmp_path) == [
        "specs/platform.yaml [no-platform] there is no Platform | `reconcile init DIR` makes one."
    ]


@pytest.mark.parametrize("text", ["{", "", "kind: Platfrom"])
def test_a_platform_that_can_not_be_read_is_not_called_absent(tmp_path: Path, text: str) -> None:
    found = faults_of(sample.repository(tmp_path, platform=text))
    assert found
    assert not [one for one in found if "no-platform" in one]


def test_a_second_platform_names_the_first(tmp_path: Path) -> None:
    both = sample.PLATFORM + "---\n# another\n" + sample.PLATFORM
    assert faults_of(sample.repository(tmp_path, platform=both)) == [
        "specs/platform.yaml:7:1 [second-platform] a second Platform; the first is at specs/platform.yaml:1:1"
        " | Keep one of the two."
    ]


def test_a_server_is_needed(tmp_path: Path) -> None:
    sample.repository(tmp_path)
    (tmp_path / "specs/servers/main.yaml").unlink()
    (found,) = faults_of(tmp_path)
    assert found.startswith("specs/servers [no-server] there is no DatabaseServer | ")


def test_a_tenant_name_is_used_once_over_all_files(tmp_path: Path) -> None:
    sample.repository(tmp_path, tenants__a=tenant("sol", "a"), tenants__b__c=tenant("sol", "b"))
    assert faults_of(tmp_path) == [
        "specs/tenants/b/c.yaml:5:9 [duplicate-name] the tenant name 'sol' is already used by 'sol' "
        "(specs/tenants/a.yaml:5:9) | Give each its own; the tenant name counts without upper and lower case."
    ]


def test_a_tenant_with_faults_still_takes_its_name(tmp_path: Path) -> None:
    faulty = tenant("sol").replace("plan: pro", "plan: x")
    sample.repository(tmp_path, tenants__a=faulty, tenants__b=tenant("SOL"))
    assert [one.partition(" ")[2].partition("]")[0] for one in faults_of(tmp_path)] == [
        "[not-in-list", "[bad-pattern", "[duplicate-name",
    ]  # fmt: skip


def test_two_servers_of_one_name_are_refused(tmp_path: Path) -> None:
    (found,) = faults_of(sample.repository(tmp_path, servers__other=sample.SERVER))
    assert found.startswith("specs/servers/other.yaml:3:18 [duplicate-name] the server name 'main'")


def test_an_unknown_server_is_a_fault_at_its_value_with_the_nearest_name(tmp_path: Path) -> None:
    text = tenant("sol").replace("server: main", "server: mian")
    assert faults_of(sample.repository(tmp_path, tenants__a=text)) == [
        "specs/tenants/a.yaml:9:11 [unknown-server] there is no DatabaseServer 'mian' | did you mean `main`?"
    ]


def test_the_default_server_and_the_central_server_must_exist(tmp_path: Path) -> None:
    platform = sample.PLATFORM.replace("spec: {}", "spec:\n  central: {server: centre}")
    server = sample.SERVER.replace("main", "db1")
    assert faults_of(sample.repository(tmp_path, platform=platform, servers__main=server)) == [
        "specs/platform.yaml:4:1 [unknown-server] there is no DatabaseServer 'main', and it is the default of "
        "`spec.defaults.server` | known: `db1`",
        "specs/platform.yaml:5:21 [unknown-server] there is no DatabaseServer 'centre' | known: `db1`",
    ]


def test_no_tenant_is_blamed_for_a_server_that_could_not_be_read(tmp_path: Path) -> None:
    sample.repository(tmp_path, servers__other="{", tenants__a=tenant("sol").replace("server: main", "server: other"))
    assert [one.partition(" ")[0] for one in faults_of(tmp_path)] == ["specs/servers/other.yaml:2:1"]


def test_a_server_with_faults_is_known_by_its_name(tmp_path: Path) -> None:
    sample.repository(tmp_path, servers__main=sample.SERVER.replace("host:", "hots:"), tenants__a=tenant("sol"))
    assert {one.partition(":")[0] for one in faults_of(tmp_path)} == {"specs/servers/main.yaml"}


def test_a_product_is_described_once(tmp_path: Path) -> None:
    sample.repository(tmp_path, products__shop__product=PRODUCT + "---\n" + PRODUCT)
    (found,) = faults_of(tmp_path)
    assert found.startswith("specs/products/shop/product.yaml:6:1 [second-product] a second ShopProduct; the first is")


@pytest.mark.parametrize(
    ("spec", "places"),
    [
        ("delivery: {directory: out}", []),
        ("delivery: {directory: state/keys}", ["5:25"]),
        ("delivery: {directory: state/keys/../keys/x}", ["5:25"]),
        ("delivery: {directory: specs/out}", ["5:25"]),
        ("delivery: {directory: .}", ["5:25", "5:25", "4:1"]),
        ("trash: {directory: state}", ["5:22", "5:22"]),
        ("trash: {directory: state/keys-old}", []),
    ],
)
def test_keys_deliveries_and_trash_lie_apart(tmp_path: Path, spec: str, places: list[str]) -> None:
    platform = sample.PLATFORM.replace("spec: {}", f"spec:\n  {spec}")
    found = faults_of(sample.repository(tmp_path, platform=platform))
    assert all("[folders-overlap]" in one for one in found)
    assert sorted(one.partition(" ")[0].partition(":")[2] for one in found) == sorted(places)


def test_a_products_rule_sees_the_tree_and_its_faults_are_sorted_in(tmp_path: Path) -> None:
    sample.repository(
        tmp_path,
        tenants__a=tenant("first", "same"),
        tenants__b=tenant("second", "SAME"),
        tenants__c=tenant("third", "same").replace("plan: pro", "plan: x"),
        tenants__d=tenant("fourth").replace("server: main", "server: none"),
    )
    assert [one.partition("]")[0] for one in faults_of(tmp_path, domains_unique)] == [
        "specs/tenants/b.yaml:11:11 [duplicate-domain",
        "specs/tenants/c.yaml:10:9 [not-in-list",
        "specs/tenants/d.yaml:9:11 [unknown-server",
    ]


def test_values_are_compared_in_the_composed_form_of_unicode(tmp_path: Path) -> None:
    sample.repository(tmp_path, tenants__a=tenant("first", "n\u0303"), tenants__b=tenant("second", "\xf1"))
    assert len(faults_of(tmp_path, domains_unique)) == 1


def test_a_fault_is_told_once_even_when_two_rules_find_it(tmp_path: Path) -> None:
    sample.repository(tmp_path, tenants__a=tenant("first", "same"), tenants__b=tenant("second", "same"))
    assert len(faults_of(tmp_path, domains_unique, domains_unique)) == 1
