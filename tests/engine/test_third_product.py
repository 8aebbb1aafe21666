"""A third product is one module and its files, in a package of its own: nothing else has to know of it."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import dotenv
import pytest

from reconciler import errors, products
from reconciler.engine import reconcile, specs
from reconciler.engine.progress import Progress
from reconciler.model import plan as plans
from reconciler.model.outcome import Outcome, Result
from tests.support import server as servers
from tests.support.faults import Boundaries, Fault, SimulatedDeath
from tests.support.shop import Shop

MODULE = '''
"""Loyalty: points for regulars. A database each, no license, no administrator."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, Literal

from reconciler.model import names
from reconciler.model.secret import Recipe
from reconciler.model.states import TenantState
from reconciler.model.step import Step
from reconciler.products import checks
from reconciler.products.product import Product
from reconciler.resources import contents, scripts
from reconciler.resources.access import Access
from reconciler.resources.account import Account
from reconciler.resources.activation import Activation
from reconciler.resources.central_rows import CentralRows
from reconciler.resources.database import Database
from reconciler.resources.delivery import Delivery, Publication
from reconciler.resources.grants import ALL, Grants
from reconciler.resources.login import Login
from reconciler.resources.schema import Schema
from reconciler.resources.seed_rows import SeedRows
from reconciler.resources.visibility import Visibility
from reconciler.resources.withdrawal import Withdrawal
from reconciler.spec import kind
from reconciler.spec.kind import option


@dataclass(frozen=True, slots=True)
class LoyaltyProductSpec:
    """What it sells."""

    database_prefix: str = option(doc="Prefix.", default="loyalty_", pattern=checks.PREFIX)
    schema: str = option(doc="Files.", default="specs/products/loyalty/schema")
    tiers: tuple[str, ...] = option(doc="The tiers.", min_items=1)


@dataclass(frozen=True, slots=True)
class LoyaltyTenantSpec:
    """A tenant."""

    display_name: str = option(doc="Name.", min_length=1)
    server: str | None = option(doc="Server.", default=None)
    tier: str = option(doc="One of the tiers.")
    points: int = option(doc="Points a visit.", default=1, minimum=1)
    state: Literal["active", "suspended"] = option(doc="State.", default="active")


