"""One kind of thing a file: how it is observed, compared, made and unmade. Nothing here knows a product.

Who makes steps names a kind as ``resources.Database(…)``. Its file is read when that is first said, because most
commands only ask a product what its documents are, and a plan of tenants in sync makes no step at all.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any, Final

if TYPE_CHECKING:
    from reconciler.resources import account as account
    from reconciler.resources import condemned as condemned
    from reconciler.resources import contents as contents
    from reconciler.resources import grants as grants
    from reconciler.resources.access import Access as Access
    from reconciler.resources.account import Account as Account
    from reconciler.resources.activation import Activation as Activation
    from reconciler.resources.admin_user import AdminUser as AdminUser
    from reconciler.resources.central_rows import CentralRows as CentralRows
    from reconciler.resources.condemned import Condemned as Condemned
    from reconciler.resources.database import Database as Database
    from reconciler.resources.delivery import Delivery as Delivery
    from reconciler.resources.delivery import Publication as Publication
    from reconciler.resources.events import Events as Events
    from reconciler.resources.final_dump import FinalDump as FinalDump
    from reconciler.resources.final_dump import Rehearsal as Rehearsal
    from reconciler.resources.grants import ALL as ALL
    from reconciler.resources.grants import Grants as Grants
    from reconciler.resources.license import License as License
    from reconciler.resources.login import Login as Login
    from reconciler.resources.schema import Schema as Schema
    from reconciler.resources.seed_rows import SeedRows as SeedRows
    from reconciler.resources.visibility import Visibility as Visibility
    from reconciler.resources.withdrawal import Withdrawal as Withdrawal
else:
    # Not seen by the type checker, for which every name would then be there.
    def __getattr__(name: str) -> Any:
        """The kind or the file of that name, read now. Errors: ``AttributeError``."""
        if name in FILES:
            found = importlib.import_module(f"{__name__}.{name}")
        elif name in KINDS:
            found = getattr(importlib.import_module(f"{__name__}.{KINDS[name]}"), name)
        else:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        globals()[name] = found
        return found


FILES: Final = ("account", "condemned", "contents", "grants")
"""The files that have more to call than their kinds."""

KINDS: Final = {
    "ALL": "grants",
    "Access": "access",
    "Account": "account",
    "Activation": "activation",
    "AdminUser": "admin_user",
    "CentralRows": "central_rows",
    "Condemned": "condemned",
    "Database": "database",
    "Delivery": "delivery",
    "Events": "events",
    "FinalDump": "final_dump",
    "Grants": "grants",
    "License": "license",
    "Login": "login",
    "Publication": "delivery",
    "Rehearsal": "final_dump",
    "Schema": "schema",
    "SeedRows": "seed_rows",
    "Visibility": "visibility",
    "Withdrawal": "withdrawal",
}
"""The file of each kind."""
