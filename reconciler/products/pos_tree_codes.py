"""POS Tree Codes: a point of sale. Signed licenses, device limits, hardware rules; a database only for cloud sync.

Read from top to bottom: what the product sells, what a tenant may say, the rules no schema can hold, and the flow.
"""

from __future__ import annotations

import datetime as dt
import functools
import re
from collections.abc import Iterator
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any, Literal

from reconciler import errors, resources
from reconciler.licensing import hardware, reissue, terms, wire
from reconciler.model import names
from reconciler.model.given import PENDING, Given
from reconciler.model.secret import Recipe
from reconciler.model.states import TenantState
from reconciler.model.step import Step
from reconciler.model.tenant import Tenant
from reconciler.products import checks
from reconciler.products.product import Flow, Product
from reconciler.spec import kind, metadata
from reconciler.spec.document import Document
from reconciler.spec.kind import option
from reconciler.spec.tree import Tree

_COMPONENT = "^[A-Za-z][A-Za-z0-9]{0,31}$"
_FEATURE = "^[a-z][a-z0-9-]{0,62}$"
_UNDRAWN = {"salt": "00" * 16, "key": "0" * 16}
"""What stands for a token in a plan of a tenant that has none yet; nothing is signed with it."""


# --- what it sells ----------------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Edition:
    """One edition of the catalogue."""

    code: str = option(doc="What tenants name it by.", pattern=metadata.NAME_PATTERN)
    name: str = option(doc="Shown to customers.", min_length=1, max_length=200)
    max_devices: int = option(doc="Devices that a license allows by default.", minimum=1, maximum=terms.MAX_DEVICES)
    features: tuple[str, ...] = option(
        doc="What the edition switches on.", default=(), pattern=_FEATURE, unique_items=True
    )


@dataclass(frozen=True, slots=True)
class PosProductSpec:
    """The spec of ``PosProduct``."""

    database_prefix: str = option(
        doc="What a tenant's database begins with; can't change for tenants that exist.",
        default="pos_",
        pattern=checks.PREFIX,
    )
    schema: str = option(
        doc="A folder of .sql files in the order of their names, or one file.",
        default="specs/products/pos-tree-codes/schema",
        min_length=1,
    )
    import_: checks.Import | None = option(doc="How the SQL files are taken in.", default=None)
    editions: tuple[Edition, ...] = option(doc="The catalogue.", min_items=1)
    privileges: tuple[str, ...] = option(
        doc="What the application's account may do in its database.",
        default=checks.PRIVILEGES,
        pattern=checks.PRIVILEGE,
        min_items=1,
        unique_items=True,
    )


# --- what a tenant may say --------------------------------------------------------------------------------


@dataclass(frozen=True, slots=True)
class Device:
    """A device that the license authorizes."""

    name: str = option(doc="Unique in the tenant.", pattern=metadata.NAME_PATTERN, examples=["caja-1"])
    hardware: dict[str, str] = option(
        doc="Its components as the device reports them; only keyed hashes leave this file.",
        key_pattern=_COMPONENT,
        min_length=1,
        max_length=256,
    )


@dataclass(frozen=True, slots=True)
class HardwareRule:
    """How many components of a device must agree."""

    match: int | Literal["any", "two", "most", "all"] = option(doc="At least so many, or a word.", default=2, minimum=1)
    of: tuple[str, ...] = option(
        doc="The components that count.",
        default=("machineId", "boardSerial", "diskSerial", "mac"),
        pattern=_COMPONENT,
        min_items=1,
        unique_items=True,
    )
    required: tuple[str, ...] = option(
        doc="Components that must agree in any case.", default=(), pattern=_COMPONENT, unique_items=True
    )


