"""What a plan, faults or an error have to say about lines of the specs: for annotations and for SARIF.

One finding stands for everything of one kind that a plan says of one tenant, because readers of CI see few of them.
"""

from __future__ import annotations

import enum
import functools
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from typing import Final

from reconciler import errors
from reconciler.model import plan as plans
from reconciler.model.change import Change
from reconciler.report import explanation, faults, risk

PLATFORM_FILE: Final = "specs/platform.yaml"
"""Where what belongs to no tenant's spec is wanted from."""

_MOST_LINES: Final = 20


class Level(enum.StrEnum):
    """How bad it is, in SARIF's words, the worst first."""

    ERROR = "error"
    WARNING = "warning"
    NOTE = "note"


@dataclass(frozen=True, slots=True)
class Rule:
    """What kind of thing was found: a stable word, what it means, what to do about it."""

    id: str
    meaning: str
    advice: str


@dataclass(frozen=True, slots=True)
class Finding:
    """One thing to look at. ``title`` is short; ``lines`` are harmless text, a line each; ``subject`` names a tenant.

    ``identity`` are the words by which the same finding is known again, wherever its line has moved to.
    """

    level: Level
    rule: Rule
    title: str
    lines: tuple[str, ...]
    where: errors.Where
    subject: str = ""
    identity: tuple[str, ...] = ()


REMOVES: Final = Rule(
    "removes",
    "The plan takes something away from a tenant: a privilege, a row, an open account, or all of it.",
    "Check that nothing uses it any more before this is merged.",
)
WIDENS: Final = Rule(
    "widens-privileges",
    "An account of a tenant that exists gets privileges that it has not.",
    "Check that the product's application needs them.",
)
UNKNOWN: Final = Rule(
    "unknown",
    "The account that planned may not see something, so nothing is said about it.",
    "Grant the privilege that is named; `reconcile doctor` lists all that a planning account needs.",
)
DRIFTED: Final = Rule(
    "left-as-it-is",
    "Something differs from what was made, and nothing is done about it.",
    "Take it away by hand if it is not meant; docs/drift.md lists what is only reported.",
)
PLATFORM: Final = Rule(
    "platform", "Something changes that all tenants stand on.", "It is done before any tenant, and kept."
)
_DOES: Final[dict[plans.Action, str]] = {
    plans.Action.TRASH: "The tenant, or its database alone, goes to the trash.",
    plans.Action.RESTORE: "The tenant, or its database, comes back from the trash.",
    plans.Action.CREATE: "The tenant is made.",
    plans.Action.ADOPT: "A database that is there becomes the tenant's.",
    plans.Action.UPDATE: "The tenant follows its changed spec.",
    plans.Action.REPAIR: "The tenant has drifted from its spec and is put right.",
    plans.Action.BLOCKED: "The tenant is blocked; the rest of what would change.",
}


def of_plan(plan: plans.Plan) -> list[Finding]:
    """What a plan says, the worst first: blockers, what takes away or widens, everything else by risk."""
    found = [entry for tenant in risk.ranked(plan) for entry in _of_tenant(tenant)]
    if plan.platform:
        lines = _listed([_said(change) for change in plan.platform])
        title = f"the platform: {_counted(len(plan.platform))}"
        found.insert(0, Finding(Level.NOTE, PLATFORM, title, lines, errors.Where(PLATFORM_FILE)))
    return by_level(found)


def of_faults(found: Iterable[errors.Fault]) -> list[Finding]:
    """Faults in specs, as they come."""
    return [
        Finding(
            Level.ERROR,
            Rule(fault.rule, f"A spec breaks the rule {fault.rule}.", errors.InvalidSpecs.advice),
            "invalid spec" if not fault.tenant else f"invalid spec of {faults.one_line(fault.tenant)}",
            tuple(faults.one_line(text) for text in (fault.message, fault.hint and f"hint: {fault.hint}") if text),
            fault.where,
            fault.tenant,
            (fault.message,),
        )
        for fault in found
    ]


def of_error(error: errors.ReconcileError) -> list[Finding]:
    """Why there is no plan."""
    if isinstance(error, errors.InvalidSpecs):
        return of_faults(error.faults)
    lines = tuple(faults.one_line(text) for text in (error.message, error.next))
    where = error.where or errors.Where(PLATFORM_FILE)
    return [Finding(Level.ERROR, _rule_of(error.code), error.code, lines, where, identity=(error.message,))]


def by_level(found: Sequence[Finding]) -> list[Finding]:
    """The worst level first, otherwise as they come."""
    levels = list(Level)
    return sorted(found, key=lambda entry: levels.index(entry.level))


def _of_tenant(tenant: plans.TenantPlan) -> Iterator[Finding]:
    where = tenant.where or errors.Where(PLATFORM_FILE)
    name = faults.one_line(tenant.tenant)
    for blocker in tenant.blockers:
        lines = tuple(faults.one_line(text) for text in (blocker.message, blocker.advice) if text)
        title = f"{name}: {faults.one_line(blocker.code)}"
        place = blocker.where or where
        identity = (blocker.message,)
        yield Finding(Level.ERROR, _rule_of(blocker.code), title, lines, place, tenant.tenant, identity)
    for rule, chosen in (
        (REMOVES, [change for change in tenant.changes if risk.removes(tenant, change)]),
        (WIDENS, [change for change in tenant.changes if risk.widens(tenant, change)]),
    ):
        if chosen:
            title = f"{name}: {rule.id.replace('-', ' ')}"
            yield Finding(Level.WARNING, rule, title, _changes(chosen), where, tenant.tenant)
    rest = [change for change in tenant.changes if not risk.risky(tenant, change)]
    if rest:
        action = tenant.action
        rule = Rule(f"tenant-{action.value}", _DOES[action], "Nothing to do if it is meant; an apply does it.")
        title = f"{name}: {action.value}, {_counted(len(rest))}"
        yield Finding(Level.NOTE, rule, title, _changes(rest), where, tenant.tenant)
    if tenant.reports:
        said = [faults.one_line(f"{entry.code}: {entry.message}") for entry in tenant.reports]
        yield Finding(Level.NOTE, DRIFTED, f"{name}: left as it is", _listed(said), where, tenant.tenant)
    if tenant.unknown:
        said = [faults.one_line(f"{entry.what}; to see it takes {entry.privilege}") for entry in tenant.unknown]
        yield Finding(Level.NOTE, UNKNOWN, f"{name}: unknown", _listed(said), where, tenant.tenant)


@functools.lru_cache
def _rule_of(code: str) -> Rule:
    kind = explanation.by_code().get(code, errors.Refused)
    return Rule(code, explanation.meaning(kind), kind.advice)


def _changes(found: Sequence[Change]) -> tuple[str, ...]:
    return _listed([f"{faults.one_line(change.step)}: {_said(change)}" for change in found])


def _said(change: Change) -> str:
    return faults.one_line(f"{change.summary} ({change.reason})")


def _listed(lines: Sequence[str]) -> tuple[str, ...]:
    left = len(lines) - _MOST_LINES
    return (*lines[:_MOST_LINES], f"and {left} more") if left > 0 else tuple(lines)


def _counted(count: int) -> str:
    return f"{count} change{'s' * (count != 1)}"