class Loyalty(Product):
    """The provisioning service."""

    name = "loyalty"
    catalogue_kind = kind.Kind("LoyaltyProduct", LoyaltyProductSpec, doc="Product.", folder="specs/products/loyalty")
    tenant_kind = kind.Kind("LoyaltyTenant", LoyaltyTenantSpec, doc="Tenant.", folder=kind.TENANTS)

    def database(self, name: str, spec: Any, catalogue: Any) -> str:
        return names.database(catalogue.database_prefix, name)

    def rules(self, tree: Any) -> Iterator[Any]:
        tenants = tree.valid(self.tenant_kind.name)
        catalogue = self.catalogue(tree)
        if catalogue is None:
            yield from checks.without_catalogue(tree, self.catalogue_kind, tenants)
            return
        tiers = catalogue.spec.tiers
        yield from checks.known(tenants, ("spec", "tier"), lambda spec: spec.tier, tiers, "tier", catalogue)
        yield from checks.scripts_allowed(tree, catalogue)

    def flow(self, tenant: Any, given: Any) -> Iterator[Any]:
        spec, server, database = tenant.spec, tenant.server, tenant.database
        host, own, app = server.client_host, names.owner(database), names.application(database)
        own_secret = given.secret("db.own", Recipe.DATABASE_PASSWORD)
        app_secret = given.secret("db.app", Recipe.DATABASE_PASSWORD)
        recorded, active = not given.new, spec.state == "active"
        source = scripts.load(tenant.root, tenant.catalogue.schema)
        yield Step("database", Database(tenant.name, server, database, ((own, host), (app, host)), recorded))
        yield Step("accounts", Account(server, own, host, own_secret, "owns the schema", recorded))
        yield Step("accounts", Account(server, app, host, app_secret, "the application's", recorded))
        yield Step("accounts", Access(server, own, host, False, "only the reconciler works as the owner"))
        yield Step("accounts", Grants(server, own, host, database, frozenset({ALL}), "it owns the schema"))
        yield Step("accounts", Grants(server, app, host, database, frozenset({"SELECT", "INSERT"}), "least privilege"))
        fact = given.fact(Schema.kind, f"{server.name}/{database}")
        yield Step("schema", Schema(server, database, own, host, own_secret, source, fact))
        rows = ({"id": 1, "points": spec.points},)
        fact = given.fact(SeedRows.kind, f"{server.name}/{database}/rules")
        yield Step("schema", SeedRows(server, database, "rules", ("id",), rows, "enforce", given.new, fact))
        files = {".env": contents.EnvFile(checks.database_pairs(server, database, app, app_secret))}
        delivery = Delivery(tenant.name, self.name, files, given.fact(Delivery.kind, tenant.name))
        yield Step("delivery", delivery)
        row = {
            "name": tenant.name, "product": self.name, "display_name": spec.display_name, "server": server.name,
            "database_name": database, "domain": None, "plan": spec.tier, "locale": None, "timezone": None,
        }
        born = {"state": TenantState.PROVISIONING.value, "revision": given.revision}
        yield Step("values", CentralRows(tenant.name, "tenants", "tenant", (row,), born, recorded))
        yield Step("activation", Access(server, app, host, active, "as the spec says"))
        yield Step("activation", Login(server, app, host, app_secret, database, active))
        yield Step("activation", Visibility(tenant.name, hidden=False))
        yield Step("activation", Publication(delivery))
        yield Step("activation", Activation(
            tenant.name, spec.state, given.revision, TenantState.PROVISIONING, licensed=False
        ))

    def removal(self, tenant: Any, given: Any) -> Iterator[Any]:
        app = names.application(tenant.database)
        yield Step("trash", Access(tenant.server, app, tenant.server.client_host, False, "it goes to the trash"))
        yield Step("trash", Visibility(tenant.name, hidden=True))
        yield Step("trash", Withdrawal(tenant.name))

    def restoration(self, tenant: Any, given: Any) -> Iterator[Any]:
        app, active = names.application(tenant.database), tenant.spec.state == "active"
        yield Step("restoration", Access(tenant.server, app, tenant.server.client_host, active, "as it was"))
        yield Step("restoration", Visibility(tenant.name, hidden=False))
        yield Step("restoration", Withdrawal(tenant.name, given.fact(Withdrawal.kind, tenant.name)["rows"]))

    def samples(self) -> Iterator[dict[str, Any]]:
        yield {"displayName": "Cafe", "tier": "gold"}