@dataclass(frozen=True, slots=True)
class License:
    """What the license grants."""

    expires: dt.date = option(doc="Valid until the end of that day, UTC.", examples=["2027-12-31"])
    grace_days: int = option(
        doc="Days after it in which devices go on with a warning, 24 h each.",
        default=14,
        minimum=0,
        maximum=terms.MAX_GRACE_DAYS,
    )
    max_devices: int | None = option(doc="Default: the edition's.", default=None, minimum=1, maximum=terms.MAX_DEVICES)
    hardware: HardwareRule = option(doc="When a device is taken for the enrolled one.", default_factory=HardwareRule)
    devices: tuple[Device, ...] = option(doc="The devices; none: any hardware is accepted.", default=())


@dataclass(frozen=True, slots=True)
class PosTenantSpec:
    """The spec of ``PosTenant``."""

    display_name: str = option(doc="The shop's name.", min_length=1, max_length=200, pattern=checks.ONE_LINE)
    server: str | None = option(
        doc="The DatabaseServer; default: the platform's. Can't change later.",
        default=None,
        pattern=metadata.NAME_PATTERN,
    )
    edition: str = option(doc="One of the product's editions.", pattern=metadata.NAME_PATTERN, examples=["standard"])
    cloud_sync: bool = option(
        doc="Whether the tenant also gets a database for synchronization; taking it away is a removal.", default=False
    )
    license: License = option(doc="What the license grants.")
    state: Literal["active", "suspended"] = option(
        doc="suspended: the license is, and the application's account is locked.", default="active"
    )


CATALOGUE = kind.Kind(
    "PosProduct",
    PosProductSpec,
    doc="What POS Tree Codes sells, and what its tenants' databases are made of.",
    folder="specs/products/pos-tree-codes",
)
TENANT = kind.Kind("PosTenant", PosTenantSpec, doc="One tenant of POS Tree Codes.", folder=kind.TENANTS)


