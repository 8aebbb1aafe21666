"""Who else may write where a field was healed again and again: for the person that has to end the fight."""

from __future__ import annotations

from contextlib import suppress
from typing import Any

from reconciler import errors
from reconciler.engine.setting import Setting
from reconciler.model import names
from reconciler.model.tenant import Tenant

_SESSIONS = (
    "SELECT DISTINCT `USER`, SUBSTRING_INDEX(`HOST`, ':', 1) FROM information_schema.PROCESSLIST WHERE `DB` = %s"
)


def others(setting: Setting, tenant: Tenant[Any, Any]) -> str:
    """The sessions that are open in the tenant's database now, and the accounts that may reach every tenant, in words.

    Empty where nothing is known.
    """
    server, said = tenant.server, []
    mine = {names.owner(tenant.database), names.application(tenant.database)} if tenant.database else set()
    with suppress(errors.ReconcileError):
        connection = setting.ports.connect(server)
        try:
            found = connection.rows(_SESSIONS, (tenant.database,)) if tenant.database else []
        finally:
            connection.close()
        said += [f"{user}@{host} is connected to {tenant.database}" for user, host in found if user not in mine]
    if server.trusted:
        said.append(f"trustedAccounts of server {server.name}: {', '.join(server.trusted)}")
    return "; ".join(said)