PRODUCT = Loyalty()
'''
SCHEMA = """
CREATE TABLE rules (id INT NOT NULL PRIMARY KEY, points INT NOT NULL) ENGINE = InnoDB;
CREATE TABLE visits (id INT NOT NULL AUTO_INCREMENT PRIMARY KEY, at DATETIME NOT NULL) ENGINE = InnoDB;
"""
CAFE: dict[str, Any] = {"displayName": "Café Sol", "tier": "gold"}


class LoyaltyShop(Shop):
    """A shop whose provisioning account may also work on the third product's databases."""

    def apply(self, *arguments: Any, **options: Any) -> dict[str, Outcome]:
        """The same, after the administrator ran the statement that doctor prints for the product."""
        self.server.sql(r"GRANT ALL PRIVILEGES ON `loyalty\_%`.* TO 'provisioner'@'%' WITH GRANT OPTION")
        return super().apply(*arguments, **options)

    def lay(self) -> None:
        """The same."""
        self.server.sql(r"GRANT ALL PRIVILEGES ON `loyalty\_%`.* TO 'provisioner'@'%' WITH GRANT OPTION")
        super().lay()


@pytest.fixture
def package(tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """Somebody's installed package with a product."""
    folder = tmp_path_factory.mktemp("site-packages")
    (folder / "somebodys_loyalty.py").write_text(MODULE)
    info = folder / "somebodys_loyalty-1.0.dist-info"
    info.mkdir()
    (info / "METADATA").write_text("Metadata-Version: 2.1\nName: somebodys-loyalty\nVersion: 1.0\n")
    (info / "entry_points.txt").write_text(f"[{products.GROUP}]\nloyalty = somebodys_loyalty\n")
    monkeypatch.syspath_prepend(str(folder))
    yield folder
    sys.modules.pop("somebodys_loyalty", None)


@pytest.fixture
def shop(tmp_path: Path, clean_server: servers.Server, package: Path) -> Shop:
    """A repository with the third product beside the others, whose platform has been laid."""
    assert "loyalty" in products.discover()
    made = LoyaltyShop(tmp_path, clean_server)
    made.document("specs/products/loyalty/product.yaml", "LoyaltyProduct", "loyalty", {"tiers": ["silver", "gold"]})
    (tmp_path / "specs/products/loyalty/schema").mkdir()
    (tmp_path / "specs/products/loyalty/schema/0001_all.sql").write_text(SCHEMA)
    made.apply()
    made.tenant("LoyaltyTenant", "cafe", CAFE)
    return made


def planned(shop: Shop) -> plans.TenantPlan:
    """The plan of the tenant ``cafe``."""
    return next(entry for entry in shop.plan(deep=True).tenants if entry.tenant == "cafe")


def test_a_product_of_another_package_is_found(package: Path) -> None:
    assert sorted(products.discover()) == ["agenda-ia", "loyalty", "pos-tree-codes"]


def test_two_products_of_one_name_are_refused(package: Path) -> None:
    second = package / "second-1.0.dist-info"
    second.mkdir()
    (package / "second_agenda.py").write_text(
        MODULE.replace('name = "loyalty"', 'name = "agenda-ia"').replace("Loyalty", "Agenda2")
    )
    (second / "METADATA").write_text("Metadata-Version: 2.1\nName: second\nVersion: 1.0\n")
    (second / "entry_points.txt").write_text(f"[{products.GROUP}]\nagenda = second_agenda\n")
    with pytest.raises(errors.PlatformMisconfigured, match="two products are called agenda-ia"):
        products.discover()
    sys.modules.pop("second_agenda", None)


def test_a_package_that_names_no_product_is_refused(package: Path) -> None:
    (package / "somebodys_loyalty.py").write_text("PRODUCT = 1\n")
    with pytest.raises(errors.PlatformMisconfigured, match="names no product"):
        products.discover()


def test_its_documents_are_validated_with_the_others(shop: Shop) -> None:
    assert specs.check(shop.root)[1] == ()
    shop.tenant("LoyaltyTenant", "cafe", {**CAFE, "tier": "golf", "point": 2})
    shop.tenant("LoyaltyTenant", "other", {**CAFE, "tier": "golf"})
    faults = specs.check(shop.root)[1]
    assert [(fault.where.file, fault.rule) for fault in faults] == [
        ("specs/tenants/cafe.yaml", "unknown-key"),
        ("specs/tenants/other.yaml", "unknown-tier"),
    ]


def test_its_tenants_live_from_creation_to_suspension(shop: Shop) -> None:
    before = planned(shop)
    assert before.action is plans.Action.CREATE
    assert shop.apply()["cafe"].result is Result.APPLIED
    assert shop.plan(deep=True).empty
    said = dotenv.dotenv_values(shop.root / "state/deliveries/cafe/.env")
    assert said["DB_DATABASE"] == "loyalty_cafe"
    shop.server.connect(str(said["DB_USERNAME"]), str(said["DB_PASSWORD"])).close()
    assert shop.server.sql("SELECT tenant FROM license_manager.licenses") == []
    assert shop.server.sql("SELECT state FROM license_manager.tenants") == [("active",)]

    shop.tenant("LoyaltyTenant", "cafe", {**CAFE, "points": 3, "tier": "silver"})
    update = planned(shop)
    assert update.action is plans.Action.UPDATE
    assert {("1.points", "1", "3"), ("plan", "gold", "silver")} <= {d for c in update.changes for d in c.details}
    assert shop.apply()["cafe"].result is Result.APPLIED
    assert shop.server.sql("SELECT points FROM loyalty_cafe.rules") == [(3,)]
    assert shop.plan(deep=True).empty

    shop.server.sql("DROP USER loyalty_cafe_app")
    assert planned(shop).action is plans.Action.REPAIR
    assert shop.apply()["cafe"].result is Result.APPLIED
    assert dotenv.dotenv_values(shop.root / "state/deliveries/cafe/.env") == said

    shop.tenant("LoyaltyTenant", "cafe", {**CAFE, "points": 3, "tier": "silver", "state": "suspended"})
    assert shop.apply()["cafe"].result is Result.APPLIED
    assert shop.plan(deep=True).empty
    assert shop.server.sql("SELECT state FROM license_manager.tenants") == [("suspended",)]


def test_all_three_products_are_applied_together(shop: Shop) -> None:
    for product in products.discover().values():
        for number, sample in enumerate(product.samples()):
            shop.tenant(product.tenant_kind.name, f"{product.name}-{number}", sample)
    outcomes = shop.apply(parallel=3)
    assert {outcome.result for outcome in outcomes.values()} == {Result.APPLIED}
    assert shop.plan(deep=True).empty


@pytest.mark.parametrize("fault", list(Fault))
def test_a_fault_leaves_its_tenant_ready_or_nothing_of_it(shop: Shop, fault: Fault) -> None:
    clean = Boundaries()
    setting = clean.watch(shop.setting(clean.ports()))
    _, outcomes = reconcile.apply(setting, reconcile.Options(parallel=1), Progress())
    assert outcomes[0].result is Result.APPLIED
    shop.reset()
    before = shop.world()
    for at in range(3 + list(Fault).index(fault), clean.count, 19):
        boundaries = Boundaries({at: fault})
        setting = boundaries.watch(shop.setting(boundaries.ports()))
        try:
            reconcile.apply(setting, reconcile.Options(parallel=1), Progress())
        except (errors.ReconcileError, SimulatedDeath):
            pass
        finally:
            boundaries.dead = False
            if setting.store is not None:
                setting.store.close()
        assert all(entry.result is not Result.STUCK for entry in shop.recover()), boundaries.log[-1]
        if before.difference(shop.world()):
            assert shop.plan(deep=True).empty, (at, boundaries.log[-1])
            shop.reset()
            before = shop.world()


def test_a_dead_process_of_its_tenant_is_recovered_without_the_package(
    shop: Shop, package: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    count = Boundaries()
    reconcile.apply(count.watch(shop.setting(count.ports())), reconcile.Options(parallel=1), Progress())
    shop.reset()
    before = shop.world()
    boundaries = Boundaries({count.count * 3 // 4: Fault.DEATH_AFTER})
    setting = boundaries.watch(shop.setting(boundaries.ports()))
    with pytest.raises(SimulatedDeath):
        reconcile.apply(setting, reconcile.Options(parallel=1), Progress())
    boundaries.dead = False
    setting.opened().close()
    assert before.difference(shop.world()) != []
    # Recovery has the journal; the product, its specs and its files may be gone.
    shop.without("cafe")
    for path in (shop.root / "specs/products/loyalty/schema", shop.root / "specs/products/loyalty"):
        for entry in path.iterdir():
            entry.unlink()
        path.rmdir()
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if entry != str(package)])
    assert "loyalty" not in products.discover()
    assert [entry.result for entry in shop.recover()] == [Result.ROLLED_BACK]
    assert before.difference(shop.world()) == []