class PosTreeCodes(Product):
    """The provisioning service of POS Tree Codes."""

    name = "pos-tree-codes"
    catalogue_kind = CATALOGUE
    tenant_kind = TENANT
    parts = True

    def database(self, name: str, spec: PosTenantSpec, catalogue: PosProductSpec) -> str:
        """Only for synchronization."""
        return names.database(catalogue.database_prefix, name) if spec.cloud_sync else ""

    def reads(self, root: Path, catalogue: PosProductSpec) -> str | None:
        """The SQL files."""
        return checks.digest_of(root, catalogue.schema)

    def rules(self, tree: Tree) -> Iterator[errors.Fault]:
        """Unknown editions, too many devices, hardware that is licensed twice or says nothing, the SQL files."""
        tenants = tree.valid(TENANT.name)
        yield from _hardware(tenants)
        for entry in tenants:
            yield from checks.unique_names(entry, ("spec", "license", "devices"), entry.spec.license.devices, "device")
            try:
                wire.in_range(entry.spec.license.expires, "license.expires")
            except errors.MalformedLicense as error:
                yield entry.fault(("spec", "license", "expires"), error.message, rule="license-expires")
        catalogue = self.catalogue(tree)
        if catalogue is None:
            yield from checks.without_catalogue(tree, CATALOGUE, tenants)
            return
        editions = {edition.code: edition for edition in catalogue.spec.editions}
        codes = [edition.code for edition in catalogue.spec.editions]
        yield from checks.unique_codes(catalogue, ("spec", "editions"), codes)
        yield from checks.prefix(catalogue)
        yield from checks.databases_apart(
            (entry, self.database(entry.name, entry.spec, catalogue.spec)) for entry in tenants
        )
        yield from checks.known(tenants, ("spec", "edition"), lambda spec: spec.edition, codes, "edition", catalogue)
        yield from checks.scripts_allowed(tree, catalogue)
        for entry in tenants:
            if entry.spec.edition in editions:
                limit = _limit(entry.spec, editions[entry.spec.edition])
                count = len(entry.spec.license.devices)
                if count > limit:
                    message = f"{count} devices, and the license allows {limit}"
                    hint = "Raise license.maxDevices, or take a larger edition."
                    at = ("spec", "license", "devices", limit)
                    yield entry.fault(at, message, rule="too-many-devices", hint=hint)

    def words(self, document: Document, catalogue: PosProductSpec) -> Iterator[str]:
        """What its devices are told by, and its names on the server."""
        for device in document.spec.license.devices:
            for component, value in device.hardware.items():
                yield f"hardware {component} {hardware.normalize(component, value)}"
        yield from checks.words_of_database(self.database(document.name, document.spec, catalogue))

    def flow(self, tenant: Tenant[PosTenantSpec, PosProductSpec], given: Given) -> Flow:
        """A database if it synchronizes; license, delivery, product values; then everything is shown.

        A database that it had and no longer asks for is shut, asleep, and kept.
        """
        from reconciler.licensing import policy  # with all that verifies and signs

        spec, server = tenant.spec, tenant.server
        active = spec.state == "active"
        granted, details, issued = _granted(tenant, given)
        members = terms.as_members(granted)

        if spec.cloud_sync:
            yield from self._database(tenant, given)

        yield Step("license", resources.License(tenant.name, granted.serial, granted.seq, members, issued, details))
        yield Step("license", self._central(tenant, given, "licenses", "license", (_row(tenant, granted),)))
        devices = tuple(
            {
                "serial": granted.serial,
                "name": device.name,
                "hardware": checks.json_text(dict(device.hardware)),
                "tenant": tenant.name,
            }
            for device in granted.devices
        )
        yield Step("license", self._central(tenant, given, "license_devices", "device", devices))

        files: dict[str, resources.contents.Content] = {
            "license.lic": resources.contents.LicenseFile(members),
            "device-policy.json": resources.contents.JsonFile(policy.policy(granted)),
        }
        if spec.cloud_sync:
            app = names.application(tenant.database)
            secret = given.secret("db.app", Recipe.DATABASE_PASSWORD)
            files[".env"] = resources.contents.EnvFile(checks.database_pairs(server, tenant.database, app, secret))
        delivery = resources.Delivery(tenant.name, self.name, files, given.fact(resources.Delivery.kind, tenant.name))
        yield Step("delivery", delivery)

        yield Step("values", self._central(tenant, given, "tenants", "tenant", (_index(tenant),)))

        if spec.cloud_sync:
            reason = "the tenant is to be active" if active else "the tenant is suspended"
            yield from self._opening(tenant, given, active, reason)
        elif tenant.former:
            shut = replace(tenant, database=tenant.former)
            yield from self._opening(shut, given, False, "its database is in the trash")
        yield Step("activation", resources.Visibility(tenant.name, hidden=False))
        yield Step("activation", resources.Publication(delivery))
        yield Step(
            "activation", resources.Activation(tenant.name, spec.state, given.revision, TenantState.PROVISIONING)
        )

    def _database(self, tenant: Tenant[PosTenantSpec, PosProductSpec], given: Given) -> Flow:
        server, database = tenant.server, tenant.database
        host, own, app = server.client_host, names.owner(database), names.application(database)
        own_secret = given.secret("db.own", Recipe.DATABASE_PASSWORD)
        app_secret = given.secret("db.app", Recipe.DATABASE_PASSWORD)
        source = checks.scripts_of(tenant.root, tenant.catalogue)
        recorded, schema = _has_database(given, tenant), given.fact(resources.Schema.kind, f"{server.name}/{database}")
        active = tenant.spec.state == "active"

        yield Step("database", resources.Database(tenant.name, server, database, ((own, host), (app, host)), recorded))

        yield Step("accounts", resources.Account(server, own, host, own_secret, "owns the schema", recorded))
        yield Step("accounts", resources.Account(server, app, host, app_secret, "the application's", recorded))
        yield Step(
            "accounts", resources.Access(server, own, host, open=False, reason="only the reconciler works as the owner")
        )
        if active or not recorded:
            yield Step(
                "accounts",
                resources.Grants(server, own, host, database, frozenset({resources.ALL}), "it owns the schema"),
            )
        least = "least privilege of the application"
        yield Step(
            "accounts", resources.Grants(server, app, host, database, frozenset(tenant.catalogue.privileges), least)
        )

        yield Step("schema", resources.Schema(server, database, own, host, own_secret, source, schema))

    def _opening(self, tenant: Tenant[PosTenantSpec, PosProductSpec], given: Given, active: bool, reason: str) -> Flow:
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

    def removal(self, tenant: Tenant[PosTenantSpec, PosProductSpec], given: Given) -> Flow:
        """Nobody logs in, nothing runs; then the license's delivery and all central rows are out of sight."""
        if tenant.spec.cloud_sync:
            yield from self._opening(tenant, given, False, "the tenant goes to the trash")
        yield Step("trash", resources.Visibility(tenant.name, hidden=True))
        yield Step("trash", resources.Withdrawal(tenant.name))

    def restoration(self, tenant: Tenant[PosTenantSpec, PosProductSpec], given: Given) -> Flow:
        """The other way round; accounts that were dropped or changed meanwhile are as they were made."""
        server, database, active = tenant.server, tenant.database, tenant.spec.state == "active"
        if tenant.spec.cloud_sync:
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

    def samples(self) -> Iterator[dict[str, Any]]:
        """With a database and devices, without either, and a suspended one."""
        device = {"name": "caja-1", "hardware": {"machineId": "8f3c1d7a52e94b06", "boardSerial": "PF2K9X1B"}}
        yield {
            "displayName": "Abarrotes Lupita",
            "edition": "standard",
            "cloudSync": True,
            "license": {"expires": "2099-12-31", "devices": [device]},
        }
        yield {"displayName": "La Esquina", "edition": "lite", "license": {"expires": "2099-12-31"}}
        yield {
            "displayName": "O'Brien & Hijos",
            "edition": "enterprise",
            "cloudSync": True,
            "license": {"expires": "2099-06-30", "graceDays": 0, "maxDevices": 7},
            "state": "suspended",
        }

    def _central(self, tenant: Any, given: Given, table: str, label: str, rows: Any) -> resources.CentralRows:
        born: dict[str, Any] = {}
        if table == "licenses":
            born = {"status": TenantState.PROVISIONING.value}
        elif table == "tenants":
            born = {"state": TenantState.PROVISIONING.value, "revision": given.revision}
        return resources.CentralRows(tenant.name, table, label, rows, born, not given.new)


