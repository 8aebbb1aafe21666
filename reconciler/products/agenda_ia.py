"""Agenda IA: appointments with an assistant. A whole database each, an administrator, an entry in the index, webhooks.

Read from top to bottom: what the product sells, what a tenant may say, the rules no schema can hold, and the flow.
"""

from __future__ import annotations

import functools
import re
import zoneinfo
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal

from reconciler import errors, resources
from reconciler.model import names
from reconciler.model.given import PENDING, Given
from reconciler.model.secret import Recipe
from reconciler.model.states import TenantState
from reconciler.model.step import Step
from reconciler.model.tenant import Tenant
from reconciler.products import checks, seeds
from reconciler.products.product import Flow, Product
from reconciler.spec import kind, metadata, validate
from reconciler.spec.document import Document
from reconciler.spec.kind import option
from reconciler.spec.nearest import did_you_mean
from reconciler.spec.tree import Tree

_EMAIL = r"^[^@\s]{1,64}@[^@\s]{1,189}$"
_DOMAIN = r"^([a-zA-Z0-9]([a-zA-Z0-9-]{0,61}[a-zA-Z0-9])?\.)+[a-zA-Z]{2,63}$"
_EVENT = r"^[a-z][a-z0-9_]*(\.[a-z][a-z0-9_]*)+$"


# --- what it sells ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Plan:
    """One plan of the catalogue."""

    code: str = option(doc="What tenants name it by; never used for another plan.", pattern=metadata.NAME_PATTERN)
    name: str = option(doc="Shown to customers.", min_length=1, max_length=200)
    price_cents: int = option(doc="Price of one interval, in hundredths of the currency.", minimum=0, maximum=2**32 - 1)
    currency: str = option(doc="ISO 4217.", pattern="^[A-Z]{3}$", examples=["MXN"])
    interval: Literal["day", "week", "month", "year"] = option(doc="How often it is paid.")
    limits: dict[str, int] = option(doc="What the application allows, by name.", default_factory=dict, minimum=0)


@dataclass(frozen=True, slots=True)
class AgendaProductSpec:
    """The spec of ``AgendaProduct``."""

    database_prefix: str = option(
        doc="What a tenant's database begins with; can't change for tenants that exist.",
        default="agenda_",
        pattern=checks.PREFIX,
    )
    schema: str = option(
        doc="A folder of .sql files in the order of their names, or one file.",
        default="specs/products/agenda-ia/schema",
        min_length=1,
    )
    import_: checks.Import | None = option(doc="How the SQL files are taken in.", default=None)
    seeds: str = option(
        doc="A folder of rows that are inserted where they are absent.",
        default="specs/products/agenda-ia/seeds",
        min_length=1,
    )
    plans: tuple[Plan, ...] = option(doc="The catalogue; kept equal in every tenant.", min_items=1)
    privileges: tuple[str, ...] = option(
        doc="What the application's account may do in its database.",
        default=checks.PRIVILEGES,
        pattern=checks.PRIVILEGE,
        min_items=1,
        unique_items=True,
    )


# --- what a tenant may say --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Admin:
    """The first user."""

    name: str = option(doc="The person's name.", min_length=1, max_length=200, pattern=checks.ONE_LINE)
    email: str = option(doc="Where the person logs in with.", pattern=_EMAIL, max_length=254, format="email")


@dataclass(frozen=True, slots=True)
class Webhook:
    """An endpoint that is told of events."""

    name: str = option(doc="Unique in the tenant.", pattern=metadata.NAME_PATTERN, examples=["crm"])
    url: str = option(doc="Where events are sent to.", pattern=r"^https://[^\s'\"]+$", max_length=2048)
    events: tuple[str, ...] = option(doc="Which events.", pattern=_EVENT, min_items=1, unique_items=True)


@dataclass(frozen=True, slots=True)
class AgendaTenantSpec:
    """The spec of ``AgendaTenant``."""

    display_name: str = option(
        doc="Shown to the tenant's clients.", min_length=1, max_length=200, pattern=checks.ONE_LINE
    )
    server: str | None = option(
        doc="The DatabaseServer; default: the platform's. Can't change later.",
        default=None,
        pattern=metadata.NAME_PATTERN,
    )
    plan: str = option(doc="One of the product's plans.", pattern=metadata.NAME_PATTERN, examples=["pro"])
    domain: str = option(doc="Where clients book; unique across tenants.", pattern=_DOMAIN, max_length=253)
    locale: str = option(doc="BCP 47.", default="es-MX", pattern=r"^[a-z]{2,3}(-[A-Za-z0-9]{2,8})*$", max_length=35)
    timezone: str = option(doc="A name of the IANA time zone database.", default="America/Mexico_City", max_length=64)
    admin: Admin = option(doc="The first user; name and e-mail follow the spec, the password never does.")
    webhooks: tuple[Webhook, ...] = option(doc="Endpoints that are told of events.", default=())
    state: Literal["active", "suspended"] = option(
        doc="suspended: nobody can log in, nothing is deleted.", default="active"
    )


