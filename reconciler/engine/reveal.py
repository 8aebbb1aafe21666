"""Opening a tenant's sealed secrets, for the one command that prints them."""

from __future__ import annotations

from reconciler import errors
from reconciler.engine.setting import Setting
from reconciler.ports.store import records


def secrets(setting: Setting, tenant: str) -> dict[str, str]:
    """The tenant's secrets in clear, by name, in their last versions.

    Errors: ``UsageError`` for a tenant without any; ``PlatformMisconfigured`` if the store or the key is not there, or
    the key is another one.
    """
    found = setting.opened().read(lambda connection: records.unseal(connection, tenant))
    if not found:
        raise errors.UsageError(
            f"there are no secrets of a tenant {tenant} on record", advice="`reconcile status` lists the tenants."
        )
    return {entry.secret.name: setting.keys.vault.open(tenant, entry.secret, entry.sealed) for entry in found}