# --- the product's own values -----------------------------------------------------------------------------


def _granted(
    tenant: Tenant[PosTenantSpec, PosProductSpec], given: Given
) -> tuple[terms.Terms, tuple[tuple[str, str, str], ...], dict[str, Any]]:
    """The terms to sign now, what changes in them, and those that were issued last (empty: none)."""
    spec, edition = tenant.spec, next(e for e in tenant.catalogue.editions if e.code == tenant.spec.edition)
    salt, key = (_drawn(given, name) for name in ("salt", "key"))
    issued_at = given.token("issued")
    wanted = terms.Terms(
        serial=_serial(given.token("serial")),
        tenant=tenant.name,
        product=PosTreeCodes.name,
        edition=edition.code,
        issued=dt.date.fromisoformat(given.today if issued_at == PENDING else issued_at),
        expires=spec.license.expires,
        grace_days=spec.license.grace_days,
        max_devices=_limit(spec, edition),
        hardware=_rule(spec.license.hardware),
        salt=salt,
        kid=key,
        devices=tuple(hardware.enroll(device.name, device.hardware, salt) for device in spec.license.devices),
        features=edition.features,
    )
    issued: dict[str, Any] = dict(given.fact(resources.License.kind, tenant.name).get("terms", {}))
    if not issued:
        return wanted, (), {}
    if {**terms.as_members(wanted), **{name: issued.get(name) for name in reissue.BOOKKEEPING}} == issued:
        # As it is for nearly every tenant of nearly every plan, and cheaper to find out so.
        day = dt.date.fromisoformat(issued["issued"])
        if (wanted.issued, wanted.seq, wanted.kid) == (day, issued["seq"], issued["kid"]):
            return wanted, (), issued
        return replace(wanted, issued=day, seq=issued["seq"], kid=issued["kid"]), (), issued
    current = terms.decode(checks.json_text(issued).encode())
    granted = reissue.reissued(current, wanted)
    if granted is current:
        return current, (), issued
    granted = replace(granted, issued=dt.date.fromisoformat(given.today))
    details = tuple(
        (found.field, found.before or "", found.after or "")
        for found in reissue.changes(current, granted, ignore=reissue.BOOKKEEPING)
    )
    return granted, details, issued