CATALOGUE = kind.Kind(
    "AgendaProduct",
    AgendaProductSpec,
    doc="What Agenda IA sells, and what its tenants' databases are made of.",
    folder="specs/products/agenda-ia",
)
TENANT = kind.Kind("AgendaTenant", AgendaTenantSpec, doc="One tenant of Agenda IA.", folder=kind.TENANTS)


class AgendaIa(Product):
    """The provisioning service of Agenda IA."""

    name = "agenda-ia"
    catalogue_kind = CATALOGUE
    tenant_kind = TENANT

    def database(self, name: str, spec: AgendaTenantSpec, catalogue: AgendaProductSpec) -> str:
        """Every tenant has one."""
        return names.database(catalogue.database_prefix, name)

    def reads(self, root: Path, catalogue: AgendaProductSpec) -> str | None:
        """The SQL and seed files."""
        return checks.digest_of(root, catalogue.schema, catalogue.seeds)

    def rules(self, tree: Tree) -> Iterator[errors.Fault]:
        """Unknown plans, double domains, webhooks and plans, time zones that don't exist, the SQL and seed files."""
        tenants = tree.valid(TENANT.name)
        domains = (validate.Used(entry, ("spec", "domain"), entry.spec.domain) for entry in tenants)
        yield from validate.unique(domains, "the domain", rule="duplicate-domain")
        zones = _zones()
        for entry in tenants:
            if entry.spec.timezone not in zones:
                hint = did_you_mean(entry.spec.timezone, sorted(zones))
                yield entry.fault(
                    ("spec", "timezone"),
                    f"there is no time zone {entry.spec.timezone!r}",
                    rule="unknown-timezone",
                    hint=hint,
                )
            yield from checks.unique_names(entry, ("spec", "webhooks"), entry.spec.webhooks, "webhook")
        catalogue = self.catalogue(tree)
        if catalogue is None:
            yield from checks.without_catalogue(tree, CATALOGUE, tenants)
            return
        codes = [plan.code for plan in catalogue.spec.plans]
        yield from checks.unique_codes(catalogue, ("spec", "plans"), codes)
        yield from checks.prefix(catalogue)
        yield from checks.databases_apart(
            (entry, self.database(entry.name, entry.spec, catalogue.spec)) for entry in tenants
        )
        yield from checks.known(tenants, ("spec", "plan"), lambda spec: spec.plan, codes, "plan", catalogue)
        yield from checks.scripts_allowed(tree, catalogue)
        yield from seeds.faults(tree.root, catalogue)

    def words(self, document: Document, catalogue: AgendaProductSpec) -> Iterator[str]:
        """Its domain, and its names on the server."""
        yield f"domain {validate.fold(document.spec.domain)}"
        yield from checks.words_of_database(self.database(document.name, document.spec, catalogue))

    def claims(self, data: Mapping[str, Any]) -> Iterator[tuple[str, str]]:
        """Its domain."""
        yield "domain", str(data["domain"]).lower()

    def flow(self, tenant: Tenant[AgendaTenantSpec, AgendaProductSpec], given: Given) -> Flow:
        """Database, accounts, schema and seeds, license, delivery, product values; then everything is shown."""
        spec, catalogue, server, database = tenant.spec, tenant.catalogue, tenant.server, tenant.database
        host, own, app = server.client_host, names.owner(database), names.application(database)
        own_secret = given.secret("db.own", Recipe.DATABASE_PASSWORD)
        app_secret = given.secret("db.app", Recipe.DATABASE_PASSWORD)
        admin_secret = given.secret("admin.password", Recipe.ONE_TIME_PASSWORD)
        source = checks.scripts_of(tenant.root, catalogue)
        active = spec.state == "active"
        recorded, fresh = not given.new, given.new
        where = (server, database)

        yield Step("database", resources.Database(tenant.name, *where, ((own, host), (app, host)), recorded))

        yield Step("accounts", resources.Account(server, own, host, own_secret, "owns the schema", recorded))
        yield Step("accounts", resources.Account(server, app, host, app_secret, "the application's", recorded))
        yield Step(
            "accounts", resources.Access(server, own, host, open=False, reason="only the reconciler works as the owner")
        )
        if active or fresh:
            # A suspended tenant's own account has no right, so that no event of its can run.
            yield Step(
                "accounts",
                resources.Grants(server, own, host, database, frozenset({resources.ALL}), "it owns the schema"),
            )
        least = "least privilege of the application"
        yield Step("accounts", resources.Grants(server, app, host, database, frozenset(catalogue.privileges), least))

        schema = given.fact(resources.Schema.kind, f"{server.name}/{database}")
        yield Step("schema", resources.Schema(*where, own, host, own_secret, source, schema))
        yield Step("schema", self._rows(where, "plans", ("code",), _plans(catalogue), given, retired={"active": 0}))
        for entry in seeds.load(tenant.root, catalogue.seeds):
            yield Step("schema", self._rows(where, entry.table, entry.key, entry.rows, given))
        yield Step("schema", self._rows(where, "business_settings", ("id",), (_settings(spec),), given))
        yield Step(
            "schema",
            resources.AdminUser(
                *where,
                table="users",
                key={"provision_key": "admin"},
                follows={"name": spec.admin.name, "email": spec.admin.email},
                once={"role": "admin", "must_change_password": 1},
                hash_column="password_hash",
                secret=admin_secret,
                fresh=fresh,
                fact=given.fact(resources.AdminUser.kind, f"{server.name}/{database}/users"),
            ),
        )

        serial = _serial(given.token("serial"))
        yield Step("license", self._central(tenant, given, "licenses", "license", (_license(tenant, given, serial),)))

        delivery = resources.Delivery(
            tenant=tenant.name,
            product=self.name,
            files={
                ".env": resources.contents.EnvFile(
                    (*checks.database_pairs(server, database, app, app_secret), *_hooks(spec, given))
                ),
                "admin.json": resources.contents.JsonFile(
                    {
                        "name": spec.admin.name,
                        "email": spec.admin.email,
                        "url": f"https://{spec.domain}",
                        "oneTimePassword": resources.contents.OneTime(
                            admin_secret, server.name, database, "users", ("provision_key", "admin"), "password_hash"
                        ),
                    }
                ),
            },
            fact=given.fact(resources.Delivery.kind, tenant.name),
        )
        yield Step("delivery", delivery)

        yield Step("values", self._central(tenant, given, "tenants", "tenant", (_index(tenant),)))
        hooks = tuple(
            {"tenant": tenant.name, "name": hook.name, "url": hook.url, "events": checks.json_text(hook.events)}
            for hook in spec.webhooks
        )
        yield Step("values", self._central(tenant, given, "webhook_endpoints", "webhook", hooks))

        yield from self._opening(tenant, given, active, "the tenant is to be active" if active else "it is suspended")
        yield Step("activation", resources.Visibility(tenant.name, hidden=False))
        yield Step("activation", resources.Publication(delivery))
        yield Step(
            "activation",
            resources.Activation(
                tenant.name,
                spec.state,
                given.revision,
                TenantState.PROVISIONING,
                tuple(hook.name for hook in spec.webhooks),
            ),
        )

    def removal(self, tenant: Tenant[AgendaTenantSpec, AgendaProductSpec], given: Given) -> Flow:
        """Nobody logs in, nothing runs; then the delivery and all central rows are out of sight."""
        yield from self._opening(tenant, given, False, "the tenant goes to the trash")
        yield Step("trash", resources.Visibility(tenant.name, hidden=True))
        yield Step("trash", resources.Withdrawal(tenant.name))

    def restoration(self, tenant: Tenant[AgendaTenantSpec, AgendaProductSpec], given: Given) -> Flow:
        """The other way round; accounts that were dropped or changed meanwhile are as they were made."""
        server, database, active = tenant.server, tenant.database, tenant.spec.state == "active"
        host, own, app = server.client_host, names.owner(database), names.application(database)
        own_secret = given.secret("db.own", Recipe.DATABASE_PASSWORD)
        app_secret = given.secret("db.app", Recipe.DATABASE_PASSWORD)
        yield Step("restoration", resources.Account(server, own, host, own_secret, "owns the schema", True))
        yield Step("restoration", resources.Account(server, app, host, app_secret, "the application's", True))
        if active:
            all_, owns = frozenset({resources.ALL}), "it owns the schema"
            yield Step("restoration", resources.Grants(server, own, host, database, all_, owns))
        least, why = frozenset(tenant.catalogue.privileges), "least privilege of the application"
        yield Step("restoration", resources.Grants(server, app, host, database, least, why))
        yield from self._opening(tenant, given, active, "the tenant leaves the trash")
        yield Step("restoration", resources.Visibility(tenant.name, hidden=False, needed=True))
        yield Step(
            "restoration",
            resources.Withdrawal(tenant.name, given.fact(resources.Withdrawal.kind, tenant.name).get("rows", {})),
        )

    def _opening(
        self, tenant: Tenant[AgendaTenantSpec, AgendaProductSpec], given: Given, active: bool, reason: str
    ) -> Flow:
        """The application can log in and events run, or neither."""
        server, database = tenant.server, tenant.database
        host, own, app = server.client_host, names.owner(database), names.application(database)
        own_secret = given.secret("db.own", Recipe.DATABASE_PASSWORD)
        app_secret = given.secret("db.app", Recipe.DATABASE_PASSWORD)
        schema = given.fact(resources.Schema.kind, f"{server.name}/{database}")
        awake = schema["awake"] if schema else checks.scripts_of(tenant.root, tenant.catalogue).awake
        if not active:
            # Events are disabled as the own account; where it is gone, none of its events runs.
            yield Step(
                "activation", resources.Account(server, own, host, own_secret, "owns the schema", True, revived=False)
            )
        yield Step("activation", resources.Events(server, database, own, host, own_secret, tuple(awake), active))
        if not active:
            yield Step(
                "activation", resources.Grants(server, own, host, database, frozenset(), "nothing of it may run")
            )
        yield Step("activation", resources.Access(server, app, host, active, reason))
        yield Step("activation", resources.Login(server, app, host, app_secret, database, active))

    def samples(self) -> Iterator[dict[str, Any]]:
        """An active tenant with a webhook, and a suspended one without."""
        admin = {"name": "Ana Ruiz", "email": "ana@example.com"}
        hook = {"name": "crm", "url": "https://crm.example.com/hook", "events": ["appointment.created"]}
        yield {
            "displayName": "Clínica Sol",
            "plan": "pro",
            "domain": "sol.example.com",
            "admin": admin,
            "webhooks": [hook],
        }
        yield {
            "displayName": "Dr. O'Hara",
            "plan": "starter",
            "domain": "ohara.example.com",
            "admin": admin,
            "state": "suspended",
        }

    def _rows(
        self, where: Any, table: str, key: Any, rows: Any, given: Given, retired: dict[str, Any] | None = None
    ) -> resources.SeedRows:
        server, database = where
        enforced = retired is not None or table == "business_settings"
        fact = given.fact(resources.SeedRows.kind, f"{server.name}/{database}/{table}")
        return resources.SeedRows(
            server, database, table, key, rows, "enforce" if enforced else "if-absent", given.new, fact, retired
        )

    def _central(self, tenant: Any, given: Given, table: str, label: str, rows: Any) -> resources.CentralRows:
        column = "status" if table == "licenses" else "state"
        born = {column: TenantState.PROVISIONING.value}
        if table == "tenants":
            born["revision"] = given.revision
        return resources.CentralRows(tenant.name, table, label, rows, born, not given.new)


