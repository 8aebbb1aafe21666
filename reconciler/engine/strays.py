"""Central rows of nobody: they bear this platform's id, and their tenant is neither wanted nor on record."""

from __future__ import annotations

from collections.abc import Collection, Iterable

from reconciler import errors
from reconciler.engine.setting import Setting
from reconciler.model import drift
from reconciler.model import plan as plans
from reconciler.ports.central import view
from reconciler.ports.mysql.census import Unseen
from reconciler.resources.sight import Sight


def found(setting: Setting, sight: Sight, known: Collection[str]) -> list[plans.TenantPlan]:
    """What a look at everybody met in the central database beside the tenants that are ``known``.

    Only where there is somebody, their rows and the store are looked at again: they may be of a tenant that was being
    made, or withdrawn again, while this look was taken.
    """
    names = {name for name in sight.registered if name not in known}
    return _of_nobody(setting, sight, names - setting.records(sorted(names)).keys()) if names else []


def among(setting: Setting, sight: Sight, names: Iterable[str]) -> list[plans.TenantPlan]:
    """The same of some ``names`` of which neither the specs nor the store know; nobody where that can't be seen."""
    try:
        return _of_nobody(setting, sight, {*names})
    except errors.ReconcileError:
        return []


def _of_nobody(setting: Setting, sight: Sight, names: Collection[str]) -> list[plans.TenantPlan]:
    if not names:
        return []
    try:
        seen = sight.central_of(names)
    except (Unseen, errors.CentralDamaged):
        return []
    ours = setting.place.platform_id
    rows = {
        name: {table: mine for table in view.COLUMNS if (mine := _of(ours, seen.rows(table, name)))}
        for name in sorted(names)
    }
    return [_reported(name, tables) for name, tables in rows.items() if tables]


def _of(platform: str, rows: list[view.Row]) -> list[view.Row]:
    return [row for row in rows if row["platform_id"] == platform]


def _reported(name: str, tables: dict[str, list[view.Row]]) -> plans.TenantPlan:
    counted = ", ".join(f"{len(rows)} in {table}" for table, rows in tables.items())
    product = next((str(row["product"]) for rows in tables.values() for row in rows if "product" in row), "")
    report = plans.Report(
        drift.CENTRAL_STRAY.code,
        f"the central database has rows of {name} ({counted}) that bear this platform's id, and no such tenant is on "
        "record; delete them by hand, or put the tenant's record back from a backup of the store",
    )
    return plans.TenantPlan(name, product, plans.Action.ORPHANED, reports=(report,))
