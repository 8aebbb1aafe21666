"""A plan as a reviewer reads it: a headline a tenant, its steps in order, each change with its reason and its undo."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from typing import Final

from reconciler import errors
from reconciler.model import plan as plans
from reconciler.model.change import Change
from reconciler.report import problem
from reconciler.report.styled import EMPTY, Line, Segment, Style, line, styled

SIGNS: Final[dict[str, tuple[str, Style]]] = {
    "create": ("+", Style.CREATE),
    "restore": ("+", Style.CREATE),
    "adopt": ("+", Style.CREATE),
    "update": ("~", Style.UPDATE),
    "repair": ("!", Style.REPAIR),
    "blocked": ("!", Style.BAD),
    "delete": ("-", Style.DELETE),
    "trash": ("-", Style.DELETE),
    "verify": ("?", Style.UNKNOWN),
    "unchanged": ("=", Style.FAINT),
    "orphaned": ("=", Style.FAINT),
}
"""The sign of an action, of a tenant or of one change. What is not listed changes something, so it is ``~``."""

COUNTED: Final[dict[str, str]] = {
    "create": "to create",
    "update": "to update",
    "repair": "to repair",
    "trash": "to trash",
    "restore": "to restore",
    "adopt": "to adopt",
    "unchanged": "unchanged",
    "orphaned": "orphaned",
    "blocked": "blocked",
}


def lines(plan: plans.Plan) -> Iterator[Line]:
    """The whole plan. Unchanged tenants are only counted, orphaned ones only named."""
    if plan.snapshot is not None:
        yield line(styled(f"{origin(plan.snapshot)}; what changed since is not in it", Style.UNKNOWN))
        yield EMPTY
    if plan.platform:
        yield line(
            styled("platform", Style.HEADING), styled("  before any tenant, and kept whatever follows", Style.FAINT)
        )
        for change in plan.platform:
            yield from changed(change, indent=2, undo=False)
        yield EMPTY
    for tenant in plan.tenants:
        if tenant.changes or tenant.blockers or tenant.unknown or tenant.reports:
            yield from of_tenant(tenant)
            yield EMPTY
    orphans = [tenant.tenant for tenant in plan.tenants if tenant.action is plans.Action.ORPHANED]
    if orphans:
        yield line(styled("= orphaned, without a spec and left as they are: ", Style.FAINT), ", ".join(orphans))
        yield EMPTY
    yield summary(plan)


def origin(taken: plans.Taken) -> str:
    """Of when a plan's snapshot is, and how old it was."""
    age = f"{aged(taken.age)} old" if taken.age >= 0 else f"{aged(-taken.age)} ahead of the clock here"
    return f"from a snapshot of {taken.created_at}, {age}"


def sentence(taken: plans.Taken) -> str:
    """The same, as a sentence of its own."""
    said = origin(taken)
    return f"{said[0].upper()}{said[1:]}."  # not capitalize(), which makes the letters of the time small


def aged(seconds: int) -> str:
    """A span of time in the largest unit of which there are at least two, rounded down."""
    for unit, length in (("day", 86400), ("hour", 3600), ("minute", 60)):
        if seconds >= 2 * length:
            return f"{seconds // length} {unit}s"
    return f"{seconds} second{'s' * (seconds != 1)}"


def of_tenant(tenant: plans.TenantPlan) -> Iterator[Line]:
    """One tenant: headline, what blocks it, what would change, what is left as it is, what could not be seen."""
    where = errors.Where(tenant.where.file, tenant.where.line) if tenant.where and tenant.where.file else ""
    place = styled(f"  ({where})", Style.FAINT) if where else ""
    yield line(
        sign(tenant.action.value),
        " ",
        styled(tenant.tenant, Style.HEADING),
        styled(f"  {tenant.product}  ", Style.FAINT),
        styled(tenant.action.value, SIGNS[tenant.action.value][1]),
        place,
    )
    for blocker in tenant.blockers:
        yield from _blocker(blocker, tenant)
    for step, changes in itertools.groupby(tenant.changes, key=lambda change: change.step):
        yield line(styled(step, Style.HEADING), indent=2)
        for change in changes:
            yield from changed(change, indent=4)
    for report in tenant.reports:
        yield line(sign("unchanged"), " ", styled(report.code, Style.UNKNOWN), f": {report.message}", indent=2)
    for unknown in tenant.unknown:
        yield line(
            sign("verify"),
            " ",
            styled("unknown", Style.UNKNOWN),
            f": {unknown.what}; to see it takes {unknown.privilege}",
            indent=2,
        )


def changed(change: Change, *, indent: int, undo: bool = True) -> Iterator[Line]:
    """One change: what, the fields, why, and the way back."""
    yield line(sign(change.action), " ", change.summary, indent=indent)
    for name, old, new in change.details:
        yield line(styled(f"{name}: ", Style.FAINT), fields(old, new), indent=indent + 4)
    yield line(styled(f"why: {change.reason}", Style.FAINT), indent=indent + 4)
    if undo:
        yield line(styled(f"undo: {change.undo}", Style.FAINT), indent=indent + 4)


def summary(plan: plans.Plan) -> Line:
    """The last line: how many tenants have which action."""
    waiting = sum(report.code == plans.HELD for tenant in plan.tenants for report in tenant.reports)
    counts = {**plan.summary, "unchanged": plan.summary["unchanged"] - waiting}
    if plan.empty:
        rest = f" {counts['orphaned']} orphaned." if counts["orphaned"] else ""
        rest += f" {waiting} held." if waiting else ""
        return line(styled(f"Plan: nothing to do. {tenants(counts['unchanged'])} in sync.{rest}", Style.GOOD))
    parts = [f"{counts[action]} {words}" for action, words in COUNTED.items() if counts[action]]
    if waiting:
        parts.append(f"{waiting} held")
    if plan.platform:
        parts.insert(0, f"{len(plan.platform)} change{'s' * (len(plan.platform) != 1)} of the platform")
    return line(styled("Plan: ", Style.HEADING), ", ".join(parts), ".")


def fields(old: str, new: str) -> str:
    """A field's old and new value."""
    return f"{old or 'nothing'} → {new or 'nothing'}"


def tenants(count: int) -> str:
    """``1 tenant``, ``2 tenants``."""
    return f"{count} tenant{'s' * (count != 1)}"


def sign(action: str) -> Segment:
    """The sign of an action."""
    return styled(*SIGNS.get(action, SIGNS["update"]))


def _blocker(blocker: plans.Blocker, tenant: plans.TenantPlan) -> Iterator[Line]:
    yield line(sign("blocked"), " ", styled(blocker.code, Style.BAD), f": {blocker.message}", indent=2)
    if blocker.where is not None and blocker.where != tenant.where:
        yield line(styled(f"at {blocker.where}", Style.FAINT), indent=6)
    if blocker.advice:
        yield problem.advice(blocker.advice, indent=6)