# --- the product's own values -----------------------------------------------------------------------------


@functools.cache
def _zones() -> frozenset[str]:
    # The standard library walks its whole folder of zones for every question.
    return frozenset(zoneinfo.available_timezones())


def _plans(catalogue: AgendaProductSpec) -> tuple[dict[str, Any], ...]:
    return tuple(
        {
            "code": plan.code,
            "name": plan.name,
            "price_cents": plan.price_cents,
            "currency": plan.currency,
            "interval_unit": plan.interval,
            "limits": dict(plan.limits),
            "active": 1,
        }
        for plan in catalogue.plans
    )


def _settings(spec: AgendaTenantSpec) -> dict[str, Any]:
    return {
        "id": 1,
        "display_name": spec.display_name,
        "locale": spec.locale,
        "timezone": spec.timezone,
        "domain": spec.domain.lower(),
        "plan_code": spec.plan,
    }


def _index(tenant: Tenant[AgendaTenantSpec, AgendaProductSpec]) -> dict[str, Any]:
    spec = tenant.spec
    return {
        "name": tenant.name,
        "product": AgendaIa.name,
        "display_name": spec.display_name,
        "server": tenant.server.name,
        "database_name": tenant.database,
        "domain": spec.domain.lower(),
        "plan": spec.plan,
        "locale": spec.locale,
        "timezone": spec.timezone,
    }


def _license(tenant: Tenant[AgendaTenantSpec, AgendaProductSpec], given: Given, serial: str) -> dict[str, Any]:
    return {
        "tenant": tenant.name,
        "product": AgendaIa.name,
        "serial": serial,
        "edition": tenant.spec.plan,
        "issued_at": given.token("issued"),
        "expires_at": None,
        "grace_days": 0,
        "max_devices": None,
        "key_id": None,
        "seq": 1,
        "terms": None,
    }


def _serial(token: str) -> str:
    return token if token == PENDING else "AG-" + "-".join(re.findall("....", token[:20].upper()))


def _hooks(spec: AgendaTenantSpec, given: Given) -> Iterator[tuple[str, Any]]:
    yield "APP_URL", f"https://{spec.domain}"
    for hook in spec.webhooks:
        secret = given.secret(f"webhook.{hook.name}", Recipe.WEBHOOK_SECRET)
        yield f"WEBHOOK_{hook.name.upper().replace('-', '_')}_SECRET", secret


PRODUCT = AgendaIa()