def _drawn(given: Given, name: str) -> str:
    token = given.token(name)
    return _UNDRAWN[name] if token == PENDING else token


def _limit(spec: PosTenantSpec, edition: Edition) -> int:
    return spec.license.max_devices or edition.max_devices


def _serial(token: str) -> str:
    return "not-drawn-yet" if token == PENDING else "PTC-" + "-".join(re.findall("....", token[:20].upper()))


def _row(tenant: Tenant[PosTenantSpec, PosProductSpec], granted: terms.Terms) -> dict[str, Any]:
    return {
        "tenant": tenant.name,
        "product": PosTreeCodes.name,
        "serial": granted.serial,
        "edition": granted.edition,
        "issued_at": granted.issued.isoformat(),
        "expires_at": granted.expires.isoformat(),
        "grace_days": granted.grace_days,
        "max_devices": granted.max_devices,
        "key_id": granted.kid,
        "seq": granted.seq,
        "terms": checks.json_text(terms.as_members(granted)),
    }


def _index(tenant: Tenant[PosTenantSpec, PosProductSpec]) -> dict[str, Any]:
    return {
        "name": tenant.name,
        "product": PosTreeCodes.name,
        "display_name": tenant.spec.display_name,
        "server": tenant.server.name,
        "database_name": tenant.database or None,
        "domain": None,
        "plan": tenant.spec.edition,
        "locale": None,
        "timezone": None,
    }


def _has_database(given: Given, tenant: Tenant[PosTenantSpec, PosProductSpec]) -> bool:
    """Whether a committed transaction made the database: one that switches synchronization on makes it anew."""
    return bool(given.fact(resources.Database.kind, f"{tenant.server.name}/{tenant.database}"))


@functools.cache
def _rule(written: HardwareRule) -> terms.HardwareRule:
    """The rule of a license. Errors: ``MalformedLicense``. Nearly all tenants have one of a few."""
    return terms.HardwareRule(written.match, written.of, written.required)


def _hardware(tenants: tuple[Document, ...]) -> Iterator[errors.Fault]:
    """Components that say nothing, rules that no device can meet, and devices that two licenses would hold."""
    seen: dict[tuple[str, str], tuple[Document, str]] = {}
    for entry in tenants:
        try:
            wanted = _rule(entry.spec.license.hardware)
        except errors.MalformedLicense as error:
            yield entry.fault(("spec", "license", "hardware"), error.message, rule="hardware-rule")
            continue
        for index, device in enumerate(entry.spec.license.devices):
            at = ("spec", "license", "devices", index, "hardware")
            useful = set()
            for component, value in device.hardware.items():
                plain = hardware.normalize(component, value)
                if plain is None:
                    message = f"{component} {value!r} is a placeholder that many machines report"
                    yield entry.fault((*at, component), message, rule="hardware-placeholder", hint="Leave it out.")
                    continue
                useful.add(component)
                first, name = seen.setdefault((component, plain), (entry, device.name))
                if (first, name) != (entry, device.name):
                    message = f"{component} {value!r} is already that of device {name!r} of {first.name!r}"
                    yield entry.fault((*at, component), message, rule="duplicate-hardware")
            lacking = hardware.shortfall(wanted, frozenset(useful))
            if lacking:
                yield entry.fault(at, f"device {device.name!r} can't meet the rule: {lacking}", rule="hardware-rule")


PRODUCT = PosTreeCodes()
