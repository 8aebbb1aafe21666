"""Which part of a plan a reviewer has to look at first."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Final

from reconciler.model.change import Change
from reconciler.model.plan import Action, Plan, TenantPlan
from reconciler.resources.grants import Grants

ORDER: Final[dict[Action, int]] = {action: rank for rank, action in enumerate(Action)}
"""The actions from the one with the biggest risk on: ``Action`` lists them so, what is blocked before everything."""

NEW: Final = frozenset({Action.CREATE, Action.ADOPT})
_REMOVING: Final = frozenset({"delete", "trash", "purge"})


def ranked(plan: Plan) -> Sequence[TenantPlan]:
    """The tenants that have something to say, the riskiest first, those of the same action by name."""
    said = [tenant for tenant in plan.tenants if tenant.changes or tenant.blockers or tenant.unknown or tenant.reports]
    return sorted(said, key=lambda tenant: (ORDER[tenant.action], -_weight(tenant), tenant.tenant))


def removes(tenant: TenantPlan, change: Change) -> bool:
    """Whether the change takes something away that is there now."""
    return tenant.action is Action.TRASH or change.takes_away or change.action in _REMOVING


def widens(tenant: TenantPlan, change: Change) -> bool:
    """Whether an account of a tenant that is there already gets a privilege that it has not.

    The accounts of a new tenant get their first privileges, which is no news.
    """
    if change.resource != Grants.kind or tenant.action in NEW:
        return False
    had, gets = ((state or {}).get("levels", {}) for state in (change.before, change.after))
    return any(set(privileges) - set(had.get(level, ())) for level, privileges in gets.items())


def risky(tenant: TenantPlan, change: Change) -> bool:
    """Whether the change removes something or widens a privilege."""
    return removes(tenant, change) or widens(tenant, change)


def _weight(tenant: TenantPlan) -> int:
    return sum(risky(tenant, change) for change in tenant.changes)
